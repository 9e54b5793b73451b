package control

import (
	"time"

	"tallygate/engine/tally"
)

// ClientFields are what the owner may set on a client. A nil field is left as
// it is.
type ClientFields struct {
	Name           *string               `json:"name,omitempty" help:"name, for people"`
	Email          *string               `json:"email,omitempty" help:"contact address"`
	Company        *string               `json:"company,omitempty" help:"company"`
	Phone          *string               `json:"phone,omitempty" help:"phone number"`
	Note           *string               `json:"note,omitempty" help:"note, for you"`
	Origins        *[]string             `json:"origins,omitempty" flag:"origin" help:"web page origin that may use its keys; repeat; none clears"`
	Models         *[]string             `json:"models,omitempty" flag:"model" of:"model" unset:"all" help:"=models"`
	Limits         []tally.LimitEdit     `json:"limits,omitempty" flag:"limit" help:"=limits"`
	MaxInFlight    *int                  `json:"max_in_flight,omitempty" label:"In flight, at most" unset:"no cap" help:"=in flight"`
	MaxBodyBytes   *int64                `json:"max_body_bytes,omitempty" flag:"max-body" label:"Largest body" help:"largest request, in bytes; 0: the gateway's"`
	Markup         *Percent              `json:"markup_percent,omitempty" flag:"markup" label:"Mark-up %" help:"it pays so many percent more than its requests cost, like 20 or 12.5; from now on"`
	Tariffs        *[]TariffRow          `json:"tariffs,omitempty" flag:"-" help:"all that it pays, in rows; in the place of markup_percent"`
	LandingBelow   *int                  `json:"landing_below,omitempty" label:"Soft landing below %" help:"=landing"`
	LandingModel   *string               `json:"landing_model,omitempty" of:"model" help:"=lands on"`
	AlertAt        *tally.Thresholds     `json:"alert_at,omitempty" label:"Alert at, %" unset:"as alerts set says" help:"shares of its limits, and of its keys', at which to alert you, in percent, like 80,100; none: never; empty: as alerts set says"`
	SessionLength  *time.Duration        `json:"session_length_ns,omitempty" flag:"session-length" help:"how long a session lasts, like 24h; sessions are counted where a limit counts them, or once one of these is set"`
	SessionMode    *tally.SessionMode    `json:"session_mode,omitempty" help:"rolling (being seen prolongs it) or fixed"`
	SessionMissing *tally.MissingSession `json:"session_missing,omitempty" help:"requests that name no end user: one (all are one session), ignore or refuse"`
}

// CreateClient makes a client; Name is required.
type CreateClient struct {
	Slug    string `json:"slug,omitempty" help:"=slug"`
	Gateway string `json:"gateway,omitempty" of:"gateway" unset:"the oldest" help:"=its gateway"`
	ClientFields
}

// UpdateClient changes a client.
type UpdateClient struct {
	Client  string        `json:"client" arg:"1" of:"client" help:"slug or id"`
	NewSlug string        `json:"slug,omitempty" flag:"slug" help:"new short name"`
	Status  *tally.Status `json:"status,omitempty" help:"active, suspended or inactive"`
	ClientFields
}

// RaiseClient raises a limit of a client for a while.
type RaiseClient struct {
	Client string `json:"client" arg:"1" help:"slug or id"`
	RaiseFields
}

// ClientView is a client as it stands.
type ClientView struct {
	tally.Client
	GatewaySlug string       `json:"gateway_slug"`
	Zone        string       `json:"zone"` // of its gateway: whose days are meant
	LimitStates []LimitState `json:"limit_states"`
	Keys        int          `json:"keys"` // neither revoked nor expired
	// DefaultModelUsed is the model of its request that names none; "" if it can use none.
	DefaultModelUsed string      `json:"default_model_used,omitempty"`
	InFlight         int         `json:"in_flight"`
	LastUsedAt       time.Time   `json:"last_used_at,omitzero"`
	Refused          *RefusedNow `json:"refused_now,omitempty"` // nil while it is served
	Balance          *Balance    `json:"balance,omitempty"`     // nil: none, or the nodes' database does not tell
	MonthSince       time.Time   `json:"month_since"`           // when the month under way began, by its gateway's calendar
	Month            Sums        `json:"month"`
	Last30Days       Sums        `json:"last_30d"`
}

// Balance is what a client has left of what was paid or given in advance.
type Balance struct {
	Left tally.NanoUSD `json:"left_nano_usd"` // below zero: more was used
	// Expiring is what of it is taken back next, at ExpiresAt, if it is not used by then.
	Expiring  tally.NanoUSD `json:"expiring_nano_usd,omitempty"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"`
}

// The operations on clients.
var (
	ClientsList     = Op[Listing, []ClientView]{"clients.list", Read, "list and search clients"}
	ClientsShow     = Op[Named, ClientView]{"clients.show", Read, "show a client with its limits and usage"}
	ClientsCreate   = Op[CreateClient, tally.Client]{"clients.create", Write, "create a client"}
	ClientsUpdate   = Op[UpdateClient, tally.Client]{"clients.update", Write, "change a client"}
	ClientsDelete   = Op[Named, None]{"clients.delete", Write, "delete a client and its keys; its usage stays in the totals"}
	ClientsSuspend  = Op[Named, tally.Client]{"clients.suspend", Write, "stop serving a client for now"}
	ClientsRaise    = Op[RaiseClient, LimitState]{"clients.raise", Write, "raise a limit of a client until a date; it ends by itself"}
	ClientsTariff   = Op[SetTariff, tally.Client]{"clients.tariff", Write, "change what a client pays: a percentage, fixed prices, a minimum"}
	ClientsActivate = Op[Named, tally.Client]{"clients.activate", Write, "serve a client again"}
)

// ListKeys selects keys.
type ListKeys struct {
	Rows
	Client string `json:"client,omitempty" of:"client" help:"only of this client"`
	All    bool   `json:"all,omitempty" help:"revoked ones too"`
}

// CreateKey issues a key.
type CreateKey struct {
	Client  string            `json:"client" of:"client" help:"slug or id"`
	Label   string            `json:"label,omitempty" help:"what it is for; default: default"`
	Expires Expiry            `json:"expires,omitempty" help:"how long it works, like 90d or 12h, or a date, like 2027-01-31; left out: forever"`
	Limits  []tally.LimitEdit `json:"limits,omitempty" flag:"limit" help:"METRIC=MAX/WINDOW; repeat"`
	Tags    *[]string         `json:"tags,omitempty" flag:"tag" help:"KEY=VALUE that all its requests are tagged with, like project=alpha; repeat"`
}

// PickKey picks a key: by id, or by client and label.
type PickKey struct {
	Key    string `json:"key" arg:"1" of:"key" help:"key id, or its label with --client"`
	Client string `json:"client,omitempty" of:"client" help:"the client, if the key is named by label"`
}

// UpdateKey changes a key.
type UpdateKey struct {
	PickKey
	Label   *string           `json:"label,omitempty" help:"new label"`
	Expires *Expiry           `json:"expires,omitempty" help:"how long it works from now, a date, or never"`
	Limits  []tally.LimitEdit `json:"limits,omitempty" flag:"limit" help:"METRIC=MAX/WINDOW; repeat; MAX none removes"`
	Tags    *[]string         `json:"tags,omitempty" flag:"tag" help:"KEY=VALUE that all its requests are tagged with, in place of those before; repeat; none takes all away"`
	// EndGrace ends the grace that a rotation has given the key before it.
	EndGrace bool `json:"end_grace,omitempty" help:"the old key of a rotation, which still works, stops at once"`
}

// RaiseKey raises a limit of a key for a while.
type RaiseKey struct {
	PickKey
	RaiseFields
}

// RotateKey replaces a key.
type RotateKey struct {
	PickKey
	Grace time.Duration `json:"grace_ns,omitempty" flag:"grace" label:"Old key works" help:"how long the old key still works, like 24h; default: it stops at once"`
}

// KeyCreated is a key that was just made; Key is shown here and never again.
type KeyCreated struct {
	ID        tally.ID  `json:"id"`
	Key       string    `json:"key"`
	Client    string    `json:"client"`
	Label     string    `json:"label"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	OldUntil  time.Time `json:"old_works_until,omitzero"`
}

// KeyView is a key as it stands.
type KeyView struct {
	tally.Key
	ClientSlug  string       `json:"client_slug"`
	ClientName  string       `json:"client_name"`
	Masked      string       `json:"masked"`
	State       string       `json:"state"` // active, expired, revoked
	OldUntil    time.Time    `json:"old_works_until,omitzero"`
	LimitStates []LimitState `json:"limit_states"`
	LastUsedAt  time.Time    `json:"last_used_at,omitzero"`
	Refused     *RefusedNow  `json:"refused_now,omitempty"` // nil while it is served
	// What is sent with it is captured from then, until then; zero where it is not.
	CapturedSince time.Time `json:"captured_since,omitzero"`
	CapturedUntil time.Time `json:"captured_until,omitzero"`
	CaptureOf     string    `json:"capture_of,omitempty"` // "key", or "client" where all its keys are
	MonthSince    time.Time `json:"month_since"`          // when the month under way began, by its gateway's calendar
	Month         Sums      `json:"month"`
	Last30Days    Sums      `json:"last_30d"`
}

// The operations on keys.
var (
	KeysList   = Op[ListKeys, []KeyView]{"keys.list", Read, "list keys"}
	KeysCreate = Op[CreateKey, KeyCreated]{"keys.create", Write, "issue a key; prints it once"}
	KeysUpdate = Op[UpdateKey, KeyView]{"keys.update", Write, "change a key's label, expiry or limits, or end the grace of the one before"}
	KeysRaise  = Op[RaiseKey, LimitState]{"keys.raise", Write, "raise a limit of a key until a date; it ends by itself"}
	KeysRotate = Op[RotateKey, KeyCreated]{"keys.rotate", Write, "replace a key; prints the new one once"}
	KeysRevoke = Op[PickKey, KeyView]{"keys.revoke", Write, "revoke a key for good"}
)
