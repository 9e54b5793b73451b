// Package ledger keeps the counters of a store in memory: what is held, what is
// used, which sessions run. It decides admission and does nothing else: no I/O,
// no goroutine, no clock. A store tells it what happens, in one order, and
// makes it durable.
//
// A counter exists from the first time somebody asks for it. What its period
// has seen by then is told by the store ([Ledger.Adopt]), from whatever the
// store keeps for good; from then on the ledger counts. A subject that has not
// been used since a period began has used nothing of it, so the common case, a
// new window, needs nobody's help.
//
// Held is the bound of every open hold at its granted output; used is the sum
// of [tally.Record.Amounts] of every record. Both count on all counters of the
// subjects of a request whose period contains its admission, limited or not.
package ledger

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Ledger is safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex // guards the fields that follow
	accounts map[tally.Subject]*account
	holds    map[tally.ID]*Hold
	sessions map[session]running
	over     []Session // ended, and not told yet
	seen     time.Time // the latest admission or settlement
}

// account is a subject with its counters that are alive.
type account struct {
	lastAt   time.Time // latest admission
	dirty    bool      // lastAt is not told yet
	counters []counter
}

type counter struct {
	metric     int
	period     tally.Period
	used, held int64
}

type session struct {
	client tally.ID
	member string
}

// running is a session with when it ends, and whether that is not told yet.
type running struct {
	ends  time.Time
	dirty bool
}

// Hold is an open reservation.
type Hold struct {
	tally.Reservation
	Output      int64
	NewSession  bool
	SessionEnds time.Time
	// Orphan is whether it is older than this process: nobody will settle it.
	Orphan bool
	// subjects are those it counts on.
	subjects []tally.Subject
	before   time.Time // when its session would have ended without it
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{accounts: map[tally.Subject]*account{}, holds: map[tally.ID]*Hold{}, sessions: map[session]running{}}
}

// Amount is what the hold holds of a metric.
func (h *Hold) Amount(m tally.Metric) int64 { return h.amount(m.Index(), h.Output) }

func (h *Hold) amount(metric int, output int64) int64 {
	if metric == sessionsIndex {
		if h.NewSession {
			return 1
		}
		return 0
	}
	return h.Bounds[metric].At(output)
}

const sessionsIndex = tally.NumMetrics - 1

// Check says what is wrong with a reservation.
func Check(r *tally.Reservation) error {
	bad := func(what string) error { return tally.Errorf(tally.Invalid, "reservation %s: %s", r.ID, what) }
	if r.ID == "" || r.At.IsZero() {
		return bad("it has no ID or no time")
	}
	if r.MinOutput < 0 || r.WantOutput < r.MinOutput {
		return bad("its outputs are not in order")
	}
	for _, b := range r.Bounds {
		if b.Base < 0 || b.PerMillion < 0 {
			return bad("a bound is negative")
		}
	}
	for i := range r.Charges {
		if c := &r.Charges[i]; c.Metric.Index() < 0 || c.Subject == "" || !c.Period.Contains(r.At) {
			return bad("a charge has no subject, an unknown metric or another period")
		}
	}
	if u := r.Session; u != nil && (u.Member == "" || u.Client != r.Draft.Client || !u.Until.After(r.At)) {
		return bad("its session has no member, another client or is over")
	}
	return nil
}

// Reserve holds a checked reservation if every charge has room, at the largest
// output all can pay. Where it lacks counters it changes nothing and returns
// them: the store adopts them and asks again. A refusal is a *tally.LimitError.
func (l *Ledger) Reserve(r *tally.Reservation) (h *Hold, g tally.Grant, lacking []tally.Counter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds[r.ID] != nil {
		return nil, g, nil, tally.Errorf(tally.Conflict, "request %s is held already", r.ID)
	}
	h = &Hold{Reservation: *r, Output: r.MinOutput}
	h.At = UTC(r.At)
	h.Draft.ID, h.Draft.At = h.ID, h.At
	l.enterSession(h)
	h.Output = h.WantOutput
	for i := range h.Charges {
		c := &h.Charges[i]
		k := l.counter(&c.Counter)
		if k == nil {
			lacking = append(lacking, c.Counter)
			continue
		}
		if len(lacking) > 0 || k.metric == sessionsIndex && !h.NewSession {
			continue
		}
		need := h.amount(k.metric, h.MinOutput)
		if tally.AddSat(tally.AddSat(k.used, k.held), need) > c.Max {
			return nil, g, nil, &tally.LimitError{Charge: *c, Used: k.used, Held: k.held, Need: need}
		}
		h.Output = min(h.Output, l.affordable(h, k, c.Max))
	}
	if len(lacking) > 0 {
		return nil, g, lacking, nil
	}
	l.open(h)
	g = tally.Grant{Output: h.Output, NewSession: h.NewSession}
	for i := range h.Charges {
		c := &h.Charges[i]
		switch c.Metric {
		case tally.Requests:
			g.Requests.Narrow(i, l.left(c))
		case tally.TokensIO:
			g.Tokens.Narrow(i, l.left(c))
		}
	}
	return h, g, nil, nil
}

// affordable is the largest output a counter can pay.
func (l *Ledger) affordable(h *Hold, k *counter, most int64) int64 {
	if k.metric == sessionsIndex {
		return h.WantOutput
	}
	return h.Bounds[k.metric].Output(most - tally.AddSat(k.used, k.held))
}

func (l *Ledger) left(c *tally.Charge) int64 {
	k := l.counter(&c.Counter)
	return c.Max - k.used - k.held
}

// enterSession finds out whether the hold begins a session, and when the
// session ends.
func (l *Ledger) enterSession(h *Hold) {
	u := h.Session
	if u == nil {
		return
	}
	end := l.sessions[session{u.Client, u.Member}].ends
	h.before = end
	h.NewSession = !end.After(h.At)
	h.SessionEnds = UTC(end)
	if h.NewSession || !u.Fixed && u.Until.After(end) {
		h.SessionEnds = UTC(u.Until)
	}
}

// open puts a hold on its counters.
func (l *Ledger) open(h *Hold) {
	l.holds[h.ID] = h
	h.subjects = subjectsOf(&h.Draft, h.Charges)
	for _, s := range h.subjects {
		a := l.account(s)
		if h.At.After(a.lastAt) {
			a.lastAt, a.dirty = h.At, true
		}
		a.hold(h, 1)
	}
	if h.Session != nil {
		l.sessions[session{h.Session.Client, h.Session.Member}] = running{h.SessionEnds, true}
	}
	l.see(h.At)
}

// hold adds a hold to the account's counters, or takes it off.
func (a *account) hold(h *Hold, sign int64) {
	for i := range a.counters {
		if k := &a.counters[i]; k.period.Contains(h.At) {
			k.held = tally.AddSat(k.held, sign*h.amount(k.metric, h.Output))
		}
	}
}

// subjectsOf are the subjects a request counts on: those its record names and
// those it is charged on.
func subjectsOf(r *tally.Record, charges []tally.Charge) []tally.Subject {
	out := r.Subjects()
	for i := range charges {
		if s := charges[i].Subject; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (l *Ledger) account(s tally.Subject) *account {
	a := l.accounts[s]
	if a == nil {
		a = &account{}
		l.accounts[s] = a
	}
	return a
}

func (l *Ledger) see(t time.Time) {
	if t.After(l.seen) {
		l.seen = t
	}
}

// counter returns a counter, nil if it must be adopted first.
func (l *Ledger) counter(c *tally.Counter) *counter {
	a := l.account(c.Subject)
	metric := c.Metric.Index()
	for i := range a.counters {
		if k := &a.counters[i]; k.metric == metric && same(&k.period, &c.Period) {
			return k
		}
	}
	if !a.lastAt.Before(c.Period.Start) {
		return nil
	}
	return a.add(metric, c.Period) // unused since the period began
}

func same(a, b *tally.Period) bool {
	return a.Label == b.Label && a.Start.Equal(b.Start) && a.End.Equal(b.End)
}

func (a *account) add(metric int, p tally.Period) *counter {
	a.counters = append(a.counters, counter{metric: metric, period: p})
	return &a.counters[len(a.counters)-1]
}

// Adopt begins to count on a counter that has used so much already. The store
// calls it in the order of settlements, so that nothing is missed or counted
// twice. A counter that exists stays as it is.
func (l *Ledger) Adopt(c tally.Counter, used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counter(&c) != nil {
		return
	}
	k := l.accounts[c.Subject].add(c.Metric.Index(), c.Period)
	k.used = used
	k.held = l.heldOf(&c)
}

// heldOf adds up the open holds on a counter.
func (l *Ledger) heldOf(c *tally.Counter) (held int64) {
	for _, h := range l.holds {
		if c.Period.Contains(h.At) && slices.Contains(h.subjects, c.Subject) {
			held = tally.AddSat(held, h.Amount(c.Metric))
		}
	}
	return held
}

// Held is what open holds hold of a counter, alive or not.
func (l *Ledger) Held(c tally.Counter) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heldOf(&c)
}

// Usage returns the state of a counter; ok is false if it must be adopted
// first.
func (l *Ledger) Usage(c tally.Counter) (u tally.Usage, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.counter(&c); k != nil {
		return tally.Usage{Used: k.used, Held: k.held}, true
	}
	return u, false
}

// Drop takes a hold away that could not be made durable.
func (l *Ledger) Drop(id tally.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil {
		return
	}
	l.release(h)
	if u := h.Session; u != nil {
		if k := (session{u.Client, u.Member}); l.sessions[k].ends.Equal(h.SessionEnds) {
			l.sessions[k] = running{h.before, true}
		}
	}
}

func (l *Ledger) release(h *Hold) {
	delete(l.holds, h.ID)
	for _, s := range h.subjects {
		l.account(s).hold(h, -1)
	}
}

// Settle replaces a hold by its record, which it completes: session, charges
// and what the counters have used after it. NotFound if it is not held.
func (l *Ledger) Settle(id tally.ID, r *tally.Record) (*Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil {
		return nil, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	l.settle(h, r)
	return h, nil
}

func (l *Ledger) settle(h *Hold, r *tally.Record) {
	l.release(h)
	r.ID, r.At = h.ID, h.At
	r.Session, r.NewSession, r.SessionEnds = "", h.NewSession, h.SessionEnds
	if h.Session != nil {
		r.Session = h.Session.Member
	}
	amounts := r.Amounts()
	l.count(h.subjects, h.At, amounts, 1)
	r.Charges = nil
	if len(h.Charges) > 0 {
		r.Charges = make([]tally.Charged, len(h.Charges))
	}
	for i := range h.Charges {
		c := &h.Charges[i]
		r.Charges[i] = tally.Charged{Subject: c.Subject, Metric: c.Metric, Window: c.Period.Label, Amount: amounts.Of(c.Metric), Max: c.Max}
		if k := l.find(&c.Counter); k != nil {
			r.Charges[i].Used = k.used
		}
	}
}

// find returns a counter that is alive, nil if there is none.
func (l *Ledger) find(c *tally.Counter) *counter {
	a := l.accounts[c.Subject]
	if a == nil {
		return nil
	}
	metric := c.Metric.Index()
	for i := range a.counters {
		if k := &a.counters[i]; k.metric == metric && same(&k.period, &c.Period) {
			return k
		}
	}
	return nil
}

// count adds what was used to the counters of subjects, or takes it off.
func (l *Ledger) count(subjects []tally.Subject, at time.Time, amounts tally.Amounts, sign int64) {
	for _, s := range subjects {
		a := l.accounts[s]
		if a == nil {
			continue
		}
		for i := range a.counters {
			if k := &a.counters[i]; k.period.Contains(at) {
				k.used = tally.AddSat(k.used, sign*amounts[k.metric])
			}
		}
	}
}

// Unsettle takes a settlement back whose record could not be made durable.
func (l *Ledger) Unsettle(h *Hold, r *tally.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(h.subjects, h.At, r.Amounts(), -1)
	l.holds[h.ID] = h
	for _, s := range h.subjects {
		l.account(s).hold(h, 1)
	}
}

// Extend moves the deadline of a hold; NotFound if it is not held.
func (l *Ledger) Extend(id tally.ID, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil {
		return tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	h.ExpiresAt = until
	return nil
}

// Overdue lists at most so many holds whose deadline is at or before now, the
// most overdue first; orphans always are.
func (l *Ledger) Overdue(now time.Time, most int) []tally.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []*Hold
	for _, h := range l.holds {
		if h.Orphan || !h.ExpiresAt.After(now) {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *Hold) int { return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.ID, b.ID)) })
	var ids []tally.ID
	for _, h := range due[:min(len(due), max(most, 0))] {
		ids = append(ids, h.ID)
	}
	return ids
}

// Lost completes the record of a hold that nobody settled: it counts as used
// what it held.
func (l *Ledger) Lost(id tally.ID, now time.Time) (*Hold, *tally.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil {
		return nil, nil, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	r := h.Draft
	tokens := h.Amount(tally.TokensIO)
	r.Tokens = tally.Tokens{Input: min(h.Bounds[tally.TokensIO.Index()].Base, tokens)}
	r.Tokens.Output = tokens - r.Tokens.Input
	r.Cost, r.Credits = tally.NanoUSD(h.Amount(tally.Cost)), tally.NanoUSD(h.Amount(tally.Credits))
	r.Outcome, r.Basis, r.Total = tally.Lost, tally.Held, max(now.Sub(h.At), 0)
	l.settle(h, &r)
	return h, &r, nil
}

// Holds is the number of open holds.
func (l *Ledger) Holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holds)
}

// LastUsed is when a request of a subject was last admitted, zero if never.
func (l *Ledger) LastUsed(s tally.Subject) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s]; a != nil {
		return a.lastAt
	}
	return time.Time{}
}

// Seen is the latest admission or settlement.
func (l *Ledger) Seen() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// See tells of a settlement's time.
func (l *Ledger) See(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.see(t)
}

// UTC is a time as a store keeps it.
func UTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}
