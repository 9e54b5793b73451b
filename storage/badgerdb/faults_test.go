package badgerdb

import (
	"fmt"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// history does a bit of everything, and does again what has failed.
func (w *world) history() {
	again := func(act func() error) {
		w.Helper()
		if act() == nil {
			return
		}
		if err := act(); err != nil {
			w.Errorf("it fails once more: %v", err)
		}
	}
	for day := range 3 {
		for i := range 3 {
			id := tally.ID(fmt.Sprintf("req_%d%d", day, i))
			again(func() error { return w.reserve(id) })
			if i > 0 {
				again(func() error { return w.settle(id) })
			}
		}
		again(func() error { return w.refuse(tally.ID(fmt.Sprintf("req_%dx", day))) })
		again(func() error { return w.enter(tally.ID(fmt.Sprintf("en_%d", day)), -3, 50) })
		again(func() error { return w.queue.alone(w.rejournal) })
		again(func() error { return w.queue.alone(w.completeCheckpoint) })
		w.now = w.now.Add(24 * time.Hour)
	}
	again(w.expire)
	again(func() error { return w.prune(w.now.AddDate(0, 0, -1)) })
	again(func() error { return w.reserve("req_last") })
}

// Each commit fails once. If it fails before it is done, the store and the specification
// agree at once, and after a crash. If it is done, and only said to have failed, the store
// is sound at once and after a crash.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commits := w.fail(0, false)
	w.history()
	total := commits()
	w.agree()
	if total < 35 {
		t.Fatalf("the history has only %d commits", total)
	}
	step := stride(4)
	for n := 1; n <= total; n += step {
		t.Run(fmt.Sprint("before ", n), func(t *testing.T) {
			w := newWorld(t)
			commits := w.fail(n, false)
			w.history()
			if commits() < n {
				t.Fatalf("only %d commits", commits())
			}
			w.agree()
			w.crash()
			w.agree()
		})
	}
	for n := 1; n <= total; n += 2 * step {
		t.Run(fmt.Sprint("after ", n), func(t *testing.T) {
			w := newWorld(t)
			w.fail(n, true)
			w.history()
			w.sound()
			w.crash()
			w.sound()
		})
	}
}
