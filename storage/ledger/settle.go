package ledger

import (
	"cmp"
	"slices"
	"time"

	"tallygate/engine/tally"
)

// Settled is what a settlement changed. A settlement may be taken back until its record is
// durable, so the hold gives back no room before [Ledger.Commit]: what was used counts, and
// the rest of the hold stays held.
type Settled struct {
	Hold     *Hold
	Stray    bool            // the record names other subjects than the hold
	Lacking  []tally.Counter // to be adopted first; nothing else is set then
	amounts  tally.Amounts
	accounts []*account // those the record counts on
}

// Settle replaces a hold by its record. It completes the record with the session, the
// charges and what the counters have used after it. Commit or Unsettle must follow. The
// error is NotFound if the request is not held. If counters of an orphan are not alive,
// Settle changes nothing and returns those counters.
func (l *Ledger) Settle(id tally.ID, r *tally.Record) (Settled, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil || !h.kept {
		return Settled{}, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	return l.settle(h, r), nil
}

// Lost completes the record of a hold that nobody settled: what the hold held counts as
// used. Otherwise Lost is like Settle.
func (l *Ledger) Lost(id tally.ID, now time.Time, r *tally.Record) (Settled, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds[id]
	if h == nil || !h.kept {
		return Settled{}, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	*r = h.Draft
	tokens := h.Held[tally.TokensIO.Index()]
	r.Tokens = tally.Tokens{Input: min(h.Bounds[tally.TokensIO.Index()].Base, tokens)}
	r.Tokens.Output = tokens - r.Tokens.Input
	r.Cost, r.Credits = tally.NanoUSD(h.Held[tally.Cost.Index()]), tally.NanoUSD(h.Held[tally.Credits.Index()])
	r.Outcome, r.Basis, r.Total = tally.Lost, tally.Held, max(now.Sub(h.At), 0)
	return l.settle(h, r), nil
}

func (l *Ledger) settle(h *Hold, r *tally.Record) Settled {
	if lacking := l.lacking(h); lacking != nil {
		return Settled{Lacking: lacking}
	}
	if other := l.payer(h); other != nil { // the first to be settled pays
		h.before, other.before = other.before, h.SessionEnds // as if h had begun the session
		l.pay(other, false)
		l.pay(h, true)
		delete(l.sessions.payers, h.session())
	}
	delete(l.holds, h.ID)
	r.ID, r.At = h.ID, h.At
	r.Session, r.NewSession, r.SessionEnds = "", h.pays, h.SessionEnds
	if u := h.Session; u != nil {
		r.Session = u.Member
		// The session ends earlier than was thought, if another ledger has begun it.
		if ends := l.sessions.end(h.session()); l.lender != nil && u.Fixed && !ends.IsZero() && ends.Before(r.SessionEnds) {
			r.SessionEnds = ends
		}
	}
	s := Settled{Hold: h, amounts: r.Amounts()}
	s.accounts, s.Stray = l.accountsOf(h, r)
	s.use(1)
	off := minus(s.covered())
	s.shift(&off, 0)
	r.Charges = nil
	if len(h.Charges) > 0 {
		r.Charges = make([]tally.Charged, len(h.Charges))
	}
	for i := range h.Charges {
		c := &h.Charges[i]
		k := l.accountOf(h, c.Subject).find(&c.Counter)
		if k.lent != nil {
			l.note(k, c)
		}
		r.Charges[i] = tally.Charged{Subject: c.Subject, Metric: c.Metric, Window: c.Period.Label, Amount: s.amounts.Of(c.Metric),
			Used: k.usedAll(), Max: c.Max}
	}
	return s
}

// lacking lists the counters of a hold that are not alive. Only the counters of an orphan
// may be gone: others are kept while a hold is on them.
func (l *Ledger) lacking(h *Hold) (lacking []tally.Counter) {
	if !h.Orphan {
		return nil
	}
	for i := range h.Charges {
		if c := &h.Charges[i].Counter; l.counter(l.account(c.Subject), c) == nil {
			lacking = append(lacking, *c)
		}
	}
	return lacking
}

// accountOf is l.account for a subject that a hold counts on.
func (l *Ledger) accountOf(h *Hold, s tally.Subject) *account {
	for _, a := range h.accounts {
		if a.subject == s {
			return a
		}
	}
	return l.account(s)
}

// accountsOf returns the accounts that a hold's record counts on. A stray record
// names other subjects than its draft did, and counts on those it names.
func (l *Ledger) accountsOf(h *Hold, r *tally.Record) (out []*account, stray bool) {
	d := &h.Draft
	if r.Gateway == d.Gateway && r.Client == d.Client && r.Key == d.Key && r.Token == d.Token && r.Model == d.Model && r.Tags == d.Tags {
		return h.accounts, false
	}
	add := func(a *account) {
		if slices.Contains(out, a) {
			return
		}
		out = append(out, a)
		if !h.on(a) && !a.stray {
			a.stray = true
			l.touch(a)
		}
	}
	for i := range h.Charges {
		add(l.accountOf(h, h.Charges[i].Subject))
	}
	l.named(r, nil, add)
	return out, true
}

// use adds what was used to the counters of the record's accounts, or takes it off.
func (s *Settled) use(sign int64) {
	sec := s.Hold.At.Unix()
	for _, a := range s.accounts {
		for _, k := range a.counters {
			if k.contains(sec) {
				k.used = tally.AddSat(k.used, sign*s.amounts[k.metric])
			}
		}
	}
}

// covered is what was used of what the hold held.
func (s *Settled) covered() *tally.Amounts {
	out, holds := tally.Amounts{}, s.Hold.Holds()
	for i := range out {
		out[i] = min(holds[i], s.amounts[i])
	}
	return &out
}

// shift changes what the hold holds of its counters.
func (s *Settled) shift(by *tally.Amounts, enter int) {
	for _, a := range s.Hold.accounts {
		a.move(s.Hold, by, enter)
	}
}

// Commit tells that holds are written and settlements durable. What the settled holds
// held beyond what was used is then free, and goes first to those who wait.
func (l *Ledger) Commit(holds []*Hold, settled []Settled) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range holds {
		h.kept, h.raised = true, nil
		if l.lender != nil && h.NewSession && h.countsSessions() {
			l.sessions.begins(h.session(), h.ID)
		}
		if h.pays && h.inSession() {
			delete(l.sessions.payers, h.session())
		}
		if l.lender != nil {
			l.prolong(h)
		}
	}
	for i := range settled {
		s := &settled[i]
		rest, holds := *s.covered(), s.Hold.Holds()
		for m := range rest {
			rest[m] -= holds[m]
		}
		s.shift(&rest, -1)
		l.giveBack(s.Hold)
	}
	if l.waiting > 0 {
		for i := range settled {
			l.serve(settled[i].Hold)
		}
	}
	for i := range settled {
		l.tidy(settled[i].Hold)
	}
}

// Unsettle takes back a settlement whose record could not be made durable. The
// latest goes first.
func (l *Ledger) Unsettle(s Settled) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.use(-1)
	s.shift(s.covered(), 0)
	l.holds[s.Hold.ID] = s.Hold
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

// Overdue lists at most so many kept holds whose deadline is at or before now, the most
// overdue first. Orphans are always overdue.
func (l *Ledger) Overdue(now time.Time, most int) []tally.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []*Hold
	for _, h := range l.holds {
		if h.kept && (h.Orphan || !h.ExpiresAt.After(now)) {
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
