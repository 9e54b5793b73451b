package tally

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// EntityKind names a kind of entity, in the store and in events.
type EntityKind string

// The kinds.
const (
	KindGateway  EntityKind = "gateway"
	KindClient   EntityKind = "client"
	KindKey      EntityKind = "key"
	KindSecret   EntityKind = "secret"
	KindProvider EntityKind = "provider"
	KindModel    EntityKind = "model"
	KindSettings EntityKind = "settings"
	// KindRevocation is of access tokens.
	KindRevocation EntityKind = "revocation"
	// KindMinted is of access tokens that were minted here.
	KindMinted EntityKind = "token"
	// KindTombstone is of things that were deleted, and whose figures stay.
	KindTombstone EntityKind = "tombstone"
	// KindGuest is of people who may come in over ssh.
	KindGuest EntityKind = "guest"
	// KindAlert is of what the owner was told, KindAlertMark of what need not be told again.
	// KindReconciled is of what was found when bills of providers were compared. They are no
	// part of a [Catalog].
	KindAlert      EntityKind = "alert"
	KindAlertMark  EntityKind = "alert_mark"
	KindReconciled EntityKind = "reconciled"
	// KindShare is of links to clients' own pages.
	KindShare EntityKind = "share"
)

// Meta is what every entity has. Rev is the store's revision at its last
// change: a change that names an older one is refused as a conflict.
type Meta struct {
	ID        ID        `json:"id"`
	Rev       int64     `json:"rev"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Entity is a pointer to one of the entity types. Entities in a [Catalog] are
// shared and must not be changed; copy first.
type Entity interface {
	Kind() EntityKind
	Base() *Meta
}

// NewEntity returns an empty entity of a kind, nil for an unknown kind.
func NewEntity(k EntityKind) Entity {
	switch k {
	case KindGateway:
		return &Gateway{}
	case KindClient:
		return &Client{}
	case KindKey:
		return &Key{}
	case KindSecret:
		return &Secret{}
	case KindProvider:
		return &Provider{}
	case KindModel:
		return &Model{}
	case KindSettings:
		return &Settings{}
	case KindRevocation:
		return &Revocation{}
	case KindMinted:
		return &MintedToken{}
	case KindTombstone:
		return &Tombstone{}
	case KindGuest:
		return &Guest{}
	case KindAlert:
		return &Alert{}
	case KindAlertMark:
		return &AlertMark{}
	case KindReconciled:
		return &Reconciled{}
	case KindShare:
		return &Share{}
	}
	return nil
}

// ReadEntity reads the JSON of an entity of a kind, also as it was written before.
func ReadEntity(k EntityKind, text []byte) (Entity, error) {
	e := NewEntity(k)
	if e == nil {
		return nil, Errorf(Invalid, "%q is no kind of thing", k)
	}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, err
	}
	if c, ok := e.(*Client); ok && bytes.Contains(text, []byte(`"markup_basis_points"`)) {
		return e, c.readMarkup(text)
	}
	return e, nil
}

// readMarkup reads what stood in the place of tariffs: one mark-up, of all times.
func (c *Client) readMarkup(text []byte) error {
	var old struct {
		Added int `json:"markup_basis_points"`
	}
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	always := slices.IndexFunc(c.Tariffs, func(t Tariff) bool { return t.From.IsZero() })
	if always < 0 {
		c.Tariffs, always = slices.Insert(c.Tariffs, 0, Tariff{}), 0
	}
	c.Tariffs[always].Added = old.Added
	return nil
}

// Access says who may use a gateway.
type Access string

// The access modes.
const (
	AccessByToken Access = "token"  // access tokens, client keys, the private key
	AccessPublic  Access = "public" // anyone, within the visitor limits
	AccessByKey   Access = "key"    // client keys and the private key only
)

// Gateway is a site: it owns clients, has a private key, a time zone for its
// windows, an order of providers and limits over everything in it.
type Gateway struct {
	Meta
	PublicID         string            `json:"gateway_id"` // [a-z0-9]{9}
	Slug             string            `json:"slug"`
	Name             string            `json:"name"`
	TimeZone         string            `json:"time_zone"` // IANA name
	CycleDay         int               `json:"cycle_day"` // first day of a month window that names none
	PublicURL        string            `json:"public_url,omitempty"`
	Access           Access            `json:"access"`
	Origins          []string          `json:"origins,omitempty"`
	AllowedCountries []string          `json:"allowed_countries,omitempty"`
	BlockedCountries []string          `json:"blocked_countries,omitempty"`
	Providers        []ID              `json:"providers,omitempty"` // fallback order; those not named follow in order of creation
	Models           []string          `json:"models,omitempty"`    // allowed; empty means all
	DefaultModel     string            `json:"default_model,omitempty"`
	Aliases          map[string]string `json:"aliases,omitempty"` // asked name → model name
	Limits           []Limit           `json:"limits,omitempty"`
	Raises           []Raise           `json:"raises,omitempty"` // of Limits
	VisitorLimits    []Limit           `json:"visitor_limits,omitempty"`
	NotBefore        time.Time         `json:"not_before,omitzero"` // tokens issued earlier are revoked
	// MaxBodyBytes and VisitorMaxBodyBytes bound the body of a request; 0 means
	// [MaxBodyBytes] and [DefaultVisitorBodyBytes].
	MaxBodyBytes        int64 `json:"max_body_bytes,omitempty"`
	VisitorMaxBodyBytes int64 `json:"visitor_max_body_bytes,omitempty"`
	// Landing is where requests go once a budget runs low; a client may have its own.
	Landing Landing `json:"landing,omitzero"`
	// TryLonger asks the next provider when one refuses a prompt as too long for its model.
	TryLonger bool `json:"try_longer,omitempty"`
	// Templates are in the order of their names.
	Templates []Template `json:"templates,omitempty"`
	Enabled   bool       `json:"enabled"`
}

// Landing is a soft landing: once less than a share of any budget is left, another model
// answers in the place of the one that is asked for. Budgets are limits on money and tokens
// over more than a minute. The zero Landing does nothing.
type Landing struct {
	Below int    `json:"below_percent,omitempty"` // 1 to 99
	Model string `json:"model,omitempty"`
}

// Bounds on the body of a request.
const (
	MaxBodyBytes            = 64 << 20
	DefaultVisitorBodyBytes = 1 << 20
)

// Status is the state of a client in its lifecycle.
type Status string

// The statuses. Only an active client is served; a suspended one is stopped
// for now, an inactive one for good, and both keep their history.
const (
	Active    Status = "active"
	Suspended Status = "suspended"
	Inactive  Status = "inactive"
)

// Client is one customer or app of a gateway: it has keys, limits and a bill.
type Client struct {
	Meta
	Gateway      ID          `json:"gateway"`
	Slug         string      `json:"slug"` // unique over all gateways
	Name         string      `json:"name"`
	Email        string      `json:"email,omitempty"`
	Company      string      `json:"company,omitempty"`
	Phone        string      `json:"phone,omitempty"`
	Note         string      `json:"note,omitempty"`
	Origins      []string    `json:"origins,omitempty"` // pages that may use its keys
	Status       Status      `json:"status"`
	Models       []string    `json:"models,omitempty"` // allowed; empty means all of the gateway's
	Limits       []Limit     `json:"limits,omitempty"`
	Raises       []Raise     `json:"raises,omitempty"`         // of Limits
	MaxInFlight  int         `json:"max_in_flight,omitempty"`  // 0: no cap
	MaxBodyBytes int64       `json:"max_body_bytes,omitempty"` // of a request; 0: the gateway's
	Tariffs      []Tariff    `json:"tariffs,omitempty"`        // what it pays; none: what it costs
	Session      SessionRule `json:"session,omitzero"`
	Landing      Landing     `json:"landing,omitzero"`   // in the place of the gateway's
	AlertAt      Thresholds  `json:"alert_at,omitempty"` // of its limits and its keys'; "": as the settings say
}

// SessionMode says whether being seen again prolongs a session.
type SessionMode string

// The session modes.
const (
	Rolling SessionMode = "rolling"
	Fixed   SessionMode = "fixed"
)

// MissingSession says what to do with a request that names no end user.
type MissingSession string

// The treatments of a missing session.
const (
	MissingOne    MissingSession = "one"    // all such requests are one session
	MissingIgnore MissingSession = "ignore" // they are in no session
	MissingRefuse MissingSession = "refuse" // they are refused
)

// SessionRule says what a session of a client is. Zero fields mean 24 hours,
// rolling, one.
type SessionRule struct {
	Length  time.Duration  `json:"length_ns,omitempty"`
	Mode    SessionMode    `json:"mode,omitempty"`
	Missing MissingSession `json:"missing,omitempty"`
}

// Key is an API key of a client. The key itself is not stored; its digest is
// the [Secret] of the same owner. When it was last used is hot, and lives with
// the counters.
type Key struct {
	Meta
	Client    ID        `json:"client"`
	Label     string    `json:"label"` // unique among the client's keys that are not revoked
	Prefix    string    `json:"prefix"`
	Suffix    string    `json:"suffix"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Limits    []Limit   `json:"limits,omitempty"`
	Raises    []Raise   `json:"raises,omitempty"` // of Limits
	Tags      Tags      `json:"tags,omitempty"`   // that all its requests have, whatever their caller says
}

// Masked is how the key is shown: "llm_gw_7Qz1…f3a9".
func (k *Key) Masked() string { return k.Prefix + "…" + k.Suffix }

// ProviderKind is the preset of a provider; package providers says which exist.
type ProviderKind string

// Provider is an upstream account.
type Provider struct {
	Meta
	Name             string        `json:"name"`
	ProviderKind     ProviderKind  `json:"kind"`
	BaseURL          string        `json:"base_url,omitempty"`
	KeyHints         []string      `json:"key_hints,omitempty"` // "sk-p…f3a9", for people
	ConnectTimeout   time.Duration `json:"connect_timeout_ns,omitempty"`
	FirstByteTimeout time.Duration `json:"first_byte_timeout_ns,omitempty"` // of a stream
	ChunkTimeout     time.Duration `json:"chunk_timeout_ns,omitempty"`      // between two events of a stream
	Timeout          time.Duration `json:"timeout_ns,omitempty"`            // of a whole answer, and until a stream begins
	MaxInFlight      int           `json:"max_in_flight,omitempty"`
	// Weight is its part of the callers where its neighbours in the order have one, too; 0:
	// it has its place in the order for itself.
	Weight  int    `json:"weight,omitempty"`
	CostBy  CostBy `json:"cost_by,omitempty"` // "": as its kind has it
	Enabled bool   `json:"enabled"`
}

// CostBy says whose figure is the cost where an upstream tells what it has
// charged.
type CostBy string

// The choices.
const (
	CostOurs   CostBy = "ours"   // by the price book
	CostTheirs CostBy = "theirs" // the upstream's
	CostMax    CostBy = "max"    // the larger
)

// Model is one model of one provider. The same name at several providers is
// one model to clients, and the providers are each other's fallback.
type Model struct {
	Meta
	Provider        ID     `json:"provider"`
	Name            string `json:"name"`               // what clients ask for
	Upstream        string `json:"upstream,omitempty"` // what the provider calls it; empty means the same
	Mode            string `json:"mode,omitempty"`     // chat, completion, embedding…; from the price book, for people
	ContextTokens   int64  `json:"context_tokens,omitempty"`
	MaxOutputTokens int64  `json:"max_output_tokens,omitempty"`
	ImageTokens     int64  `json:"image_tokens,omitempty"` // the most that one picture can come to; 0: not known
	Prices          Prices `json:"prices,omitempty"`       // empty: unpriced
	// Caps are what the provider lets this account have of the model, as free tiers do:
	// limits on requests and tokens, whoever asks, in UTC. MaxInFlight is how many requests
	// at the same time; 0: no cap. A model that is at a cap is passed over.
	Caps        []Limit `json:"caps,omitempty"`
	MaxInFlight int     `json:"max_in_flight,omitempty"`
	// AllowExtras lets requests use what the upstream bills beside tokens and
	// nothing bounds: the model can then pass a limit on money.
	AllowExtras bool      `json:"allow_extras,omitempty"`
	ShutdownAt  time.Time `json:"shutdown_at,omitzero"`  // from when on the publisher no longer serves it
	ReplacedBy  string    `json:"replaced_by,omitempty"` // by the publisher's word
	MissingAt   time.Time `json:"missing_at,omitzero"`   // since when the provider no longer lists it
	Enabled     bool      `json:"enabled"`
}

// UpstreamName is what the provider calls the model.
func (m *Model) UpstreamName() string {
	if m.Upstream != "" {
		return m.Upstream
	}
	return m.Name
}

// UnpricedPolicy says what to do with a model that has no price.
type UnpricedPolicy string

// The policies.
const (
	RefuseUnpriced UnpricedPolicy = "refuse"
	AllowAtZero    UnpricedPolicy = "allow"
)

// Settings is what the owner changes while the engine runs and that belongs to
// no other entity. There is one; its zero fields mean the defaults.
type Settings struct {
	Meta
	Unpriced UnpricedPolicy `json:"unpriced"` // default refuse
	// DefaultMaxOutput is the output of a request that names no maximum and meets a
	// limit on money or tokens; 0: the model's, at most [LargestDefaultOutput].
	DefaultMaxOutput int64   `json:"default_max_output,omitempty"`
	OnLeave          OnLeave `json:"on_leave"` // default auto
	// HoldWait and VisitorWait are how long a request waits for room that others
	// hold; nil means the defaults, 0 not at all.
	HoldWait    *time.Duration `json:"hold_wait_ns,omitempty"`
	VisitorWait *time.Duration `json:"visitor_wait_ns,omitempty"`
	// VisitorMaxOutput bounds the output of a visitor whose token does not say
	// more; VisitorInFlight the requests of one address at the same time. 0 means
	// the defaults.
	VisitorMaxOutput int64 `json:"visitor_max_output,omitempty"`
	VisitorInFlight  int   `json:"visitor_in_flight,omitempty"`
	// RetryFor is how long a request that every provider has turned away for a moment is
	// tried again; nil means the default, 0 not at all.
	RetryFor      *time.Duration `json:"retry_for_ns,omitempty"`
	RetentionDays int            `json:"retention_days"` // of request records; 0 keeps them
	// RefusedDays and VisitorDays are for records of refusals, and of requests of visitors;
	// 0 keeps them as long as the others.
	RefusedDays int `json:"refused_days,omitempty"`
	VisitorDays int `json:"visitor_days,omitempty"`
	// DropWords is whether nothing is kept of what upstreams say of failures; else
	// the first words are, for [KeptDetails].
	DropWords      bool     `json:"drop_words,omitempty"`
	TrustedProxies []string `json:"trusted_proxies,omitempty"` // CIDR; whom they forward for is believed
	TrustedHeader  string   `json:"trusted_header,omitempty"`  // where they say so, in canonical form; "": any, as long as they agree
	CountryFile    string   `json:"country_file,omitempty"`    // the owner's country database; "" for the built-in one
	// Head is what stands above statements: the owner's name, address, tax number, in lines.
	// Currency and TaxBasisPoints are of statements that name none.
	Head           string `json:"statement_head,omitempty"`
	Currency       string `json:"currency,omitempty"`
	TaxBasisPoints int    `json:"tax_basis_points,omitempty"`
	// Alerts are what the owner is told of, and where.
	Alerts AlertSettings `json:"alerts,omitzero"`
}

// SettingsID is the ID of the one Settings entity.
const SettingsID ID = "settings"

// What applies where Settings names nothing.
const (
	LargestDefaultOutput    = 16_384 // output tokens
	DefaultHoldWait         = 10 * time.Second
	DefaultVisitorWait      = 2 * time.Second
	DefaultRetryFor         = 8 * time.Second
	DefaultVisitorMaxOutput = 2_048 // output tokens
	DefaultVisitorInFlight  = 8
)

// OnLeave says what becomes of a stream whose caller has left.
type OnLeave string

// The choices.
const (
	LeaveAuto   OnLeave = "auto"   // cancel where that is known to stop the upstream's bill, else drain
	LeaveCancel OnLeave = "cancel" // close it; what it may have used by then is booked
	LeaveDrain  OnLeave = "drain"  // read it to its end, for exact usage
)

// UnmarshalJSON implements json.Unmarshaler. Settings of before OnLeave had a
// switch in its place.
func (s *Settings) UnmarshalJSON(b []byte) error {
	type plain Settings
	old := struct {
		*plain
		DrainOnCancel bool `json:"drain_on_cancel"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if old.DrainOnCancel && s.OnLeave == "" {
		s.OnLeave = LeaveDrain
	}
	return nil
}

// Tombstone keeps the name of a thing that was deleted. Its ID is the thing's, so
// figures that stay are still called by its name.
type Tombstone struct {
	Meta
	Of   EntityKind `json:"of"`
	Name string     `json:"name"` // slug, label or name: what lists called it
	// Owner is of a key its client, and of a client its gateway.
	Owner ID `json:"owner,omitempty"`
	// Title and Tariffs are of a client: what people called it, and what it paid by.
	Title   string   `json:"title,omitempty"`
	Tariffs []Tariff `json:"tariffs,omitempty"`
}

// Kind implements Entity.
func (*Tombstone) Kind() EntityKind { return KindTombstone }

// Kind implements Entity, as do the methods below.
func (*Gateway) Kind() EntityKind  { return KindGateway }
func (*Client) Kind() EntityKind   { return KindClient }
func (*Key) Kind() EntityKind      { return KindKey }
func (*Secret) Kind() EntityKind   { return KindSecret }
func (*Provider) Kind() EntityKind { return KindProvider }
func (*Model) Kind() EntityKind    { return KindModel }
func (*Settings) Kind() EntityKind { return KindSettings }

// Base returns the entity's Meta.
func (m *Meta) Base() *Meta { return m }

// BaseURLRisk says what an owner should know of an upstream's address that can be
// used, "" if there is nothing.
func BaseURLRisk(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	ip, _ := netip.ParseAddr(u.Hostname()) // the zero address for a name
	ip = ip.Unmap()
	switch host := strings.ToLower(u.Hostname()); {
	case ip.IsLinkLocalUnicast():
		return "the base URL " + s + " is a link-local address, where clouds keep the secrets of a machine: make sure that it is a model's"
	case u.Scheme == "http" && !ip.IsLoopback() && host != "localhost" && !strings.HasSuffix(host, ".localhost"):
		return "the base URL " + s + " is not encrypted: its API key and all prompts can be read on the way to that machine; use https:// if it has it"
	}
	return ""
}

var slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CheckSlug says what is wrong with a slug.
func CheckSlug(s string) error {
	if !slugPattern.MatchString(s) {
		return Errorf(Invalid, "%q is not a slug", s).WithHint("1 to 63 characters of a-z, 0-9 and -, not starting or ending with -")
	}
	return nil
}

// CheckName says what is wrong with a name that people see.
func CheckName(what, s string) error {
	if strings.TrimSpace(s) == "" {
		return Errorf(Invalid, "the %s is empty", what)
	}
	if len(s) > 200 {
		return Errorf(Invalid, "the %s is longer than 200 bytes", what)
	}
	if !utf8.ValidString(s) {
		return Errorf(Invalid, "the %s is not text in UTF-8", what)
	}
	if strings.ContainsFunc(s, unicode.IsControl) { // a terminal may obey one
		return Errorf(Invalid, "the %s contains a control character", what)
	}
	return nil
}

// FineDays is how long sums are told by the quarter of an hour, whatever the retention of
// records: longer than any period with an end that a limit counts. Later they are told by
// UTC days, and by the civil days of gateways.
const FineDays = 100

// CheckZone says what is wrong with an IANA zone name.
func CheckZone(name string) error {
	if name == "" || name == "Local" {
		return Errorf(Invalid, "%q is not a time zone", name).WithHint("an IANA name such as Europe/Lisbon or UTC")
	}
	if _, err := time.LoadLocation(name); err != nil {
		return Errorf(Invalid, "%q is not a time zone", name).WithHint("an IANA name such as Europe/Lisbon or UTC")
	}
	return nil
}

// CheckBaseURL says what is wrong with an upstream's address.
func CheckBaseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return Errorf(Invalid, "%q is not a base URL", s).WithHint("like https://api.openai.com/v1, without a query")
	}
	if u.User != nil {
		return Errorf(Invalid, "the base URL contains a password").WithHint("give the key with --api-key-env or --api-key-stdin")
	}
	return nil
}
