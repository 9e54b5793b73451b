package control

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// RefusedNow says why the requests of a gateway, a client, a key or an access token
// are refused at this moment. Either Status is set, or Limit and what comes with it: a
// limit of its own, or of what it belongs to, of which so much is used that nothing
// more fits. A limit of a minute is over before anybody could look, and makes nobody
// refused, unless it allows nothing; requests in flight do not either.
type RefusedNow struct {
	Of     string       `json:"of"`               // whose limit or status it is: "gateway", "client", "key" or "token"
	Name   string       `json:"name"`             // the slug, label or id of that
	Status string       `json:"status,omitempty"` // "suspended", "revoked": the code of the refusal
	Limit  string       `json:"limit,omitempty"`  // as [LimitState.Text] has it
	Metric tally.Metric `json:"metric,omitempty"`
	Used   int64        `json:"used,omitempty"` // in the metric's unit, as is Max
	Max    int64        `json:"max,omitempty"`
	// Since is when the limit first refused in its period or, while it has refused
	// nobody, when what used it up was admitted; zero if neither is known.
	Since time.Time `json:"since,omitzero"`
	// Count is how many requests the limit has refused since then; LastAt is when it
	// last did.
	Count  int64     `json:"count,omitempty"`
	LastAt time.Time `json:"last_at,omitzero"`
	Until  time.Time `json:"until,omitzero"` // when its period ends; zero: it does not
	// Sentence is what a caller reads.
	Sentence string `json:"sentence"`
	// Raise is the command line that raises the limit for a while; "" where none does.
	Raise string `json:"raise,omitempty"`
}

// ByLimit reports whether it is a limit of a kind of thing itself that refuses.
func (r *RefusedNow) ByLimit(of string) bool { return r != nil && r.Limit != "" && r.Of == of }

// who is whose limit refuses a thing of a kind that people call so: the thing itself, or
// what it belongs to; nil if none does.
func (r *RefusedNow) who(of, name string) (string, *RefusedNow) {
	switch {
	case r == nil || r.Limit == "":
		return "", nil
	case r.Of == of:
		return name, r
	}
	return strings.ToUpper(r.Of[:1]) + r.Of[1:] + " " + r.Name, r
}

// Value is the state as a cell: "refused, 312×", "suspended"; nothing for what is
// served.
func (r *RefusedNow) Value() Value {
	switch {
	case r == nil:
		return WordOf("")
	case r.Limit == "":
		return WordOf(strings.ReplaceAll(r.Status, "_", " "))
	case r.Count == 0:
		return WordOf("refused")
	}
	return WordOf("refused, " + tally.Group(r.Count) + "×")
}

// Says is the state in words, without whose it is: "refused since Fri 27 Nov 18:42 WET:
// $30.00 of $30.00, until Tue 1 Dec 00:00 WET".
func (r *RefusedNow) Says(zone *time.Location) string {
	const at = "Mon 2 Jan 15:04 MST"
	if r.Limit == "" {
		return "refused: " + strings.ReplaceAll(r.Status, "_", " ")
	}
	out := "refused"
	if !r.Since.IsZero() {
		out += " since " + r.Since.In(zone).Format(at)
	}
	if out += ": " + r.much(); r.Until.IsZero() {
		return out + ", for good"
	}
	return out + ", until " + r.Until.In(zone).Format(at)
}

// Often says how much is used and what that refuses, for those who know that it does, in
// little room: "$30.00 of $30.00, 312× since Fri 18:42".
func (r *RefusedNow) Often(zone *time.Location, now time.Time) string {
	out := r.much()
	if r.Count > 0 {
		out += ", " + tally.Group(r.Count) + "×"
	}
	switch age := now.Sub(r.Since); {
	case r.Since.IsZero():
	case age < 6*24*time.Hour:
		out += " since " + r.Since.In(zone).Format("Mon 15:04")
	default:
		out += " since " + r.Since.In(zone).Format("2 Jan 15:04")
	}
	return out
}

// much is what is used of the limit.
func (r *RefusedNow) much() string {
	out := r.Metric.Format(r.Used) + " of " + r.Metric.Format(r.Max)
	if !r.Metric.Money() {
		out += " " + string(r.Metric)
	}
	return out
}

// RefusedCounts are how many things are refused now by limits of their own.
type RefusedCounts struct {
	Gateways int `json:"gateways"`
	Clients  int `json:"clients"`
	Keys     int `json:"keys"`
	Tokens   int `json:"tokens"`
}

// Total is how many there are in all.
func (c RefusedCounts) Total() int { return c.Gateways + c.Clients + c.Keys + c.Tokens }
