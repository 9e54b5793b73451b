package route

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

func upstreamWith(most int) *Upstream {
	return &Upstream{Config: &tally.Provider{MaxInFlight: most}, places: &places{}}
}

// TestWaitAny: who waits for several upstreams takes the first place there is, in
// the order of asking, and leaves none taken that it does not use.
func TestWaitAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := upstreamWith(1), upstreamWith(1)
		both := []Target{{Upstream: a}, {Upstream: b}}
		if !a.Enter() || !b.Enter() {
			t.Fatal("there is no place")
		}
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				got := WaitAny(t.Context(), both)
				mu.Lock()
				order = append(order, i*10+got)
				mu.Unlock()
			})
			synctest.Wait()
		}
		if a.Enter() {
			t.Error("one that has just come passes those that wait")
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := WaitAny(gone, both); got != -1 {
			t.Errorf("got %d, want no place in time", got)
		}
		for range 3 {
			b.Leave()
			synctest.Wait()
		}
		all.Wait()
		if len(order) != 3 || order[0] != 1 || order[1] != 11 || order[2] != 21 {
			t.Errorf("served as %v", order)
		}
		b.Leave()
		a.Leave()
		if a.taken() != 0 || b.taken() != 0 || len(a.places.line)+len(b.places.line) != 0 {
			t.Errorf("%d and %d are taken in the end", a.taken(), b.taken())
		}
	})
	// Places that come at the same time, and callers that leave, lose none.
	a, b := upstreamWith(2), upstreamWith(1)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5)*50*time.Microsecond+time.Microsecond)
				both := []Target{{Upstream: a}, {Upstream: b}}
				if got := WaitAny(ctx, both); got >= 0 {
					both[got].Upstream.Leave()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if a.taken() != 0 || b.taken() != 0 || len(a.places.line)+len(b.places.line) != 0 {
		t.Errorf("%d and %d are taken in the end, %d wait", a.taken(), b.taken(), len(a.places.line)+len(b.places.line))
	}
}
