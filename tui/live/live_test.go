package live_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/tuitest"
)

// follow runs a source over a world until the test has looked at it. It returns
// only when every goroutine of the source has ended.
func follow(t *testing.T, make func(func() time.Time) *tuitest.World, test func(s *live.Source, w *tuitest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock := func() time.Time { return tuitest.Epoch.Add(time.Since(start)) }
		w := make(clock)
		s := live.New(w, clock)
		if got := s.Snapshot(); got == nil || got.Loaded {
			t.Fatalf("before the first look there is %+v", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := false
		go func() {
			s.Run(ctx)
			done = true
		}()
		wait(time.Second)
		test(s, w)
		stop()
		synctest.Wait()
		if !done {
			t.Error("the source goes on after its context has ended")
		}
	})
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestASnapshotHasEverything(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		n := s.Snapshot()
		if !n.Loaded || n.Lost != nil || len(n.Clients) != 9 || len(n.Providers) != 3 || len(n.Gateways) != 2 || len(n.Models) == 0 || len(n.Hours.Rows) == 0 ||
			len(n.ByModel.Rows) == 0 || len(n.ByCode.Rows) == 0 || !n.Status.Serving || n.Settings.RetentionDays != 90 {
			t.Errorf("the snapshot lacks something: %+v", n)
		}
		if len(n.Tail) != 400 || n.Seen != 400 || n.Tail[0].Seq != 400 || n.Tail[399].Seq != 1 {
			t.Errorf("the tail has %d of %d requests", len(n.Tail), n.Seen)
		}
		if r := n.Tail[0]; r.ClientName == "" || r.KeyLabel == "" || r.ProviderName == "" {
			t.Errorf("the latest request has no names: %+v", r)
		}
		if !slices.ContainsFunc(n.Keys, func(k control.KeyView) bool { return k.State == "revoked" }) {
			t.Error("revoked keys are missing")
		}
		if len(n.Seconds) != 900 {
			t.Errorf("there are %d seconds, want 900", len(n.Seconds))
		}
	})
}

// At 500 requests a second there are two snapshots a second, and they are never
// changed once somebody has them.
func TestSnapshotsComeTwiceASecondAndStayAsTheyAre(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		old := s.Snapshot()
		tail, seconds := fmt.Sprint(old.Tail[:50], old.Tail[399]), fmt.Sprint(old.Seconds)
		seen := map[*live.Snapshot]bool{}
		for range 10 * 20 {
			w.More(25)
			for range 5 {
				wait(10 * time.Millisecond)
				seen[s.Snapshot()] = true
			}
		}
		if n := len(seen); n < 19 || n > 32 { // two a second, and one after each reading of the lists
			t.Errorf("in ten seconds there were %d snapshots", n)
		}
		if n := s.Snapshot(); n.Seen != 400+5000 || len(n.Tail) != 2000 || n.Tail[0].Seq != 5400 || n.Tail[1999].Seq != 3401 || len(n.Seconds) != 900 {
			t.Errorf("then %d were seen, the tail has %d from %d to %d", n.Seen, len(n.Tail), n.Tail[0].Seq, n.Tail[len(n.Tail)-1].Seq)
		}
		if fmt.Sprint(old.Tail[:50], old.Tail[399]) != tail || fmt.Sprint(old.Seconds) != seconds {
			t.Error("an old snapshot was changed")
		}
	})
}

func TestLostAndBack(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		w.Lose(tuitest.ErrLost)
		wait(16 * time.Second)
		if n := s.Snapshot(); n.Lost == nil || !n.Loaded || len(n.Clients) != 9 || len(n.Tail) != 400 {
			t.Errorf("lost: %v, %d clients and %d requests of before", n.Lost, len(n.Clients), len(n.Tail))
		}
		w.Return()
		w.More(7)
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil || n.Seen != 407 || n.Tail[0].Seq != 407 {
			t.Errorf("back: %v, %d requests", n.Lost, n.Seen)
		}
	})
}

func TestLostFromTheStart(t *testing.T) {
	lost := func(clock func() time.Time) *tuitest.World {
		w := tuitest.Full(clock)
		w.Lose(tuitest.ErrLost)
		return w
	}
	follow(t, lost, func(s *live.Source, w *tuitest.World) {
		if n := s.Snapshot(); n.Lost == nil || n.Loaded {
			t.Errorf("loaded %v, lost %v", n.Loaded, n.Lost)
		}
		w.Return()
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil || !n.Loaded || n.Seen != 400 {
			t.Errorf("loaded %v, lost %v, %d requests", n.Loaded, n.Lost, n.Seen)
		}
	})
}

// A reader that missed events reads the lists again.
func TestAGapIsMended(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		wait(3 * time.Second)
		w.Forget()
		w.Gap()
		wait(3 * time.Second)
		if n := len(tuitest.Sent(w, control.ClientsList)); n != 1 {
			t.Errorf("after a gap the clients were read %d times, want once", n)
		}
	})
}

// What the owner changes is seen at once, and what is idle is not asked about.
func TestListsAreReadWhenTheyMayHaveChanged(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		wait(3 * time.Second)
		w.Forget()
		wait(time.Minute)
		if n := len(tuitest.Sent(w, control.ClientsList)); n > 5 {
			t.Errorf("in an idle minute the clients were read %d times", n)
		}
		name := "Hotel Borealis"
		if _, err := control.ClientsUpdate.Do(t.Context(), w, control.UpdateClient{Client: "hotel-aurora", NewSlug: "borealis", ClientFields: control.ClientFields{Name: &name}}); err != nil {
			t.Fatal(err)
		}
		wait(200 * time.Millisecond)
		n := s.Snapshot()
		if n.Clients[0].Name != name {
			t.Errorf("200 ms after a change the client is still %q", n.Clients[0].Name)
		}
		for _, r := range n.Tail {
			if r.ClientName == "hotel-aurora" {
				t.Error("the tail still has the old name")
				break
			}
		}
	})
}

// A burst of changes, such as an import, is not answered by reading everything
// once for each.
func TestABurstOfChangesIsReadFewTimes(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		wait(3 * time.Second)
		w.Forget()
		for range 200 {
			if _, err := control.ClientsActivate.Do(t.Context(), w, control.Named{Name: "gym-pulse"}); err != nil {
				t.Fatal(err)
			}
			wait(5 * time.Millisecond)
		}
		if n := len(tuitest.Sent(w, control.ClientsList)); n > 12 {
			t.Errorf("in a second of changes the clients were read %d times", n)
		}
	})
}

// A list that takes long holds up neither the tail nor the other screens.
func TestASlowListDoesNotStopTheTail(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		w.Hang(control.ModelsList.Name)
		w.More(3)
		wait(4 * time.Second)
		w.More(4)
		wait(time.Second)
		if n := s.Snapshot(); n.Seen != 407 || n.Tail[0].Seq != 407 {
			t.Errorf("%d requests were seen while a list hangs, want 407", n.Seen)
		}
		wait(20 * time.Second)
		if n := s.Snapshot(); n.Lost == nil {
			t.Error("an engine that does not answer is not told to be lost")
		}
		w.Fail(control.ModelsList.Name, nil)
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil {
			t.Errorf("it answers again, and is lost still: %v", n.Lost)
		}
	})
}
