package tally

import "time"

// Share is a link with which somebody may look at what a client has used, and do nothing
// else. The digest of its secret is in the [Secret] of the same owner.
type Share struct {
	Meta
	Client    ID        `json:"client"`
	Hint      string    `json:"hint"` // first and last characters of the secret, for people
	ExpiresAt time.Time `json:"expires_at"`
}

// Kind implements Entity.
func (*Share) Kind() EntityKind { return KindShare }

// Works reports whether the link may be used at an instant.
func (s *Share) Works(at time.Time) bool { return at.Before(s.ExpiresAt) }

// Shares are the links to what clients have used, in order of creation.
func (c *Catalog) Shares() []*Share { return c.shares }
