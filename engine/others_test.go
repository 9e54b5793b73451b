package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Who watches a node sees what the others serve, each request once; what they have served
// before is in the charts. While nobody watches they are not asked.
func TestOthersAreSeen(t *testing.T) {
	db, list := newNodes(t, "n1")
	w := list[0]
	w.setUp()
	serve := func(n int) {
		db.mu.Lock()
		defer db.mu.Unlock()
		for range n {
			db.others = append(db.others, tally.Record{ID: tally.ID(fmt.Sprint("req_far_", len(db.others))),
				Node: "far", At: w.now.Add(-time.Second / 2), Outcome: tally.OK, Count: 1})
		}
	}
	look := func() {
		t.Helper()
		if err := w.engine.followOthers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.engine.feed.Tick(w.now)
	serve(3)
	if look(); db.asked != 0 {
		t.Error("it asks though nobody watches")
	}
	if s := do(w, control.EngineSeconds, control.None{}); len(s) == 0 || s[len(s)-1].Requests != 3 {
		t.Errorf("the charts begin with %+v", s)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	told := make(chan *control.RequestView)
	go func() {
		defer close(told)
		for e := range w.engine.events(ctx, 0) {
			if e.Kind == tally.RecordEvent {
				told <- e.Request
			}
		}
	}()
	serve(2)
	look()
	for i := range 2 {
		if got := <-told; got.Node != "far" || got.ID != tally.ID(fmt.Sprint("req_far_", 3+i)) {
			t.Errorf("told %d is %+v", i, got)
		}
	}
	look()
	stop()
	if v, more := <-told; more {
		t.Errorf("told once more: %+v", v)
	}
	w.engine.others.asked = time.Now().Add(-othersFor)
	before := db.asked
	if look(); db.asked != before || w.engine.others.mark != nil {
		t.Error("it asks though nobody watches any more")
	}
}
