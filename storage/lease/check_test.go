package lease

import (
	"errors"
	"fmt"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// held is what a node's holds hold of a counter.
func (n *node) held(k key) (sum int64) {
	add := func(h *ledger.Hold) {
		if k.metric < 0 && !h.Orphan {
			sum += int64(len(h.Places))
		}
		for i := range h.Charges {
			if keyOf(&h.Charges[i].Counter) == k {
				sum += h.Holds()[k.metric]
			}
		}
	}
	for _, h := range n.holds {
		add(h)
	}
	for _, h := range n.fresh {
		add(h)
	}
	return sum
}

// check says which invariant does not hold.
func (w *world) check() error {
	for m, s := range w.bank.sessions {
		if v := w.visitOf[s.Begun]; v == nil || !v.kept {
			return fmt.Errorf("others rely on a session of %s whose request %s may be lost", m.name, s.Begun)
		}
	}
	for k, c := range w.counters {
		var sum int64
		for _, n := range w.nodes {
			taken := n.used[k]
			if n.up {
				loan, alive := n.ledger.Loan(&c, false)
				if !alive {
					n.adopt([]tally.Counter{c})
					loan, _ = n.ledger.Loan(&c, false)
				}
				taken = loan.Taken()
				if held := n.held(k); loan.Held != held {
					return fmt.Errorf("%s holds %d of %v %v, and its holds %d", n.name, loan.Held, c.Subject, c.Metric, held)
				}
				var granted int64
				if q := w.bank.quotas[k]; q != nil {
					granted = q.granted[n.name]
				}
				if loan.UpTo > max(granted, taken) && !n.stale {
					return fmt.Errorf("%s may use %d of %v %v and was granted %d", n.name, loan.UpTo, c.Subject, c.Metric, granted)
				}
			} else if k.metric >= 0 { // of a process that is gone nothing is under way
				taken += n.held(k)
			}
			sum += taken
		}
		if n := w.sessions(); c.Metric == tally.Sessions && sum < n {
			return fmt.Errorf("%d sessions are counted, and there were %d", sum, n)
		}
		if most := w.max[k] + w.excess[k] + w.lost[k]; sum > most {
			return fmt.Errorf("%d taken of %v %v, the most is %d (%d used beyond holds, %d forgotten)",
				sum, c.Subject, c.Metric, most, w.excess[k], w.lost[k])
		}
	}
	return nil
}

// run runs a world, and brings it to where the limits are reached.
func (w *world) run(steps int) error {
	for i := range steps {
		w.step()
		if err := w.check(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	w.faults, w.crashes, w.setBacks, w.jumps, w.down = false, false, false, false, false
	for _, n := range w.nodes {
		if !n.up {
			w.start(n)
		}
	}
	for range 4000 {
		w.now = w.now.Add(150 * time.Millisecond)
		final := 0
		for _, n := range w.nodes {
			w.keep(n)
			for len(n.holds) > 0 {
				w.settle(n)
			}
			w.reserve(n, false)
			w.turn(n, false)
			for len(w.net) > 0 {
				w.deliver()
			}
			if w.reserve(n, false) {
				final++
			}
			w.turn(n, true)
			if err := w.check(); err != nil {
				return fmt.Errorf("at the end: %w", err)
			}
		}
		if final == len(w.nodes) {
			return w.reached()
		}
	}
	return errors.New("a limit is neither reached nor does a node tell so")
}

// reached says which limit could have been used further.
func (w *world) reached() error {
	full := false
	for _, m := range []tally.Metric{tally.Requests, tally.TokensIO, tally.Sessions} {
		c := tally.Counter{Subject: "gateway/gw", Metric: m,
			Period: tally.Window{Unit: tally.Total}.Period(w.now, time.UTC, 0)}
		if m == tally.Sessions {
			if c.Subject = "client/cl_1"; !w.members {
				continue
			}
		}
		var used int64
		for _, n := range w.nodes {
			used += n.used[keyOf(&c)]
		}
		least := int64(1)
		if m == tally.TokensIO {
			least = 15
		}
		full = full || used+least > w.limits[m]
	}
	if !full {
		return errors.New("all nodes refuse, and there is room")
	}
	return nil
}
