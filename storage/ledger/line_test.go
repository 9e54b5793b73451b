package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// crowd is a ledger under random use by requests that wait.
type crowd struct {
	*Ledger
	t       *testing.T
	random  *rand.Rand
	limits  map[tally.Subject]int64
	period  tally.Period
	start   time.Time
	n       int
	waiters []*waiter
	holds   []*Hold
	pending []Settled // neither durable nor taken back
}

// TestWaitersAreToldInTime: over random histories of admissions, raises, leavers and
// settlements, some of which the disk refuses, no counter is ever beyond its limit,
// nobody waits who is refused for good or for whom there is room, and nobody waits
// once nothing is held.
func TestWaitersAreToldInTime(t *testing.T) {
	for seed := range uint64(1000) {
		c := newCrowd(t, seed)
		for range 120 {
			c.step()
			c.collect()
			c.check(seed)
		}
		c.commit()
		c.collect()
		for len(c.holds) > 0 {
			rec := c.holds[0].Draft
			c.settle(0, &rec)
			c.commit()
			c.collect()
		}
		if n := c.Waiting(); n != 0 {
			t.Fatalf("seed %d: %d wait though nothing is held", seed, n)
		}
	}
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	c := &crowd{Ledger: New(), t: t, random: rand.New(rand.NewPCG(seed, 1)), start: day.Add(12 * time.Hour),
		period: tally.Period{Label: "2026-11-29", Start: day, End: day.AddDate(0, 0, 1)}}
	c.limits = map[tally.Subject]int64{"client/a": 50 + c.random.Int64N(300), "client/b": 50 + c.random.Int64N(300), "gateway/g": 50 + c.random.Int64N(500)}
	for s := range c.limits {
		c.Meet(Use{Subject: s})
	}
	return c
}

func (c *crowd) step() {
	switch x := c.random.IntN(10); {
	case x < 5:
		c.ask()
	case x < 8 && len(c.holds) > 0:
		i := c.random.IntN(len(c.holds))
		rec := c.holds[i].Draft
		if c.random.IntN(3) > 0 {
			rec.Cost = tally.NanoUSD(c.random.Int64N(c.holds[i].Held[tally.Cost.Index()] + 1))
		}
		c.settle(i, &rec)
		switch c.random.IntN(6) {
		case 0:
			c.undo()
		case 1, 2, 3:
			c.commit()
		}
	case x == 8 && len(c.waiters) > 0:
		w := c.waiters[c.random.IntN(len(c.waiters))]
		c.mu.Lock()
		at := w.at
		c.leave(w)
		if c.random.IntN(2) == 0 {
			c.lastCall(w)
		}
		c.serveLine(at)
		c.serveOn()
		c.mu.Unlock()
	case x == 9 && len(c.holds) > 0:
		i := c.random.IntN(len(c.holds))
		var b tally.Bounds
		b[tally.Cost.Index()] = tally.Bound{Base: 3, PerMillion: 1_000_000}
		if h, _, err := c.Raise(context.Background(), c.holds[i].ID, 1, 20, b); err == nil {
			if c.random.IntN(3) == 0 {
				c.Drop(h)
			} else {
				c.Commit([]*Hold{h}, nil)
				c.holds[i] = h
			}
		}
	}
}

// ask makes a reservation that waits if it must.
func (c *crowd) ask() {
	c.n++
	who := tally.Subject([]string{"client/a", "client/b"}[c.random.IntN(2)])
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", c.n)), At: c.start, Wait: time.Hour, MinOutput: 1 + c.random.Int64N(5),
		Since: c.start.Add(time.Duration(c.random.IntN(1000)) * time.Millisecond)}
	r.Bounds[tally.Cost.Index()] = tally.Bound{Base: c.random.Int64N(30), PerMillion: 1_000_000}
	r.WantOutput, r.Floor = r.MinOutput+c.random.Int64N(80), r.MinOutput+c.random.Int64N(40)
	for _, s := range []tally.Subject{who, "gateway/g"} {
		r.Charges = append(r.Charges, tally.Charge{Counter: tally.Counter{Subject: s, Metric: tally.Cost, Period: c.period}, Max: c.limits[s], Shared: c.random.IntN(8) == 0})
	}
	if c.random.IntN(2) == 0 {
		r.Places = []tally.Place{{Subject: who, Max: 3}}
	}
	if c.random.IntN(4) == 0 { // an answer that costs nothing, as of an embedding
		r.Bounds[tally.Cost.Index()].PerMillion = 0
	}
	h, _, _, w, err := c.admit(r, nil, time.Time{}, false, false)
	if limit, ok := err.(*tally.LimitError); ok && !limit.Crowded && limit.Place.Subject == "" && tally.AddSat(limit.Used, limit.Need) <= limit.Charge.Max {
		c.t.Fatalf("refused at once though only others' holds are in the way: %v", err)
	}
	switch {
	case w != nil:
		c.waiters = append(c.waiters, w)
	case h != nil:
		c.Commit([]*Hold{h}, nil)
		c.holds = append(c.holds, h)
	}
}

func (c *crowd) settle(i int, rec *tally.Record) {
	h := c.holds[i]
	c.holds = append(c.holds[:i], c.holds[i+1:]...)
	s, err := c.Settle(h.ID, rec)
	if err != nil {
		c.t.Fatal(err)
	}
	c.pending = append(c.pending, s)
}

func (c *crowd) commit() {
	c.Commit(nil, c.pending)
	c.pending = nil
}

// undo is what a store does whose disk has refused the settlements.
func (c *crowd) undo() {
	for _, s := range slices.Backward(c.pending) {
		c.Unsettle(s)
		c.holds = append(c.holds, s.Hold)
	}
	c.pending = nil
}

// collect takes over what waiters have got.
func (c *crowd) collect() {
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if w.in != nil {
			kept = append(kept, w)
		} else if w.held {
			c.Commit([]*Hold{w.want}, nil)
			c.holds = append(c.holds, w.want)
		}
	}
	c.waiters = kept
}

func (c *crowd) check(seed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiters {
		if len(c.pending) > 0 { // what they use may be taken back
			break
		}
		if d := c.decide(w.r, true); d.err != nil && d.at == nil {
			c.t.Fatalf("seed %d: %s waits, and is refused for good: %v", seed, w.r.ID, d.err)
		} else if d.err == nil {
			c.t.Fatalf("seed %d: %s waits, though there is room for it", seed, w.r.ID)
		}
	}
	for s, a := range c.accounts {
		for _, k := range a.counters {
			if most := c.limits[s]; k.metric == tally.Cost.Index() && k.taken() > most {
				c.t.Fatalf("seed %d: %d of %d of %s are taken", seed, k.taken(), most, s)
			}
		}
	}
}

// A waiter that has been passed at one limit, and is then short at another limit, has been
// passed there as well. Nobody else gets past it as long as it could be served without
// those who have passed it.
func TestTurnIsKept(t *testing.T) {
	l := New()
	client := counterOf("client/a", tally.Cost, tally.Day, noon)
	gateway := counterOf("gateway/g", tally.Cost, tally.Day, noon)
	l.Adopt(client, 0)
	l.Adopt(gateway, 0)
	asked := 0
	ask := func(id tally.ID, cost int64, wait time.Duration, charges ...tally.Charge) (h *Hold, w *waiter, err error) {
		asked++
		r := &tally.Reservation{ID: id, At: noon, ExpiresAt: noon.Add(time.Minute), Wait: wait, Charges: charges, Since: noon.Add(time.Duration(asked) * time.Second)}
		r.Bounds[tally.Cost.Index()].Base = cost
		h, _, _, w, err = l.admit(r, nil, time.Time{}, false, false)
		if h != nil {
			l.Commit([]*Hold{h}, nil)
		}
		return h, w, err
	}
	ofClient, ofGateway := tally.Charge{Counter: client, Max: 8}, tally.Charge{Counter: gateway, Max: 10}
	first, _, _ := ask("first", 4, time.Hour, ofClient)
	_, patient, err := ask("patient", 8, time.Hour, ofClient, ofGateway)
	if patient == nil {
		t.Fatalf("it does not wait: %v", err)
	}
	passing, _, err := ask("passing", 4, time.Hour, ofGateway)
	if err != nil {
		t.Fatal(err)
	}
	settle := func(h *Hold) {
		t.Helper()
		rec := h.Draft
		s, err := l.Settle(h.ID, &rec)
		if err != nil {
			t.Fatal(err)
		}
		l.Commit(nil, []Settled{s})
	}
	settle(first) // now only the one that has passed it is in its way
	if patient.held || patient.at.counter == nil || patient.at.counter.start != gateway.Period.Start.Unix() || patient.at.max != 10 {
		t.Fatalf("it stands at %+v", patient.at)
	}
	if _, _, err := ask("late", 4, tally.WouldWait, ofGateway); err == nil {
		t.Error("another one gets past it")
	}
	settle(passing)
	if !patient.held {
		t.Error("it is not served")
	}
}

// What a settlement gives back is nobody's before the settlement's record is durable. If
// the record cannot be made durable, the hold is there again and must still have its room.
func TestRoomIsFreeOnceDurable(t *testing.T) {
	l := New()
	day := counterOf("client/cl_1", tally.Cost, tally.Day, noon)
	charge := tally.Charge{Counter: day, Max: 305}
	h, _ := reserve(t, l, reservation("req_1", noon, charge), 0)
	r := h.Draft
	r.Cost = 5
	change, err := l.Settle("req_1", &r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := usage(t, l, day), (tally.Usage{Used: 5, Held: 300}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	second := reservation("req_2", noon, charge)
	if _, _, _, err := try(l, second); err == nil {
		t.Error("the room is given away before it is free")
	}
	l.Unsettle(change)
	if got, want := usage(t, l, day), (tally.Usage{Held: 305}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if change, err = l.Settle("req_1", &r); err != nil {
		t.Fatal(err)
	}
	l.Commit(nil, []Settled{change})
	if got, want := usage(t, l, day), (tally.Usage{Used: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, _, _, err := try(l, second); err != nil {
		t.Error(err)
	}
}
