package memory

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"tallygate/engine/tally"
)

// waiter is a request that only others' holds or places keep waiting.
type waiter struct {
	r      *tally.Reservation
	at     any // the tally.Counter or tally.Subject where it is short
	need   int64
	max    int64
	told   chan struct{}
	grant  tally.Grant
	err    error
	waits  bool
	joined map[tally.ID]bool // the holds that were there when it came
}

// maxWaiters is how many may wait for one counter or place.
const maxWaiters = 256

// held says which holds count.
type held func(*hold) bool

func everything(*hold) bool { return true }
func nothing(*hold) bool    { return false }

// usageBut is a counter with only some holds.
func (s *Store) usageBut(c tally.Counter, counts held) tally.Usage {
	u := s.usage(c)
	u.Held = 0
	for _, h := range s.holds {
		if counts(h) && c.Period.Contains(h.At) && h.on(c.Subject) {
			u.Held = tally.AddSat(u.Held, h.amount(c.Metric))
		}
	}
	return u
}

// room is what a charge has left, with only some holds.
type room struct {
	tally.Charge
	tally.Usage
	left int64
}

func (s *Store) rooms(h *hold, counts held) []room {
	out := make([]room, len(h.Charges))
	for i, c := range h.Charges {
		u := s.usageBut(c.Counter, counts)
		out[i] = room{c, u, tally.AddSat(c.Max, -tally.AddSat(u.Used, u.Held))}
	}
	return out
}

// full reports whether there is no room for a hold at its output. Of a budget that
// others share it may take half of what is left, if that is more than the least
// output.
func (x *room) full(h *hold) bool {
	if x.Metric == tally.Sessions && !h.newSession {
		return false
	}
	need := h.amount(x.Metric)
	halved := x.Shared && x.Max < math.MaxInt64 && h.output > h.MinOutput && h.Bounds[x.Metric.Index()].PerMillion > 0
	return need > x.left || halved && need > x.left/2
}

// short is the first charge that has no room for a hold at an output, nil if all
// have.
func (s *Store) short(h *hold, output int64, counts held) *tally.LimitError {
	h.output = output
	for _, x := range s.rooms(h, counts) {
		if x.full(h) {
			return &tally.LimitError{Charge: x.Charge, Used: x.Used, Held: s.usage(x.Counter).Held, Need: h.amount(x.Metric)}
		}
	}
	return nil
}

// largest is the most output that all charges have room for; the least has room.
func (s *Store) largest(h *hold) int64 { return s.most(h, everything) }

func (s *Store) most(h *hold, counts held) int64 {
	rooms := s.rooms(h, counts)
	// Bounds only rise with the output, so the outputs that fit come first.
	return h.MinOutput + int64(sort.Search(int(h.WantOutput-h.MinOutput), func(i int) bool {
		h.output = h.MinOutput + int64(i) + 1
		return slices.ContainsFunc(rooms, func(x room) bool { return x.full(h) })
	}))
}

// admit holds a reservation now or, as it says, later. The store is locked, and
// unlocked while it waits.
func (s *Store) admit(ctx context.Context, r *tally.Reservation) (tally.Grant, error) {
	w := &waiter{r: r, told: make(chan struct{}, 1), joined: map[tally.ID]bool{}}
	for id := range s.holds {
		w.joined[id] = true
	}
	if !s.try(w, r.Wait != 0) || r.Wait <= 0 {
		return w.grant, w.err
	}
	if s.crowd(w.at) >= maxWaiters {
		if e, ok := w.err.(*tally.LimitError); ok {
			e.Crowded = true
		}
		return w.grant, w.err
	}
	began, timer := time.Now(), time.NewTimer(r.Wait)
	defer timer.Stop()
	w.waits = true
	i := len(s.line)
	for i > 0 && r.Since.Before(s.line[i-1].r.Since) {
		i--
	}
	s.line = slices.Insert(s.line, i, w)
	s.mu.Unlock()
	select {
	case <-w.told:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	if w.waits {
		s.leave(w)
		if ctx.Err() == nil {
			s.try(w, s.crowd(w.at) > 0)
		}
		s.serve()
	}
	if ctx.Err() != nil {
		if h := s.holds[r.ID]; h != nil && w.err == nil {
			delete(s.holds, r.ID)
			s.inherit(h)
			s.serve()
		}
		return tally.Grant{}, tally.Errorf(tally.Unavailable, "the request was not waited for: %w", context.Cause(ctx))
	}
	w.grant.Waited = time.Since(began)
	return w.grant, w.err
}

// inherit lets another open hold of a session pay for it, if one that is dropped began
// it.
func (s *Store) inherit(h *hold) {
	var first *hold
	for _, o := range s.holds {
		if h.newSession && o.Session != nil && o.Session.Client == h.Session.Client && o.Session.Member == h.Session.Member && (first == nil || o.At.Before(first.At)) {
			first = o
		}
	}
	if first != nil {
		first.newSession = true
	}
}

func (s *Store) crowd(at any) (n int) {
	for _, w := range s.line {
		if w.at == at {
			n++
		}
	}
	return n
}

func (s *Store) leave(w *waiter) {
	w.waits = false
	s.line = slices.DeleteFunc(s.line, func(o *waiter) bool { return o == w })
}

// serve admits those who have room now, the earliest first.
func (s *Store) serve() {
	for _, w := range slices.Clone(s.line) {
		if !s.try(w, true) {
			s.leave(w)
			w.told <- struct{}{}
		}
	}
}

// taken is how many places of a subject are.
func (s *Store) taken(of tally.Subject) (n int64) {
	for _, h := range s.holds {
		if slices.ContainsFunc(h.Places, func(p tally.Place) bool { return p.Subject == of }) {
			n++
		}
	}
	return n
}

// try decides about a reservation; blocked means that only the holds of others, places or
// earlier waiters stand in its way.
func (s *Store) try(w *waiter, patient bool) (blocked bool) {
	r := w.r
	w.err = nil
	if s.holds[r.ID] != nil {
		w.err = tally.Errorf(tally.Conflict, "request %s is held already", r.ID)
		return false
	}
	h := s.begin(r)
	if refused := s.short(h, r.MinOutput, nothing); refused != nil {
		w.err = refused
		return false
	}
	target := r.MinOutput
	if patient {
		target = min(max(r.Floor, r.MinOutput), r.WantOutput, s.most(h, nothing))
	}
	for _, p := range r.Places {
		taken := s.taken(p.Subject)
		before := slices.ContainsFunc(s.line, func(o *waiter) bool { return o.at == any(p.Subject) && s.earlier(o, w) })
		if p.Max > 0 && (taken >= p.Max || before) {
			w.at, w.err = p.Subject, &tally.LimitError{Place: p, Held: taken}
			return true
		}
	}
	tightest := int64(math.MaxInt64)
	for _, c := range r.Charges {
		one := &hold{Reservation: *r, newSession: h.newSession}
		one.Charges = []tally.Charge{c}
		short := s.short(one, target, everything)
		if short == nil && s.owed(w, c.Counter) {
			u := s.usage(c.Counter)
			short = &tally.LimitError{Charge: c, Used: u.Used, Held: u.Held, Need: one.amount(c.Metric)}
		}
		if short == nil {
			continue
		}
		if w.err == nil {
			w.err = short
		}
		can := int64(-1)
		if s.short(one, r.MinOutput, everything) == nil {
			can = s.largest(one)
		}
		if can < tightest {
			tightest, w.at, w.need, w.max = can, c.Counter, short.Need, c.Max
		}
	}
	if w.err != nil {
		return true
	}
	h.output = s.largest(h)
	if slices.ContainsFunc(s.line, func(o *waiter) bool {
		return slices.ContainsFunc(r.Charges, func(c tally.Charge) bool { return o != w && o.at == any(c.Counter) })
	}) {
		h.output = min(h.output, max(target, min(r.Floor, r.WantOutput)))
	}
	w.grant = s.keep(h)
	return false
}

func (s *Store) earlier(o, w *waiter) bool { return o != w && !w.r.Since.Before(o.r.Since) }

// owed reports whether somebody waits for a counter who asked before w and is kept
// waiting only by requests that asked later and came after it.
func (s *Store) owed(w *waiter, c tally.Counter) bool {
	for _, o := range s.line {
		if o.at != any(c) || !s.earlier(o, w) {
			continue
		}
		older := s.usageBut(c, func(h *hold) bool { return o.joined[h.ID] || !o.r.Since.Before(h.Since) })
		if tally.AddSat(tally.AddSat(older.Used, older.Held), o.need) <= o.max {
			return true
		}
	}
	return false
}
