package gateway

import (
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

// canned answers every call with the same JSON.
type canned struct {
	providers.Provider
	body string
}

func (c canned) Do(context.Context, providers.Call) (*providers.Reply, error) {
	return &providers.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: providers.NewWhole(text{strings.NewReader(c.body)}, providers.WholeOptions{Length: -1})}, nil
}
func (canned) Close() error { return nil }

type text struct{ io.Reader }

func (text) Close() error                    { return nil }
func (text) SetReadDeadline(time.Time) error { return nil }

// Searches are billed by the piece. Most upstreams tell nothing of them in their
// usage: then those that were held are booked.
func TestSearchesThatNobodyCounts(t *testing.T) {
	const answer = `{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5USAGE}}`
	for _, x := range []struct {
		ask, usage string
		want       int64
	}{
		{`,"web_search_options":{}`, ``, 1},
		{`,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`, ``, 3},
		{`,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`, `,"server_tool_use":{"web_search_requests":2}`, 2},
		{`,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`, `,"server_tool_use":{"web_search_requests":0}`, 0},
		{`,"web_search_options":{}`, `,"cost":0.02`, 0}, // it is in the bill
		{``, ``, 0},
	} {
		w := newWorld(t)
		w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Day}, Max: int64(10 * tally.Dollar)}}
		for _, m := range w.models {
			m.ContextTokens = 8000
			m.Prices[0].Pieces = map[tally.Piece]tally.NanoUSD{tally.Search: tally.Dollar / 100}
		}
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
			return canned{body: strings.Replace(answer, "USAGE", x.usage, 1)}, nil
		}
		w.open()
		if a := w.chat(`,"max_tokens":20` + x.ask); a.status != 200 {
			t.Fatalf("%s: %d %s", x.ask, a.status, a.body)
		}
		rec := w.one()
		cost := tally.NanoUSD(20_000 + x.want*10_000_000)
		if x.usage == `,"cost":0.02` {
			cost = tally.Dollar / 50
		}
		if rec.Pieces != x.want || rec.Cost != cost {
			t.Errorf("%s %s: %d searches, %s; want %d, %s", x.ask, x.usage, rec.Pieces, rec.Cost, x.want, cost)
		}
	}
}

// A tool that the provider runs has the model read the prompt again. As often as it may is
// held, and the provider is told so; what nothing bounds is not sent.
func TestRoundsAreHeld(t *testing.T) {
	for _, x := range []struct {
		path, ask string
		status    int
		sent      string // in the request
		held      int64
	}{
		{"/v1/messages", `"tools":[{"type":"web_search_20250305","name":"web_search"}]`, 200, `"max_uses":5`, 6 * 8000},
		{"/v1/messages", `"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2}]`, 200, `"max_uses":2`, 3 * 8000},
		{"/v1/messages", `"tools":[{"type":"code_execution_20250825","name":"code_execution"}]`, 400, "", 0},
		{"/v1/messages", `"context_management":{"edits":[{"type":"compact_20260112"}]}`, 400, "", 0},
		{"/v1/responses", `"tools":[{"type":"file_search"},{"type":"web_search"}]`, 200, `"max_tool_calls":5`, 6 * 8000},
		{"/v1/responses", `"prompt":{"id":"pmpt_1"}`, 400, "", 0},
		{"/v1/chat/completions", `"tools":[{"type":"code_interpreter"}]`, 400, "", 0},
		{"/v1/images/generations", `"prompt":"x","num_images":9`, 400, "", 0},
	} {
		w := newWorld(t)
		w.client.Limits = limit(tally.TokensIO, 100_000)
		for _, m := range w.models {
			m.ContextTokens = 8000
		}
		sent, held := "", int64(0)
		period := tally.Window{Unit: tally.Total}.Period(w.clock(), time.UTC, 1)
		up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			sent = string(b)
			if u, err := w.store.Usage(r.Context(), tally.Counter{Subject: tally.SubjectOf("client", "cl_1"), Metric: tally.TokensIO, Period: period}); err == nil {
				held = u[0].Held
			}
			out.Header().Set("Content-Type", "application/json")
			io.WriteString(out, `{"type":"message","role":"assistant","content":[],"output":[],"status":"completed","stop_reason":"end_turn","usage":{"input_tokens":15000,"output_tokens":5}}`)
		}))
		w.speaker("tallygate")
		w.provider.BaseURL = up.URL
		w.open()
		a := w.send("POST", x.path, `{"model":"`+w.models[0].Name+`",`+x.ask+`,"messages":[{"role":"user","content":"hi"}],"input":"hi"}`)
		up.Close()
		if a.status != x.status || !strings.Contains(sent, x.sent) || x.held > 0 && (held < x.held || held > x.held+8000) || x.status == 400 && !strings.Contains(a.body, tally.CodeExtraUnpriced) {
			t.Errorf("%s %s: %d %s; sent %s with %d held", x.path, x.ask, a.status, a.body, sent, held)
		}
	}
}
