package ledger

import (
	"time"

	"tallygate/engine/tally"
)

// Use is when a subject was last used, for a store to keep.
type Use struct {
	Subject tally.Subject
	At      time.Time
	// Stray is whether records count on the subject that were not admitted on it. Then At
	// does not tell which periods the subject has used nothing of.
	Stray bool
	// Met is whether this use includes what the store has kept. If not, the later of the
	// two times counts, and Stray is true if either is.
	Met bool
}

// Session is a session that runs, for a store to keep.
type Session struct {
	Client tally.ID
	Member string
	Ends   time.Time
	Over   bool // it has ended and need not be kept
}

// Changed returns what is to be kept and has changed since the last call:
// subjects that were used, sessions that began, went on or ended.
func (l *Ledger) Changed() (uses []Use, sessions []Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.touched {
		uses = append(uses, Use{a.subject, a.lastAt, a.stray, a.met})
		a.dirty = false
	}
	clear(l.touched)
	l.touched = l.touched[:0]
	return uses, l.sessions.take()
}

// Meet tells what the store has kept of a subject. Its time is zero if the store has kept
// nothing.
func (l *Ledger) Meet(u Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(u.Subject)
	a.met, a.stray = true, a.stray || u.Stray
	if u.At.After(a.lastAt) {
		a.lastAt = u.At
	}
}

// Run puts back a session that the store has kept. The latest end counts.
func (l *Ledger) Run(s Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run(s, false)
}

func (l *Ledger) run(s Session, dirty bool) {
	if k := (session{s.Client, s.Member}); s.Ends.After(l.sessions.end(k)) {
		l.sessions.set(k, s.Ends, dirty)
	}
}

// Replay puts back what a record tells about subjects and sessions. Stray is
// whether it named other subjects than its hold.
func (l *Ledger) Replay(r *tally.Record, stray bool) {
	if r.Outcome.Refused() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := func(a *account) {
		switch {
		case stray:
			a.stray = true
			l.touch(a)
		case r.At.After(a.lastAt):
			a.lastAt = r.At
			l.touch(a)
		}
	}
	for i := range r.Charges {
		seen(l.account(r.Charges[i].Subject))
	}
	l.named(r, nil, seen)
	l.see(r.At)
	if r.Session != "" {
		l.run(Session{Client: r.Client, Member: r.Session, Ends: r.SessionEnds}, true)
	}
}

// Orphaned puts back a hold of an earlier process. It takes no places: nothing is under way
// of it any more.
func (l *Ledger) Orphaned(h *Hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Orphan, h.kept, h.pays, h.places = true, true, h.NewSession, nil
	if u := h.Session; u != nil {
		k := session{u.Client, u.Member}
		if ends := l.sessions.end(k); ends.After(h.SessionEnds) { // a later request has prolonged it
			defer l.sessions.set(k, ends, true)
		}
	}
	l.open(h)
}

// Kept returns the open holds that have been written, in no order.
func (l *Ledger) Kept() []*Hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*Hold, 0, len(l.holds))
	for _, h := range l.holds {
		if h = h.Written(); h != nil {
			out = append(out, h)
		}
	}
	return out
}

// Counted is what the counter of each of a hold's charges has used, -1 if the
// counter is not alive.
func (l *Ledger) Counted(h *Hold) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]int64, len(h.Charges))
	for i := range h.Charges {
		out[i] = -1
		if k := l.account(h.Charges[i].Subject).find(&h.Charges[i].Counter); k != nil {
			out[i] = k.used
		}
	}
	return out
}

// Audit calls counter with every counter that is alive and hold with every open
// hold, all of one instant. Neither may call the ledger.
func (l *Ledger) Audit(counter func(tally.Counter, tally.Usage), hold func(*Hold)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, a := range l.accounts {
		for _, k := range a.counters {
			period := tally.Period{Label: k.label, Start: time.Unix(k.start, 0).UTC(), End: time.Unix(k.end, 0).UTC()}
			counter(tally.Counter{Subject: s, Metric: tally.Metrics[k.metric], Period: period}, tally.Usage{Used: k.used, Held: k.held.sum()})
		}
	}
	for _, h := range l.holds {
		hold(h)
	}
}

// Sweep forgets counters of periods that are over, and sessions that have ended well before
// now. While there are more accounts than most, it also forgets those that are not in use.
// An account or counter that is asked for again is met and adopted again.
func (l *Ledger) Sweep(now time.Time, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, p := range l.places {
		if p.idle() {
			delete(l.places, s)
		}
	}
	for s, a := range l.accounts {
		a.forget(now.Unix())
		if len(l.accounts) > most && a.open == 0 && !a.dirty {
			delete(l.accounts, s)
			if a.part {
				l.parts--
			}
		}
	}
	l.sessions.sweep(now.Add(-late * time.Second))
}
