package ledger

import (
	"cmp"
	"context"
	"time"

	"tallygate/engine/tally"
)

// Claim is what a ledger tells others of a session, where the members that are counted are
// shared. Only sessions that a limit counts are told of.
type Claim struct {
	Client  tally.ID
	Member  string
	Request tally.ID // it begins the session, unless that runs; "" only asks whether it runs
	At      time.Time
	Ends    time.Time
	Fixed   bool // a session that runs keeps its end
}

// Claim tells the others of a session that a hold has begun, and waits for a while for their
// answer. If the session ran already, the hold is not to pay for it. The store calls
// it when the hold is durable, before it answers. A claim that comes earlier could outlive
// its hold, and then nobody would have paid. newSession is what the hold's grant is to tell.
func (l *Ledger) Claim(ctx context.Context, h *Hold) (newSession bool) {
	if l.lender == nil || !h.NewSession || !h.countsSessions() {
		return h.NewSession
	}
	l.lender.Claim(ctx, h.claim())
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.pays
}

func (h *Hold) claim() Claim {
	return Claim{h.Session.Client, h.Session.Member, h.ID, h.At, h.SessionEnds, h.Session.Fixed}
}

// countsSessions reports whether a limit counts the sessions of a reservation.
func (h *Hold) countsSessions() bool { return h.inSession() && countsSessions(&h.Reservation) }

func countsSessions(r *tally.Reservation) bool {
	for i := range r.Charges {
		if r.Charges[i].Metric == tally.Sessions {
			return true
		}
	}
	return false
}

// Claimed takes the answer to a claim: which request began the session, and when the session
// ends. begun is "" if the session does not run.
func (l *Ledger) Claimed(c *Claim, begun tally.ID, ends time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if begun == "" {
		return
	}
	k := session{c.Client, c.Member}
	joined := begun != c.Request
	if is := l.sessions.end(k); ends.After(is) || joined && c.Fixed && !ends.Equal(is) {
		l.sessions.set(k, ends, true)
	}
	l.sessions.tell(k, ends)
	h := l.holds[c.Request]
	if !joined || h == nil || !h.kept || !h.NewSession || !h.pays {
		return
	}
	h.pays, h.joined = false, true
}

// prolong has the others told of a session that a durable hold is in, if the session goes on
// for well longer than they know. The hold that began it is not durable if it may still be
// dropped; then others are not to rely on the session yet.
func (l *Ledger) prolong(h *Hold) {
	if h.NewSession || !h.countsSessions() || l.sessions.payers[h.session()] != nil {
		return
	}
	told, known := l.sessions.told[h.session()]
	if known && (h.Session.Fixed || h.SessionEnds.Sub(told) <= h.SessionEnds.Sub(h.At)/prolongAfter) {
		return
	}
	l.sessions.tell(h.session(), h.SessionEnds)
	c := h.claim()
	c.Request = cmp.Or(l.sessions.begun[h.session()], c.Request)
	l.prolonged = append(l.prolonged, c)
}

// prolongAfter is the part of a session's length by which it must go on for longer than was
// told, before it is told again: 1/8. A member who comes back within the last eighth may be
// counted once more at another node, which is not one too few.
const prolongAfter = 8

// Prolonged returns the sessions that others are to be told of since the last call. They go
// on, so nobody waits for an answer.
func (l *Ledger) Prolonged() []Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.prolonged
	l.prolonged = nil
	return out
}

// question refuses a reservation until it is known whether its session runs elsewhere.
type question Claim

func (q question) Error() string { return "the session of " + q.Member + " may run elsewhere" }

// question is what to ask of a reservation that is refused as a new session.
func (l *Ledger) question(r *tally.Reservation) question {
	u := r.Session
	return question{Client: u.Client, Member: u.Member, At: r.At, Ends: UTC(u.Until), Fixed: u.Fixed}
}
