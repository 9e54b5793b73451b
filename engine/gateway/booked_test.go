package gateway

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// failing fails every call.
type failing struct {
	providers.Provider
	err error
}

func (f failing) Do(context.Context, providers.Call) (*providers.Reply, error) { return nil, f.err }
func (failing) Close() error                                                   { return nil }

// Of an upstream that stops with its stream, a stream that we have closed is booked
// by its time; one that it has ended itself, or never begun, by what was held.
func TestStreamsThatNeverBegan(t *testing.T) {
	for _, x := range []struct {
		err  providers.UpstreamError
		held bool
	}{
		{providers.UpstreamError{Fault: providers.ServerError, Status: 504}, true},
		{providers.UpstreamError{Fault: providers.TimedOut, Status: 408}, true},
		{providers.UpstreamError{Fault: providers.BadAnswer, Status: 200}, true},
		{providers.UpstreamError{Fault: providers.Unreachable}, true},
		{providers.UpstreamError{Fault: providers.TimedOut}, false},
		{providers.UpstreamError{Fault: providers.Gone}, false},
	} {
		w := newWorld(t)
		w.kinds[0].StopsBilling = true
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return failing{err: &x.err}, nil }
		w.open()
		w.chat(`,"max_tokens":4000,"stream":true`)
		if rec := w.one(); rec.Basis != tally.Held || (rec.Tokens.Output == 4000) != x.held {
			t.Errorf("%v: %s, %d tokens of output", &x.err, rec.Basis, rec.Tokens.Output)
		}
	}
}

// TestFailuresAreBookedAsTheySay: what an upstream says was used is booked, also
// where it has failed or refused, and nothing else of a failure is; only what is
// proven to be free counts for nothing.
func TestFailuresAreBookedAsTheySay(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":20,"completion_tokens":7}`
	const said = 20*1000 + 7*2000
	const failure = `{"error":{"message":"x"}}`
	for _, tc := range []struct {
		name   string
		status int
		events []string // more than one, or status 200, for a stream
		by     tally.CostBy
		cost   tally.NanoUSD // -1: as held
		basis  tally.Basis
	}{
		{"an error alone", 200, []string{failure, "[DONE]"}, "", 0, ""},
		{"an error behind a role", 200, []string{`{"choices":[{"delta":{"role":"assistant"}}]}`, failure, "[DONE]"}, "", 0, ""},
		{"usage behind it", 200, []string{failure, `{"choices":[],` + usage + `}`, "[DONE]"}, "", said, tally.Exact},
		{"a bill within", 200, []string{`{"error":"x","usage":{"cost":2}}`}, tally.CostMax, 2 * tally.Dollar, tally.Held},
		{"a small bill within", 200, []string{`{"error":"x","usage":{"cost":0.000001}}`}, tally.CostMax, -1, tally.Held},
		{"a bill that does not count", 200, []string{`{"error":"x","usage":{"cost":2}}`}, tally.CostOurs, -1, tally.Held},
		{"more than held, and cut", 200, []string{`{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":20,"completion_tokens":5000}}`, "cut"}, "", 20*1000 + 5000*2000, tally.Held},
		{"a bill above the hold, and cut", 200, []string{`{"choices":[{"delta":{"content":"x"}}],"cost":"2.0"}`, "cut"}, tally.CostTheirs, 2 * tally.Dollar, tally.Held},
		{"400", 400, []string{failure}, "", 0, ""},
		{"400 with usage", 400, []string{`{"error":{"message":"x"},` + usage + `}`}, "", said, tally.Exact},
		{"400 with usage, to a stream", 400, []string{`{"error":{"message":"x"},` + usage + `}`, ""}, "", said, tally.Exact},
		{"429 of quota with usage", 429, []string{`{"error":{"code":"insufficient_quota"},` + usage + `}`}, "", said, tally.Exact},
		{"500 with a bill", 500, []string{`{"error":{"message":"x"},"usage":{"cost":2}}`}, tally.CostMax, 2 * tally.Dollar, tally.Exact},
		{"500 with a bill, though ours counts", 500, []string{`{"error":{"message":"x"},"usage":{"cost":2}}`}, tally.CostOurs, 2 * tally.Dollar, tally.Exact},
		{"502 with an answer", 502, []string{`{"choices":[{"message":{"content":"hello"}}],` + usage + `}`}, "", said, tally.Exact},
		{"502 with output alone", 502, []string{`{"choices":[{"message":{"content":"hello"}}]}`}, "", 0, ""},
		{"504", 504, []string{failure}, "", -1, tally.Held},
		{"504 with usage", 504, []string{`{"error":{"message":"x"},` + usage + `}`}, "", said, tally.Exact},
	} {
		w := newWorld(t)
		w.scripted(tc.status, tc.events...)
		w.provider.CostBy = tc.by
		w.open()
		extra := `,"max_tokens":100`
		if tc.status == 200 || len(tc.events) > 1 {
			extra += `,"stream":true`
		}
		w.chat(extra)
		r := w.one()
		if tc.cost < 0 {
			tc.cost = tally.NanoUSD(r.Tokens.Input*1000 + 100*2000)
		}
		if r.Outcome != tally.OutcomeFailed || r.Cost != tc.cost || r.Basis != tc.basis || r.Uncounted != (tc.basis == "" && tc.status != 400) {
			t.Errorf("%s: %s, booked %s, %s, %+v, uncounted %t; want %s, %s", tc.name, r.Outcome, r.Cost, r.Basis, r.Tokens, r.Uncounted, tc.cost, tc.basis)
		}
	}
}

// Who leaves once the answer is whole, but before the upstream has said what it used,
// pays for all of it: hidden thinking as well.
func TestLeavingBeforeTheUsage(t *testing.T) {
	left := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(out, `data: {"choices":[{"index":0,"delta":{"content":"42"},"finish_reason":"stop"}]}`+"\n\n")
		out.(http.Flusher).Flush()
		<-left
		io.WriteString(out, `data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4004,"completion_tokens_details":{"reasoning_tokens":4000}}}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(up.Close)
	for _, kind := range []tally.ProviderKind{"custom", "deepseek"} { // one that writes on, one that stops when it is closed
		w := newWorld(t)
		w.scripted(200, "")
		w.provider.ProviderKind, w.provider.BaseURL = kind, up.URL
		w.open()
		ctx, leave := context.WithCancel(context.Background())
		r, _ := http.NewRequestWithContext(ctx, "POST", w.http.URL+"/v1/chat/completions", strings.NewReader(`{"model":"sim-small","stream":true,"messages":[{"role":"user","content":"think"}]}`))
		r.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.Contains(line, "stop") {
			t.Fatalf("%q %v", line, err)
		}
		leave()
		for w.server.LeftBehind() == 0 {
			time.Sleep(time.Millisecond)
		}
		left <- struct{}{}
		for w.server.InFlight() > 0 {
			time.Sleep(time.Millisecond)
		}
		if rec := w.one(); rec.Tokens.Completion() != 4004 || rec.Basis != tally.Exact {
			t.Errorf("%s: booked as %s %s %+v", kind, rec.Outcome, rec.Basis, rec.Tokens)
		}
	}
}

// A provider that fails for a while uses up nothing of what its callers may have: once
// it is well they have all of it.
func TestFailuresUseUpNothing(t *testing.T) {
	w := newWorld(t)
	down := true
	up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if down {
			out.WriteHeader(500)
			return
		}
		io.WriteString(out, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}))
	t.Cleanup(up.Close)
	w.scripted(200, "")
	w.provider.BaseURL = up.URL
	w.client.Limits = limit(tally.Requests, 2)
	w.open()
	for range 3 {
		if a := w.chat(""); a.status != 502 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	down = false
	for i, want := range []int{200, 200, 429} {
		if a := w.chat(""); a.status != want {
			t.Errorf("answer %d: %d %s", i, a.status, a.body)
		}
	}
}

// TestWhatIsNotItsTokens: an answer that tells its cost and no tokens is booked at
// that cost where the upstream's figure counts; one of pictures alone at what was
// held, though its usage is of nothing; and a side that is missing where a call has
// failed as everywhere.
func TestWhatIsNotItsTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		by     tally.CostBy
		cost   tally.NanoUSD // 0: as held
		basis  tally.Basis
	}{
		"theirs":               {`{"choices":[{"message":{"content":"hi"}}],"usage":{"cost":0.000001}}`, tally.CostTheirs, 1000, tally.Held},
		"the larger, held":     {`{"choices":[{"message":{"content":"hi"}}],"usage":{"cost":0.000001}}`, tally.CostMax, 0, tally.Held},
		"the larger, billed":   {`{"choices":[{"message":{"content":"hi"}}],"usage":{"cost":0.5}}`, tally.CostMax, tally.Dollar / 2, tally.Held},
		"ours":                 {`{"choices":[{"message":{"content":"hi"}}],"usage":{"cost":0.5}}`, tally.CostOurs, 0, tally.Held},
		"a picture":            {`{"choices":[{"message":{"content":"","images":[{"image_url":{"url":"data:image/png;base64,AAAA"}}]}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, "", 0, tally.Held},
		"nothing":              {`{"choices":[{"message":{"content":""}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, "", -1, tally.Exact},
		"a side of two, error": {"", "", 0, tally.Estimated},
	} {
		w := newWorld(t)
		events := []string{tc.answer}
		extra := `,"max_tokens":100`
		if tc.answer == "" {
			events, extra = []string{`{"error":{"message":"no"},"usage":{"completion_tokens":5}}`}, `,"stream":true,"max_tokens":100`
		}
		w.scripted(200, events...)
		w.provider.CostBy = tc.by
		w.open()
		w.chat(extra)
		r := w.one()
		if tc.answer == "" {
			if r.Basis != tc.basis || r.Tokens.Input == 0 || r.Tokens.Output != 5 {
				t.Errorf("%s: %s %+v", name, r.Basis, r.Tokens)
			}
			continue
		}
		want := max(tc.cost, 0)
		if tc.cost == 0 {
			want = tally.NanoUSD(r.Tokens.Input*1000 + 100*2000)
		}
		if r.Cost != want || r.Basis != tc.basis || tc.by != "" && r.Billed == nil {
			t.Errorf("%s: booked %s, %s, %+v; want %s", name, r.Cost, r.Basis, r.Tokens, want)
		}
	}
}
