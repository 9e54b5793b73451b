package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"

	"tallygate/engine/tally"
)

// Lender lends a ledger shares of the limits that the ledger has in common with others.
type Lender interface {
	// Borrow asks for what reservations are short of, and waits until that is answered.
	// lent is false if there is no more to be had at the moment; what has been lent so far
	// then decides. The ledger does not hold its lock meanwhile.
	Borrow(ctx context.Context, short []Short) (lent bool, err error)

	// Claim tells the others of a session, or asks them. It hands the answer to
	// [Ledger.Claimed] before it returns, unless there is none soon: then the session counts
	// as one that does not run elsewhere. The ledger does not hold its lock meanwhile.
	Claim(ctx context.Context, c Claim)
}

// Short is what a reservation needs of a counter. The amounts are what the reservation
// would hold there.
type Short struct {
	tally.Counter
	Max   int64 // of the limit
	Least int64 // less than this is of no use
	Want  int64 // at least Least
	Has   bool  // there is enough of it: the reservation is short of other counters
}

// maxBorrows bounds how often one reservation asks the lender: others may have taken what
// was lent before the reservation comes to it.
const maxBorrows = 8

// allowance is what a counter may reach here. Others may reach the rest of the limit.
type allowance struct {
	Terms
	noted bool // the lender is told
	heard bool // the lender has told the terms
}

// Terms are what a counter is lent on.
type Terms struct {
	UpTo      int64 // what it may reach here
	Elsewhere int64 // what others have used, as last heard
	Others    int64 // what others were lent, as last heard
	Low       int64 // with less than this left, the lender wants to be told
	// Max is the limit that they are for. A lower one has been overlent perhaps, so that
	// nothing more is taken of it until the lender tells the terms anew.
	Max int64
}

// room is what a counter may reach here of a limit.
func (k *counter) room(limit int64) int64 {
	if limit < k.lent.Max {
		return min(k.lent.UpTo, k.taken())
	}
	return k.lent.UpTo
}

// LentBy makes a ledger one of several that share all limits: a counter reaches what it was
// lent, which is nothing at first. It must be called before the ledger is used.
func (l *Ledger) LentBy(from Lender) { l.lender = from }

// usedAll is what was used of a counter here and, as last heard, elsewhere.
func (k *counter) usedAll() int64 {
	if k.lent == nil {
		return k.used
	}
	return tally.AddSat(k.used, k.lent.Elsewhere)
}

// toward is what of a limit cannot be taken here: it is used or held, here or elsewhere, or
// was not lent.
func (k *counter) toward(limit int64) int64 {
	if k.lent == nil || limit == math.MaxInt64 { // nothing is above that one, so it is not shared
		return k.taken()
	}
	taken := k.taken()
	return tally.AddSat(taken, max(k.lent.Elsewhere, tally.AddSat(limit, -max(k.room(limit), taken))))
}

// refuse is the error of a charge that has no room. What others were lent counts as held.
func (k *counter) refuse(c *tally.Charge, need int64) *tally.LimitError {
	e := &tally.LimitError{Charge: *c, Used: k.usedAll(), Held: k.held.sum(), Need: need}
	if k.lent != nil {
		e.Held = tally.AddSat(e.Held, max(0, tally.AddSat(k.lent.Others, -k.lent.Elsewhere)))
	}
	return e
}

// shortage refuses a reservation until more was lent. Nothing was changed.
type shortage []Short

func (s shortage) Error() string { return fmt.Sprintf("%d counters were lent too little", len(s)) }

// short lists the counters that a reservation is charged on, if one of them could be lent
// more and does not have all that the reservation wants.
func (l *Ledger) short(r *tally.Reservation, target int64) (out shortage) {
	_, newSession, _ := l.session(r)
	lacks := false
	for i, k := range l.charged {
		s, counts := k.short(r, &r.Charges[i], target, newSession)
		lacks = lacks || counts && !s.Has
	}
	for i := range r.Places {
		s, counts := l.places[r.Places[i].Subject].short(&r.Places[i])
		lacks = lacks || counts && !s.Has
	}
	if !lacks { // as a rule: it costs no memory
		return nil
	}
	for i := range r.Places {
		if s, counts := l.places[r.Places[i].Subject].short(&r.Places[i]); counts {
			out = append(out, s)
		}
	}
	for i, k := range l.charged {
		if s, counts := k.short(r, &r.Charges[i], target, newSession); counts {
			out = append(out, s)
		}
	}
	return out
}

// short is what a reservation needs of a counter; counts is false if that is nothing, or
// nothing that is lent.
func (k *counter) short(r *tally.Reservation, c *tally.Charge, target int64, newSession bool) (s Short, counts bool) {
	want, counts := needOf(r, k.metric, r.WantOutput, newSession)
	if !counts || c.Max == math.MaxInt64 {
		return s, false
	}
	s = Short{Counter: c.Counter, Max: c.Max, Want: roomFor(c, want)}
	s.Least, _ = needOf(r, k.metric, target, newSession)
	room := k.room(c.Max)
	all := k.lent.heard && room >= tally.AddSat(c.Max, -k.lent.Elsewhere)
	s.Has = all || tally.AddSat(k.taken(), s.Want) <= room
	return s, true
}

// hopeless reports whether what was used leaves no room for the least that a reservation
// needs. Of counters that the lender has told nothing of yet, nobody knows: others may have
// used less than nothing, where money was paid in advance.
func (l *Ledger) hopeless(r *tally.Reservation) bool {
	_, newSession, _ := l.session(r)
	for i, k := range l.charged {
		need, counts := needOf(r, k.metric, r.MinOutput, newSession)
		if counts && tally.AddSat(k.usedAll(), need) > r.Charges[i].Max && (k.lent == nil || k.lent.heard) {
			return true
		}
	}
	return false
}

// roomFor is the room that lets a charge have a need: of a budget that others share, it
// gets half of the room.
func roomFor(c *tally.Charge, need int64) int64 {
	if c.Shared {
		return tally.AddSat(need, need)
	}
	return need
}

// note has the lender told of a counter that has little left, or more taken than was lent.
func (l *Ledger) note(k *counter, c *tally.Charge) {
	if tally.AddSat(k.lent.UpTo, -k.taken()) < k.lent.Low && c.Max < math.MaxInt64 {
		l.tell(k.lent, c.Counter)
	}
}

func (l *Ledger) tell(a *allowance, c tally.Counter) {
	if !a.noted {
		a.noted = true
		l.noted = append(l.noted, c)
	}
}

// Noted returns the counters that have come to have little left since the last call, that
// have more taken than they were lent, or that somebody has begun to wait at.
func (l *Ledger) Noted() []tally.Counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.noted
	l.noted = nil
	for i := range out {
		if p := l.places[out[i].Subject]; out[i].Metric == InFlight && p != nil {
			p.lent.noted = false
		} else if k := l.alive(&out[i]); k != nil && k.lent != nil {
			k.lent.noted = false
		}
	}
	return out
}

func (l *Ledger) alive(c *tally.Counter) *counter {
	if a := l.accounts[c.Subject]; a != nil {
		return a.find(c)
	}
	return nil
}

// Elsewhere is what others have used of a counter, as last heard; heard is whether that was.
func (l *Ledger) Elsewhere(c *tally.Counter) (used int64, heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.alive(c); k != nil && k.lent != nil && k.lent.heard {
		return k.lent.Elsewhere, true
	}
	return 0, false
}

// Loan is the state of a counter that is lent.
type Loan struct {
	UpTo       int64 // what it may reach
	Used, Held int64 // here
	// Least and Want are what those need here who wait for room, here or elsewhere: the
	// one who needs least, and all.
	Least, Want int64
	// Spare is whether a place has become free that is for others: it is not to be asked for
	// with the exchange that gives it back.
	Spare bool
}

// Taken is what is used or held.
func (x *Loan) Taken() int64 { return tally.AddSat(x.Used, x.Held) }

// Loan returns the state of a counter; with yield, the counter gives up first what is
// neither used nor held. A counter that is not alive must be adopted first.
func (l *Ledger) Loan(c *tally.Counter, yield bool) (x Loan, alive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Metric == InFlight {
		if !l.shares(c.Subject) {
			return x, false
		}
		return l.place(c.Subject).loan(yield), true
	}
	k := l.alive(c)
	if a := l.accounts[c.Subject]; k == nil && a != nil {
		k = l.counter(a, c) // of a period that has only begun, or will begin
	}
	if k == nil {
		return x, false
	}
	if k.lent == nil {
		k.lent = unlent()
	}
	if yield {
		k.lent.UpTo = min(k.lent.UpTo, k.taken())
	}
	x = Loan{UpTo: k.lent.UpTo, Used: k.used, Held: k.held.sum()}
	if k.watch == nil {
		return x, true
	}
	for _, w := range k.watch.waiters {
		_, newSession, _ := l.session(w.r)
		if need, counts := needOf(w.r, k.metric, max(w.at.target, w.r.MinOutput), newSession); counts {
			if x.Want == 0 || need < x.Least {
				x.Least = need
			}
			x.Want = tally.AddSat(x.Want, roomFor(&w.r.Charges[slices.Index(w.watch, k)], need))
		}
	}
	return x, true
}

// unlent is the allowance of a counter that was lent nothing. Where more was paid in advance
// than used, even 0 would be something.
func unlent() *allowance { return &allowance{Terms: Terms{UpTo: math.MinInt64}} }

// Withdraw takes back what a counter was lent, and what was heard of others.
func (l *Ledger) Withdraw(c *tally.Counter) {
	if c.Metric == InFlight {
		l.Lend(c, Terms{})
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.alive(c); k != nil && k.lent != nil {
		k.lent = unlent()
	}
}

// Lend says on what terms a counter is lent. What that makes room for goes first to those who
// wait.
func (l *Ledger) Lend(c *tally.Counter, t Terms) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Metric == InFlight {
		if !l.shares(c.Subject) {
			return
		}
		p := l.place(c.Subject)
		p.lent.Terms, p.spare = t, false
		l.serveLine(standing{place: p})
		l.serveOn()
		return
	}
	k := l.alive(c)
	if k == nil {
		return
	}
	if k.lent == nil {
		k.lent = unlent()
	}
	k.lent.Terms, k.lent.heard = t, true
	if k.watch != nil {
		l.spent(k)
	}
	if k.line != nil {
		l.serveLine(standing{counter: k})
	}
	l.serveOn()
}
