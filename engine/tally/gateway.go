package tally

import "time"

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

// Kind implements Entity.
func (*Gateway) Kind() EntityKind { return KindGateway }
