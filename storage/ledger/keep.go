package ledger

import (
	"slices"
	"time"

	"tallygate/engine/tally"
)

// Use is when a subject was last used, for a store to keep.
type Use struct {
	Subject tally.Subject
	At      time.Time
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
	for s, a := range l.accounts {
		if a.dirty {
			uses = append(uses, Use{s, a.lastAt})
			a.dirty = false
		}
	}
	sessions, l.over = l.over, nil
	for k, x := range l.sessions {
		if x.dirty {
			sessions = append(sessions, Session{k.client, k.member, x.ends, false})
			l.sessions[k] = running{x.ends, false}
		}
	}
	return uses, sessions
}

// Unchanged takes back what Changed returned and could not be kept.
func (l *Ledger) Unchanged(uses []Use, sessions []Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range uses {
		l.account(u.Subject).dirty = true
	}
	for _, x := range sessions {
		if x.Over {
			l.over = append(l.over, x)
		} else if k := (session{x.Client, x.Member}); !l.sessions[k].ends.IsZero() {
			l.sessions[k] = running{l.sessions[k].ends, true}
		}
	}
}

// Restore puts back what a store has kept: when a subject was last used. The
// latest counts.
func (l *Ledger) Restore(u Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.account(u.Subject); u.At.After(a.lastAt) {
		a.lastAt = u.At
	}
	l.see(u.At)
}

// RestoreSession puts back a session. The latest end counts.
func (l *Ledger) RestoreSession(s Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restoreSession(s, false)
}

func (l *Ledger) restoreSession(s Session, dirty bool) {
	if k := (session{s.Client, s.Member}); s.Ends.After(l.sessions[k].ends) {
		l.sessions[k] = running{s.Ends, dirty}
	}
}

// Replay puts back what a record tells about subjects and sessions.
func (l *Ledger) Replay(r *tally.Record) {
	if r.Outcome.Refused() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range subjectsCharged(r) {
		if a := l.account(s); r.At.After(a.lastAt) {
			a.lastAt, a.dirty = r.At, true
		}
	}
	l.see(r.At)
	if r.Session != "" {
		l.restoreSession(Session{Client: r.Client, Member: r.Session, Ends: r.SessionEnds}, true)
	}
}

func subjectsCharged(r *tally.Record) []tally.Subject {
	out := r.Subjects()
	for i := range r.Charges {
		if s := r.Charges[i].Subject; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Orphaned puts back a hold of an earlier process.
func (l *Ledger) Orphaned(h *Hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Orphan = true
	if u := h.Session; u != nil {
		k := session{u.Client, u.Member}
		h.before = l.sessions[k].ends
		defer func() {
			if h.before.After(h.SessionEnds) { // a later request has prolonged it
				l.sessions[k] = running{h.before, true}
			}
		}()
	}
	l.open(h)
}

// Sweep forgets counters of periods that are over and sessions that have ended.
// What is asked for again is adopted again.
func (l *Ledger) Sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		a.counters = slices.DeleteFunc(a.counters, func(k counter) bool { return !k.period.End.After(now) && k.held == 0 })
	}
	for k, x := range l.sessions {
		if !x.ends.After(now) {
			delete(l.sessions, k)
			l.over = append(l.over, Session{Client: k.client, Member: k.member, Over: true})
		}
	}
}

// Counters calls f with every counter that is alive.
func (l *Ledger) Counters(f func(tally.Counter, tally.Usage)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, a := range l.accounts {
		for _, k := range a.counters {
			f(tally.Counter{Subject: s, Metric: tally.Metrics[k.metric], Period: k.period}, tally.Usage{Used: k.used, Held: k.held})
		}
	}
}
