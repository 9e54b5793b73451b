package tally

import (
	"cmp"
	"strings"
	"time"
)

// AccessToken is an access token as its claims say, once its signature has been
// checked: what visitors of a page may do with it. Whoever has the private key of a
// gateway can mint one without asking it, so a gateway may meet one that it has not seen.
type AccessToken struct {
	ID        string    `json:"tid"`
	Gateway   string    `json:"gateway_id"`          // public ID
	IssuedAt  time.Time `json:"issued_at"`           // whole seconds, as are the others
	NotBefore time.Time `json:"not_before,omitzero"` // zero: it works from the start
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never

	Limits        []Limit `json:"limits,omitempty"`         // of the token
	VisitorLimits []Limit `json:"visitor_limits,omitempty"` // of each visitor's address

	Domains          []string `json:"domains,omitempty"`           // of the page, lower case, maybe "*.example.com"; empty: any
	AllowedCountries []string `json:"allowed_countries,omitempty"` // ISO 3166-1 alpha-2; empty: all but the blocked ones
	BlockedCountries []string `json:"blocked_countries,omitempty"`
	Models           []string `json:"models,omitempty"`     // empty: all of the gateway's
	MaxOutput        int64    `json:"max_output,omitempty"` // output tokens of one answer; 0: the gateway's default for visitors

	// Templates are the names of the gateway's templates that a page may have answered. A
	// token that names some is locked: the page sends its visitor's words and nothing else.
	Templates []string `json:"templates,omitempty"`
	// Mints lets the site's own server make short-lived tokens of this one. Such a token is
	// for no page.
	Mints bool `json:"mints,omitempty"`

	// What follows is of a short-lived token, which was made of another one. It may do what
	// that one may, and no more.

	Parent         string    `json:"parent,omitempty"` // the ID of the other; "" for a token of its own
	ParentIssuedAt time.Time `json:"parent_issued_at,omitzero"`
	Visitor        string    `json:"visitor,omitempty"`      // as the site calls whom it was made for
	NamedLimits    []Limit   `json:"named_limits,omitempty"` // of Visitor, whatever the address
}

// Name is what the token's usage is kept under: that of a short-lived one under its
// parent's. Whoever has a private key chooses the IDs of tokens, so one of another gateway
// may have the same.
func (t *AccessToken) Name() string { return TokenName(t.Gateway, cmp.Or(t.Parent, t.ID)) }

// OwnName is the name that a short-lived token is revoked by. It is Name for all others.
func (t *AccessToken) OwnName() string { return TokenName(t.Gateway, t.ID) }

// Locked reports whether a page may only send its visitor's words.
func (t *AccessToken) Locked() bool { return len(t.Templates) > 0 }

// IssuedBefore reports whether the token, or the one that it was made of, was issued before
// an instant.
func (t *AccessToken) IssuedBefore(at time.Time) bool {
	return t.IssuedAt.Before(at) || t.Parent != "" && t.ParentIssuedAt.Before(at)
}

// TokenName is the name of an access token: the gateway's public ID, a dot and the
// token's ID.
func TokenName(gateway, id string) string { return gateway + "." + id }

// SplitTokenName returns the two parts of a name.
func SplitTokenName(name string) (gateway, id string) {
	gateway, id, _ = strings.Cut(name, ".")
	return gateway, id
}

// MintedToken is what is kept of an access token that was minted here: not the token
// itself, which nobody needs to find in a store. Its ID is the token's name.
type MintedToken struct {
	Meta
	Gateway ID          `json:"gateway"`
	Label   string      `json:"label,omitempty"` // what it is for, for people
	By      string      `json:"minted_by"`       // the actor, as in the audit log
	Token   AccessToken `json:"token"`
}

// Kind implements Entity.
func (*MintedToken) Kind() EntityKind { return KindMinted }

// Revocation ends an access token before its time. Its ID is the token's name.
type Revocation struct {
	Meta
	Gateway ID `json:"gateway"` // the one it was revoked for
}

// Kind implements Entity.
func (*Revocation) Kind() EntityKind { return KindRevocation }
