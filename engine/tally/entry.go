package tally

import (
	"time"
	"unicode/utf8"
)

// EntryKind is what an entry of the book of money is.
type EntryKind string

// The kinds of entries.
const (
	TopUp      EntryKind = "topup"      // paid in advance
	Gift       EntryKind = "grant"      // to be spent, and not paid
	Adjustment EntryKind = "adjustment" // corrects what was charged
	Recost     EntryKind = "recost"     // what other prices make of requests that were charged
	Fee        EntryKind = "fee"        // charged beside requests
	Discount   EntryKind = "discount"   // taken off what was charged
	Expiry     EntryKind = "expiry"     // what was left of a top-up or a grant when its time was over
	Closing    EntryKind = "statement"  // a statement was closed; it changes no amount
)

// EntryKinds lists all kinds.
var EntryKinds = []EntryKind{TopUp, Gift, Adjustment, Recost, Fee, Discount, Expiry, Closing}

// Words lists the kinds.
func (EntryKind) Words() []string {
	out := make([]string, len(EntryKinds))
	for i, k := range EntryKinds {
		out[i] = string(k)
	}
	return out
}

// Entry is what a record says of a change of money that is no request. The record has its
// ID, time, gateway and client, what it changes of cost and credits, for a re-cost the
// model, and one charge: what the client's balance came to by it. A re-cost of requests that
// no client sent, a gateway's own and its visitors', has no client, no credits and no
// charge; nor has an adjustment of a UTC day to a provider's bill, which has the model as the
// provider calls it. An entry is never changed: another one reverses it.
type Entry struct {
	Kind EntryKind `json:"kind"`
	// Funds is what it adds to what the client may spend in advance. The store trims that of
	// an expiry to what is neither used nor held.
	Funds NanoUSD `json:"funds_nano_usd,omitempty"`
	// Reason says why, and Reference names a payment or an order, both in the owner's words.
	Reason    string `json:"reason,omitempty"`
	Reference string `json:"reference,omitempty"`
	// By is who made it, as the audit log calls them.
	By string `json:"by,omitempty"`
	// Expires is when the rest of its funds is taken back; zero if never.
	Expires time.Time `json:"expires,omitzero"`
	// Reverses is the entry that this one takes back, and for an expiry the one that has
	// expired.
	Reverses ID `json:"reverses,omitempty"`
	// Day is on which day, as 2026-11-21, it counts on a statement, if that is another than
	// the one on which it was made: of a re-cost and of an adjustment to a bill the UTC day on
	// which the requests were admitted.
	Day string `json:"day,omitempty"`
	// Document is the statement that it closes, as JSON; Reference is its number then.
	Document string `json:"document,omitempty"`
}

// MaxDocument is the longest document of an entry, in bytes.
const MaxDocument = 256 << 10

// BalanceCounter is the counter of what the record's client has paid in advance, less what
// it has used.
func (r *Record) BalanceCounter() Counter {
	return Counter{Subject: SubjectOf("client", r.Client), Metric: Balance, Period: Window{Unit: Total}.Period(r.At, time.UTC, 0)}
}

// MaxNote is the longest reason and the longest reference of an entry, in bytes.
const MaxNote = 500

// CheckEntry says what is wrong with the record of an entry.
func CheckEntry(r *Record) error {
	bad := func(what string) error { return Errorf(Invalid, "entry %s: %s", r.ID, what) }
	e := r.Entry
	switch {
	case e == nil || r.Outcome != Booked:
		return bad("it is none")
	case r.ID == "" || r.At.IsZero() || r.Client == "" && (r.Gateway == "" || e.Kind != Recost && (e.Kind != Adjustment || e.Day == "")):
		return bad("it has no ID, no time or no client")
	case r.Client == "" && (r.Credits != 0 || e.Funds != 0):
		return bad("nobody is there to be charged")
	case len(e.Reason) > MaxNote || len(e.Reference) > MaxNote || len(e.By) > MaxNote || !utf8.ValidString(e.Reason) || !utf8.ValidString(e.Reference):
		return bad("its reason or its reference is too long, or not text")
	case len(e.Document) > MaxDocument || !utf8.ValidString(e.Document) || (e.Document != "") != (e.Kind == Closing && e.Reverses == ""):
		return bad("its document is too long, is not text, or does not belong there")
	case e.Kind == Closing && (r.Cost != 0 || r.Credits != 0 || e.Funds != 0):
		return bad("a statement changes no amount")
	case e.Kind == Expiry && e.Funds >= 0:
		return bad("an expiry takes something back")
	case outside(r.Cost) || outside(r.Credits) || outside(e.Funds):
		return bad("it is of more money than can be counted")
	}
	return nil
}

// outside reports whether an amount is more than any limit may be.
func outside(n NanoUSD) bool { return n > MaxMoney || n < -MaxMoney }
