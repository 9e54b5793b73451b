package gateway

import (
	"context"
	"io"
	"net/http"
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
		if rec.Searches != x.want || rec.Cost != cost {
			t.Errorf("%s %s: %d searches, %s; want %d, %s", x.ask, x.usage, rec.Searches, rec.Cost, x.want, cost)
		}
	}
}
