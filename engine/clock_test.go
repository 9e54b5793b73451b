package engine

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A clock that was ahead is accepted as it is, once the owner says so and nobody is on
// the road: windows go by it again, and none of them opens twice.
func TestAcceptClock(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, key := w.client("Small", "requests=2/day", "requests=100/month")
	refused(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true}, tally.Invalid, "not behind")
	ask := func(want int) {
		t.Helper()
		if a := w.chat(string(key.Key), "sim-small"); a.status != want {
			t.Fatalf("status %d %s: %s; want %d", a.status, a.code, a.text, want)
		}
	}
	ask(http.StatusOK)
	w.wait(24 * time.Hour)
	ask(http.StatusOK)
	ask(http.StatusOK)
	ask(http.StatusTooManyRequests)
	ask(http.StatusTooManyRequests) // counted, and not recorded before its minute is over
	w.wait(-23 * time.Hour)
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "behind the last request", "tallygate settings accept-clock") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	refused(w, control.SettingsAcceptClock, control.AcceptClock{}, tally.Invalid, "from 2026-11-22 12:07:3", "back to 2026-11-21 13:07:30 UTC, by 23.0 h", "accept-clock --yes")
	held := tally.Reservation{ID: "req_held", At: w.engine.clock(), ExpiresAt: w.engine.clock().Add(time.Hour), Draft: tally.Record{Client: "cl_x"}}
	if _, err := w.store.Reserve(context.Background(), held); err != nil {
		t.Fatal(err)
	}
	refused(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true}, tally.Conflict, "try again")
	if now := w.engine.clock(); now.Before(held.At) {
		t.Errorf("it was refused, and the time is %v", now)
	}
	if err := w.store.Settle(context.Background(), tally.Settlement{ID: held.ID, Record: held.Draft}); err != nil {
		t.Fatal(err)
	}
	if got := do(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true}); !got.To.Equal(noon.Add(time.Hour)) || got.From.Before(noon.Add(24*time.Hour)) {
		t.Errorf("accepted %+v", got)
	}
	s := do(w, control.EngineStatus, control.None{})
	if warns(s, "behind the last request") || s.ClockLag != 0 {
		t.Errorf("lag %v, warnings %+v", s.ClockLag, s.Warnings)
	}
	if !strings.Contains(w.log.String(), "the machine's clock was accepted") {
		t.Error("nothing of it is in the log")
	}
	ask(http.StatusOK) // the second of the day that it is
	ask(http.StatusTooManyRequests)
	w.wait(23 * time.Hour)
	ask(http.StatusTooManyRequests) // that day was spent ahead of time
	w.wait(24 * time.Hour)
	ask(http.StatusOK)
	if st, err := w.store.Status(context.Background()); err != nil || st.LastSeen.After(w.clock().Add(time.Minute)) {
		t.Errorf("seen at %v, %v", st.LastSeen, err)
	}
}

// A clock that was ahead while nobody asked for anything leaves nothing in the store.
func TestAcceptClockOfIdleGateway(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.wait(24 * time.Hour)
	w.engine.clock()
	w.wait(-24 * time.Hour)
	do(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true})
	if now := w.engine.clock(); !now.Equal(noon) {
		t.Errorf("it is %v", now)
	}
}
