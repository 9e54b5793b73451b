package lease

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

// steady makes requests of all nodes in turn, one after each pause, until that is enough. It
// returns how many were admitted, and the first error of one that was not.
func steady(nodes []*peer, most int64, pause time.Duration, enough func() bool) (admitted int64, err error) {
	for i := 0; !enough(); i++ {
		m := nodes[i%len(nodes)]
		h, refused := m.request(most, 0)
		if refused == nil {
			admitted++
			m.settle(h)
		} else if err == nil {
			err = refused
		}
		time.Sleep(pause)
	}
	return admitted, err
}

func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

func three(ctx context.Context, b Bank) (out []*peer) {
	for i := range 3 {
		out = append(out, join(ctx, b, fmt.Sprint("n", i)))
	}
	return out
}

// Nodes at work go on for some seconds without the bank.
func TestGoesOn(t *testing.T) {
	for _, rate := range []time.Duration{30, 100, 1000} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			b := &remote{vault: newVault()}
			nodes := three(ctx, b)
			if _, err := steady(nodes, 1e9, time.Second/rate, after(30*time.Second)); err != nil {
				t.Fatal(err)
			}
			b.mu.Lock()
			b.gone = true
			b.mu.Unlock()
			if _, err := steady(nodes, 1e9, time.Second/rate, after(5*time.Second)); err != nil {
				t.Errorf("at %d requests/s: %v", rate, err)
			}
		})
	}
}

// A limit that is lowered is kept from then on, whatever was lent before, and is reached.
func TestLowered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		nodes := three(ctx, &remote{vault: newVault()})
		used, err := steady(nodes, 1e6, 5*time.Millisecond, after(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		lowered := used + 100
		more, err := steady(nodes, lowered, 5*time.Millisecond, after(20*time.Second))
		if used += more; used != lowered {
			t.Errorf("%d used, want %d", used, lowered)
		}
		if limit := (*tally.LimitError)(nil); !errors.As(err, &limit) {
			t.Errorf("%v, want a limit", err)
		}
		raised := lowered + 1000
		more, _ = steady(nodes, raised, 5*time.Millisecond, after(20*time.Second))
		if used += more; used != raised {
			t.Errorf("%d used once it was raised, want %d", used, raised)
		}
	})
}
