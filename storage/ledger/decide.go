package ledger

import (
	"math"

	"tallygate/engine/tally"
)

// decision is what a reservation meets.
type decision struct {
	lacking []tally.Counter // to be adopted first; nothing else is set then
	err     error           // a *tally.LimitError, or a Conflict
	// at is where to wait, if only holds, places or earlier waiters stand in the way; nil
	// if the refusal is final.
	at     *standing
	output int64
	target int64 // the least output that was asked for
	// session is whether it is refused as a new session.
	session bool
	// unheard is whether the lender has told nothing of the counter that it is refused for.
	unheard bool
}

// standing is where a reservation is short: on a counter or at a place.
type standing struct {
	counter *counter
	place   *place
	max     int64 // of the counter's limit
	need    int64 // what the reservation would hold there
	target  int64 // the output that need is for
}

// decide finds out whether a reservation may be held now. It takes nothing. A patient
// reservation does not accept less output than its floor while only the holds of others
// leave it less.
func (l *Ledger) decide(r *tally.Reservation, patient bool) (d decision) {
	if l.holds[r.ID] != nil {
		d.err = tally.Errorf(tally.Conflict, "request %s is held already", r.ID)
		return d
	}
	if d.lacking = l.charge(r); d.lacking != nil {
		return d
	}
	_, newSession, _ := l.session(r)
	// Waiting does not help where an amount is spent already, or is larger than its limit.
	d.target = r.MinOutput
	if patient {
		d.target = min(max(r.Floor, r.MinOutput), r.WantOutput)
	}
	for i, k := range l.charged {
		c := &r.Charges[i]
		if need, counts := needOf(r, k.metric, r.MinOutput, newSession); counts && tally.AddSat(k.usedAll(), need) > c.Max {
			d.err, d.session = k.refuse(c, need), k.metric == sessionsIndex
			d.unheard = k.lent != nil && !k.lent.heard
			return d
		}
		d.target = min(d.target, outputFor(r, c, k.metric, k.usedAll()))
	}
	if d.at, d.err = l.noPlace(r); d.err != nil {
		return d
	}
	d.output = r.WantOutput
	crowd, tightest := false, int64(math.MaxInt64)
	for i, k := range l.charged {
		c := &r.Charges[i]
		need, counts := needOf(r, k.metric, d.target, newSession)
		if !counts {
			continue
		}
		taken := k.toward(c.Max)
		can := outputFor(r, c, k.metric, taken)
		full := tally.AddSat(taken, need) > c.Max || can < d.target
		crowd = crowd || k.line != nil
		if full || !k.line.lets(r, k) {
			if d.err == nil {
				d.err = k.refuse(c, need)
			}
			d.session = d.session || k.metric == sessionsIndex
			if d.at == nil || can < tightest { // where it waits
				tightest, d.at = can, &standing{counter: k, max: c.Max, need: need, target: d.target}
			}
		}
		d.output = min(d.output, can)
	}
	if crowd { // output that the reservation does not need is for those who wait
		d.output = min(d.output, max(d.target, min(r.Floor, r.WantOutput)))
	}
	return d
}

// charge fills in the counters that a reservation is charged on, and lists those
// that must be adopted first.
func (l *Ledger) charge(r *tally.Reservation) (lacking []tally.Counter) {
	l.charged = l.charged[:0]
	var a *account
	for i := range r.Charges {
		c := &r.Charges[i].Counter
		if a == nil || a.subject != c.Subject {
			a = l.account(c.Subject)
		}
		k := l.counter(a, c)
		if k == nil {
			lacking = append(lacking, *c)
		} else if l.lender != nil && k.lent == nil {
			k.lent = unlent()
		}
		l.charged = append(l.charged, k)
	}
	return lacking
}

// needOf is what a reservation would hold of a metric at an output. counts is false for a
// session that runs already, since the request takes nothing more of it.
func needOf(r *tally.Reservation, metric int, output int64, newSession bool) (need int64, counts bool) {
	if metric == sessionsIndex {
		return 1, newSession
	}
	return r.Bounds[metric].At(output), true
}

// outputFor is the largest output that a limit has room for with so much of it taken. Of a
// budget that others share, the output is at most what half of that room pays. The least
// output is granted even if it takes the last unit.
func outputFor(r *tally.Reservation, c *tally.Charge, metric int, taken int64) int64 {
	if metric == sessionsIndex || c.Max == math.MaxInt64 { // sums end there: nothing is above it
		return r.WantOutput
	}
	left := tally.AddSat(c.Max, -taken)
	can := r.Bounds[metric].Output(left)
	if c.Shared && r.Bounds[metric].PerMillion > 0 {
		can = max(r.Bounds[metric].Output(left/2), min(can, r.MinOutput))
	}
	return can
}

// hold opens a hold as it was decided, and tells what it got. The counters that it
// is charged on are still at hand.
func (l *Ledger) hold(h *Hold, d *decision) tally.Grant {
	h.before, h.NewSession, h.SessionEnds = l.session(&h.Reservation)
	h.Output, h.At = d.output, UTC(h.At)
	h.Draft.ID, h.Draft.At = h.ID, h.At
	h.bound()
	for i := range h.Places {
		h.places = append(h.places, l.place(h.Places[i].Subject))
	}
	l.open(h)
	for _, p := range h.places {
		l.notePlace(p)
	}
	g := tally.Grant{Output: h.Output, NewSession: h.NewSession}
	for i, k := range l.charged {
		c := &h.Charges[i]
		if k.lent != nil {
			l.note(k, c)
		}
		switch c.Metric {
		case tally.Requests:
			g.Requests.Narrow(i, c.Max-tally.AddSat(k.usedAll(), k.held.sum()))
		case tally.TokensIO:
			g.Tokens.Narrow(i, c.Max-tally.AddSat(k.usedAll(), k.held.sum()))
		}
	}
	return g
}

// bound fills in what is held at the granted output.
func (h *Hold) bound() {
	for i, b := range h.Bounds {
		h.Held[i] = b.At(h.Output)
	}
	h.Held[sessionsIndex] = 0
	if h.pays = h.NewSession; h.pays {
		h.Held[sessionsIndex] = 1
	}
}
