package lease

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// A node with more counters than a bank can be told of at once leaves all the same, and goes on
// when the bank has forgotten what it did: with a few thousand at a time, and those first that
// somebody waits for.
func TestManyCounters(t *testing.T) {
	const many = 4 * mostAsks
	const slow = 2 * patience / many // all of them take longer than a node is patient
	take := func(m *peer, visitor int) error {
		now := time.Now()
		r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
			Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Count: 1}}
		r.Charges = []tally.Charge{{Max: 50, Counter: tally.Counter{Subject: tally.Subject(fmt.Sprintf("visitor/%06d", visitor)),
			Metric: tally.Requests, Period: tally.Window{Unit: tally.Day}.Period(now, time.UTC, 0)}}}
		h, _, err := m.Admit(context.Background(), r, m.adopt)
		if err == nil {
			m.Commit([]*ledger.Hold{h}, nil)
			m.settle(h)
		}
		return err
	}
	told := func(b *remote, exactly bool) (n int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, q := range b.vault.quotas {
			if q.used["n1"] >= 1 && (q.granted["n1"] == q.used["n1"] || !exactly) {
				n++
			}
		}
		return n
	}
	nodes(t, func(ctx context.Context, b *remote) {
		m := join(ctx, b, "n1")
		for i := range many {
			if err := take(m, i); err != nil {
				t.Fatal(err)
			}
		}
		b.mu.Lock()
		b.slow, b.vault = slow, newVault()
		b.mu.Unlock()
		time.Sleep(time.Second) // it has noticed
		began := time.Now()
		if err := take(m, many-1); err != nil || time.Since(began) > patience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.Sleep(3 * many * slow)
		if n := told(b, false); n != many {
			t.Errorf("the bank was told of %d counters of %d", n, many)
		}
		for i := range many { // it is lent something in advance
			if err := take(m, i); err != nil {
				t.Fatal(err)
			}
		}
		leaving, stop := context.WithTimeout(ctx, 3*many*slow)
		defer stop()
		if err := m.lender.Leave(leaving); err != nil {
			t.Error(err)
		}
		if n := told(b, true); n != many {
			t.Errorf("of %d counters of %d it has given back what it does not use", n, many)
		}
	})
}
