package tally

import (
	"encoding/json"
	"slices"
	"time"
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

// Kind implements Entity.
func (*Client) Kind() EntityKind { return KindClient }

// Kind implements Entity.
func (*Key) Kind() EntityKind { return KindKey }

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
