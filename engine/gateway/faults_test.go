package gateway

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/openai"
	"tallygate/providers/providertest"
)

// statusOf is what a caller gets for a fault before the first byte.
func statusOf(f providers.Fault, upstream int) int {
	switch f {
	case providers.Refused, providers.NotHere:
		return cmp.Or(upstream, http.StatusBadRequest)
	case providers.TooLarge:
		return http.StatusBadRequest
	case providers.TimedOut:
		return http.StatusGatewayTimeout
	case providers.NoFiles:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// Whatever an upstream does, the caller gets an answer that says so, and one
// record tells of it; nothing stays held.
func TestHostileUpstreams(t *testing.T) {
	up := providertest.Start(t)
	for _, sc := range providertest.Scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			w := newWorld(t)
			w.kinds = openai.Kinds()
			cfg := sc.Config(up).Provider
			cfg.Meta = w.provider.Meta
			w.provider = cfg
			w.models = w.models[:1]
			w.models[0].Name = sc.Name
			w.open()
			a := w.send("POST", "/v1/"+string(sc.Endpoint), string(sc.Request()))
			rec := w.one()
			switch {
			case sc.Fault == "":
				if a.status != 200 || rec.Outcome != tally.OK || rec.Status != 200 {
					t.Errorf("status %d, record %+v: %s", a.status, rec, a.body)
				}
			case a.status != 200: // nothing had reached the caller
				if sc.Text != "" || a.status != statusOf(sc.Fault, cmp.Or(sc.Status, sc.Words.Status())) && a.status != statusOf(sc.Or, cmp.Or(sc.Status, sc.Words.Status())) {
					t.Errorf("status %d for %s: %s", a.status, sc.Fault, a.body)
				}
				a.refusal(t)
			default: // the head had gone out already
				if !sc.Stream || !strings.Contains(a.body, `data: {"error":`) && !sc.Told || strings.Contains(a.body, "[DONE]") && !sc.Told {
					t.Errorf("the stream does not end in an error: %q", a.body)
				}
			}
			if sc.Fault != "" && (rec.Outcome != tally.OutcomeFailed || rec.Code == "" || rec.Status != a.status) {
				t.Errorf("record %+v", rec)
			}
			if sc.Tokens != (tally.Tokens{}) && rec.Basis == tally.Exact && rec.Tokens != sc.Tokens.Within(tally.PromptClasses|tally.AnswerClasses) {
				t.Errorf("tokens %+v, want %+v", rec.Tokens, sc.Tokens)
			}
			if sc.Text != "" && (rec.Tokens.Completion() == 0 || rec.Cost == 0) {
				t.Errorf("something was delivered and nothing counted: %+v", rec)
			}
			if strings.Contains(a.body+w.log.String(), providertest.Key) {
				t.Errorf("the upstream's key is told: %s", a.body)
			}
		})
	}
	up.Idle(t)
	if strays := up.Strays(); len(strays) > 0 {
		t.Errorf("redirects were followed: %+v", strays)
	}
}

// The first provider fails before its first byte; the second answers; the
// caller is charged once, for the answer, at the second's prices.
func TestFallback(t *testing.T) {
	up := providertest.Start(t)
	for _, tc := range []struct{ fails, extra string }{
		{"broken", ""}, {"broken", `,"stream":true`}, {"no-listener", ""},
	} {
		t.Run(tc.fails+tc.extra, func(t *testing.T) {
			w := newWorld(t)
			w.kinds = openai.Kinds()
			base := providertest.Scenarios()[0].Config(up).Provider
			first, second := *base, *base
			first.Meta, second.Meta = w.provider.Meta, w.provider.Meta
			first.Name, second.ID, second.Name = "first", "pr_2", "second"
			if tc.fails == "no-listener" {
				first.BaseURL = "http://127.0.0.1:1/v1"
			}
			w.provider = &first
			w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
			one, two := *w.models[0], *w.models[0]
			one.Name, one.Upstream = "m", tc.fails
			two.ID, two.Name, two.Provider, two.Upstream = "mo_2", "m", "pr_2", "plain"
			if tc.extra != "" {
				two.Upstream = "stream"
			}
			two.Prices = []tally.Price{{Input: price(3), Output: price(5)}}
			w.models = []*tally.Model{&one, &two}
			w.more = append(w.more, &second)
			w.open()
			a := w.send("POST", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}]`+tc.extra+`}`)
			if a.status != 200 || a.header.Get("X-Tallygate-Provider") != "second" {
				t.Fatalf("%d %v %s", a.status, a.header, a.body)
			}
			rec := w.one()
			want := tally.NanoUSD(rec.Tokens.Prompt()*3000 + rec.Tokens.Completion()*5000)
			if rec.Attempts != 2 || rec.Provider != "pr_2" || rec.Outcome != tally.OK || rec.Cost != want {
				t.Errorf("record %+v, want a cost of %d", rec, want)
			}
		})
	}
}

// A provider that is not there costs a few requests a try, and not all: then the next
// one is asked first.
func TestSilentProviderIsAskedLast(t *testing.T) {
	w := newWorld(t)
	sound := w.kinds[0].New
	w.kinds[0].New = func(cfg providers.Config) (providers.Provider, error) {
		if cfg.Provider.Name == "second" {
			return sound(cfg)
		}
		return failing{err: &providers.UpstreamError{Fault: providers.Unreachable, Free: true}}, nil
	}
	second, same := *w.provider, *w.models[0]
	second.ID, second.Name, same.ID, same.Provider = "pr_2", "second", "mo_2", "pr_2"
	w.more = append(w.more, &second)
	w.models = append(w.models, &same)
	w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
	w.open()
	for i := range 5 {
		if a := w.chat(""); a.status != 200 || a.header.Get("X-Tallygate-Provider") != "second" {
			t.Fatalf("request %d: %d %s", i, a.status, a.body)
		}
	}
	tries := 0
	for _, rec := range w.records() {
		tries += rec.Attempts
	}
	if tries != 8 || len(w.router.Health("pr_1", time.Now())) == 0 || len(w.router.Health("pr_2", time.Now())) != 0 {
		t.Errorf("%d attempts for 5 requests, want 8", tries)
	}
}
