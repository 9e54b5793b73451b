package tally

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Metric is what a limit counts.
type Metric string

// The metrics. Cost and credits are in nano-USD; credits are cost with the
// client's mark-up. Every admitted request counts as one, whatever becomes of
// it upstream; sessions are counted when they begin.
const (
	Requests Metric = "requests"
	TokensIO Metric = "tokens"
	Cost     Metric = "cost"
	Credits  Metric = "credits"
	Sessions Metric = "sessions"
)

// Metrics lists all metrics in the order of [Amounts].
var Metrics = [NumMetrics]Metric{Requests, TokensIO, Cost, Credits, Sessions}

// NumMetrics is how many metrics there are.
const NumMetrics = 5

// Index is the metric's place in [Amounts], -1 for an unknown one.
func (m Metric) Index() int {
	switch m {
	case Requests:
		return 0
	case TokensIO:
		return 1
	case Cost:
		return 2
	case Credits:
		return 3
	case Sessions:
		return 4
	}
	return -1
}

// Money reports whether the metric is counted in nano-USD.
func (m Metric) Money() bool { return m == Cost || m == Credits }

// Format writes an amount of the metric for people: "$41.20", "50,000".
func (m Metric) Format(n int64) string {
	if m.Money() {
		return NanoUSD(n).Display()
	}
	return Group(n)
}

// Amounts holds one amount per metric, in the order of [Metrics].
type Amounts [NumMetrics]int64

// Of returns the amount of a metric.
func (a Amounts) Of(m Metric) int64 { return a[m.Index()] }

// Limit is the most a subject may use of a metric in a window. Max is in the
// metric's unit: a count, or nano-USD. A Warn limit is shown and never refuses.
type Limit struct {
	Metric Metric `json:"metric"`
	Window Window `json:"window"`
	Max    int64  `json:"max"`
	Warn   bool   `json:"warn,omitempty"`
}

// MaxCount is the largest count a limit may have; counters add far below the
// end of int64.
const MaxCount = 1_000_000_000_000_000

// Validate says what is wrong with the limit, in words.
func (l Limit) Validate() error {
	if l.Metric.Index() < 0 {
		return Errorf(Invalid, "%q is not something a limit can count", l.Metric).WithHint("one of requests, tokens, cost, credits, sessions")
	}
	if _, err := ParseWindow(l.Window.String()); err != nil {
		return err
	}
	top, what := int64(MaxCount), Group(MaxCount)
	if l.Metric.Money() {
		top, what = int64(MaxMoney), MaxMoney.Display()
	}
	if l.Max < 0 || l.Max > top {
		return Errorf(Invalid, "the limit on %s must be between 0 and %s", l.Metric, what)
	}
	return nil
}

// String writes the limit as [ParseLimit] reads it: "cost=50/month".
func (l Limit) String() string {
	n := strconv.FormatInt(l.Max, 10)
	if l.Metric.Money() {
		n = NanoUSD(l.Max).String()
	}
	s := fmt.Sprintf("%s=%s/%s", l.Metric, n, l.Window)
	if l.Warn {
		s += ",warn"
	}
	return s
}

// LimitEdit is one change of a list of limits: set Limit, or remove the one of
// its metric and window.
type LimitEdit struct {
	Limit
	Remove bool `json:"remove,omitempty"`
}

// ParseLimit reads METRIC=MAX/WINDOW: "requests=60/minute", "tokens=20M/month:15",
// "cost=50/month" (US dollars), "cost=none/month" (remove), with ",warn" at
// the end for a limit that only warns. MAX takes k and M; each means exactly a
// thousand or a million.
func ParseLimit(s string) (LimitEdit, error) {
	bad := func(why string) (LimitEdit, error) {
		return LimitEdit{}, Errorf(Invalid, "limit %q: %s", s, why).WithHint("write METRIC=MAX/WINDOW, like cost=50/month or requests=60/minute; MAX may be none")
	}
	var e LimitEdit
	body, warn := strings.CutSuffix(strings.TrimSpace(s), ",warn")
	e.Warn = warn
	metric, rest, ok := strings.Cut(body, "=")
	if !ok {
		return bad("there is no =")
	}
	amount, window, ok := strings.Cut(rest, "/")
	if !ok {
		return bad("there is no / before the window")
	}
	e.Metric = Metric(metric)
	if e.Metric.Index() < 0 {
		return bad(fmt.Sprintf("%q is not one of requests, tokens, cost, credits, sessions", metric))
	}
	var err error
	if e.Window, err = ParseWindow(window); err != nil {
		return LimitEdit{}, err
	}
	if amount == "none" {
		e.Remove = true
		return e, nil
	}
	if e.Max, err = parseMax(e.Metric, amount); err != nil {
		return bad(AsError(err).Message)
	}
	return e, e.Validate()
}

func parseMax(m Metric, s string) (int64, error) {
	text, zeros, scale := s, 0, int64(1)
	switch {
	case strings.HasSuffix(s, "k"):
		text, zeros, scale = s[:len(s)-1], 3, 1_000
	case strings.HasSuffix(s, "M"):
		text, zeros, scale = s[:len(s)-1], 6, 1_000_000
	}
	if m.Money() {
		n, err := ParseUSD(text)
		if err != nil {
			return 0, err
		}
		return mulDivDown(int64(n), scale, 1), nil
	}
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" && frac == "" || dotted && frac == "" || !digits(whole) || !digits(frac) {
		return 0, Errorf(Invalid, "%q is not a number", s)
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > zeros {
		return 0, Errorf(Invalid, "%q is not a whole number", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", zeros-len(frac)), 10, 64)
	if err != nil {
		return 0, Errorf(Invalid, "%q is too large", s)
	}
	return n, nil
}

// EditLimits applies edits to a list. One metric and window has one limit.
func EditLimits(limits []Limit, edits []LimitEdit) ([]Limit, error) {
	out := append([]Limit(nil), limits...)
	for _, e := range edits {
		at := -1
		for i, l := range out {
			if l.Metric == e.Metric && l.Window == e.Window {
				at = i
			}
		}
		switch {
		case e.Remove && at < 0:
			return nil, Errorf(NotFound, "there is no limit on %s per %s to remove", e.Metric, e.Window)
		case e.Remove:
			out = append(out[:at], out[at+1:]...)
		case at >= 0:
			out[at] = e.Limit
		default:
			out = append(out, e.Limit)
		}
	}
	return out, nil
}

// Subject is whose counter it is: a kind and an id, "client/cl_01…".
type Subject string

// SubjectOf names a subject. The kinds are "gateway", "client", "key", "token"
// and "visitor".
func SubjectOf(kind string, id ID) Subject { return Subject(kind + "/" + string(id)) }

// Split returns the kind and the id.
func (s Subject) Split() (kind string, id ID) {
	kind, rest, _ := strings.Cut(string(s), "/")
	return kind, ID(rest)
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
// sessions is decided by the store: 1 for a new session, 0 for a running one.
type Bounds [NumMetrics]Bound

// MarkedUp returns the bound of credits for a bound of cost: never below the
// mark-up of any cost within it. The added nano-dollar pays for rounding twice.
func (b Bound) MarkedUp(basisPoints int) Bound {
	if b == (Bound{}) {
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
}

// ByHoldsOnly reports whether the request would fit if the requests in flight
// used nothing: the refusal is of the moment and may be retried at once.
func (e *LimitError) ByHoldsOnly() bool { return AddSat(e.Used, e.Need) <= e.Max }

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %s in %s: used %s, held %s, need %s of %s", e.Subject, e.Metric, e.Period.Label,
		e.Metric.Format(e.Used), e.Metric.Format(e.Held), e.Metric.Format(e.Need), e.Metric.Format(e.Max))
}

// SessionUse says which session a request belongs to. A session is new if its
// member was not seen by the client within the last session.
type SessionUse struct {
	Client ID     `json:"client"`
	Member string `json:"member"` // keyed hash of the end user
	// Until is when the session ends unless it is seen again. With Fixed, a
	// running session keeps the end it began with.
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
	Session               *SessionUse
	Draft                 Record // what is known already; its ID and At are the reservation's
}

// Grant is what a reservation got. The store's memory of the hold is found by
// the reservation's ID.
type Grant struct {
	Output     int64 // output tokens, of all choices together
	NewSession bool
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
