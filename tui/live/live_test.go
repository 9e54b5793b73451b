package live_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/tuitest"
)

// follow runs a source over a world until the test has looked at it. It returns
// only when every goroutine of the source has ended.
func follow(t *testing.T, world func(testing.TB, func() time.Time) *tuitest.World, test func(s *live.Source, w *tuitest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, clock := tuitest.Begin(t, world)
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

// came is how many requests the engine of tuitest.Full has seen when a test begins.
const came = 23

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestASnapshotHasEverything(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		n := s.Snapshot()
		if !n.Loaded || n.Lost != nil || len(n.Clients) != 9 || len(n.Providers) != 5 || len(n.Gateways) != 2 || len(n.Models) == 0 || len(n.Hours.Rows) == 0 ||
			len(n.ByModel.Rows) == 0 || len(n.Tokens) != 3 || !n.Status.Serving || n.Settings.Unpriced != tally.RefuseUnpriced {
			t.Errorf("the snapshot lacks something: %+v", n)
		}
		if len(n.Tail) != came || n.Seen != came || n.Tail[0].Seq != uint64(n.Status.Records) || n.Tail[came-1].Seq != n.Tail[0].Seq-came+1 {
			t.Errorf("the tail has %d of %d requests", len(n.Tail), n.Seen)
		}
		served := slices.IndexFunc(n.Tail, func(r *control.RequestView) bool { return r.Outcome == tally.OK && r.KeyID != "" })
		if r := n.Tail[max(served, 0)]; r.Client == "" || r.Key == "" || r.Provider == "" {
			t.Errorf("the latest request has no names: %+v", r)
		}
		if !slices.ContainsFunc(n.Keys, func(k control.KeyView) bool { return k.State == "revoked" }) {
			t.Error("revoked keys are missing")
		}
		requests := int64(0)
		for i, s := range n.Seconds {
			requests += s.Requests + s.Refused
			if i > 0 && !s.At.After(n.Seconds[i-1].At) {
				t.Errorf("second %d is of %v, after %v", i, s.At, n.Seconds[i-1].At)
			}
		}
		if requests < 200 || n.Seconds[0].At.After(tuitest.Epoch.Add(-14*time.Minute)) {
			t.Errorf("the seconds since %v have %d requests", n.Seconds[0].At, requests)
		}
	})
}

// At 500 requests a second there are ten snapshots a second at most, however often
// somebody looks, and they are never changed once somebody has them.
func TestSnapshotsAreFewAndStayAsTheyAre(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		old := s.Snapshot()
		tail, seconds := fmt.Sprint(old.Tail), fmt.Sprint(old.Seconds)
		seen := map[*live.Snapshot]bool{}
		for range 10 * 20 {
			w.Crowd(25)
			for range 5 {
				wait(10 * time.Millisecond)
				seen[s.Snapshot()] = true
			}
		}
		if n := len(seen); n < 90 || n > 112 { // and one after each reading of the lists
			t.Errorf("in ten seconds there were %d snapshots", n)
		}
		wait(100 * time.Millisecond)
		if n := s.Snapshot(); n.Seen != came+5000 || len(n.Tail) != 2000 || n.Tail[0].Seq != old.Tail[0].Seq+5000 || n.Tail[1999].Seq != n.Tail[0].Seq-1999 {
			t.Errorf("then %d were seen, the tail has %d from %d to %d", n.Seen, len(n.Tail), n.Tail[0].Seq, n.Tail[len(n.Tail)-1].Seq)
		}
		if fmt.Sprint(old.Tail) != tail || fmt.Sprint(old.Seconds) != seconds {
			t.Error("an old snapshot was changed")
		}
	})
}

func TestLostAndBack(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		latest := s.Snapshot().Tail[0].Seq
		w.Lose(tuitest.ErrLost)
		wait(16 * time.Second)
		if n := s.Snapshot(); n.Lost == nil || !n.Loaded || len(n.Clients) != 9 || len(n.Tail) != came {
			t.Errorf("lost: %v, %d clients and %d requests of before", n.Lost, len(n.Clients), len(n.Tail))
		}
		w.Return()
		w.More(7)
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil || n.Seen != came+7 || n.Tail[0].Seq != latest+7 {
			t.Errorf("back: %v, %d requests", n.Lost, n.Seen)
		}
	})
}

// An engine that ends is noticed at once, though nothing happens, and named; so is the one
// that serves then.
func TestTheEnginesEndIsNoticed(t *testing.T) {
	follow(t, tuitest.Full, func(s *live.Source, w *tuitest.World) {
		wait(time.Minute)
		pid := s.Snapshot().Status.PID
		w.Lose(tally.Errorf(tally.Unavailable, "connection refused"))
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost == nil || n.Lost.Error() != fmt.Sprintf("process %d has ended", pid) {
			t.Errorf("it has ended: %v", n.Lost)
		}
		w.Return()
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil || n.Status.PID != pid {
			t.Errorf("another one serves: %v", n.Lost)
		}
		w.Lose(control.ErrSilent)
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost == nil || n.Lost.Error() != fmt.Sprintf("process %d gives no sign of life", pid) {
			t.Errorf("it hangs: %v", n.Lost)
		}
	})
}

func TestLostFromTheStart(t *testing.T) {
	lost := func(tb testing.TB, clock func() time.Time) *tuitest.World {
		w := tuitest.Full(tb, clock)
		w.Lose(tuitest.ErrLost)
		return w
	}
	follow(t, lost, func(s *live.Source, w *tuitest.World) {
		if n := s.Snapshot(); n.Lost == nil || n.Loaded {
			t.Errorf("loaded %v, lost %v", n.Loaded, n.Lost)
		}
		w.Return()
		wait(2 * time.Second)
		if n := s.Snapshot(); n.Lost != nil || !n.Loaded || n.Seen != came {
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
		// Once, and once more for the requests that are told of again.
		if n := len(tuitest.Sent(w, control.ClientsList)); n < 1 || n > 2 {
			t.Errorf("after a gap the clients were read %d times, want once or twice", n)
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
		tuitest.Do(t, w, control.ClientsUpdate, control.UpdateClient{Client: "hotel-aurora", NewSlug: "borealis", ClientFields: control.ClientFields{Name: &name}})
		wait(200 * time.Millisecond)
		n := s.Snapshot()
		if !slices.ContainsFunc(n.Clients, func(c control.ClientView) bool { return c.Name == name }) {
			t.Errorf("200 ms after a change no client is called %q", name)
		}
		for _, r := range n.Tail {
			if r.Client == "hotel-aurora" {
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
		for i := range 200 {
			tuitest.Do(t, w, control.ClientsUpdate, control.UpdateClient{Client: "gym-pulse", ClientFields: control.ClientFields{Note: new(fmt.Sprint(i))}})
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
		latest := s.Snapshot().Tail[0].Seq
		w.Hang(control.ModelsList.Name)
		w.More(3)
		wait(4 * time.Second)
		w.More(4)
		wait(time.Second)
		if n := s.Snapshot(); n.Seen != came+7 || n.Tail[0].Seq != latest+7 {
			t.Errorf("%d requests were seen while a list hangs, want %d", n.Seen, came+7)
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
