package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// One node at a time has a duty; when it is gone another one goes on, and while the database
// is out of reach nobody does longer than was allowed.
func TestDuty(t *testing.T) {
	_, list := newNodes(t, "n1", "n2")
	db := list[0].node.database
	nodes := [2]*node{{database: db, name: "n1"}, {database: db, name: "n2"}}
	log := list[0].engine.log
	engines := [2]*Engine{{cluster: nodes[0], log: log}, {cluster: nodes[1], log: log}}
	synctest.Test(t, func(t *testing.T) {
		var did [2]int
		var steps [2]func(context.Context) error
		for i, e := range engines {
			steps[i] = e.onDuty("sweep", func(context.Context) error { did[i]++; return nil })
		}
		run := func(i int) int {
			t.Helper()
			before := did[i]
			if err := steps[i](t.Context()); err != nil {
				t.Fatal(err)
			}
			return did[i] - before
		}
		for range 100 { // longer than it is given at once
			if run(0) != 1 || run(1) != 0 {
				t.Fatal("both have the duty, or nobody")
			}
			time.Sleep(time.Second)
		}
		time.Sleep(dutyHold)
		if run(1) != 1 || run(0) != 0 {
			t.Fatal("nobody goes on for a node that is gone")
		}
		db.leave(noon, errors.New("gone"))
		time.Sleep(dutyAgain)
		if run(1) != 1 {
			t.Error("a duty ends before its time")
		}
		time.Sleep(dutyHold)
		if run(0)+run(1) != 0 {
			t.Error("a duty lasts for ever without a database")
		}
		db.leave(time.Time{}, nil)
		time.Sleep(time.Second)
		if run(0)+run(1) != 1 {
			t.Error("nobody goes on once the database is back")
		}
	})
}

// A step that takes long keeps its duty, and ends when another node has it.
func TestLongDuty(t *testing.T) {
	_, list := newNodes(t, "n1")
	db, log := list[0].node.database, list[0].engine.log
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{cluster: &node{database: db, name: "n1"}, log: log}
		other := &node{database: db, name: "n2"}
		began := time.Now()
		step := e.onDuty("sweep", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		ended := make(chan error)
		go func() { ended <- step(t.Context()) }()
		time.Sleep(5 * dutyHold)
		if has, _ := other.Duty(t.Context(), "sweep", dutyHold); has {
			t.Fatal("a duty was lost under a step that takes long")
		}
		db.mu.Lock()
		db.duties["sweep"] = given{"n2", began.Add(time.Hour)}
		db.mu.Unlock()
		if err := <-ended; err != nil {
			t.Errorf("a step whose duty has gone: %v", err)
		}
		if since := time.Since(began); since > 5*dutyHold+dutyAgain {
			t.Errorf("it went on for %s", since)
		}
	})
}

// An entry is taken back once, whichever nodes are asked to at the same time, and one that
// cannot have the book says so.
func TestNodesBookOnce(t *testing.T) {
	db, list := newNodes(t, "n1", "n2", "n3")
	list[0].setUp()
	for _, w := range list {
		w.follows()
	}
	for range 10 {
		paid := do(list[0], control.ClientsTopUp, control.AddFunds{Client: "default", Funds: tally.Dollar})
		var wg sync.WaitGroup
		var won atomic.Int32
		for _, w := range list {
			wg.Go(func() {
				_, err := control.EntriesBack.Do(t.Context(), w.owner, control.ReverseEntry{Entry: string(paid.ID)})
				if err == nil {
					won.Add(1)
				} else if e := tally.AsError(err); e.Code != tally.Conflict ||
					!strings.Contains(e.Message, "taken back already") {
					t.Errorf("%s: %s", e.Code, e.Message)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("an entry was taken back %d times", won.Load())
		}
	}
	for name, x := range db.duties {
		if name == "book" && time.Now().Before(x.until) {
			t.Errorf("%s still has the book", x.to)
		}
	}
	db.leave(noon, tally.Errorf(tally.Unavailable, "connection refused"))
	refused(list[1], control.ClientsTopUp, control.AddFunds{Client: "default", Funds: tally.Dollar},
		tally.Unavailable, "connection refused")
	db.leave(time.Time{}, nil)
	do(list[1], control.ClientsTopUp, control.AddFunds{Client: "default", Funds: tally.Dollar})
}

// A lock over all nodes is kept for as long as it is held, and waited for in vain for a while.
func TestNodeLock(t *testing.T) {
	_, list := newNodes(t, "n1")
	db, log := list[0].node.database, list[0].engine.log
	synctest.Test(t, func(t *testing.T) {
		a := &Engine{cluster: &node{database: db, name: "n1"}, log: log}
		b := &Engine{cluster: &node{database: db, name: "n2"}, log: log}
		unlock, err := a.openBook(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * lockHold)
		began := time.Now()
		if _, err := b.openBook(t.Context()); tally.CodeOf(err) != tally.Conflict ||
			time.Since(began) < lockPatience {
			t.Errorf("a lock that another node has: %v after %s", err, time.Since(began))
		}
		unlock()
		again, err := b.openBook(t.Context())
		if err != nil {
			t.Fatalf("a lock that was given back: %v", err)
		}
		again()
	})
}
