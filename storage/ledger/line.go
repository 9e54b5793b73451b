package ledger

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/tally"
)

// maxWaiters is how many may wait for one counter or place. More would only wait
// to be refused.
const maxWaiters = 256

// line is those who wait at one counter or place, in the order of when they first
// asked.
type line struct {
	waiters []*waiter
}

// waiter is a reservation that stands in a line.
type waiter struct {
	want   *Hold
	r      *tally.Reservation // its
	at     standing
	in     *line
	watch  []*counter // the counters that it is charged on
	joined uint64     // holds opened by the time it first asked
	// passed is what is held there by reservations that asked later than this one and were
	// let past. They are let past only as long as this one could not be served without them
	// either, so they do not keep it waiting for ever.
	passed int64

	done  chan struct{} // gets one token, once it has left the line
	held  bool
	grant tally.Grant
	err   error // without it and a hold it must ask again: counters are lacking
}

// ahead reports whether somebody waits who asked before r.
func (q *line) ahead(r *tally.Reservation) bool {
	return q != nil && len(q.waiters) > 0 && q.waiters[0].r != r && !r.Since.Before(q.waiters[0].r.Since)
}

// lets reports whether r can pass those who asked before it: none of them could be served
// even without the holds that have passed it already.
func (q *line) lets(r *tally.Reservation, k *counter) bool {
	if q == nil {
		return true
	}
	for _, w := range q.waiters {
		if w.r == r || r.Since.Before(w.r.Since) {
			return true
		}
		if tally.AddSat(k.toward(w.at.max)-w.passed, w.at.need) <= w.at.max {
			return false
		}
	}
	return true
}

// overtakers is what is held, where a waiter comes to stand, by the holds that have passed
// the waiter wherever it stood before.
func (l *Ledger) overtakers(w *waiter, at *standing) (sum int64) {
	if at.place != nil || w.joined == l.opened {
		return 0
	}
	for _, h := range l.holds {
		if h.passes(w) && at.counter.contains(h.At.Unix()) && slices.ContainsFunc(h.accounts, func(a *account) bool { return slices.Contains(a.counters, at.counter) }) {
			sum = tally.AddSat(sum, h.Holds()[at.counter.metric])
		}
	}
	return sum
}

// passes reports whether a hold was opened while a waiter waited that had asked earlier.
func (h *Hold) passes(w *waiter) bool { return h.opened > w.joined && w.r.Since.Before(h.Since) }

// overtaken adds a hold to what has passed those who asked before the hold, or takes it
// off.
func (q *line) overtaken(h *Hold, amount int64) {
	if q == nil {
		return
	}
	for _, w := range q.waiters {
		if h.passes(w) {
			w.passed = tally.AddSat(w.passed, amount)
		}
	}
}

// Admit holds a checked reservation if every charge has room and every place is free, at
// the largest output that all charges can pay. If not, the reservation waits for as long as
// it says. adopt must make the ledger count on the counters that it is given. A refusal is
// a *tally.LimitError. Once ctx is done nothing is held, and the error is Unavailable with
// ctx's cause.
func (l *Ledger) Admit(ctx context.Context, r *tally.Reservation, adopt func([]tally.Counter) error) (*Hold, tally.Grant, error) {
	if r.Since.IsZero() {
		r.Since = r.At
	}
	r.Bounds = r.Bounds.Whole()
	var w *waiter // kept, so that the reservation keeps its turn when it asks again
	var began time.Time
	borrows, asked := 0, true
	if l.lender != nil {
		borrows, asked = maxBorrows, false
	}
	for {
		h, g, lacking, waits, err := l.admit(r, w, began, borrows > 0, !asked)
		switch e := err.(type) {
		case shortage:
			lent, err := l.lender.Borrow(ctx, e)
			if err != nil {
				return nil, g, err
			}
			if borrows--; !lent {
				borrows = 0
			}
			continue
		case question:
			l.lender.Claim(ctx, Claim(e))
			asked = true
			continue
		}
		switch {
		case waits != nil:
			w, h, r = waits, waits.want, waits.r
			if began.IsZero() {
				began = time.Now()
			}
			if err = l.wait(ctx, w, r.Wait-time.Since(began)); err == nil && !w.held {
				continue
			}
			g = w.grant
		case lacking != nil:
			if err := adopt(lacking); err != nil {
				return nil, g, err
			}
			continue
		}
		if !began.IsZero() {
			g.Waited = time.Since(began)
		}
		if err != nil {
			return nil, g, err
		}
		return h, g, nil
	}
}

// admit opens a hold, or puts the reservation into a line if it may wait. w is the waiter
// that the reservation has been already, nil if it asks for the first time. With borrow it is
// not refused or cut before it has borrowed, with ask not before others were asked for its
// session. A refusal costs no memory but that of its error.
func (l *Ledger) admit(r *tally.Reservation, w *waiter, began time.Time, borrow, ask bool) (
	h *Hold, g tally.Grant, lacking []tally.Counter, waits *waiter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	patient := r.Wait != 0 && (began.IsZero() || time.Since(began) < r.Wait)
	d := l.decide(r, patient)
	if borrow && d.lacking == nil && (d.err == nil || d.at != nil || d.unheard) {
		if short := l.short(r, d.target); short != nil {
			return nil, g, nil, nil, short
		}
	}
	if ask && d.session {
		return nil, g, nil, nil, l.question(r)
	}
	switch {
	case d.lacking != nil:
		return nil, g, d.lacking, nil, nil
	case d.err == nil:
		if w != nil {
			h = w.want
		} else {
			h = &Hold{Reservation: *r}
		}
		g = l.hold(h, &d)
		if l.waiting > 0 { // one that asked earlier than others may leave them nothing to be owed
			l.serve(h)
		}
		return h, g, nil, nil, nil
	case d.at == nil || !patient || r.Wait < 0:
		return nil, g, nil, nil, d.err
	}
	if w == nil {
		h := &Hold{Reservation: *r}
		w = &waiter{want: h, r: &h.Reservation, joined: l.opened, done: make(chan struct{}, 1)}
	}
	if !l.join(w, d.at) {
		if limit, ok := d.err.(*tally.LimitError); ok {
			limit.Crowded = true
		}
		return nil, g, nil, nil, d.err
	}
	return nil, g, nil, w, nil
}

// join puts a waiter into the line where the waiter is short; false if that line is full.
func (l *Ledger) join(w *waiter, at *standing) bool {
	q := at.line()
	if *q == nil {
		*q = &line{}
	}
	if len((*q).waiters) >= maxWaiters {
		return false
	}
	i := len((*q).waiters)
	for i > 0 && w.r.Since.Before((*q).waiters[i-1].r.Since) {
		i--
	}
	(*q).waiters = slices.Insert((*q).waiters, i, w)
	w.at, w.in, w.passed = *at, *q, l.overtakers(w, at)
	l.waiting++
	w.watch = append(w.watch[:0], l.charged...) // as the decision has just found them
	for _, k := range w.watch {
		if k.watch == nil {
			k.watch = &line{}
		}
		k.watch.waiters = append(k.watch.waiters, w)
	}
	switch k, p := at.counter, at.place; {
	case k != nil && k.lent != nil:
		l.tell(k.lent, w.r.Charges[slices.Index(w.watch, k)].Counter)
	case p != nil && p.lent != nil:
		l.tell(p.lent, p.counter())
	}
	return true
}

func (at *standing) line() **line {
	if at.place != nil {
		return &at.place.line
	}
	return &at.counter.line
}

// leave takes a waiter out of its line.
func (l *Ledger) leave(w *waiter) {
	i := slices.Index(w.in.waiters, w)
	w.in.waiters = slices.Delete(w.in.waiters, i, i+1)
	if len(w.in.waiters) == 0 {
		*w.at.line() = nil
	}
	w.in = nil
	l.waiting--
	for _, k := range w.watch {
		i := slices.Index(k.watch.waiters, w)
		if k.watch.waiters = slices.Delete(k.watch.waiters, i, i+1); len(k.watch.waiters) == 0 {
			k.watch = nil
		}
	}
}

// spent refuses for good those waiters for whom the unspent rest of a counter is not enough
// any more. Other waiters that are charged on the counter may now be content with less,
// wherever they wait.
func (l *Ledger) spent(k *counter) {
	for i := 0; k.watch != nil && i < len(k.watch.waiters); {
		w := k.watch.waiters[i]
		c := &w.r.Charges[slices.Index(w.watch, k)]
		least, counts := needOf(w.r, k.metric, w.r.MinOutput, false)
		at := w.at
		if !counts || tally.AddSat(k.usedAll(), least) <= c.Max {
			if at.place == nil && outputFor(w.r, c, k.metric, k.usedAll()) < at.target {
				if d := l.decide(w.r, true); d.at != nil && d.at.counter == at.counter {
					w.at = *d.at
				} else {
					w.at.need, w.at.target = 0, 0 // the waiter's line looks what becomes of the waiter
				}
				l.serveLine(at)
			}
			if k.watch != nil && i < len(k.watch.waiters) && k.watch.waiters[i] == w {
				i++
			}
			continue
		}
		l.leave(w)
		l.lastCall(w)
		l.serveLine(at)
	}
}

// wait waits until a waiter is served, its time is over or ctx is done.
func (l *Ledger) wait(ctx context.Context, w *waiter, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-w.done:
		if ctx.Err() == nil {
			return w.err
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	gone := ctx.Err() != nil
	if w.in != nil {
		at := w.at
		l.leave(w)
		if !gone {
			l.lastCall(w)
		}
		l.serveLine(at) // the waiter may have kept others from passing
		l.serveOn()
	}
	l.mu.Unlock()
	if gone {
		if w.held {
			l.Drop(w.want)
		}
		return tally.Errorf(tally.Unavailable, "the request was not waited for: %w", context.Cause(ctx))
	}
	return w.err
}

// lastCall decides about a waiter whose time is over. It grants whatever there is room for,
// unless others wait for the same room: a cut answer would take room from a whole one.
func (l *Ledger) lastCall(w *waiter) {
	d := l.decide(w.r, *w.at.line() != nil)
	l.conclude(w, &d)
}

// conclude tells a waiter that has left its line what came of it.
func (l *Ledger) conclude(w *waiter, d *decision) {
	switch {
	case d.lacking != nil:
	case d.err != nil:
		w.err = d.err
	default:
		w.grant, w.held = l.hold(w.want, d), true
		l.served = append(l.served, w.want)
	}
	w.done <- struct{}{}
}

// Waiting is how many reservations wait.
func (l *Ledger) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// serve hands on the room and the places that a hold has given back, or that are no longer
// owed to others since the hold has taken some. Whenever serve admits a waiter, others may
// be owed less than before. So it looks again, also at the counters and places of that
// waiter.
func (l *Ledger) serve(h *Hold) {
	l.served = append(l.served, h)
	l.serveOn()
	l.tidy(h)
}

// serveOn goes on with the counters and places of those that have been served.
func (l *Ledger) serveOn() {
	for len(l.served) > 0 {
		h := l.served[len(l.served)-1]
		l.served = l.served[:len(l.served)-1]
		for before := l.waiting + 1; l.waiting > 0 && l.waiting < before; {
			before = l.waiting
			l.serveLines(h)
		}
	}
}

func (l *Ledger) serveLines(h *Hold) {
	for _, p := range h.places {
		l.serveLine(standing{place: p})
	}
	sec := h.At.Unix()
	for _, a := range h.accounts {
		for i := 0; i < len(a.counters); i++ {
			k := a.counters[i]
			if k.watch != nil && k.contains(sec) {
				l.spent(k)
			}
			if k.line != nil && k.contains(sec) {
				l.serveLine(standing{counter: k})
			}
		}
	}
}

// serveLine admits those in a line who have room now, the earliest first. A waiter that is
// short elsewhere moves to the line there.
func (l *Ledger) serveLine(at standing) {
	q := *at.line()
	if q == nil || at.counter != nil && !q.stirs(at.counter) {
		return
	}
	for i := 0; i < len(q.waiters); {
		w := q.waiters[i]
		d := l.decide(w.r, true)
		switch {
		case d.lacking == nil && d.err != nil && d.at != nil && *d.at.line() == q:
			w.at = *d.at // what the waiter needs may have become less
			i++
			if at.place != nil {
				return // places are taken in order
			}
			continue
		case d.lacking == nil && d.err != nil && d.at != nil:
			l.leave(w)
			if !l.join(w, d.at) {
				d.at = nil
				l.conclude(w, &d)
			}
		default:
			l.leave(w)
			l.conclude(w, &d)
		}
		if q = *at.line(); q == nil {
			return
		}
	}
}

// stirs reports whether somebody in the line of a counter may have room now, or
// may have to be content with less: most settlements change neither.
func (q *line) stirs(k *counter) bool {
	for _, w := range q.waiters {
		if tally.AddSat(k.toward(w.at.max), w.at.need) <= w.at.max || tally.AddSat(k.usedAll(), w.at.need) > w.at.max {
			return true
		}
	}
	return false
}
