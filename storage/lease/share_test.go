package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// visitor is a request of a client that may have so many in flight; of a member, if it has a
// name, which a limit on sessions counts.
func visitor(inFlight int64, member string, sessions int64, wait time.Duration) *tally.Reservation {
	now := time.Now()
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
		Wait: wait, Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Client: "cl_1", Count: 1}}
	if inFlight > 0 {
		r.Places = []tally.Place{{Subject: "client/cl_1", Max: inFlight}}
	}
	if member != "" {
		r.Session = &tally.SessionUse{Client: "cl_1", Member: member, Until: now.Add(time.Minute)}
		c := sessionsOf(now)
		r.Charges = []tally.Charge{{Counter: c, Max: sessions}}
	}
	return r
}

func sessionsOf(now time.Time) tally.Counter {
	return tally.Counter{Subject: "client/cl_1", Metric: tally.Sessions,
		Period: tally.Window{Unit: tally.Total}.Period(now, time.UTC, 0)}
}

// reserve does what a store does.
func (m *peer) reserve(r *tally.Reservation) (*ledger.Hold, bool, error) {
	h, _, err := m.Admit(context.Background(), r, m.adopt)
	if err != nil {
		return nil, false, err
	}
	m.Commit([]*ledger.Hold{h}, nil)
	return h, m.Claim(context.Background(), h), nil
}

// nodes runs a test with a bank and as many nodes as it joins, in a clock that only waits.
func nodes(t *testing.T, test func(ctx context.Context, b *remote)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		test(ctx, &remote{vault: newVault()})
		stop()
		time.Sleep(patience) // what is under way at the bank comes to its end
	})
}

func byPlace(err error) bool {
	limit, ok := errors.AsType[*tally.LimitError](err)
	return ok && limit.ByPlace()
}

// Nodes together have no more of a client's requests in flight than it may, and as many.
func TestPlaces(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		var now, most, served int
		var mu sync.Mutex
		var callers sync.WaitGroup
		for i := range 3 {
			m := join(ctx, b, fmt.Sprint("n", i))
			for range 10 {
				callers.Go(func() {
					for range 20 {
						h, _, err := m.reserve(visitor(5, "", 0, time.Hour))
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						now, served = now+1, served+1
						most = max(most, now)
						mu.Unlock()
						time.Sleep(time.Second)
						mu.Lock()
						now--
						mu.Unlock()
						m.settle(h)
					}
				})
			}
		}
		began := time.Now()
		callers.Wait()
		if took := time.Since(began); most != 5 || served != 600 || took > 150*time.Second {
			t.Errorf("%d in flight, %d served in %s; want 5, 600, in little more than 120 s", most, served, took)
		}
	})
}

// Where two nodes have more requests than places, none of the two keeps them all.
func TestPlacesAreFair(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Minute} {
		nodes(t, func(ctx context.Context, b *remote) {
			var served [2]int
			var mu sync.Mutex
			var callers sync.WaitGroup
			end := time.Now().Add(5 * time.Minute)
			for i := range served {
				m := join(ctx, b, fmt.Sprint("n", i))
				for j := range 12 {
					callers.Go(func() {
						time.Sleep(time.Duration(i*20+j) * 50 * time.Millisecond)
						for time.Now().Before(end) {
							h, _, err := m.reserve(visitor(6, "", 0, wait))
							if err != nil {
								time.Sleep(time.Duration(100+7*j) * time.Millisecond)
								continue
							}
							mu.Lock()
							served[i]++
							mu.Unlock()
							time.Sleep(2 * time.Second)
							m.settle(h)
						}
					})
				}
			}
			callers.Wait()
			t.Logf("wait %s: %v served", wait, served)
			all := served[0] + served[1]
			if least := min(served[0], served[1]); least < all/4 || all < 700 || all > 930 {
				t.Errorf("wait %s: %v served, want shares of about 900", wait, served)
			}
		})
	}
}

// Places that a node does not use are there for another one, which a client that waits gets
// within a moment. A node that is new has none.
func TestPlacesAreRecalled(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		var holds []*ledger.Hold
		for range 2 {
			h, _, err := one.reserve(visitor(2, "", 0, 0))
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		_, _, err := two.reserve(visitor(2, "", 0, 0))
		limit, ok := errors.AsType[*tally.LimitError](err)
		if !ok || !limit.ByPlace() || !limit.ByHoldsOnly() || limit.Held != 2 {
			t.Fatalf("%v, want all places taken", err)
		}
		one.settle(holds[0])
		began := time.Now()
		if _, _, err := two.reserve(visitor(2, "", 0, time.Minute)); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		time.Sleep(time.Second)
		if _, _, err := one.reserve(visitor(2, "", 0, 0)); !byPlace(err) {
			t.Errorf("%v, want all places taken", err)
		}
		one.settle(holds[1])
		again := join(ctx, b, "n1") // it takes the place of the first one
		if _, _, err := again.reserve(visitor(2, "", 0, 0)); err != nil {
			t.Error(err)
		}
	})
}

// A cap that is lowered is kept to once requests have gone.
func TestPlacesAreLowered(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		both := []*peer{join(ctx, b, "n1"), join(ctx, b, "n2")}
		open := make([][]*ledger.Hold, 2)
		for i := range 10 {
			h, _, err := both[i%2].reserve(visitor(10, "", 0, 0))
			if err != nil {
				t.Fatal(err)
			}
			open[i%2] = append(open[i%2], h)
		}
		for range 100 { // one goes, and one comes
			for i, n := range both {
				if len(open[i]) > 0 {
					n.settle(open[i][0])
					open[i] = open[i][1:]
				}
				if h, _, err := n.reserve(visitor(4, "", 0, 0)); err == nil {
					open[i] = append(open[i], h)
				} else if !byPlace(err) {
					t.Fatal(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(open[0]) + len(open[1]); n > 4 {
			t.Errorf("%d are in flight, want 4", n)
		}
	})
}

// A session counts once, wherever its requests go, and its user is served where there is no
// room for a new session.
func TestSessions(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		session := func(m *peer, name string, begins bool) *ledger.Hold {
			t.Helper()
			h, is, err := m.reserve(visitor(0, name, 2, 0))
			if err != nil || is != begins {
				t.Fatalf("new: %v, want %v; %v", is, begins, err)
			}
			return h
		}
		session(one, "a", true)
		two.settle(session(two, "a", false))
		session(two, "b", true)
		session(two, "a", false)
		session(one, "b", false)
		c := sessionsOf(time.Now())
		x, _ := one.Loan(&c, false)
		y, _ := two.Loan(&c, false)
		if x.Taken()+y.Taken() != 2 {
			t.Errorf("%d and %d are counted, want 2 in all", x.Taken(), y.Taken())
		}
		three := join(ctx, b, "n3") // where nothing is known, and nothing to be had
		session(three, "a", false)
		if _, _, err := three.reserve(visitor(0, "c", 2, 0)); err == nil {
			t.Error("a third session has begun")
		}
		for range 6 { // it goes on at one node, and is known to run at the other
			time.Sleep(50 * time.Second)
			session(three, "a", false)
		}
		time.Sleep(time.Second)
		fresh := join(ctx, b, "n4")
		session(fresh, "a", false)
		time.Sleep(2 * time.Minute)
		if _, _, err := fresh.reserve(visitor(0, "a", 2, 0)); err == nil {
			t.Error("a session that was over has gone on")
		}
	})
}

// A session that begins while the bank is out of reach counts, and nobody waits for long.
// Others learn of it when it goes on.
func TestSessionsOutOfReach(t *testing.T) {
	nodes(t, func(ctx context.Context, b *remote) {
		one, two := join(ctx, b, "n1"), join(ctx, b, "n2")
		if _, is, err := one.reserve(visitor(0, "a", 1000, 0)); err != nil || !is {
			t.Fatal(is, err)
		}
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		for i, name := range []string{"b", "c", "d"} {
			began := time.Now()
			_, is, err := one.reserve(visitor(0, name, 1000, 0))
			if took := time.Since(began); err != nil || !is || took > claimFor+time.Millisecond || i > 0 && took > 0 {
				t.Errorf("%s: %v, %v after %s", name, is, err, took)
			}
			time.Sleep(2 * patience)
		}
		b.mu.Lock()
		b.gone = false
		b.mu.Unlock()
		time.Sleep(time.Second)
		if _, is, err := one.reserve(visitor(0, "c", 1000, 0)); err != nil || is {
			t.Error(is, err)
		}
		time.Sleep(time.Second)
		if _, is, err := two.reserve(visitor(0, "c", 1000, 0)); err != nil || is {
			t.Errorf("new: %v, %v", is, err)
		}
	})
}

// A bank's sessions are prolonged by those who use them, and begun again when they are over,
// also those that a clock which was ahead has begun.
func TestAfter(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	claim := func(request tally.ID, after time.Duration, fixed bool) *ledger.Claim {
		return &ledger.Claim{Request: request, At: noon.Add(after), Ends: noon.Add(after + time.Hour), Fixed: fixed}
	}
	runs := Claimed{"req_1", noon.Add(time.Hour)}
	for _, x := range []struct {
		claim *ledger.Claim
		want  Claimed
	}{
		{claim("req_1", 0, false), runs},
		{claim("req_2", 10*time.Minute, false), Claimed{"req_1", noon.Add(70 * time.Minute)}},
		{claim("req_2", 10*time.Minute, true), runs},
		{claim("", 10*time.Minute, false), runs},
		{claim("req_2", time.Hour, false), Claimed{"req_2", noon.Add(2 * time.Hour)}},
		{claim("", time.Hour, false), Claimed{}},
		{claim("req_2", -30*time.Second, false), runs},
		{claim("req_2", -2*time.Minute, false), Claimed{"req_2", noon.Add(58 * time.Minute)}},
	} {
		if got := runs.After(x.claim); got != x.want {
			t.Errorf("after %+v: %+v, want %+v", *x.claim, got, x.want)
		}
	}
}
