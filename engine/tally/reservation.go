package tally

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Subject is whose counter it is: a kind and an id, "client/cl_01…".
type Subject string

// SubjectOf names a subject. The kinds are "gateway", "client", "key", "token"
// and "visitor", and "part" ([PartOf]).
func SubjectOf(kind string, id ID) Subject { return Subject(kind + "/" + string(id)) }

// Split returns the kind and the id.
func (s Subject) Split() (kind string, id ID) {
	kind, rest, _ := strings.Cut(string(s), "/")
	return kind, ID(rest)
}

// Is reports whether s is SubjectOf(kind, id), without making that.
func (s Subject) Is(kind string, id ID) bool {
	n := len(kind)
	return len(s) == n+1+len(id) && s[n+1:] == Subject(id) && s[n] == '/' && s[:n] == Subject(kind)
}

// Counter is what one subject has used of one metric in one period. The
// period is part of the counter's identity, so nothing ever resets.
type Counter struct {
	Subject Subject `json:"subject"`
	Metric  Metric  `json:"metric"`
	Period  Period  `json:"period"`
}

// Charge asks for room on a counter: the request's bound of the counter's
// metric must fit below Max.
type Charge struct {
	Counter
	Max int64
	// Shared is whether others use the same budget: a visitor's output is then
	// clamped so that its hold takes at most half of what is left.
	Shared bool
}

// Place asks for one of so many places that requests under way may take at a
// time. It is taken with the hold and given back with it.
type Place struct {
	Subject Subject
	Max     int64
}

// Bound is the most a request can use of one metric, as a function of the
// output tokens it is granted: Base + ⌈PerMillion × output / 1,000,000⌉.
type Bound struct {
	Base       int64
	PerMillion int64
}

// At returns the bound for so many output tokens.
func (b Bound) At(output int64) int64 {
	return AddSat(b.Base, mulDivUp(b.PerMillion, output, 1_000_000))
}

// Output returns the largest number of output tokens whose bound is at most
// room, math.MaxInt64 if output costs nothing, and -1 if not even zero fits.
func (b Bound) Output(room int64) int64 {
	switch {
	case room < b.Base:
		return -1
	case b.PerMillion == 0:
		return math.MaxInt64
	}
	return mulDivDown(room-b.Base, 1_000_000, b.PerMillion)
}

// Bounds holds a bound per metric, in the order of [Metrics]. The bound of
// sessions is decided by the store: 1 for a new session, 0 for a running one. That of the
// balance is that of credits, whatever is said.
type Bounds [NumMetrics]Bound

// Whole is the bounds with that of the balance.
func (b Bounds) Whole() Bounds {
	b[Balance.Index()] = b[Credits.Index()]
	return b
}

// MarkedUp returns the bound of credits for a bound of cost: never below the
// mark-up of any cost within it. The added nano-dollar pays for rounding twice, so
// where nothing is added nothing is rounded.
func (b Bound) MarkedUp(basisPoints int) Bound {
	if b == (Bound{}) || basisPoints == 0 {
		return b
	}
	return Bound{int64(NanoUSD(AddSat(b.Base, 1)).WithMarkup(basisPoints)), int64(NanoUSD(b.PerMillion).WithMarkup(basisPoints))}
}

// LimitError refuses a reservation: whose limit, how much, until when. Nothing
// was changed.
type LimitError struct {
	Charge
	Used int64 // settled
	Held int64 // by requests in flight
	Need int64 // the least the request would hold
	// Place is set instead of Charge where all places of a subject are taken.
	Place Place
	// Crowded is whether so many wait already that this one was not let in.
	Crowded bool
}

// ByPlace reports whether it is places that are lacking, not room.
func (e *LimitError) ByPlace() bool { return e.Place.Subject != "" }

// ByHoldsOnly reports whether the request would fit if the requests in flight
// used nothing: the refusal is of the moment and may be retried at once.
func (e *LimitError) ByHoldsOnly() bool { return e.ByPlace() || AddSat(e.Used, e.Need) <= e.Max }

func (e *LimitError) Error() string {
	if e.ByPlace() {
		return fmt.Sprintf("%s: all %d places are taken", e.Place.Subject, e.Place.Max)
	}
	return fmt.Sprintf("%s: %s in %s: used %s, held %s, need %s of %s", e.Subject, e.Metric, e.Period.Label,
		e.Metric.Format(e.Used), e.Metric.Format(e.Held), e.Metric.Format(e.Need), e.Metric.Format(e.Max))
}

// Reached is the limit as a record keeps it.
func (e *LimitError) Reached() *Reached {
	if e.ByPlace() {
		return &Reached{Subject: e.Place.Subject, Held: e.Held, Need: 1, Max: e.Place.Max}
	}
	out := &Reached{Subject: e.Subject, Metric: e.Metric, Window: e.Period.Label, Used: e.Used, Held: e.Held, Need: e.Need, Max: e.Max}
	if e.Period.Ends() {
		out.Resets = e.Period.End.UTC()
	}
	return out
}

// SessionUse says which session a request belongs to. A session is new if its
// member was not seen by the client within the last session.
type SessionUse struct {
	Client ID     `json:"client"`
	Member string `json:"member"` // keyed hash of the end user
	// Until is when the session ends unless it is seen again. With Fixed, a
	// running session keeps the end it began with. Zero: the record names the
	// member, and no session is begun, counted or remembered.
	Until time.Time `json:"until"`
	Fixed bool      `json:"fixed,omitempty"`
}

// Reservation asks the store to hold what a request may use, before it spends.
type Reservation struct {
	ID        ID
	At        time.Time // admission; decides every window, and the price
	ExpiresAt time.Time // when the hold is settled as lost unless extended
	// The store grants the largest output from MinOutput to WantOutput that
	// every charge can pay; both count the output of all choices together.
	MinOutput, WantOutput int64
	Bounds                Bounds
	Charges               []Charge
	Places                []Place
	Session               *SessionUse
	Draft                 Record // what is known already; its ID and At are the reservation's

	// A reservation that only holds or places of others stand in the way of waits
	// until there is room, at most for Wait; 0 does not wait, and [WouldWait] is
	// refused where it would. Floor is the least
	// output, from MinOutput to WantOutput, that others' holds may leave it while
	// there is time to wait. Since orders those that wait: when the request first
	// asked, so that one that asks again keeps its place in the line.
	Wait  time.Duration
	Floor int64
	Since time.Time
}

// WouldWait in the place of a wait asks for a decision that may be to wait, without
// waiting.
const WouldWait time.Duration = -1

// Grant is what a reservation got. The store's memory of the hold is found by
// the reservation's ID.
type Grant struct {
	Output     int64 // output tokens, of all choices together
	NewSession bool
	Waited     time.Duration
	// Requests and Tokens tell what the tightest limit on each has left, for
	// the headers of the answer.
	Requests, Tokens Room
}

// Room is what is left of the tightest of several charges, holds included.
type Room struct {
	Charge int   // 1 + index among the reservation's charges; 0 if none counts the metric
	Left   int64 // at least 0
}

// Narrow makes r the room of a charge if that is tighter. Charges on other
// metrics, and those that only warn, must not be passed in.
func (r *Room) Narrow(index int, left int64) {
	if left = max(left, 0); r.Charge == 0 || left < r.Left {
		r.Charge, r.Left = index+1, left
	}
}

// Settlement replaces what a request held by what it used, which the record
// says ([Record.Amounts]). The store fills in Seq, Session, NewSession and
// Charges; ID and At must be the reservation's.
type Settlement struct {
	ID     ID
	Record Record
}

// Usage is the state of one counter: left is the limit's Max − Used − Held.
type Usage struct {
	Used int64 `json:"used"`
	Held int64 `json:"held"`
}
