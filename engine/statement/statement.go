package statement

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"tallygate/engine/tally"
)

// Statement is what a client owes for a span of time. It says nothing of what that has cost
// the owner.
type Statement struct {
	Version int       `json:"version"` // 1
	Number  string    `json:"number,omitempty"`
	Closed  time.Time `json:"closed_at,omitzero"` // zero: it is open, and changes yet
	Issuer  []string  `json:"issuer"`             // lines of the owner's head
	Client  Party     `json:"client"`
	Period  Period    `json:"period"`

	Models  []Usage `json:"models"`         // the dearest first; together they are Used
	Keys    []Usage `json:"keys"`           // and so are these
	Tag     string  `json:"tag,omitempty"`  // the key of the tag that Tags are of; "" for none
	Tags    []Usage `json:"tags,omitempty"` // and so are these
	Entries []Entry `json:"entries"`

	Used    tally.NanoUSD `json:"used_nano_usd"`              // by requests
	Booked  tally.NanoUSD `json:"booked_nano_usd"`            // by entries
	Minimum tally.NanoUSD `json:"minimum_nano_usd,omitempty"` // what it comes to at least
	Raised  tally.NanoUSD `json:"raised_nano_usd,omitempty"`  // by that, while it is open
	Total   tally.NanoUSD `json:"total_nano_usd"`

	Money
	Due     Due      `json:"due"`
	Prepaid *Prepaid `json:"prepaid,omitempty"` // nil where nothing was paid in advance
	Open    *Open    `json:"open,omitempty"`    // nil where nothing is under way
}

// Party is a client as it is called.
type Party struct {
	ID      tally.ID `json:"id"`
	Slug    string   `json:"slug"`
	Name    string   `json:"name"`
	Company string   `json:"company,omitempty"`
	Email   string   `json:"email,omitempty"`
}

// Period is the span: from an instant until another, days First to Last of a zone.
type Period struct {
	Name  string    `json:"name"` // "2026-11", or the days
	First string    `json:"first"`
	Last  string    `json:"last"`
	Zone  string    `json:"zone"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Usage is what requests of one model, or by one key, come to.
type Usage struct {
	Name     string        `json:"name"`
	Requests int64         `json:"requests"`
	Input    int64         `json:"input_tokens"`
	Output   int64         `json:"output_tokens"`
	Credits  tally.NanoUSD `json:"credits_nano_usd"`
}

// Entry is an entry of the book of money that counts in the span.
type Entry struct {
	ID        tally.ID        `json:"id"`
	Day       string          `json:"day"`
	Kind      tally.EntryKind `json:"kind"`
	Model     string          `json:"model,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Reference string          `json:"reference,omitempty"`
	Credits   tally.NanoUSD   `json:"credits_nano_usd"`
}

// Prepaid is what became of what was paid in advance, by when it was booked.
type Prepaid struct {
	Before  tally.NanoUSD `json:"before_nano_usd"`
	Paid    tally.NanoUSD `json:"paid_nano_usd"`
	Given   tally.NanoUSD `json:"given_nano_usd"`
	Expired tally.NanoUSD `json:"expired_nano_usd"` // below zero
	Charged tally.NanoUSD `json:"charged_nano_usd"`
	After   tally.NanoUSD `json:"after_nano_usd"`
}

// Open is what requests under way may add.
type Open struct {
	Requests int           `json:"requests"`
	Credits  tally.NanoUSD `json:"credits_nano_usd"` // at most
}

// Make adds up a statement of which the lines are there: it orders them, and sets the totals
// and what is due.
func Make(s Statement, m Money) (Statement, error) {
	s.Version, s.Money = 1, m
	for _, list := range [...][]Usage{s.Models, s.Keys, s.Tags} {
		tally.Order(list, func(a, b Usage) int { return cmp.Or(cmp.Compare(b.Credits, a.Credits), cmp.Compare(a.Name, b.Name)) })
	}
	tally.OrderStable(s.Entries, func(a, b Entry) int { return cmp.Compare(a.Day, b.Day) })
	s.Booked = 0
	for i := range s.Entries {
		s.Booked = plus(s.Booked, s.Entries[i].Credits)
	}
	s.Total = plus(s.Used, s.Booked)
	if s.Raised = 0; s.Minimum > s.Total && s.Minimum > 0 {
		s.Raised = plus(s.Minimum, -s.Total)
	}
	s.Total = plus(s.Total, s.Raised)
	var err error
	s.Due, err = m.due(s.Total, s.covered())
	return s, err
}

// covered is what of the total was taken from what was paid in advance: all that was charged,
// but for what was used beyond that. What a minimum adds is no charge.
func (s *Statement) covered() tally.NanoUSD {
	charged := plus(s.Total, -s.Raised)
	if s.Prepaid == nil || charged <= 0 {
		return 0
	}
	return max(plus(charged, min(s.Prepaid.After, 0)), 0)
}

func plus(a, b tally.NanoUSD) tally.NanoUSD { return tally.NanoUSD(tally.AddSat(int64(a), int64(b))) }

// Text is the statement as it is kept: JSON, the same for the same statement.
func (s *Statement) Text() (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", tally.Errorf(tally.Internal, "write a statement: %w", err)
	}
	return string(b), nil
}

// Read reads what Text has written.
func Read(text string) (s Statement, err error) {
	if err = json.Unmarshal([]byte(text), &s); err != nil || s.Version != 1 {
		return s, tally.Errorf(tally.Corrupt, "a statement that was closed cannot be read").
			WithHint("use the version that made it, or a newer one")
	}
	return s, nil
}

// Digest is the SHA-256 of a statement's text, in hexadecimal digits.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Digest is that of the statement's text.
func (s *Statement) Digest() string {
	text, err := s.Text()
	if err != nil {
		return ""
	}
	return Digest(text)
}
