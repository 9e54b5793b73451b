package engine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/tally"
)

// The background work settles what nobody finished, sums up seconds and ends
// when it is told to.
func TestRun(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl := w.engine.catalog.Load().Clients[0]
	hold := func(id tally.ID) {
		t.Helper()
		if _, err := w.store.Reserve(context.Background(), tally.Reservation{ID: id, At: noon, ExpiresAt: noon.Add(time.Minute),
			Bounds: tally.Bounds{{Base: 1}, {Base: 10}}, Draft: tally.Record{Gateway: cl.Gateway, Client: cl.ID, Model: "m", Count: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	hold("req_1")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	w.wait(2 * time.Minute)
	go func() { ended <- w.engine.Run(ctx) }()
	deadline := time.Now().Add(10 * time.Second)
	for do(w, control.EngineStatus, control.None{}).Holds > 0 {
		if time.Now().After(deadline) {
			t.Fatal("an overdue hold is not settled")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r := do(w, control.RequestsShow, control.PickRequest{ID: "req_1"}); r.Outcome != tally.Lost || r.Basis != tally.Held || r.InputTokens != 10 {
		t.Errorf("record %+v", r)
	}
	if !strings.Contains(w.log.String(), "requests=1") {
		t.Errorf("the owner is not told: %s", w.log)
	}
}

// A step runs at once and at its intervals; one that fails goes on, and says
// so once.
func TestLoops(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var steps atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.engine.loop(ctx, "test", time.Second, func(context.Context) error {
				if n := steps.Add(1); n > 1 && n < 5 {
					return errors.New("the disk is on fire")
				}
				return nil
			})
		}()
		time.Sleep(10*time.Second + time.Millisecond)
		if n := steps.Load(); n != 11 {
			t.Errorf("%d steps in ten seconds, want 11", n)
		}
		cancel()
		<-done
	})
	if n := strings.Count(w.log.String(), "on fire"); n != 1 {
		t.Errorf("the fault was logged %d times, want once", n)
	}
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	prune := w.engine.pruner()
	step := func() int64 {
		t.Helper()
		if err := prune(context.Background()); err != nil {
			t.Fatal(err)
		}
		return do(w, control.EngineStatus, control.None{}).Records
	}
	w.served(key, "sim-small")
	w.wait(24 * time.Hour)
	w.served(key, "sim-small")
	w.wait(9 * 24 * time.Hour)
	w.served(key, "sim-small")
	if n := step(); n != 3 {
		t.Errorf("%d records are kept without a retention, want 3", n)
	}
	do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(9)})
	if n := step(); n != 2 {
		t.Errorf("%d records are kept, want 2", n)
	}
	do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(1)}) // a shorter one counts at once
	if n := step(); n != 1 {
		t.Errorf("%d records are kept, want 1", n)
	}
	if u := do(w, control.UsageShow, control.UsageQuery{}); u.Total.Requests != 3 {
		t.Errorf("usage lost %d requests", 3-u.Total.Requests)
	}
	if p := do(w, control.EngineStatus, control.None{}).Pruned; p == nil || p.Records != 1 || p.Going {
		t.Errorf("status tells %+v of what was removed", p)
	}
	// Refusals go earlier, and are counted all the same.
	w.chat(key, "no-such-model")
	w.wait(25 * time.Hour)
	w.engine.meter.FlushRefusals(context.Background(), time.Time{})
	w.served(key, "sim-small")
	do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(400), RefusedDays: to(1)})
	w.wait(24 * time.Hour)
	w.served(key, "sim-small")
	kept := step()
	list := do(w, control.RequestsList, control.RequestQuery{Outcome: tally.OutcomeDenied})
	if u := do(w, control.UsageShow, control.UsageQuery{}); kept != 3 || len(list.Requests) != 0 || u.Total.Refused != 1 {
		t.Errorf("%d records are kept, %d refusals are listed, %d counted", kept, len(list.Requests), u.Total.Refused)
	}
	do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(1)})
	// Months later, days are told as they were in the zone of the gateway, and hours are not.
	days := control.UsageQuery{Since: "120d", Every: "day"}
	w.wait(50 * 24 * time.Hour)
	was := do(w, control.UsageShow, days)
	w.wait(100 * 24 * time.Hour)
	step()
	days.Since = "300d"
	is := do(w, control.UsageShow, days)
	if was.Total != is.Total {
		t.Errorf("sums were %+v and are %+v", was.Total, is.Total)
	}
	daily := func(u control.Usage) (out []control.UsageRow) {
		for _, r := range u.Rows {
			if r.Requests > 0 {
				out = append(out, r)
			}
		}
		return out
	}
	if !reflect.DeepEqual(daily(was), daily(is)) {
		t.Errorf("days were %+v and are %+v", daily(was), daily(is))
	}
}

// What is only in memory is written before the end.
func TestCloseWritesRefusals(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	for range 5 {
		w.chat(key, "no-such-model")
	}
	if err := w.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if u := do(w, control.UsageShow, control.UsageQuery{}); u.Total.Refused != 5 {
		t.Errorf("%d refusals are recorded, want 5", u.Total.Refused)
	}
}

// What an engine has stored, another one finds; with another key file it says
// so instead of sending nonsense upstream.
func TestReopening(t *testing.T) {
	w, dir := &world{TB: t, log: &lockedBuffer{}, now: noon}, t.TempDir()
	w.open(dir)
	done := w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u, upstreamKey)
	entities, _, err := w.store.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again := func() *world { return &world{TB: t, log: &lockedBuffer{}, now: noon} }
	same := again()
	same.open(dir, entities...)
	same.served(done.Key, "gpt-mini")
	same.consistent()

	gone, foreign := t.TempDir(), t.TempDir()
	stranger := again()
	stranger.open(foreign)
	stranger.setUp()
	for name, dir := range map[string]string{"is gone": gone, "belongs to another store": foreign} {
		err := again().tryOpen(dir, false, entities...)
		if tally.CodeOf(err) != tally.Corrupt || !strings.Contains(err.Error(), name) {
			t.Errorf("over a key file that %s: %v", name, err)
		}
		forgetful := again()
		if err := forgetful.tryOpen(dir, true, entities...); err != nil {
			t.Fatal(err)
		}
		if p := do(forgetful, control.ProvidersShow, control.Named{Name: "up"}); len(p.KeyHints) > 0 {
			t.Errorf("a provider without a key shows %q", p.KeyHints)
		}
		if !strings.Contains(forgetful.log.String(), "lost its API key") {
			t.Errorf("the owner is not told: %s", forgetful.log)
		}
		forgetful.served(done.Key, "sim-small")
	}
}

// Charts do not begin anew with the engine.
func TestSecondsOutliveARestart(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	w.served(done.Key, "sim-small")
	w.wait(30 * time.Second)
	o := w.engine.opts
	o.Feed = feed.New(8)
	next, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	got, err := next.seconds(context.Background(), control.None{})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v; want the first second and the one with a request", got, err)
	}
	if at := w.clock().Sub(got[1].At); got[1].Requests != 1 || got[1].Tokens == 0 || at < 28*time.Second || at > 30*time.Second {
		t.Errorf("got %+v, %s ago; want one request half a minute ago", got[1], at)
	}
}

// A clock that jumps, as when a machine wakes up, ends no request at work.
func TestClockJump(t *testing.T) {
	w := newWorld(t)
	setup := w.setUp()
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"`+setup.Model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	r.Header.Set("Authorization", "Bearer "+setup.Key)
	jumped := false
	rec := &witness{ResponseRecorder: httptest.NewRecorder(), written: func() {
		if !jumped {
			jumped = true
			w.wait(5 * time.Hour)
			if err := w.engine.lookAfterHolds(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}}
	w.engine.Public().ServeHTTP(rec, r)
	if got := do(w, control.RequestsShow, control.PickRequest{ID: rec.Header().Get("X-Request-Id")}); !jumped || got.Outcome != tally.OK || got.Basis != tally.Exact {
		t.Errorf("jumped %v, record %+v", jumped, got)
	}
}

// witness tells when something is written to a client.
type witness struct {
	*httptest.ResponseRecorder
	written func()
}

func (w *witness) Write(b []byte) (int, error) {
	w.written()
	return w.ResponseRecorder.Write(b)
}
