// Package ledger keeps the counters of a store in memory: what is held, what is
// used, which sessions run. It decides admission and does nothing else: no I/O,
// no goroutine, no clock. A store tells it what happens, in one order, and
// makes it durable.
//
// A counter exists from the first time somebody asks for it. The store tells what the
// counter's period has seen by then ([Ledger.Adopt]), from what it keeps for good. From
// then on the ledger counts. So a limit that is added in mid-period counts at once what the
// period has already seen. A subject that has not been used since a period began has used
// nothing of that period. So a new window, the common case, needs no look into the store.
//
// Held is the bound of every open hold at its granted output. Used is the sum of
// [tally.Record.Amounts] of every record. Both count on all counters of the subjects of a
// request whose period contains the request's admission, limited or not.
//
// A request may wait if only the holds of others stand in its way. Settlements make room
// once they are durable. The waiters get that room one after the other, in the order in
// which they first asked (line.go).
//
// sessions.go remembers sessions, reserve.go opens holds, decide.go says which may be
// opened, raise.go adds to a hold, settle.go replaces holds by records, keep.go tells a
// store what to keep and takes back what was kept, clock.go takes the time back.
//
// Where several ledgers share all limits, each reaches only what it was lent of a counter,
// and borrows more when it is short (lent.go). The places of clients are shared in the same
// way (place.go). Sessions are claimed, so that one that another ledger has begun is not
// counted twice (claim.go).
package ledger

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Ledger is safe for concurrent use. [Ledger.Adopt], [Ledger.Settle],
// [Ledger.Lost], [Ledger.Commit] and [Ledger.Unsettle] are for one caller at a time:
// the one that decides the order of settlements.
type Ledger struct {
	mu       sync.Mutex // guards the fields that follow, and all they lead to
	accounts map[tally.Subject]*account
	holds    map[tally.ID]*Hold
	sessions sessions
	touched  []*account // the accounts that the store has to be told of
	seen     time.Time  // the latest admission or settlement
	ahead    []Span     // the spans of the future with admissions, see [Ledger.Accept]
	charged  []*counter // the counters that the latest decide was about
	served   []*Hold    // holds whose neighbours in line serveOn has still to look at
	places   map[tally.Subject]*place
	opened   uint64 // how many holds were opened so far
	waiting  int    // waiters in all lines
	parts    int    // accounts of parts
	lender   Lender // nil if the limits are this ledger's alone
	noted    []tally.Counter
	// prolonged are sessions that other ledgers are to be told of.
	prolonged []Claim
}

// account is a subject with its counters that are alive.
type account struct {
	subject  tally.Subject
	part     bool      // it is a part: records and holds count on it from when it is there
	met      bool      // the store has told when it was last used
	stray    bool      // records count on it that were not admitted on it
	lastAt   time.Time // latest admission
	dirty    bool      // lastAt or stray is not told yet
	open     int       // holds on it
	counters []*counter
}

// counter is what a subject has used and holds of one metric in one period.
// The period's label is its name for people and does not identify it.
type counter struct {
	metric     int
	start, end int64 // Unix seconds
	label      string
	used       int64
	held       pile
	open       int        // holds on it: it must be there when they are settled
	line       *line      // of those that wait for room; nil if nobody does
	watch      *line      // of all who wait and are charged here
	lent       *allowance // nil if the limits are this ledger's alone
}

// taken is what of the counter's limit is used or held.
func (k *counter) taken() int64 { return tally.AddSat(k.used, k.held.sum()) }

func (k *counter) contains(sec int64) bool { return k.start <= sec && sec < k.end }

// pile adds up amounts that may each be as large as an int64, and gives every amount back
// exactly.
type pile struct{ hi, lo uint64 }

func (p *pile) add(n int64) {
	var carry uint64
	p.lo, carry = bits.Add64(p.lo, uint64(n), 0)
	p.hi += carry + uint64(n>>63) // of a negative number the upper half is all ones
}

// sum is what lies on the pile, at most math.MaxInt64.
func (p *pile) sum() int64 {
	if p.hi > 0 || p.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(p.lo)
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{accounts: map[tally.Subject]*account{}, holds: map[tally.ID]*Hold{}, sessions: newSessions(), places: map[tally.Subject]*place{}}
}

// touch notes that the store has to be told of an account.
func (l *Ledger) touch(a *account) {
	if !a.dirty {
		a.dirty = true
		l.touched = append(l.touched, a)
	}
}

// account returns a subject's account, a new one if it has none.
func (l *Ledger) account(s tally.Subject) *account {
	a := l.accounts[s]
	if a == nil {
		a = &account{subject: s, part: isPart(s)}
		if a.part {
			// Requests may have counted on it before it was there.
			a.stray = true
			l.parts++
		}
		l.accounts[s] = a
	}
	return a
}

// isPart reports whether a subject is a part that records name, charged on it or not.
func isPart(s tally.Subject) bool {
	of, label, ok := s.Part()
	return ok && tally.PartFamily(of, label) != ""
}

// include makes a part's account one of the accounts of the open holds that name it: those
// that were opened before the part was counted are not charged on it.
func (l *Ledger) include(a *account) {
	for _, h := range l.holds {
		if h.on(a) || !h.Draft.NamesPart(a.subject) {
			continue
		}
		for old := h; old != nil; old = old.raised {
			old.accounts, old.lastAt = append(old.accounts, a), append(old.lastAt, a.lastAt)
		}
		holds := h.Holds()
		for _, k := range a.counters[:len(a.counters)-1] { // the last one is new
			if k.contains(h.At.Unix()) {
				k.held.add(holds[k.metric])
				k.open++
			}
		}
		a.open++
	}
}

// find returns a counter that is alive, nil if there is none.
func (a *account) find(c *tally.Counter) *counter {
	metric, start, end := c.Metric.Index(), c.Period.Start.Unix(), c.Period.End.Unix()
	for _, k := range a.counters {
		if k.metric == metric && k.start == start && k.end == end {
			return k
		}
	}
	return nil
}

// counter returns a counter, nil if it must be adopted first.
func (l *Ledger) counter(a *account, c *tally.Counter) *counter {
	if k := a.find(c); k != nil {
		return k
	}
	if !l.unused(a, &c.Period) {
		return nil
	}
	return a.add(c)
}

// unused reports whether a subject cannot have used anything of a period: it was not
// admitted since the period began, nor by a clock that was ahead.
func (l *Ledger) unused(a *account, p *tally.Period) bool {
	return a.met && !a.stray && a.lastAt.Before(p.Start) && !slices.ContainsFunc(l.ahead, func(s Span) bool { return s.Meets(p.Start, p.End) })
}

// add begins a counter, and forgets the counters whose periods are over, so that an account
// does not grow however long it lives.
func (a *account) add(c *tally.Counter) *counter {
	k := &counter{metric: c.Metric.Index(), start: c.Period.Start.Unix(), end: c.Period.End.Unix(), label: c.Period.Label}
	a.forget(k.start)
	a.counters = append(a.counters, k)
	return k
}

// late is how much earlier than other requests, in seconds, a request may be that comes
// after them. Requests that arrive together reach the ledger in any order.
const late = 60

// forget drops counters whose periods ended before a time. Counters that are asked for
// again are adopted again.
func (a *account) forget(sec int64) {
	kept := a.counters[:0]
	for _, k := range a.counters {
		if k.end > sec-late || k.open > 0 || k.line != nil || k.watch != nil {
			kept = append(kept, k)
		}
	}
	clear(a.counters[len(kept):])
	a.counters = kept
}

func (l *Ledger) see(t time.Time) {
	if t.After(l.seen) {
		l.seen = t
	}
}

// Adopt begins to count on a counter that has used so much already, settled
// records only. A counter that exists stays as it is.
func (l *Ledger) Adopt(c tally.Counter, used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(c.Subject)
	if a.find(&c) != nil {
		return
	}
	k := a.add(&c)
	k.used = used
	if a.part {
		l.include(a)
	}
	if a.open == 0 {
		return
	}
	for _, h := range l.holds {
		if k.contains(h.At.Unix()) && h.on(a) {
			k.held.add(h.Holds()[k.metric])
			k.open++
		}
	}
}

// Usage fills in the state of counters, all of one instant. Counters that must be adopted
// first are left out; their indices are returned.
func (l *Ledger) Usage(counters []tally.Counter, out []tally.Usage) (lacking []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range counters {
		c := &counters[i]
		if a := l.accounts[c.Subject]; a != nil {
			if k := l.counter(a, c); k != nil {
				out[i] = tally.Usage{Used: k.used, Held: k.held.sum()}
				continue
			}
		}
		lacking = append(lacking, i)
	}
	return lacking
}

// Held is what open holds hold of a counter, alive or not.
func (l *Ledger) Held(c *tally.Counter) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[c.Subject]
	if a == nil || a.open == 0 && !a.part {
		return 0
	}
	var held pile
	for _, h := range l.holds {
		if c.Period.Contains(h.At) && (h.on(a) || a.part && h.Draft.NamesPart(c.Subject)) {
			held.add(h.Holds()[c.Metric.Index()])
		}
	}
	return held.sum()
}

// Unused reports whether a subject cannot have used anything of a period, because it was
// not admitted since the period began.
func (l *Ledger) Unused(c *tally.Counter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[c.Subject]
	return a != nil && l.unused(a, &c.Period)
}

// LastUsed is when a request of a subject was last admitted, zero if never; known
// is false if what the store has kept may be later.
func (l *Ledger) LastUsed(s tally.Subject) (at time.Time, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s]; a != nil {
		return a.lastAt, a.met
	}
	return time.Time{}, false
}

// Holds is the number of open holds.
func (l *Ledger) Holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holds)
}

// HoldsOf sums up the open holds whose drafts match.
func (l *Ledger) HoldsOf(match func(draft *tally.Record) bool) (n int, held tally.Amounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.holds {
		if match(&h.Draft) {
			n++
			for i, amount := range h.Holds() {
				held[i] = tally.AddSat(held[i], amount)
			}
		}
	}
	return n, held
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
