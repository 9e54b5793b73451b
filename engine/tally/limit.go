package tally

import (
	"fmt"
	"strconv"
	"strings"
)

// Metric is what a limit counts.
type Metric string

// The metrics. Cost and credits are in nano-USD; credits are cost with the
// client's mark-up. Every admitted request counts as one, whatever becomes of
// it upstream; sessions are counted when they begin. Balance is credits less what a
// client has paid or was given in advance, so it is below zero while something is left,
// and the only limit on it is 0.
const (
	Requests Metric = "requests"
	TokensIO Metric = "tokens"
	Cost     Metric = "cost"
	Credits  Metric = "credits"
	Sessions Metric = "sessions"
	Balance  Metric = "balance"
)

// Metrics lists all metrics in the order of [Amounts].
var Metrics = [NumMetrics]Metric{Requests, TokensIO, Cost, Credits, Sessions, Balance}

// NumMetrics is how many metrics there are.
const NumMetrics = 6

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
	case Balance:
		return 5
	}
	return -1
}

// Money reports whether the metric is counted in nano-USD.
func (m Metric) Money() bool { return m == Cost || m == Credits || m == Balance }

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
	// Carry is how much of Max, in percent from 1 to 100, may be carried over from the
	// period before, if so much of it was left there; 0 carries nothing.
	Carry int `json:"carry_percent,omitempty"`
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
	if l.Window.Per != "" && l.Metric == Sessions {
		return Errorf(Invalid, "sessions are not counted per %s", l.Window.Per).WithHint("requests, tokens, cost and credits are")
	}
	switch {
	case l.Carry == 0:
	case l.Carry < 0 || l.Carry > 100:
		return Errorf(Invalid, "what is carried over is 1%% to 100%% of a limit, not %d%%", l.Carry)
	case l.Window.Unit == Total || l.Window.Unit == Minute || l.Window.Per != "" || l.Metric == Balance || l.Metric == Sessions:
		return Errorf(Invalid, "nothing is carried over of %s/%s", l.Metric, l.Window).
			WithHint("write cost=50/month,carry=50%%, for a window from an hour to a quarter")
	}
	if l.Metric == Balance && (l.Max != 0 || l.Window.Unit != Total) {
		return Errorf(Invalid, "a balance has no amount and no window").WithHint("write credits=balance")
	}
	if top := l.Metric.top(); l.Max < 0 || l.Max > top {
		return Errorf(Invalid, "the limit on %s must be between 0 and %s", l.Metric, l.Metric.Format(top))
	}
	return nil
}

// top is the largest limit on the metric.
func (m Metric) top() int64 {
	if m.Money() {
		return int64(MaxMoney)
	}
	return MaxCount
}

// String writes the limit as [ParseLimit] reads it: "cost=50/month".
func (l Limit) String() string {
	s := fmt.Sprintf("%s=%s/%s", l.Metric, l.Metric.Text(l.Max), l.Window)
	if l.Metric == Balance {
		s = balanceText
	}
	if l.Carry != 0 {
		s += ",carry=" + strconv.Itoa(l.Carry) + "%"
	}
	if l.Warn {
		s += ",warn"
	}
	return s
}

// Carried is what the limit allows more in a period because so much was used in the one
// before.
func (l Limit) Carried(used int64) int64 {
	return min(mulDivDown(l.Max, int64(l.Carry), 100), max(l.Max-used, 0))
}

// Display writes the limit for people: "$50.00/month", "1,000 requests/day".
func (l Limit) Display() string {
	if l.Metric == Balance {
		return l.Metric.Format(l.Max) + " in advance"
	}
	if l.Metric.Money() {
		return l.Metric.Format(l.Max) + "/" + l.Window.String()
	}
	return l.Metric.Format(l.Max) + " " + string(l.Metric) + "/" + l.Window.String()
}

// LimitEdit is one change of a list of limits: set Limit, or remove the one of
// its metric and window.
type LimitEdit struct {
	Limit
	Remove bool `json:"remove,omitempty"`
}

// String writes the edit as [ParseLimit] reads it.
func (e LimitEdit) String() string {
	switch {
	case e.Remove && e.Metric == Balance:
		return balanceGone
	case e.Remove:
		return fmt.Sprintf("%s=none/%s", e.Metric, e.Window)
	}
	return e.Limit.String()
}

// A limit to what was paid in advance is written as one of credits.
const (
	balanceText = "credits=balance"
	balanceGone = "credits=none/balance"
)

// ParseLimit reads METRIC=MAX/WINDOW: "requests=60/minute", "tokens=20M/month:15",
// "cost=50/month" (US dollars), "cost=none/month" (remove), with ",warn" at
// the end for a limit that only warns. "cost=0.20/day per session" is a limit that each
// session has, "cost=5/month per project=alpha" one that the tag has. With ",carry=50%" up to half of it
// is carried over from the period before. MAX takes k and M; each means exactly a
// thousand or a million. "credits=balance" is a limit to what was paid in advance, and
// "credits=none/balance" removes it.
func ParseLimit(s string) (LimitEdit, error) {
	bad := func(why string) (LimitEdit, error) {
		return LimitEdit{}, Errorf(Invalid, "limit %q: %s", s, why).WithHint("write METRIC=MAX/WINDOW, like cost=50/month or requests=60/minute; MAX may be none")
	}
	var e LimitEdit
	body, warn := strings.CutSuffix(strings.TrimSpace(s), ",warn")
	e.Warn = warn
	body, carry, carries := strings.Cut(body, ",carry=")
	if n, err := strconv.Atoi(strings.TrimSuffix(carry, "%")); carries && err != nil {
		return bad("what is carried over is a percentage, like carry=50%")
	} else if e.Carry = n; carries && n == 0 {
		return bad("what is carried over is 1% to 100%")
	}
	if body == balanceText || body == balanceGone {
		e.Metric, e.Window, e.Remove = Balance, Window{Unit: Total}, body == balanceGone
		return e, nil
	}
	metric, rest, ok := strings.Cut(body, "=")
	if !ok {
		return bad("there is no =")
	}
	amount, window, ok := strings.Cut(rest, "/")
	if !ok {
		return bad("there is no / before the window")
	}
	e.Metric = Metric(metric)
	if e.Metric.Index() < 0 || e.Metric == Balance {
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
	if e.Max, err = e.Metric.Parse(amount); err != nil {
		return bad(AsError(err).Message)
	}
	return e, e.Validate()
}

// Text writes an amount of the metric as [Metric.Parse] reads it.
func (m Metric) Text(n int64) string {
	if m.Money() {
		return NanoUSD(n).String()
	}
	return strconv.FormatInt(n, 10)
}

// Parse reads an amount of the metric, with k and M for exactly a thousand and a
// million: "60", "20M", "12.50" (US dollars).
func (m Metric) Parse(s string) (int64, error) {
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
	return parseCount(s, text, zeros)
}

// ParseCount reads a number of things: "500", "10k", "1.5M".
func ParseCount(s string) (int64, error) { return Requests.Parse(s) }

// parseCount reads the digits of a number that has so many zeros more.
func parseCount(s, text string, zeros int) (int64, error) {
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
