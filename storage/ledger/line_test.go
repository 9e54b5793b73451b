package ledger

import (
	"fmt"
	"math/rand/v2"
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
}

// TestWaitersAreToldInTime: over random histories of admissions, settlements,
// raises and leavers no counter is ever beyond its limit, nobody waits who is
// refused for good, and nobody waits once nothing is held.
func TestWaitersAreToldInTime(t *testing.T) {
	for seed := range uint64(400) {
		c := newCrowd(t, seed)
		for range 120 {
			c.step()
			c.collect()
			c.check(seed)
		}
		for len(c.holds) > 0 {
			rec := c.holds[0].Draft
			c.settle(0, &rec)
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
	case x == 8 && len(c.waiters) > 0:
		w := c.waiters[c.random.IntN(len(c.waiters))]
		c.mu.Lock()
		at := w.at
		c.leave(w)
		if c.random.IntN(2) == 0 {
			c.lastCall(w)
		}
		c.serveLine(at)
		c.mu.Unlock()
	case x == 9 && len(c.holds) > 0:
		i := c.random.IntN(len(c.holds))
		var b tally.Bounds
		b[tally.Cost.Index()] = tally.Bound{Base: 3, PerMillion: 1_000_000}
		if h, _, err := c.Raise(c.holds[i].ID, 1, 20, b); err == nil {
			if c.random.IntN(3) == 0 {
				c.Drop(h)
			} else {
				c.Keep([]*Hold{h})
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
	h, _, _, w, err := c.admit(r, time.Time{})
	if limit, ok := err.(*tally.LimitError); ok && !limit.Crowded && limit.Place.Subject == "" && tally.AddSat(limit.Used, limit.Need) <= limit.Charge.Max {
		c.t.Fatalf("refused at once though only others' holds are in the way: %v", err)
	}
	if h != nil {
		c.Keep([]*Hold{h})
		c.holds = append(c.holds, h)
	}
	if w != nil {
		c.waiters = append(c.waiters, w)
	}
}

func (c *crowd) settle(i int, rec *tally.Record) {
	h := c.holds[i]
	c.holds = append(c.holds[:i], c.holds[i+1:]...)
	if _, err := c.Settle(h.ID, rec); err != nil {
		c.t.Fatal(err)
	}
}

// collect takes over what waiters have got.
func (c *crowd) collect() {
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if w.in != nil {
			kept = append(kept, w)
		} else if w.hold != nil {
			c.Keep([]*Hold{w.hold})
			c.holds = append(c.holds, w.hold)
		}
	}
	c.waiters = kept
}

func (c *crowd) check(seed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiters {
		if d := c.decide(w.r, true); d.err != nil && d.at == nil {
			c.t.Fatalf("seed %d: %s waits, and is refused for good: %v", seed, w.r.ID, d.err)
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
