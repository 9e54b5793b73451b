package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
)

// occupied opens a world whose provider has one place, which is taken.
func occupied(t *testing.T, more func(*world)) (w *world, leave func()) {
	w = newWorld(t)
	w.provider.MaxInFlight = 1
	if more != nil {
		more(w)
	}
	w.open()
	targets, refusal := w.router.Plan(w.picture(), &tally.Principal{Gateway: w.picture().Gateway("gw_1")}, sim.Small, time.Now())
	if refusal != nil || !targets[0].Upstream.Enter() {
		t.Fatal(refusal)
	}
	return w, targets[0].Upstream.Leave
}

// waitFor waits until so many requests are under way.
func (w *world) waitFor(n int) {
	for range 1000 {
		if w.server.InFlight() == n {
			time.Sleep(50 * time.Millisecond) // from being counted to waiting
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Errorf("%d requests are under way, want %d", w.server.InFlight(), n)
}

// A request that waits for a provider's place has been admitted: what the owner
// changes meanwhile does not turn it away.
func TestChangeWhileWaitingForAPlace(t *testing.T) {
	w, leave := occupied(t, nil)
	revision, change := context.WithCancelCause(context.Background())
	w.server.Revision = func() context.Context { return revision }
	got := make(chan answered, 1)
	go func() { got <- w.chat("") }()
	w.waitFor(1)
	w.use()
	change(meter.ErrChanged)
	select {
	case a := <-got:
		t.Errorf("it was turned away: %d %s", a.status, a.body)
		leave()
	case <-time.After(100 * time.Millisecond):
		leave()
		if a := <-got; a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// One that still waits when the gateway stops is told so.
func TestStopWhileWaitingForAPlace(t *testing.T) {
	w, leave := occupied(t, nil)
	defer leave()
	got := make(chan answered, 1)
	go func() { got <- w.chat("") }()
	w.waitFor(1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.server.Drain(ctx); err != nil {
		t.Error(err)
	}
	a := <-got
	if _, code, _ := a.refusal(t); a.status != 503 || code != tally.CodeStopping || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s, retry after %q", a.status, a.body, a.header.Get("Retry-After"))
	}
}

// One whose caller leaves while it waits was never sent: it counts for nothing.
func TestLeaveWhileWaitingForAPlace(t *testing.T) {
	w, leave := occupied(t, func(w *world) { w.client.Limits = limit(tally.Requests, 9) })
	defer leave()
	ctx, hangUp := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "POST", w.http.URL+"/v1/chat/completions", strings.NewReader(`{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`))
	r.Header.Set("Authorization", "Bearer "+w.token)
	time.AfterFunc(100*time.Millisecond, hangUp)
	if _, err := http.DefaultClient.Do(r); err == nil {
		t.Fatal("it was answered")
	}
	for w.server.InFlight() > 0 {
		time.Sleep(time.Millisecond)
	}
	if rec := w.one(); rec.Outcome != tally.Canceled || !rec.Uncounted || rec.Cost != 0 || rec.Attempts != 0 {
		t.Errorf("%+v", rec)
	}
}

// What a visitor may have of output holds for the whole request: neither a budget
// for thinking nor many choices get more.
func TestVisitorsOutputIsCapped(t *testing.T) {
	w := newWorld(t)
	w.gw.Access = tally.AccessPublic
	var sent []string
	k := sim.Kind()
	k.New = func(providers.Config) (providers.Provider, error) { return spy{sim.Open(sim.Options{}), &sent}, nil }
	w.kinds = []providers.Kind{k}
	w.open()
	for _, extra := range []string{
		`,"thinking":{"type":"enabled","budget_tokens":60000}`, `,"max_tokens":90000,"thinking":{"type":"enabled","budget_tokens":60000}`,
		`,"thinking_budget":60000`, `,"reasoning":{"max_tokens":60000}`,
	} {
		a := w.chat(extra, "Authorization: ", page)
		if _, _, message := a.refusal(t); a.status != 400 || !strings.Contains(message, "2,048") {
			t.Errorf("%s: %d %s", extra, a.status, a.body)
		}
	}
	if a := w.chat(`,"thinking":{"type":"enabled","budget_tokens":1024}`, "Authorization: ", page); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.chat(`,"n":4`, "Authorization: ", page); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(sent) != 2 || sent[0] != "2,048" || sent[1] != "512" {
		t.Errorf("sent as the most: %v", sent)
	}
}

// spy writes down the output that is asked for.
type spy struct {
	providers.Provider
	sent *[]string
}

func (s spy) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	*s.sent = append(*s.sent, tally.TokensIO.Format(c.MaxOutput))
	return s.Provider.Do(ctx, c)
}
