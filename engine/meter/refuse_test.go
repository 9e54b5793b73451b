package meter

import (
	"context"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// Each refusal says whose limit it was, how much of it is used, and until when,
// and tells official SDKs whether to try again.
func TestLimitRefusals(t *testing.T) {
	const spent = 4 // requests of 10+5 tokens, $0.00002 each
	for _, tc := range []struct {
		name                string
		gateway, client, by []string // limits; by is the key's
		request             func(*Request)
		kind, code          string
		message             string
		retry               time.Duration
		final               bool
	}{
		{name: "requests of a month", client: []string{"requests=4/month"},
			kind: "insufficient_quota", code: "requests_limit", final: true, retry: 9*24*time.Hour + 12*time.Hour,
			message: `Client "Hotel Aurora" has used 4 of 4 requests this month; it resets on 2026-12-01 00:00 (Europe/Lisbon).`},
		{name: "a month of its own", client: []string{"requests=4/month:15"},
			kind: "insufficient_quota", code: "requests_limit", final: true, retry: 23*24*time.Hour + 12*time.Hour,
			message: `Client "Hotel Aurora" has used 4 of 4 requests this month; it resets on 2026-12-15 00:00 (Europe/Lisbon).`},
		{name: "tokens of a day, of the key", by: []string{"tokens=60/day"},
			kind: "insufficient_quota", code: "tokens_limit", final: true, retry: 12 * time.Hour,
			message: `Key "bot" of client "Hotel Aurora" has used 60 of 60 tokens today, and this request needs up to 66, more than the whole limit; a shorter one may fit.`},
		{name: "tokens that do not last", by: []string{"tokens=120/day"},
			kind: "insufficient_quota", code: "tokens_limit", final: true, retry: 12 * time.Hour,
			message: `Key "bot" of client "Hotel Aurora" has used 60 of 120 tokens today, and this request needs up to 66; it resets on 2026-11-22 00:00 (Europe/Lisbon).`},
		{name: "cost of a week, of the gateway", gateway: []string{"cost=0.00008/week"}, request: small,
			kind: "insufficient_quota", code: "cost_limit", final: true, retry: 36 * time.Hour,
			message: `Gateway "Main" has used $0.00008 of $0.00008 this week; it resets on 2026-11-23 00:00 (Europe/Lisbon).`},
		{name: "credits of an hour", client: []string{"credits=0.00008/hour"}, request: small,
			kind: "insufficient_quota", code: "credits_limit", final: true, retry: time.Hour,
			message: `Client "Hotel Aurora" has used $0.00008 of $0.00008 in credits this hour; it resets on 2026-11-21 13:00 (Europe/Lisbon).`},
		{name: "requests in all", client: []string{"requests=4/total"},
			kind: "insufficient_quota", code: "requests_limit", final: true,
			message: `Client "Hotel Aurora" has used 4 of 4 requests in all.`},
		{name: "requests of a minute", client: []string{"requests=4/minute"},
			kind: "rate_limit_exceeded", code: "rate_limit", retry: time.Minute,
			message: `Client "Hotel Aurora" has used 4 of 4 requests this minute; it resets on 2026-11-21 12:01 (Europe/Lisbon).`},
		{name: "tokens of a minute, too large for any", client: []string{"tokens=60/minute"},
			kind: "rate_limit_exceeded", code: "rate_limit", final: true,
			message: `Client "Hotel Aurora" has used 60 of 60 tokens this minute, and this request needs up to 66, more than the whole limit; a shorter one may fit.`},
		{name: "nothing is allowed", client: []string{"requests=0/month"},
			kind: "insufficient_quota", code: "requests_limit", final: true,
			message: `Client "Hotel Aurora" has used 4 of 0 requests this month.`},
		{name: "the narrowest is named", gateway: []string{"requests=4/day"}, client: []string{"requests=4/day"}, by: []string{"requests=4/day"},
			kind: "insufficient_quota", code: "requests_limit", final: true, retry: 12 * time.Hour,
			message: `Key "bot" of client "Hotel Aurora" has used 4 of 4 requests today; it resets on 2026-11-22 00:00 (Europe/Lisbon).`},
		{name: "sessions", client: []string{"sessions=1/day"}, request: func(r *Request) { r.Session = "ana" },
			kind: "insufficient_quota", code: "sessions_limit", final: true, retry: 12 * time.Hour,
			message: `Client "Hotel Aurora" has used 1 of 1 sessions today; it resets on 2026-11-22 00:00 (Europe/Lisbon).`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Session.Length = tally.DefaultSessionLength
			w.use()
			for range spent { // before there are limits
				w.settle(w.admit(func(r *Request) { r.Session = "rui" }), answered(10, 5))
			}
			w.gateway.Limits, w.client.Limits, w.key.Limits = limits(t, tc.gateway...), limits(t, tc.client...), limits(t, tc.by...)
			w.use()
			if tc.request == nil {
				tc.request = func(*Request) {}
			}
			r := w.refused(tc.request)
			if r.Status != 429 || r.Type != tc.kind || r.Code != tc.code || r.Final != tc.final {
				t.Errorf("refusal is %d %s %s, final %v; want 429 %s %s, final %v", r.Status, r.Type, r.Code, r.Final, tc.kind, tc.code, tc.final)
			}
			if r.Message != tc.message {
				t.Errorf("message\n got %s\nwant %s", r.Message, tc.message)
			}
			if strings.Contains(tc.message, "more than the whole limit") {
				tc.retry = 0 // to wait would not help
			}
			if r.RetryAfter != tc.retry {
				t.Errorf("retry after %v, want %v", r.RetryAfter, tc.retry)
			}
			if len(w.records()) != spent || w.holds() != 0 || w.meter.InFlight("cl_1") != 0 {
				t.Errorf("the refusal left %d records, %d holds, %d in flight", len(w.records())-spent, w.holds(), w.meter.InFlight("cl_1"))
			}
		})
	}
}

// small makes a request that costs next to nothing.
func small(r *Request) { r.InputTokens, r.Output = 1, 1 }

// Room that is only held is there again in a moment: the refusal must be
// retried, whatever the window, and is not for long.
func TestBudgetHeld(t *testing.T) {
	for _, window := range []string{"minute", "month", "total"} {
		w := newWorld(t)
		w.client.Limits = limits(t, "tokens=200/"+window)
		w.use()
		ticket := w.admit() // holds 150
		r := w.refused()
		if r.Status != 429 || r.Type != tally.TypeRate || r.Code != tally.CodeBudgetHeld || r.RetryAfter != 2*time.Second || r.Final {
			t.Errorf("%s: %+v, want budget_held, to be retried after two seconds", window, r)
		}
		if !strings.HasPrefix(r.Message, `Client "Hotel Aurora" has used 0 of 200 tokens `) ||
			!strings.HasSuffix(r.Message, ` and requests in flight hold 150; this one needs up to 66. Try again in a moment.`) {
			t.Errorf("%s: message is %s", window, r.Message)
		}
		w.settle(ticket, answered(10, 5))
		w.settle(w.admit(), answered(10, 5))
	}
}

func TestWarnLimitsNeverRefuse(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "requests=1/month,warn", "cost=0/total,warn", "sessions=0/day,warn")
	w.use()
	w.spend(3)
	ticket := w.admit(func(r *Request) { r.Output = 5000 })
	if ticket.Output() != 5000 {
		t.Errorf("output was cut to %d by a limit that only warns", ticket.Output())
	}
	if _, _, ok := ticket.Room(tally.Requests); ok {
		t.Error("a limit that only warns is told as a rate limit")
	}
	w.settle(ticket, answered(1, 1))
}

// A refusal storm makes two records a minute for each subject and code: the
// first at once, the rest when the minute is over.
func TestRefusalsAreCounted(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	refuse := func(n int, code string, key tally.ID, at time.Time) {
		for range n {
			p := w.principal()
			p.Key = &tally.Key{Meta: tally.Meta{ID: key}}
			w.meter.Refuse(ctx, p, tally.Record{ID: tally.NewID("req", at), At: at, Status: 429, Outcome: tally.OutcomeLimited, Code: code})
		}
	}
	refuse(1000, "rate_limit", "key_1", noon)
	refuse(1, "rate_limit", "key_2", noon)
	refuse(2, "budget_held", "key_1", noon)
	if n := len(w.records()); n != 3 {
		t.Errorf("%d records within the minute, want the first of each kind: 3", n)
	}
	w.meter.FlushRefusals(ctx, noon.Add(59*time.Second))
	if n := len(w.records()); n != 3 {
		t.Errorf("%d records before the minute is over, want 3", n)
	}
	refuse(5, "rate_limit", "key_1", noon.Add(time.Minute))
	w.meter.FlushRefusals(ctx, noon.Add(time.Minute))
	got := map[[2]string]int64{}
	for _, r := range w.records() {
		if r.At.Before(noon.Add(time.Minute)) {
			got[[2]string{string(r.Key), r.Code}] += r.Count
		}
	}
	for k, want := range map[[2]string]int64{{"key_1", "rate_limit"}: 1000, {"key_2", "rate_limit"}: 1, {"key_1", "budget_held"}: 2} {
		if got[k] != want {
			t.Errorf("%v was counted %d times, want %d", k, got[k], want)
		}
	}
	if n := len(w.records()); n != 3+2+1 {
		t.Errorf("%d records, want 6", n)
	}
	w.meter.FlushRefusals(ctx, time.Time{})
	w.meter.FlushRefusals(ctx, time.Time{})
	var sum int64
	for _, r := range w.records() {
		sum += r.Count
	}
	if sum != 1000+1+2+5 {
		t.Errorf("%d refusals in all, want 1008", sum)
	}
	if u := w.usage("client/cl_1", tally.Total); u[0].Used != 0 {
		t.Errorf("refusals were counted as %d requests", u[0].Used)
	}
}

// A client app is told the id of its request; one of them must be found.
func TestCountedRefusalsKeepAnID(t *testing.T) {
	w := newWorld(t)
	for _, id := range []tally.ID{"req_a", "req_b", "req_c"} {
		w.meter.Refuse(context.Background(), w.principal(), tally.Record{ID: id, At: noon, Outcome: tally.OutcomeDenied, Code: "model_not_found"})
	}
	w.meter.FlushRefusals(context.Background(), noon.Add(time.Minute))
	got := w.records()
	if len(got) != 2 || got[1].ID != "req_a" || got[1].Count != 1 || got[0].ID != "req_b" || got[0].Count != 2 {
		t.Errorf("records = %+v, want req_a once and req_b for itself and req_c", got)
	}
}

func TestStoreFailures(t *testing.T) {
	w := newWorld(t)
	ticket := w.admit()
	w.store.Close()
	r := w.refused()
	if r.Status != 503 || r.Type != tally.TypeUnavailable || r.Code != tally.CodeStore || r.RetryAfter == 0 || r.Final ||
		r.Message != "The gateway cannot record this request, so it does not send it: the store is closed." {
		t.Errorf("refusal is %+v", r)
	}
	if n := w.meter.InFlight("cl_1"); n != 1 {
		t.Errorf("%d requests in flight, want the one that was admitted", n)
	}
	if err := ticket.Settle(context.Background(), answered(1, 1)); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("Settle = %v, want unavailable", err)
	}
	if n := w.meter.InFlight("cl_1"); n != 0 {
		t.Errorf("%d requests in flight after the end, want 0", n)
	}
	if !strings.Contains(w.log.String(), string(ticket.request.ID)) {
		t.Errorf("the log does not name the request: %s", w.log.String())
	}
}

// A caller that has left is not admitted, and not worth a line in the log.
func TestCallerGoneBeforeAdmission(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, refusal := w.meter.Admit(ctx, w.request()); refusal == nil || w.holds() != 0 || w.log.String() != "" {
		t.Errorf("refusal %v, %d holds, log %q", refusal, w.holds(), w.log.String())
	}
}

// What a request needs of a budget that is told in percent is never nothing, nor more
// than it is.
func TestWhatIsNeededIsRoundedUp(t *testing.T) {
	v := view{LimitError: new(tally.LimitError), share: true}
	v.Max = 14_000_000_000
	for need, want := range map[int64]string{0: "0%", 1: "1%", 140_000_000: "1%", 140_000_001: "2%", 13_999_999_999: "100%", 14_000_000_000: "100%", 14_000_000_001: "100%", 15_000_000_000: "107%"} {
		if got := v.atMost(need); got != want {
			t.Errorf("%d is up to %s, want %s", need, got, want)
		}
	}
}
