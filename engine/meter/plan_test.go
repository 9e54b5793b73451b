package meter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

// An hour of a client that asks once a second, with 10 requests a minute and
// 300 an hour: each minute grants ten until the hour is used up, and the next
// hour begins afresh.
func TestAnHourOfLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.client.Limits = limits(t, "requests=10/minute", "requests=300/hour")
		w.use()
		start := time.Now().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(start))
		granted := make([]int, 61)
		codes := map[string]int{}
		for time.Since(start) < 61*time.Minute {
			w.now = time.Now()
			ticket, refusal := w.meter.Admit(context.Background(), w.request())
			if refusal == nil {
				granted[int(time.Since(start)/time.Minute)]++
				w.settle(ticket, answered(1, 1))
			} else {
				codes[refusal.Code]++
				wait := map[string]time.Duration{"rate_limit": time.Minute, "requests_limit": time.Hour}[refusal.Code]
				if want := wait - time.Since(start)%wait; refusal.RetryAfter != want {
					t.Fatalf("%s after %v: retry after %v, want %v", refusal.Code, time.Since(start), refusal.RetryAfter, want)
				}
			}
			time.Sleep(time.Second)
		}
		for minute, n := range granted {
			want := 0
			if minute < 30 || minute == 60 {
				want = 10
			}
			if n != want {
				t.Errorf("minute %d: %d granted, want %d", minute, n, want)
			}
		}
		// The minute is the tighter while both are used up in turn; after half an
		// hour the hour alone refuses.
		if codes["rate_limit"] != 31*50 || codes["requests_limit"] != 30*60 {
			t.Errorf("refusals: %v, want 1550 by the minute, 1800 by the hour", codes)
		}
	})
}

// A request belongs to the window of its admission, whenever it ends.
func TestWindowEdge(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "requests=1/day")
	w.use()
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) // Lisbon's winter time
	w.now = midnight.Add(-time.Nanosecond)
	late := w.admit()
	if r := w.refused(); r.RetryAfter != 2*time.Second {
		t.Errorf("a nanosecond before midnight: retry after %v, want two seconds", r.RetryAfter)
	}
	w.now = midnight
	early := w.admit()
	w.settle(late, answered(1, 1))
	w.refused()
	w.settle(early, answered(1, 1))
	w.refused()
}

// A change by the owner holds from the next request on, and counts what the
// running window has already seen.
func TestChangesOfLimitsHoldAtOnce(t *testing.T) {
	w := newWorld(t)
	w.spend(3)
	for _, step := range []struct {
		what   string
		change func()
		admits bool
	}{
		{"a limit is added", func() { w.client.Limits = limits(t, "requests=3/day") }, false},
		{"it is raised", func() { w.client.Limits = limits(t, "requests=4/day") }, true},
		{"the key gets one", func() { w.key.Limits = limits(t, "requests=4/month") }, false},
		{"it only warns", func() { w.key.Limits[0].Warn = true; w.client.Limits = nil }, true},
		{"the gateway gets one", func() { w.gateway.Limits = limits(t, "requests=5/month") }, false},
		{"its months start tomorrow: all was spent in the last", func() { w.gateway.CycleDay = 22 }, false},
		{"its months start today", func() { w.gateway.CycleDay = 21 }, false},
		{"another zone, in which it is still today", func() { w.gateway.TimeZone = "America/New_York" }, false},
		{"it is removed", func() { w.gateway.Limits = nil }, true},
	} {
		step.change()
		w.use()
		ticket, refusal := w.meter.Admit(context.Background(), w.request())
		if (refusal == nil) != step.admits {
			t.Errorf("%s: refusal %v, want admitted: %v", step.what, refusal, step.admits)
		}
		if ticket != nil {
			w.settle(ticket, answered(1, 1))
		}
	}
}

// Requests on an old and on a new picture of the catalog pass through at the
// same time; each is measured by its own.
func TestPlansOfTwoRevisions(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "tokens=80/day")
	w.use()
	old := w.request()
	w.client.Limits = limits(t, "tokens=90/day")
	w.use()
	current := w.request()
	var all sync.WaitGroup
	for _, r := range []*Request{old, current} {
		all.Go(func() {
			for range 500 {
				pl := w.meter.planOf(r.Catalog, r.Principal)
				for _, c := range w.meter.chargesAt(pl, noon).list {
					if c.Max != r.Principal.Client.Limits[0].Max {
						t.Errorf("revision %d is charged by a limit of %d", r.Catalog.Rev, c.Max)
					}
				}
			}
		})
	}
	all.Wait()
}

// Charges are worked out once per window, not once per request.
func TestChargesAreShared(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "requests=10/minute", "requests=300/hour", "cost=5/month")
	w.use()
	pl := w.meter.planOf(w.cat, w.principal())
	if n := testing.AllocsPerRun(100, func() { w.meter.chargesAt(w.meter.planOf(w.cat, w.principal()), noon) }); n > 1 { // the principal
		t.Errorf("%v allocations per request", n)
	}
	for _, at := range []time.Time{noon, noon.Add(-time.Nanosecond), noon.Add(time.Minute), noon, noon.Add(24 * 300 * time.Hour)} {
		for _, c := range w.meter.chargesAt(pl, at).list {
			if !c.Period.Contains(at) {
				t.Errorf("at %v the charge on %s is for %s", at, c.Metric, c.Period.Label)
			}
		}
	}
}

func TestSessions(t *testing.T) {
	const hour = time.Hour
	type ask struct {
		after time.Duration // since noon
		user  string
		want  string // code, "" if admitted
	}
	for _, tc := range []struct {
		name  string
		rule  tally.SessionRule
		limit string
		asks  []ask
		in    int64 // sessions counted
	}{
		{"a new session is refused, running ones go on", tally.SessionRule{}, "sessions=2/month",
			[]ask{{0, "ana", ""}, {0, "rui", ""}, {hour, "eva", "sessions_limit"}, {hour, "ana", ""}}, 2},
		{"rolling: being seen prolongs it", tally.SessionRule{Length: hour}, "sessions=1/month",
			[]ask{{0, "ana", ""}, {50 * time.Minute, "ana", ""}, {100 * time.Minute, "ana", ""}, {160 * time.Minute, "ana", "sessions_limit"}}, 1},
		{"fixed: it ends when it ends", tally.SessionRule{Length: hour, Mode: tally.Fixed}, "sessions=1/month",
			[]ask{{0, "ana", ""}, {59 * time.Minute, "ana", ""}, {hour, "ana", "sessions_limit"}}, 1},
		{"a day unless the owner says otherwise", tally.SessionRule{}, "sessions=1/month",
			[]ask{{0, "ana", ""}, {24*hour - 1, "ana", ""}, {49 * hour, "ana", "sessions_limit"}}, 1},
		{"those without a name are one session", tally.SessionRule{}, "sessions=1/month",
			[]ask{{0, "", ""}, {hour, "", ""}, {hour, "ana", "sessions_limit"}}, 1},
		{"or in none", tally.SessionRule{Missing: tally.MissingIgnore}, "sessions=1/month",
			[]ask{{0, "", ""}, {hour, "ana", ""}, {hour, "", ""}}, 1},
		{"or are refused", tally.SessionRule{Missing: tally.MissingRefuse}, "sessions=1/month",
			[]ask{{0, "", "session_missing"}, {hour, "ana", ""}}, 1},
		{"refused without a limit on sessions, too", tally.SessionRule{Missing: tally.MissingRefuse}, "requests=100/month",
			[]ask{{0, "", "session_missing"}, {hour, "ana", ""}}, 1},
		{"without a limit and a rule, none are counted", tally.SessionRule{}, "requests=100/month",
			[]ask{{0, "", ""}, {hour, "ana", ""}, {hour, "ana", ""}, {hour, "rui", ""}}, 0},
		{"with a rule, named ones are counted", tally.SessionRule{Length: hour}, "requests=100/month",
			[]ask{{0, "", ""}, {hour, "ana", ""}, {hour, "ana", ""}, {hour, "rui", ""}}, 2},
		{"with a limit that only warns, too", tally.SessionRule{}, "sessions=1/month,warn",
			[]ask{{0, "", ""}, {hour, "ana", ""}, {hour, "ana", ""}, {hour, "rui", ""}}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Session = tc.rule
			w.client.Limits = limits(t, tc.limit)
			w.use()
			for _, a := range tc.asks {
				w.now = noon.Add(a.after)
				ticket, refusal := w.meter.Admit(context.Background(), w.request(func(r *Request) { r.Session = a.user }))
				code := ""
				if refusal != nil {
					code = refusal.Code
				} else {
					w.settle(ticket, answered(1, 1))
				}
				if code != a.want {
					t.Errorf("%q after %v: %q, want %q", a.user, a.after, code, a.want)
				}
			}
			if got := w.usage("client/cl_1", tally.Month)[tally.Sessions.Index()].Used; got != tc.in {
				t.Errorf("%d sessions, want %d", got, tc.in)
			}
		})
	}
}

func TestSessionMissingSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.client.Session.Missing = tally.MissingRefuse
	w.use()
	r := w.refused()
	if r.Status != 400 || r.Type != tally.TypeInvalid || r.Code != "session_missing" || r.Param != "user" ||
		r.Message != `Client "Hotel Aurora" must say which end user each request is for: send the header X-Session-Id or the field user.` {
		t.Errorf("refusal is %+v", r)
	}
}

// The private key of a gateway is bound by the gateway's limits alone.
func TestPrivateKeyHasOnlyTheGatewaysLimits(t *testing.T) {
	w := newWorld(t)
	w.gateway.Limits, w.client.Limits = limits(t, "requests=2/day"), limits(t, "requests=0/day")
	w.use()
	trusted := func(r *Request) { r.Principal = &tally.Principal{Gateway: w.cat.Gateway("gw_1")}; r.Session = "ana" }
	for range 2 {
		w.settle(w.admit(trusted), answered(1, 1))
	}
	if r := w.refused(trusted); r.Message != `Gateway "Main" has used 2 of 2 requests today; it resets on 2026-11-22 00:00 (Europe/Lisbon).` {
		t.Errorf("message is %s", r.Message)
	}
	if got := w.records()[0]; got.Client != "" || got.Key != "" || got.Session != "" {
		t.Errorf("the record names a client: %+v", got)
	}
}

// BenchmarkAdmit is what metering costs a request apart from the store.
func BenchmarkAdmit(b *testing.B) {
	for _, n := range []int{0, 3, 8} {
		b.Run(fmt.Sprintf("limits=%d", n), func(b *testing.B) {
			w := newWorld(b)
			all := limits(b, "requests=1M/minute", "requests=1M/hour", "requests=1M/day", "tokens=1000M/day", "tokens=1000M/month", "cost=1M/month", "credits=1M/month", "cost=1M/total")
			w.client.Limits = all[:n]
			w.open(instant{})
			r, result := w.request(), answered(10, 5)
			b.ReportAllocs()
			for b.Loop() {
				ticket, refusal := w.meter.Admit(context.Background(), r)
				if refusal != nil {
					b.Fatal(refusal)
				}
				ticket.Settle(context.Background(), result)
			}
		})
	}
}

// BenchmarkStorm is what a refused request costs once its limit is used up.
func BenchmarkStorm(b *testing.B) {
	w := newWorld(b)
	w.client.Limits = limits(b, "requests=1/month", "cost=5/month", "tokens=1M/day")
	w.use()
	w.spend(1)
	r := w.request()
	b.ReportAllocs()
	for b.Loop() {
		_, refusal := w.meter.Admit(context.Background(), r)
		w.meter.Refuse(context.Background(), w.principal(), tally.Record{ID: r.ID, At: r.At, Status: 429, Outcome: tally.OutcomeLimited, Code: refusal.Code})
	}
}
