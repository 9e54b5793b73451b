package ledger

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// InFlight is the metric of the counter that stands for the places of a subject, where
// several ledgers share them. Only ledgers, lenders and banks know it. Nothing is charged on
// it or used of it: a request that takes a place holds 1. Its [tally.Metric.Index] is -1.
const InFlight tally.Metric = "in_flight"

// place counts the requests under way of a subject.
type place struct {
	subject tally.Subject
	taken   int
	line    *line
	lent    *allowance // nil if the places are this ledger's alone
	// next is whether the next place that becomes free is for others, spare whether one has.
	next, spare bool
}

// counter stands for the place.
func (p *place) counter() tally.Counter {
	period := tally.Window{Unit: tally.Total}.Period(time.Time{}, time.UTC, 1)
	return tally.Counter{Subject: p.subject, Metric: InFlight, Period: period}
}

// shares reports whether several ledgers share the places of a subject. They share those of
// clients. What a model or a visitor may have in flight is for each ledger.
func (l *Ledger) shares(s tally.Subject) bool {
	return l.lender != nil && strings.HasPrefix(string(s), "client/")
}

// place returns the place of a subject.
func (l *Ledger) place(s tally.Subject) *place {
	p := l.places[s]
	if p == nil {
		p = &place{subject: s}
		if l.shares(s) {
			p.lent = &allowance{}
		}
		l.places[s] = p
	}
	return p
}

// reach is how many may be under way here if all ledgers together may have most.
func (p *place) reach(most int64) int64 {
	if p.lent == nil {
		return most
	}
	return max(0, min(most, p.lent.UpTo, tally.AddSat(most, -p.lent.Others)))
}

// refuse is the error of a place that is taken. What others were lent counts as held.
func (p *place) refuse(want *tally.Place) *tally.LimitError {
	e := &tally.LimitError{Place: *want, Held: int64(p.taken)}
	if p.lent != nil {
		e.Held = max(e.Held, min(want.Max, tally.AddSat(e.Held, p.lent.Others)))
	}
	return e
}

// noPlace finds a place that is not free, or that others wait for.
func (l *Ledger) noPlace(r *tally.Reservation) (*standing, error) {
	for i := range r.Places {
		want := &r.Places[i]
		p := l.places[want.Subject]
		if p == nil && l.shares(want.Subject) {
			p = l.place(want.Subject)
		}
		if p == nil || want.Max <= 0 {
			continue
		}
		if int64(p.taken) >= p.reach(want.Max) || p.line.ahead(r) {
			return &standing{place: p}, p.refuse(want)
		}
	}
	return nil, nil
}

// short is what a reservation needs of a place; counts is false if the place is not lent.
// What a cap that was lowered does not allow is given up.
func (p *place) short(want *tally.Place) (s Short, counts bool) {
	if p == nil || p.lent == nil || want.Max <= 0 {
		return s, false
	}
	reach := p.reach(want.Max)
	p.lent.UpTo = min(p.lent.UpTo, reach)
	s = Short{Counter: p.counter(), Max: want.Max, Least: 1, Want: 1}
	s.Has = reach >= want.Max || int64(p.taken) < reach
	return s, true
}

// notePlace has the lender told of a place that has few left.
func (l *Ledger) notePlace(p *place) {
	if p.lent != nil && p.lent.UpTo-int64(p.taken) < p.lent.Low {
		l.tell(p.lent, p.counter())
	}
}

// loan is the state of a place that is lent. A place that becomes free here is taken again, as
// long as there are requests. So a ledger that has more than all others, and is to yield,
// leaves the next one that becomes free to them.
func (p *place) loan(yield bool) Loan {
	taken := int64(p.taken)
	if yield {
		p.lent.UpTo = min(p.lent.UpTo, taken)
		p.next = taken > p.lent.Others
	}
	x := Loan{UpTo: p.lent.UpTo, Held: taken, Spare: p.spare}
	if p.line != nil {
		x.Least, x.Want = 1, int64(len(p.line.waiters))
	}
	return x
}

// giveBack gives back a hold's places.
func (l *Ledger) giveBack(h *Hold) {
	for _, p := range h.places {
		if p.taken--; p.next {
			p.next, p.spare = false, true
			p.lent.UpTo = min(p.lent.UpTo, int64(p.taken))
			l.tell(p.lent, p.counter())
		}
	}
}

// idle reports whether nobody needs to remember the place.
func (p *place) idle() bool {
	return p.taken == 0 && p.line == nil && (p.lent == nil || p.lent.UpTo <= 0)
}

// tidy forgets places that nobody takes or waits for.
func (l *Ledger) tidy(h *Hold) {
	for i, p := range h.places {
		if s := h.Reservation.Places[i].Subject; p.idle() && l.places[s] == p {
			delete(l.places, s)
		}
	}
}
