package ledger

import (
	"slices"
	"time"

	"tallygate/engine/tally"
)

// Hold is an open reservation. Its fields are fixed once it is open, except the
// deadline.
type Hold struct {
	tally.Reservation
	Output      int64
	NewSession  bool
	SessionEnds time.Time
	Held        tally.Amounts // the bounds at the granted output; [Hold.Holds] says what counts
	// Orphan is whether the hold is older than this process. Nobody will settle an orphan.
	Orphan bool
	// Counted, of an orphan, is what the counter of each charge had used when the
	// store wrote it; nil or -1 if it is not known.
	Counted []int64

	// pays is whether this hold pays for its session. The hold that began the session pays.
	// If that hold was dropped, or was settled before the session was kept, another open
	// hold pays.
	pays bool
	// joined is whether another ledger has begun its session after all. As the store has the
	// hold, it pays, and a later process would have it pay: so what it holds for that is free
	// only when it is settled.
	joined   bool
	kept     bool        // the store has it: it may be settled
	raised   *Hold       // what it was before it was raised; nil if it was not
	opened   uint64      // its number among all holds
	places   []*place    // that it takes
	accounts []*account  // those it counts on
	lastAt   []time.Time // of each, before it
	before   time.Time   // when its session would have ended without it

	accountRoom [4]*account // of most holds, so that they need no allocation
	lastRoom    [4]time.Time
}

// Written is the hold as the store has it: itself, what it was before it was
// raised, or nil.
func (h *Hold) Written() *Hold {
	for h != nil && !h.kept {
		h = h.raised
	}
	return h
}

// Holds is what the hold holds of each metric.
func (h *Hold) Holds() tally.Amounts {
	out := h.Held
	out[sessionsIndex] = 0
	if h.pays || h.joined {
		out[sessionsIndex] = 1
	}
	return out
}

func (h *Hold) on(a *account) bool {
	for _, x := range h.accounts {
		if x == a {
			return true
		}
	}
	return false
}

var sessionsIndex = tally.Sessions.Index()

// Check says what is wrong with a reservation.
func Check(r *tally.Reservation) error {
	bad := func(what string) error { return tally.Errorf(tally.Invalid, "reservation %s: %s", r.ID, what) }
	if r.ID == "" || r.At.IsZero() {
		return bad("it has no ID or no time")
	}
	if r.MinOutput < 0 || r.WantOutput < r.MinOutput {
		return bad("its outputs are not in order")
	}
	for i := range r.Bounds {
		if b := &r.Bounds[i]; b.Base < 0 || b.PerMillion < 0 {
			return bad("a bound is negative")
		}
	}
	for i := range r.Charges {
		if c := &r.Charges[i]; c.Metric.Index() < 0 || c.Subject == "" || !c.Period.Contains(r.At) {
			return bad("a charge has no subject, an unknown metric or another period")
		}
	}
	if u := r.Session; u != nil && (u.Member == "" || u.Client != r.Draft.Client || !u.Until.IsZero() && !u.Until.After(r.At)) {
		return bad("its session has no member, another client or is over")
	}
	return nil
}

// session finds out whether a reservation begins a session, when its session
// ends, and when it would have ended without it.
func (l *Ledger) session(r *tally.Reservation) (before time.Time, begins bool, ends time.Time) {
	u := r.Session
	if u == nil || u.Until.IsZero() {
		return before, false, ends
	}
	before = l.sessions.end(session{u.Client, u.Member})
	begins = !before.After(r.At)
	if begins || !u.Fixed && u.Until.After(before) {
		return before, begins, UTC(u.Until)
	}
	return before, begins, before
}

// open puts a hold on the counters of its subjects.
func (l *Ledger) open(h *Hold) {
	l.holds[h.ID] = h
	l.opened++
	h.opened = l.opened
	h.accounts = h.accountRoom[:0]
	for i := range h.Charges {
		if s := h.Charges[i].Subject; i == 0 || s != h.Charges[i-1].Subject {
			h.count(l.accountOf(h, s))
		}
	}
	l.named(&h.Draft, h.accounts, h.count)
	h.lastAt = h.lastRoom[:0]
	holds := h.Holds()
	for _, a := range h.accounts {
		h.lastAt = append(h.lastAt, a.lastAt)
		if h.At.After(a.lastAt) {
			a.lastAt = h.At
			l.touch(a)
		}
		a.move(h, &holds, 1)
	}
	for _, p := range h.places {
		p.taken++
	}
	if h.inSession() {
		k := h.session()
		l.sessions.set(k, h.SessionEnds, true)
		if h.pays && !h.kept { // one of an earlier process is never dropped
			l.sessions.payers[k] = h
		}
	}
	l.see(h.At)
}

// count makes a hold count on an account, once.
func (h *Hold) count(a *account) {
	if !h.on(a) {
		h.accounts = append(h.accounts, a)
	}
}

// named calls f with the accounts of the subjects that a record names, except for those
// in had. Parts have accounts only where something is limited per part.
func (l *Ledger) named(r *tally.Record, had []*account, f func(*account)) {
	for _, s := range [...]struct {
		kind string
		id   tally.ID
	}{{"gateway", r.Gateway}, {"client", r.Client}, {"key", r.Key}, {"token", tally.ID(r.Token)}} {
		if s.id == "" || slices.ContainsFunc(had, func(a *account) bool { return a.subject.Is(s.kind, s.id) }) {
			continue
		}
		var room [96]byte
		name := append(append(append(room[:0], s.kind...), '/'), s.id...)
		a := l.accounts[tally.Subject(name)] // does not allocate
		if a == nil {
			a = l.account(tally.Subject(name))
		}
		f(a)
	}
	if l.parts == 0 {
		return
	}
	r.EachPart(func(of tally.Subject, label string) {
		if a := l.accounts[tally.PartOf(of, label)]; a != nil && !slices.Contains(had, a) {
			f(a)
		}
	})
}

// move changes what a hold holds of the account's counters. enter is 1 for a hold that
// comes and -1 for one that goes: counters stay while a hold is on them.
func (a *account) move(h *Hold, by *tally.Amounts, enter int) {
	a.open += enter
	sec := h.At.Unix()
	for _, k := range a.counters {
		if k.contains(sec) {
			k.held.add(by[k.metric])
			k.open += enter
			k.line.overtaken(h, by[k.metric])
		}
	}
}

// Drop takes back a hold that could not be made durable, or that nobody wants any more. A
// hold that was raised is again what it was before.
func (l *Ledger) Drop(h *Hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(h)
	if h.raised != nil {
		l.reopen(h.raised)
		l.serve(h)
		return
	}
	for i, a := range h.accounts {
		if a.lastAt.Equal(h.At) {
			a.lastAt = h.lastAt[i]
		}
	}
	if h.inSession() {
		l.endSession(h)
	}
	l.serve(h)
}

// inSession reports whether the hold is in a session that is kept count of.
func (h *Hold) inSession() bool { return h.Session != nil && !h.Session.Until.IsZero() }

func (h *Hold) session() session { return session{h.Session.Client, h.Session.Member} }

// endSession takes back what a hold that is dropped has done to its session. If other holds
// are in the session, it goes on, and one of them pays for it.
func (l *Ledger) endSession(h *Hold) {
	k := h.session()
	var first *Hold
	ends := h.before
	for _, o := range l.holds {
		if !o.inSession() || o.session() != k {
			continue
		}
		// A hold that is older than the one that began the session, or pays, is in another one.
		if (first == nil || o.opened < first.opened) && (!h.pays || o.opened > h.opened && !o.pays && !o.joined) {
			first = o
		}
		if o.SessionEnds.After(ends) {
			ends = o.SessionEnds
		}
	}
	if h.pays && first != nil {
		first.before = h.before // the first hold has now begun the session
		l.pay(first, true)
	}
	if first != nil || h.pays || l.sessions.end(k).Equal(h.SessionEnds) {
		l.sessions.set(k, ends, true)
	}
	if l.sessions.payers[k] == h {
		delete(l.sessions.payers, k)
		if first != nil && !first.kept {
			l.sessions.payers[k] = first
		}
	}
}

// payer is the hold that pays for the session of another hold, if the paying hold is open
// and not kept, so that it may still be dropped; nil otherwise.
func (l *Ledger) payer(h *Hold) *Hold {
	if !h.inSession() || h.pays || h.joined {
		return nil
	}
	return l.sessions.payers[h.session()]
}

// pay makes an open hold pay for its session; if pays is false, it no longer does.
func (l *Ledger) pay(h *Hold, pays bool) {
	var by tally.Amounts
	if by[sessionsIndex] = 1; !pays {
		by[sessionsIndex] = -1
	}
	h.pays = pays
	for _, a := range h.accounts {
		a.move(h, &by, 0)
	}
}

// release takes a hold off its counters and gives back its places. Those that
// wait are to be served next.
func (l *Ledger) release(h *Hold) {
	delete(l.holds, h.ID)
	off := h.Holds()
	off = minus(&off)
	for _, a := range h.accounts {
		a.move(h, &off, -1)
	}
	l.giveBack(h)
}

func minus(x *tally.Amounts) (out tally.Amounts) {
	for i, n := range x {
		out[i] = -n
	}
	return out
}

// reopen puts back a hold that was released.
func (l *Ledger) reopen(h *Hold) {
	l.holds[h.ID] = h
	holds := h.Holds()
	for _, a := range h.accounts {
		a.move(h, &holds, 1)
	}
	for i := range h.places { // a place that nobody took any more has been forgotten
		h.places[i] = l.place(h.Reservation.Places[i].Subject)
		h.places[i].taken++
	}
}
