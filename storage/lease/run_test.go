package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// remote is a vault that answers after a while.
type remote struct {
	mu    sync.Mutex
	vault *vault
	gone  bool
	trips atomic.Int64
	slow  time.Duration // for each counter of an exchange
}

func (b *remote) call(do func()) error {
	b.trips.Add(1)
	time.Sleep(2 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return errors.New("connection refused")
	}
	do()
	return nil
}

func (b *remote) Join(_ context.Context, node string, atLeast int64) (epoch int64, err error) {
	err = b.call(func() { epoch = b.vault.join(node, atLeast) })
	return epoch, err
}

func (b *remote) Exchange(ctx context.Context, op *Exchange) (r Reply, err error) {
	row := make([]bool, len(op.Asks))
	for i := range op.Asks {
		row[i] = op.Asks[i].New
	}
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-time.After(time.Duration(len(op.Asks)) * b.slow):
	}
	err = b.call(func() { r = b.vault.exchange(op, row) })
	return r, err
}

func (b *remote) Poll(_ context.Context, node string) (n News, err error) {
	err = b.call(func() { n = b.vault.poll(node) })
	return n, err
}

func (b *remote) Claim(_ context.Context, _ string, claims []ledger.Claim) (out []Claimed, err error) {
	err = b.call(func() { out = b.vault.claim(claims) })
	return out, err
}

func (b *remote) Lent(_ context.Context, node string) (out []tally.Counter, err error) {
	err = b.call(func() { out = b.vault.lent(node) })
	return out, err
}

// peer is a node in a test with real goroutines and a clock that only waits.
type peer struct {
	*ledger.Ledger
	lender *Lender
	ended  chan error
}

func join(ctx context.Context, b Bank, name string) *peer {
	m := &peer{Ledger: ledger.New(), ended: make(chan error, 1)}
	m.lender = New(Options{Node: name, Bank: b, Ledger: m.Ledger, Now: time.Now, Adopt: m.adopt})
	go func() { m.ended <- m.lender.Run(ctx) }()
	return m
}

func (m *peer) adopt(list []tally.Counter) error {
	for _, c := range list {
		m.Adopt(c, 0)
	}
	return nil
}

var ids atomic.Int64

// request admits a request of one unit.
func (m *peer) request(most int64, wait time.Duration) (*ledger.Hold, error) {
	now := time.Now()
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
		Wait: wait, Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Count: 1}}
	r.Charges = []tally.Charge{{Counter: requestsOf(now), Max: most}}
	h, _, err := m.Admit(context.Background(), r, m.adopt)
	if err == nil {
		m.Commit([]*ledger.Hold{h}, nil)
	}
	return h, err
}

func requestsOf(now time.Time) tally.Counter {
	return tally.Counter{Subject: "gateway/gw", Metric: tally.Requests,
		Period: tally.Window{Unit: tally.Total}.Period(now, time.UTC, 0)}
}

func (m *peer) settle(h *ledger.Hold) {
	rec := h.Draft
	s, err := m.Settle(h.ID, &rec)
	if err != nil {
		panic(err)
	}
	m.Commit(nil, []ledger.Settled{s})
}

// Three nodes with many callers reach a limit exactly, and go to the bank a few times.
func TestReached(t *testing.T) {
	for _, most := range []int64{1, 3, 10, 1000, 20000} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			b := &remote{vault: newVault()}
			var admitted atomic.Int64
			var callers sync.WaitGroup
			for i := range 3 {
				m := join(ctx, b, fmt.Sprint("n", i))
				for range 16 {
					callers.Go(func() {
						for {
							h, err := m.request(most, 0)
							var limit *tally.LimitError
							switch {
							case err == nil:
								admitted.Add(1)
								time.Sleep(20 * time.Millisecond)
								m.settle(h)
							case !errors.As(err, &limit):
								t.Error(err)
								return
							case !limit.ByHoldsOnly():
								return
							default: // in a moment
								time.Sleep(50 * time.Millisecond)
							}
						}
					})
				}
			}
			callers.Wait()
			stop()
			synctest.Wait()
			if got := admitted.Load(); got != most {
				t.Errorf("%d admitted, want %d", got, most)
			}
			if trips := b.trips.Load(); most >= 1000 && trips > most/10 {
				t.Errorf("%d trips for %d requests", trips, most)
			}
		})
	}
}

// A request that two limits of different sizes charge on one counter is admitted up to the
// lower one, in whatever order they come.
func TestTwoLimitsOnOneCounter(t *testing.T) {
	for _, most := range [][2]int64{{3, 20}, {20, 3}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			m := join(ctx, &remote{vault: newVault()}, "n1")
			now := time.Now()
			for i := range 4 {
				r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
					Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Count: 1}}
				for _, most := range most {
					r.Charges = append(r.Charges, tally.Charge{Counter: requestsOf(now), Max: most})
				}
				_, _, err := m.Admit(context.Background(), r, m.adopt)
				if admitted := err == nil; admitted != (i < 3) {
					t.Errorf("limits of %v, request %d: %v", most, i+1, err)
				}
			}
		})
	}
}

// What one node does not use any more is there for one that waits at another node.
func TestRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b := &remote{vault: newVault()}
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		h, err := one.request(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		var limit *tally.LimitError
		if _, err := two.request(1, 0); !errors.As(err, &limit) || !limit.ByHoldsOnly() {
			t.Fatalf("%v, want a refusal of the moment", err)
		}
		time.AfterFunc(time.Second, func() { one.Drop(h) })
		began := time.Now()
		if _, err := two.request(1, time.Minute); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// While the bank is gone a node spends what it was lent. Then it refuses, after a while, and
// at once from then on; it goes on by itself.
func TestOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b := &remote{vault: newVault()}
		m := join(ctx, b, "n1")
		gone := func(is bool) {
			b.mu.Lock()
			b.gone = is
			b.mu.Unlock()
		}
		if _, err := m.request(1000, 0); err != nil {
			t.Fatal(err)
		}
		gone(true)
		served := 0
		began := time.Now()
		for {
			_, err := m.request(1000, 0)
			if err != nil {
				if tally.CodeOf(err) != tally.Unavailable || strings.Contains(err.Error(), "refused") {
					t.Errorf("callers are told %v", err)
				}
				break
			}
			served++
		}
		if first := time.Since(began); served < 20 || first < patience || first > 2*patience {
			t.Errorf("%d served, then refused after %s", served, first)
		}
		began = time.Now()
		if _, err := m.request(1000, 0); tally.CodeOf(err) != tally.Unavailable || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		gone(false)
		if _, err := m.request(1000, 0); err != nil {
			t.Error(err)
		}
	})
}

// A process whose place another one has taken stops.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b := &remote{vault: newVault()}
		old := join(ctx, b, "n1")
		if _, err := old.request(1000, 0); err != nil {
			t.Fatal(err)
		}
		join(ctx, b, "n1")
		if err := <-old.ended; tally.CodeOf(err) != tally.Unavailable {
			t.Errorf("ended with %v", err)
		}
		if _, err := old.request(1000, 0); tally.CodeOf(err) != tally.Unavailable {
			t.Errorf("%v, want Unavailable", err)
		}
	})
}

// The first request of a minute finds what it needs, and a limit per minute is reached exactly
// in each.
func TestPrepared(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		m := join(ctx, b, "n1")
		m.Meet(ledger.Use{Subject: "gateway/gw"})
		zone := time.FixedZone("", 5*3600)
		minute := func(most int) (served int, waited time.Duration, c tally.Counter) {
			began := time.Now()
			for i := range most {
				now := time.Now()
				c = tally.Counter{Subject: "gateway/gw", Metric: tally.Requests,
					Period: tally.Window{Unit: tally.Minute}.Period(now, zone, 0)}
				r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
					Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Count: 1},
					Charges: []tally.Charge{{Counter: c, Max: 60}}}
				if h, _, err := m.Admit(ctx, r, m.adopt); err == nil {
					served++
					m.Commit([]*ledger.Hold{h}, nil)
					m.settle(h)
				}
				if i == 0 {
					waited = time.Since(began)
				}
			}
			return served, waited, c
		}
		served, waited, _ := minute(100)
		if served != 60 || waited == 0 {
			t.Errorf("%d served, the first after %s; want 60, after a trip", served, waited)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		served, waited, c := minute(100)
		if served != 60 || waited != 0 {
			t.Errorf("%d served, the first after %s; want 60, at once", served, waited)
		}
		time.Sleep(2 * time.Minute) // nothing is prepared for a limit that nobody uses
		b.mu.Lock()
		n := len(b.vault.quotas)
		b.mu.Unlock()
		if n != 3 {
			t.Errorf("the bank knows %d minutes, want 3", n)
		}
		known := false
		m.Audit(func(is tally.Counter, _ tally.Usage) { known = known || is == c }, func(*ledger.Hold) {})
		if !known {
			t.Errorf("the ledger does not know %+v", c)
		}
	})
}

// A node that was forgotten while it lives is told so, by whatever it asks next.
func TestForgotten(t *testing.T) {
	for epoch, want := range map[int64]string{Forgotten: "forgotten", 9: "another process"} {
		l := New(Options{Node: "a", Ledger: ledger.New(), Now: time.Now})
		l.join(8)
		l.heard(News{Epoch: epoch})
		if _, err := l.Borrow(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("in epoch %d: %v", epoch, err)
		}
	}
	l := New(Options{Node: "a", Ledger: ledger.New(), Now: time.Now})
	if l.join(Forgotten); l.standing() != fenced {
		t.Error("one that cannot join goes on")
	}
}
