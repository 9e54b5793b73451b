package meter

import (
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Refusals are those by one limit in one of its periods, once it was used up.
type Refusals struct {
	Count  int64     // zero if nobody was refused yet
	First  time.Time // zero if it was before the start, and so stands in the records
	Last   time.Time // the same
	Need   int64     // of the last one, what it could have done with at least; 0 if that is not known
	Before bool      // some of them were before the start
}

// usedUp counts refusals by limits that are used up, of the latest period of each: it
// goes on from what the store has counted before the start.
type usedUp struct {
	mu sync.Mutex                             // guards the field that follows
	of map[tally.Subject]map[string]*Refusals // by [tally.LimitPeriod]
}

// Refused takes over how many refusals by a limit there were before the start; see
// [tally.ByLimit]. It comes before any request.
func (m *Meter) Refused(of tally.Dim, count int64) {
	m.usedUp.entry(of, func(x *Refusals) { x.Count, x.Before = x.Count+count, true })
}

func (u *usedUp) entry(of tally.Dim, change func(*Refusals)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	subject := tally.Subject(of[0])
	if u.of[subject] == nil {
		u.of[subject] = map[string]*Refusals{}
	}
	x := u.of[subject][of[1]]
	if x == nil {
		x = &Refusals{}
		u.of[subject][of[1]] = x
	}
	change(x)
}

// count counts a refusal, if it is one by a limit that is used up.
func (u *usedUp) count(rec *tally.Record) {
	of, ok := rec.UsedUp()
	if !ok {
		return
	}
	u.entry(of, func(x *Refusals) {
		if x.Count++; x.First.IsZero() && !x.Before {
			x.First = rec.At
		}
		x.Last, x.Need = rec.At, rec.Reached.Need
	})
}

// RefusalsOf tells of the refusals by a limit in the period of a standing.
func (m *Meter) RefusalsOf(s *Standing) Refusals {
	m.usedUp.mu.Lock()
	defer m.usedUp.mu.Unlock()
	if x := m.usedUp.of[s.Subject][tally.LimitPeriod(s.Metric, s.Period.Label)]; x != nil {
		return *x
	}
	return Refusals{}
}

// ForgetRefusals drops what is counted of periods of which over says that they are.
func (m *Meter) ForgetRefusals(over func(of tally.Subject, limit string) bool) {
	m.usedUp.mu.Lock()
	defer m.usedUp.mu.Unlock()
	for subject, limits := range m.usedUp.of {
		for limit := range limits {
			if over(subject, limit) {
				delete(limits, limit)
			}
		}
		if len(limits) == 0 {
			delete(m.usedUp.of, subject)
		}
	}
}

// UsedUp reports whether a limit refuses now whatever is asked for. One per part does not. One of a minute is
// not: it is over before it has waited for too long, but one of nothing refuses always.
// Nor are sessions, of which those that run go on, unless the last one was refused. Of
// what nearly is used up, the last refusal tells: it needed more than there is, and
// nothing was admitted since, which lastUsed is asked for.
func (m *Meter) UsedUp(s *Standing, lastUsed func() (time.Time, error)) (bool, error) {
	room := s.Max - s.Used
	switch {
	case s.Window.Per != "": // the rest is let in
		return false, nil
	case s.Warn, s.Window.Unit == tally.Minute && s.Max > 0:
		return false, nil
	case room <= 0 && s.Metric != tally.Sessions:
		return true, nil
	}
	x := m.RefusalsOf(s)
	if x.Count == 0 || x.Need <= room {
		return false, nil
	}
	used, err := lastUsed()
	return used.Before(x.Last), err
}

// Recalled adds what the records tell of refusals before the start.
func (m *Meter) Recalled(s *Standing, first, last *tally.Record) {
	m.usedUp.entry(tally.Dim{string(s.Subject), tally.LimitPeriod(s.Metric, s.Period.Label)}, func(x *Refusals) {
		if x.First = first.At; x.Last.IsZero() {
			x.Last = last.At
			if last.Reached != nil {
				x.Need = last.Reached.Need
			}
		}
	})
}

// Sentence is what a caller reads whom a limit refuses that is used up.
func (m *Meter) Sentence(cat *tally.Catalog, p *tally.Principal, s *Standing, need int64, now time.Time) string {
	r := &Request{At: now, Catalog: cat, Principal: p}
	e := &tally.LimitError{Charge: tally.Charge{Counter: tally.Counter{Subject: s.Subject, Metric: s.Metric, Period: s.Period}, Max: s.Max}, Used: s.Used, Held: s.Held, Need: need}
	return inWords(r, m.newPlan(cat, p), e).Message
}
