package control

import (
	"cmp"
	"encoding/json"
	"time"

	"tallygate/engine/tally"
)

// TokenFields are what an access token may do. Without any limit it may do what
// [SafeToken] says.
type TokenFields struct {
	Requests       string   `json:"requests,omitempty" help:"requests of the token: 10000/month, or 500 for its whole life"`
	IPQuota        string   `json:"ip_quota,omitempty" label:"Each visitor" help:"requests of each visitor's address: 20/day"`
	Cost           string   `json:"cost,omitempty" help:"what it may cost, in USD: 10, or 2.50/day"`
	Quota          string   `json:"quota,omitempty" help:"requests or tokens: tokens=1000000/week"`
	Domains        []string `json:"domains,omitempty" flag:"domain" label:"Pages of" help:"host of the pages: mysite.com, or *.mysite.com for those below it; repeat; default: any"`
	AllowCountries []string `json:"allow_countries,omitempty" flag:"allow-country" label:"Countries" help:"country of visitors, like US; repeat; default: all"`
	BlockCountries []string `json:"block_countries,omitempty" flag:"block-country" label:"Not from" help:"country whose visitors are refused; repeat"`
	Models         []string `json:"models,omitempty" flag:"model" of:"model" unset:"all" help:"model it may use; repeat; default: all of the gateway's"`
	MaxOutput      *int64   `json:"max_output,omitempty" label:"Longest" help:"output tokens of one answer; default: the gateway's setting for visitors"`
	Templates      []string `json:"templates,omitempty" flag:"template" of:"template" label:"Locked to" help:"template that it is locked to: the page sends its visitor's words only; repeat; default: the page writes its own prompts"`
	Mints          bool     `json:"mints,omitempty" label:"Makes others" help:"let the site's own server make short-lived tokens of it, at POST /v1/tokens; it then works in no page"`
	Expires        Expiry   `json:"expires,omitempty" help:"how long it works, like 90d or 12h, or a date, like 2027-01-31; never: until it is revoked; left out: 90d"`
}

// MintToken makes an access token of a gateway, signed with its private key.
type MintToken struct {
	Gateway string `json:"gateway,omitempty" of:"gateway" unset:"the oldest" help:"=its gateway"`
	Label   string `json:"label,omitempty" help:"what it is for, like product-page"`
	TokenFields
	Unlimited bool `json:"unlimited,omitempty" help:"let nothing bound what all its visitors together may use; without it and without a limit of the gateway, a cap on cost of 10 does"`
}

// SafeToken is what an access token may do unless its owner says otherwise: enough for
// a page, and no more than somebody can bear who finds it abused.
func SafeToken() TokenFields {
	return TokenFields{Requests: "10000/month", IPQuota: "20/day", Cost: "10", Expires: "90d"}
}

// Fill puts what is safe in the place of what was left out: an end, and limits if there
// is none at all.
func (m *MintToken) Fill() {
	safe := SafeToken()
	if m.Expires == "" {
		m.Expires = safe.Expires
	}
	if !m.Unlimited && m.Requests == "" && m.IPQuota == "" && m.Cost == "" && m.Quota == "" {
		m.Requests, m.IPQuota, m.Cost = safe.Requests, safe.IPQuota, safe.Cost
	}
}

// TokenMinted is a new access token. It is not a secret, since it goes into a page, unless
// it makes others.
type TokenMinted struct {
	Token     string    `json:"token"`
	ID        string    `json:"tid"`
	Label     string    `json:"label,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Gateway   string    `json:"gateway_id"`
	Templates []string  `json:"templates,omitempty"` // that it is locked to
	Mints     bool      `json:"mints,omitempty"`     // it makes others, and is for no page
	Allows    []string  `json:"allows"`              // in words
}

// InspectToken asks what an access token says.
type InspectToken struct {
	Token string `json:"token" arg:"1" help:"the access token, wlm-…"`
}

// TokenReport is an access token in words, and as it stands here.
type TokenReport struct {
	ID        string          `json:"tid,omitempty"`
	Gateway   string          `json:"gateway,omitempty"` // slug; "" if it is not here
	Signature string          `json:"signature"`         // valid, wrong, not checked
	Works     bool            `json:"works"`             // nothing is wrong with it
	Says      []string        `json:"says"`              // what it allows
	Wrong     []string        `json:"wrong"`             // why it does not work, or not as it seems
	Claims    json.RawMessage `json:"claims,omitempty"`
	Limits    []LimitState    `json:"limits,omitempty"`
}

// ListTokens selects access tokens.
type ListTokens struct {
	Rows
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"=of gateway"`
	Since   Since  `json:"since,omitempty" help:"used since: 24h, 7d, 30d (default) or a date"`
}

// TokenView is an access token that was minted here, used or revoked, as it stands. One
// that was minted elsewhere, with the private key, is known from its use.
type TokenView struct {
	ID          string       `json:"tid"`
	Label       string       `json:"label,omitempty"`
	MintedAt    time.Time    `json:"minted_at,omitzero"` // zero, and nobody, if it was minted elsewhere
	MintedBy    string       `json:"minted_by,omitempty"`
	Allows      []string     `json:"allows,omitempty"`  // in words, as far as it is known
	Gateway     string       `json:"gateway,omitempty"` // slug; "" if it cannot be told any more
	GatewayName string       `json:"gateway_name,omitempty"`
	State       string       `json:"state"` // active, used up, expired, revoked; unknown if it was minted elsewhere and not used since the start
	ExpiresAt   time.Time    `json:"expires_at,omitzero"`
	RevokedAt   time.Time    `json:"revoked_at,omitzero"`
	LastUsedAt  time.Time    `json:"last_used_at,omitzero"`
	Domains     []string     `json:"domains,omitempty"`
	Templates   []string     `json:"templates,omitempty"`   // that it is locked to
	Mints       bool         `json:"mints,omitempty"`       // it makes short-lived tokens, and is for no page
	Limits      []LimitState `json:"limits"`                // empty if what it may do is not known
	Refused     *RefusedNow  `json:"refused_now,omitempty"` // nil while it is served, or if that is not known
	MonthSince  time.Time    `json:"month_since"`           // when the month under way began, by its gateway's calendar
	Month       Sums         `json:"month"`
	Used        Sums         `json:"used"` // since the start of the question
}

// PickToken picks an access token.
type PickToken struct {
	Token   string `json:"token" arg:"1" help:"its id, tok_…, its label, or the token itself"`
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"=of gateway"`
	Since   Since  `json:"since,omitempty" help:"visits since: 24h, 7d, 30d (default) or a date"`
}

// TokenVisits are visits to the pages of an access token. A visit is a visitor on a day.
type TokenVisits struct {
	Name     string        `json:"name"` // the day, 2026-12-31, or the country; "" if it is not known
	Visits   int64         `json:"visits"`
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused"`
	CostUSD  string        `json:"cost_usd"`
	CostNano tally.NanoUSD `json:"cost_nano_usd"`
}

// TokenShown is an access token as it stands, with who came to its pages.
type TokenShown struct {
	TokenView
	Since         time.Time     `json:"visits_since"`
	Total         TokenVisits   `json:"visits"`
	CostVisitUSD  string        `json:"cost_per_visit_usd,omitempty"` // "" without a visit
	CostVisitNano tally.NanoUSD `json:"cost_per_visit_nano_usd"`
	Countries     []TokenVisits `json:"countries"` // the most visits first
	Days          []TokenVisits `json:"days"`      // by the gateway's calendar, the latest first
	Partial       bool          `json:"partial"`   // there were more records than are looked at: the oldest of the span are missing
	Page          string        `json:"page"`      // what is pasted into a page to use it
	Widget        string        `json:"widget"`    // the same with the chat widget, in one line
}

// VisitsTable shows visits by what they are told apart.
func VisitsTable(by string) *Table[*TokenVisits] {
	return NewTable(Table[*TokenVisits]{Thing: by, Columns: []Column[*TokenVisits]{
		{Name: "name", Title: by, Get: func(v *TokenVisits) Value { return WordOf(cmp.Or(v.Name, "not known")) }},
		{Name: "visits", Sum: true},
		{Name: "requests", Sum: true},
		{Name: "refused", Sum: true, NoZero: true},
		{Name: "cost", Sum: true, Field: "cost_nano_usd"},
	}})
}

// RevokeToken ends access tokens before their time.
type RevokeToken struct {
	Token   string `json:"token,omitempty" arg:"1?" help:"its id, tok_…, its label, or the token itself"`
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"its gateway; needed with --all if there are several, and for a token that was never seen"`
	All     bool   `json:"all,omitempty" help:"every access token that was issued until now"`
	Force   bool   `json:"force,omitempty" help:"revoke an id that was never seen here: of a token that was minted elsewhere with the private key"`
}

// TokensRevoked tells what was revoked.
type TokensRevoked struct {
	Gateway  string    `json:"gateway"`
	Token    string    `json:"tid,omitempty"`
	IssuedBy time.Time `json:"issued_before,omitzero"` // all that were issued earlier
}

// SimulateVisit asks what a visitor would be told.
type SimulateVisit struct {
	Token   string `json:"token,omitempty" arg:"1?" help:"the access token of the page; left out: a visitor of a public gateway"`
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"the public gateway, without a token"`
	Origin  string `json:"origin,omitempty" help:"origin of the page, like https://mysite.com"`
	Address string `json:"address,omitempty" help:"the visitor's IP address; default: one of nowhere"`
	Country string `json:"country,omitempty" help:"the visitor's country, instead of that of the address"`
	Model   string `json:"model,omitempty" of:"model" help:"the model that the page asks for, or template/NAME; default: the gateway's"`
}

// Simulated is what every check says of a visit; nothing is counted and nothing
// is sent.
type Simulated struct {
	Passes  bool      `json:"passes"`
	Country string    `json:"country,omitempty"` // that the checks went by
	Status  int       `json:"status"`            // of the answer: 200, or the refusal's
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
	Steps   []TryStep `json:"steps"`
}

// ListVisitors selects visitors.
type ListVisitors struct {
	Rows
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"=of gateway"`
	Token   string `json:"token,omitempty" help:"=of token"`
	Since   Since  `json:"since,omitempty" help:"24h (default), 7d, or a date"`
}

// Visitor is an address that requests came from, as far as anything is kept of
// it.
type Visitor struct {
	Network   string    `json:"network"` // 203.0.113.0/24
	Visitor   string    `json:"visitor"` // keyed hash of the address
	Country   string    `json:"country,omitempty"`
	Requests  int64     `json:"requests"`
	Refused   int64     `json:"refused"`
	CostUSD   string    `json:"cost_usd"`
	CostNano  int64     `json:"cost_nano_usd"`
	LastSeen  time.Time `json:"last_seen_at"`
	FirstSeen time.Time `json:"first_seen_at"`
}

// Visitors are the busiest of those that were found.
type Visitors struct {
	Since    time.Time `json:"since"`
	Records  int       `json:"records"` // that were looked at
	Partial  bool      `json:"partial"` // there were more: the oldest of the span are missing
	Visitors []Visitor `json:"visitors"`
}

// The operations on access tokens and visitors.
var (
	TokensMint     = Op[MintToken, TokenMinted]{"tokens.mint", Write, "make an access token for a page"}
	TokensInspect  = Op[InspectToken, TokenReport]{"tokens.inspect", Read, "explain an access token in words, and say what is wrong with it"}
	TokensShow     = Op[PickToken, TokenShown]{"tokens.show", Read, "show an access token: what is left, who came, what a visit costs, the lines for a page"}
	TokensList     = Op[ListTokens, []TokenView]{"tokens.list", Read, "list access tokens that were minted here, used or revoked"}
	TokensRevoke   = Op[RevokeToken, TokensRevoked]{"tokens.revoke", Write, "end an access token, or all that were issued until now, at once"}
	TokensSimulate = Op[SimulateVisit, Simulated]{"tokens.simulate", Read, "simulate a visitor: which check says what"}
	VisitorsList   = Op[ListVisitors, Visitors]{"tokens.visitors", Read, "list visitors by address, as network and keyed hash, with their country"}
)
