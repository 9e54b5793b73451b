package badgerdb

import (
	"fmt"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// Accepting a clock never makes a window forget what it has seen, whichever of the writes
// fails, even if a crash follows.
func TestAcceptClockFails(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newWorld(t)
		right := w.now
		spend := func(i int) {
			t.Helper()
			id := tally.ID(fmt.Sprint("req_", i))
			if err := w.reserve(id); err != nil {
				t.Fatal(err)
			}
			if err := w.settle(id); err != nil {
				t.Fatal(err)
			}
		}
		spend(1)
		w.now = right.Add(50 * time.Hour)
		spend(2)
		w.restart() // nothing is in memory that is not asked for
		commits := w.fail(n, false)
		err := w.AcceptClock(ctx, right)
		if commits() < n {
			if err != nil || n < 5 {
				t.Fatalf("after %d commits: %v", n-1, err)
			}
			return
		}
		if tally.CodeOf(err) != tally.Unavailable {
			t.Fatalf("commit %d: %v, want Unavailable", n, err)
		}
		w.crash()
		for _, at := range []time.Time{right, right.Add(50 * time.Hour)} {
			w.now = at
			for _, c := range w.reservation("req_3").Charges {
				used, err := w.Usage(ctx, c.Counter)
				want, _ := w.spec.Usage(ctx, c.Counter)
				w.same(fmt.Sprintf("commit %d, usage of %v", n, c.Counter), used, want, err)
			}
		}
		w.sound()
	}
}
