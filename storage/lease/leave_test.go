package lease

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// A node that has left keeps what is used and held, and others get the rest.
func TestLeave(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		var holds []*ledger.Hold
		for range 20 {
			h, err := one.request(1000, 0)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		if _, _, err := one.reserve(visitor(50, "", 0, 0)); err != nil {
			t.Fatal(err)
		}
		for _, h := range holds[:5] {
			one.settle(h)
		}
		if err := one.lender.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		for _, q := range b.vault.quotas {
			c := q.counter
			loan, _ := one.Loan(&c, false)
			if got := q.granted["n1"]; got != loan.Taken() || got == 0 || loan.UpTo != got {
				t.Errorf("%v %v: %d granted, %+v", c.Subject, c.Metric, got, loan)
			}
		}
		if _, err := one.request(1000, 0); tally.CodeOf(err) != tally.Unavailable {
			t.Errorf("%v, want Unavailable", err)
		}
		one.settle(holds[5])
		if err := one.lender.Leave(ctx); err != nil {
			t.Error(err)
		}
		served := 0
		for ; served < 2000; served++ {
			if _, err := two.request(1000, 0); err != nil {
				break
			}
		}
		if served != 1000-21 { // all requests of the first one count on the gateway
			t.Errorf("the other node has served %d, want 979", served)
		}
	})
}

// Nothing is borrowed for those who wait at a node that leaves.
func TestLeaveWhileWaiting(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		h, err := two.request(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		waited := make(chan error)
		go func() {
			_, err := one.request(1, 10*time.Second)
			waited <- err
		}()
		time.Sleep(time.Second)
		if err := one.lender.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		two.Drop(h)
		if err := <-waited; err == nil {
			t.Error("a node that has left admits what it was not lent")
		}
		if _, err := two.request(1, 0); err != nil {
			t.Error(err)
		}
	})
}

// A node that cannot reach the bank says so, and may try again.
func TestLeaveOutOfReach(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one := join(ctx, b, "n1")
		if _, err := one.request(1000, 0); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		if err := one.lender.Leave(ctx); tally.CodeOf(err) != tally.Unavailable {
			t.Errorf("%v, want Unavailable", err)
		}
		b.mu.Lock()
		b.gone = false
		b.mu.Unlock()
		if err := one.lender.Leave(ctx); err != nil {
			t.Error(err)
		}
		if c := requestsOf(time.Now()); b.vault.quotas[keyOf(&c)].granted["n1"] != 1 {
			t.Error("it has not given back what it had")
		}
	})
}

// What others have used is learned anew when somebody says that it has become less, and those
// who wait are served.
func TestRefresh(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		h, err := two.request(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		two.settle(h)
		var limit *tally.LimitError
		for range 2 { // in a moment, and once the other node has told what it used, for good
			_, err = one.request(1, 0)
			time.Sleep(time.Second)
		}
		if !errors.As(err, &limit) || limit.ByHoldsOnly() {
			t.Fatalf("%v, want a refusal for good", err)
		}
		c := requestsOf(time.Now())
		b.mu.Lock()
		b.vault.quotas[keyOf(&c)].granted[""], b.vault.quotas[keyOf(&c)].used[""] = -1, -1
		b.mu.Unlock()
		if _, err = one.request(1, 0); !errors.As(err, &limit) {
			t.Fatalf("%v, want a refusal", err)
		}
		before := one.lender.Stats()
		one.lender.Refresh([]tally.Counter{c, sessionsOf(time.Now())})
		time.Sleep(10 * time.Millisecond)
		if after := one.lender.Stats(); after.Exchanges != before.Exchanges+1 || after.Asks != before.Asks+1 {
			t.Errorf("%+v, and then %+v", before, after)
		}
		if _, err = one.request(1, 0); err != nil {
			t.Error(err)
		}
	})
}

// Those who wait for what another node holds do not ask for it more often than five times a
// second, however many they are, and are served soon after it is free.
func TestWaiting(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		var holds []*ledger.Hold
		for range 20 {
			h, err := one.request(20, 0)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		var waiters sync.WaitGroup
		for range 20 {
			waiters.Go(func() {
				if _, err := two.request(20, time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		before := two.lender.Stats()
		time.Sleep(20 * time.Second)
		if asked := two.lender.Stats().Exchanges - before.Exchanges; asked > 101 || asked < 50 {
			t.Errorf("asked %d times in 20 s", asked)
		}
		for _, h := range holds {
			one.Drop(h)
		}
		began := time.Now()
		waiters.Wait()
		if took := time.Since(began); took > 700*time.Millisecond {
			t.Errorf("served after %s", took)
		}
	})
}
