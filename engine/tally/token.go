package tally

import (
	"strings"
	"time"
)

// AccessToken is an access token as its claims say, once its signature has been
// checked: what visitors of a page may do with it. It is stored nowhere; a
// gateway's owner mints it without asking the gateway.
type AccessToken struct {
	ID        string    // tid
	Gateway   string    // public ID
	IssuedAt  time.Time // whole seconds, as are the others
	NotBefore time.Time // zero: it works from the start
	ExpiresAt time.Time // zero: never

	Limits        []Limit // of the token
	VisitorLimits []Limit // of each visitor's address

	Domains          []string // of the page, lower case, maybe "*.example.com"; empty: any
	AllowedCountries []string // ISO 3166-1 alpha-2; empty: all but the blocked ones
	BlockedCountries []string
	Models           []string // empty: all of the gateway's
	MaxOutput        int64    // output tokens of one answer; 0: the gateway's default for visitors
}

// Name is what the token's usage is kept under. Whoever has a private key chooses
// the IDs of tokens, so one of another gateway may have the same.
func (t *AccessToken) Name() string { return TokenName(t.Gateway, t.ID) }

// TokenName is the name of an access token: the gateway's public ID, a dot and the
// token's ID.
func TokenName(gateway, id string) string { return gateway + "." + id }

// SplitTokenName returns the two parts of a name.
func SplitTokenName(name string) (gateway, id string) {
	gateway, id, _ = strings.Cut(name, ".")
	return gateway, id
}

// Revocation ends an access token before its time. Its ID is the token's name.
type Revocation struct {
	Meta
	Gateway ID `json:"gateway"` // the one it was revoked for
}

// Kind implements Entity.
func (*Revocation) Kind() EntityKind { return KindRevocation }
