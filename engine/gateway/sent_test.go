package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers/openai"
)

// mirror is an upstream that tells what it was sent, and answers with a usage that
// a test chooses.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex // guards the fields that follow
	sent  map[string]json.RawMessage
	calls int
	usage string
	more  string // of the answer
	each  string // of each choice
	hold  chan struct{}
}

func (w *world) mirror() *mirror {
	m := &mirror{usage: `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`}
	m.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a cut body is no JSON
		m.mu.Lock()
		m.sent = nil
		json.Unmarshal(body, &m.sent)
		m.calls++
		usage, more, each, hold, stream := m.usage, m.more, m.each, m.hold, string(m.sent["stream"]) == "true"
		m.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if !stream {
			fmt.Fprintf(out, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"%s}],"usage":%s%s}`, each, usage, more)
			return
		}
		out.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(out, "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"%s}]}\n\ndata: {\"choices\":[],\"usage\":%s%s}\n\ndata: [DONE]\n\n", each, usage, more)
	}))
	w.t.Cleanup(m.Close)
	w.kinds = openai.Kinds()
	w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "up", "custom", m.URL
	w.models = w.models[:1]
	return m
}

// called waits until it has been asked so often.
func (m *mirror) called(times int) {
	for {
		m.mu.Lock()
		n := m.calls
		m.mu.Unlock()
		if n >= times {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// field is a field of what was sent last, "" if it was not there.
func (m *mirror) field(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.sent[name])
}

func limit(metric tally.Metric, most int64) []tally.Limit {
	return []tally.Limit{{Metric: metric, Window: tally.Window{Unit: tally.Total}, Max: most}}
}

// TestMaximum: what is sent as the longest answer. Nothing where nothing limits
// money or tokens; what the caller says, the default, a visitor's cap; and never so
// little that a budget for thinking uses it up.
func TestMaximum(t *testing.T) {
	for name, tc := range map[string]struct {
		set   func(*world)
		extra string
		want  string // of max_tokens
		code  string // of a refusal
	}{
		"no limit":                   {nil, ``, "", ""},
		"no limit, the caller's own": {nil, `,"max_tokens":77`, "77", ""},
		"a limit on requests":        {func(w *world) { w.client.Limits = limit(tally.Requests, 9) }, ``, "", ""},
		"a limit on money":           {func(w *world) { w.gw.Limits = limit(tally.Cost, int64(tally.Dollar)) }, ``, "16384", ""},
		"a limit on tokens":          {func(w *world) { w.key.Limits = limit(tally.TokensIO, 1_000_000) }, ``, "16384", ""},
		"a limit that only warns": {func(w *world) {
			w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Total}, Max: 1, Warn: true}}
		}, ``, "", ""},
		"the owner's default": {func(w *world) {
			w.client.Limits, w.settings.DefaultMaxOutput = limit(tally.Cost, int64(tally.Dollar)), 900
		}, ``, "900", ""},
		"the model's own maximum": {func(w *world) {
			w.client.Limits, w.models[0].MaxOutputTokens = limit(tally.Cost, int64(tally.Dollar)), 700
		}, ``, "700", ""},
		"what the money buys":           {func(w *world) { w.client.Limits = limit(tally.TokensIO, 1200) }, `,"max_tokens":5000`, "", "clamped"},
		"thinking fits":                 {func(w *world) { w.client.Limits = limit(tally.TokensIO, 5000) }, `,"max_tokens":4000,"reasoning":{"max_tokens":3000}`, "4000", ""},
		"thinking must fit":             {func(w *world) { w.client.Limits = limit(tally.TokensIO, 3000) }, `,"max_tokens":4000,"reasoning":{"max_tokens":3000}`, "", "tokens_limit"},
		"thinking raises the default":   {func(w *world) { w.client.Limits = limit(tally.TokensIO, 100_000) }, `,"thinking":{"type":"enabled","budget_tokens":20000}`, "20016", ""},
		"thinking, and no room for all": {func(w *world) { w.client.Limits = limit(tally.TokensIO, 3300) }, `,"max_tokens":4000,"thinking_budget":3000`, "", "clamped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			if tc.set != nil {
				tc.set(w)
			}
			w.open()
			a := w.chat(tc.extra)
			switch got := m.field("max_tokens"); {
			case tc.code == "clamped":
				var n int64
				if fmt.Sscan(got, &n); a.status != 200 || n <= 0 || n >= 4000 || strings.Contains(tc.extra, "3000") && n <= 3000 {
					t.Errorf("%d, sent %q", a.status, got)
				}
			case tc.code != "":
				if _, code, message := a.refusal(t); code != tc.code || m.calls != 0 {
					t.Errorf("%d %s %s", a.status, code, message)
				}
			case a.status != 200 || got != tc.want:
				t.Errorf("%d %s, sent %q, want %q", a.status, a.body, got, tc.want)
			}
		})
	}
}

// TestVisitorsShare: a visitor's answer is capped, and takes of a budget that
// others share at most half of what is left.
func TestVisitorsShare(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	auth := w.mint(token.Options{})
	w.gw.Limits = limit(tally.Cost, 10_000_000) // 5,000 tokens of output
	w.open()
	if a := w.chat("", auth); a.status != 200 || m.field("max_tokens") != "2048" {
		t.Errorf("%d %s: sent %s", a.status, a.body, m.field("max_tokens"))
	}
	w.gw.Limits = limit(tally.Cost, 4_000_000)
	w.use()
	if a := w.chat("", auth); a.status != 200 || len(m.field("max_tokens")) != 3 {
		t.Errorf("%d %s: sent %s of a budget that pays 2,000", a.status, a.body, m.field("max_tokens"))
	}
	if a := w.chat(`,"x_unheard_of":1`, auth); a.status != 400 || !strings.Contains(a.body, "x_unheard_of") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestExtras: what costs beside tokens passes where it has a price and a bound,
// which is sent; is refused by name under a limit on money; and is the owner's
// risk where the owner says so.
func TestExtras(t *testing.T) {
	search := tally.NanoUSD(10_000_000)
	for name, tc := range map[string]struct {
		set   func(*world)
		extra string
		want  string // "field value" that is sent, or the code of a refusal
	}{
		"without a limit on money": {func(w *world) { w.client.Limits = nil }, `,"plugins":[{"id":"web"}]`, `plugins [{"id":"web"}]`},
		"unpriced":                 {nil, `,"plugins":[{"id":"web"}]`, tally.CodeExtraUnpriced},
		"unbounded":                {nil, `,"tools":[{"type":"live_search"}]`, tally.CodeExtraUnpriced},
		"at the owner's risk":      {func(w *world) { w.models[0].AllowExtras = true }, `,"provider":{"sort":"price"}`, `provider {"sort":"price"}`},
		"priced, bounded by us":    {func(w *world) { w.models[0].Prices[0].Pieces = map[tally.Piece]tally.NanoUSD{tally.Search: search} }, `,"plugins":[{"id":"web"}]`, `plugins [{"max_results":5,"id":"web"}]`},
		"priced, and too dear":     {func(w *world) { w.models[0].Prices[0].Pieces = map[tally.Piece]tally.NanoUSD{tally.Search: search} }, `,"plugins":[{"id":"web","max_results":500}]`, "cost_limit"},
		"audio without a price":    {nil, `,"modalities":["text","audio"]`, tally.CodeExtraUnpriced},
		"audio with one":           {func(w *world) { w.models[0].Prices[0].AudioOutput = price(20) }, `,"modalities":["text","audio"]`, `modalities ["text","audio"]`},
		"an hour in the cache":     {nil, `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, tally.CodeExtraUnpriced},
		"a tier that has a price": {func(w *world) {
			w.models[0].Prices = append(w.models[0].Prices, tally.Price{Tier: tally.TierPriority, Input: price(2), Output: price(4)})
		}, `,"service_tier":"priority"`, `service_tier "priority"`},
		"a tier that has none":        {nil, `,"service_tier":"priority"`, tally.CodeExtraUnpriced},
		"what the caller runs":        {nil, `,"tools":[{"type":"function","function":{"name":"f"}}]`, `tools [{"type":"function","function":{"name":"f"}}]`},
		"a maximum by another name":   {nil, `,"n_predict":5000`, tally.CodeBadRequest},
		"the same, without a limit":   {func(w *world) { w.client.Limits = nil }, `,"n_predict":5000`, `n_predict 5000`},
		"a field nobody has heard of": {nil, `,"x_new":{"a":1}`, `x_new {"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			w.client.Limits = limit(tally.Cost, int64(tally.Dollar))
			w.models[0].ContextTokens = 128_000
			if tc.set != nil {
				tc.set(w)
			}
			w.open()
			a := w.chat(tc.extra)
			if field, value, ok := strings.Cut(tc.want, " "); ok {
				if a.status != 200 || m.field(field) != value {
					t.Errorf("%d %s: sent %s", a.status, a.body, m.field(field))
				}
				return
			}
			if _, code, message := a.refusal(t); code != tc.want || m.calls != 0 || code == tally.CodeExtraUnpriced && (a.status != 400 || !strings.Contains(message, "tallygate") && !strings.Contains(message, "Leave it out")) {
				t.Errorf("%d %s: %s", a.status, code, message)
			}
		})
	}
}

// TestPictures: one in the body counts for what a picture can be, one elsewhere
// for the whole context.
func TestPictures(t *testing.T) {
	inline := `{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,` + strings.Repeat("A", 40_000) + `"}}`
	remote := `{"type":"image_url","image_url":{"url":"https://x/a.jpg"}}`
	for name, tc := range map[string]struct {
		parts string
		image int64
		ok    bool
	}{
		"one":                    {inline, 0, true},
		"one elsewhere":          {remote, 0, false},
		"two of unknown size":    {inline + "," + inline, 0, false},
		"ten of a model's":       {strings.Repeat(inline+",", 9) + inline, 1500, true},
		"one that is no picture": {strings.Replace(inline, "image/jpeg", "video/mp4", 1), 1500, false},
	} {
		w := newWorld(t)
		w.mirror()
		w.models[0].ContextTokens, w.models[0].ImageTokens = 128_000, tc.image
		w.client.Limits = limit(tally.TokensIO, 100_000)
		w.open()
		a := w.send("POST", "/v1/chat/completions", `{"model":"sim-small","max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"what is it?"},`+tc.parts+`]}]}`)
		if (a.status == 200) != tc.ok || !tc.ok && a.status != 429 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestWhatCallersSeeOfCosts: a client without a mark-up sees the upstream's bill as
// it is, or ours; one with a mark-up its credits in the same form; a visitor
// nothing, in answers, heads, trailers, refusals and usage.
func TestWhatCallersSeeOfCosts(t *testing.T) {
	const plain = `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`
	const asked = `,"stream":true,"stream_options":{"include_usage":true}`
	for _, tc := range []struct {
		name, who, usage, extra string
		has                     string // in the answer
		hasNot                  []string
		header                  string
	}{
		{"ours", "", plain, "", `"cost":0.00002`, nil, "0.00002"},
		{"ours in a stream", "", plain, asked, `"cost":0.00002`, nil, "0.00002"},
		{"theirs", "", `{"prompt_tokens":10,"completion_tokens":5,"cost":0.5}`, "", `"cost":0.5}`, nil, "0.5"},
		{"their object", "", `{"prompt_tokens":10,"completion_tokens":5,"cost":{"total_cost":0.5}}`, asked, `"cost":{"total_cost":0.5}`, nil, "0.5"},
		{"credits", "client", plain, "", `"cost":0.00003`, []string{"0.00002"}, "0.00003"},
		{"credits for theirs", "client", `{"prompt_tokens":10,"completion_tokens":5,"cost":0.5,"cost_details":{"upstream_inference_cost":0.4}}`, "", `"cost":0.75`, []string{"0.5", "0.4"}, "0.75"},
		{"credits in a stream", "client", `{"prompt_tokens":10,"completion_tokens":5,"cost":{"total_cost":0.5,"request_cost":0.4}}`, asked, `"cost":{"total_cost":0.75}`, []string{"0.5", "0.4"}, "0.75"},
		{"a visitor", "visitor", `{"prompt_tokens":10,"completion_tokens":5,"cost":0.5}`, "", `"prompt_tokens":10`, []string{`cost":`, "cost_in", "Cost", "0.5"}, ""},
		{"a visitor's stream", "visitor", `{"prompt_tokens":10,"completion_tokens":5,"cost":0.5,"cost_in_usd_ticks":5000000000}`, asked, `"prompt_tokens":10`, []string{`cost":`, "cost_in", "Cost", "0.5"}, ""},
	} {
		w := newWorld(t)
		m := w.mirror()
		m.usage = tc.usage
		var headers []string
		w.gw.Limits = limit(tally.Cost, int64(tally.Dollar))
		switch tc.who {
		case "client":
			w.client.Tariffs = []tally.Tariff{{Added: 5000}}
			w.client.Limits = limit(tally.Cost, int64(tally.Dollar))
		case "visitor":
			headers = []string{w.mint(token.Options{Cost: "0.9"})}
		}
		w.open()
		a := w.chat(tc.extra, headers...)
		all := fmt.Sprint(a.body, a.header, a.trailer)
		if a.status != 200 || !strings.Contains(a.body, tc.has) {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
		if got := a.header.Get("X-Tallygate-Cost-Usd") + a.trailer.Get("X-Tallygate-Cost-Usd"); got != tc.header {
			t.Errorf("%s: the head says %q, want %q", tc.name, got, tc.header)
		}
		u := w.send("GET", "/v1/usage", "", headers...)
		w.gw.Limits = limit(tally.Cost, 1)
		w.use()
		refused := w.chat("", headers...)
		for _, not := range tc.hasNot {
			if strings.Contains(all+refused.body, not) {
				t.Errorf("%s: %q is told: %s %s", tc.name, not, all, refused.body)
			}
		}
		if tc.who == "visitor" && (strings.Contains(u.body, "nano") || strings.Contains(fmt.Sprint(a.header), "Ratelimit") || strings.Contains(refused.body, "$")) {
			t.Errorf("%s: %s %v %s", tc.name, u.body, a.header, refused.body)
		}
	}
}

// TestAnsweredByAnother: a name that leads to a dearer model is booked at that
// one's price.
func TestAnsweredByAnother(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	dear := *w.models[0]
	dear.ID, dear.Name, dear.Prices = "mo_dear", "dear", []tally.Price{{Input: price(10), Output: price(20)}}
	w.models = append(w.models, &dear)
	w.open()
	m.more = `,"model":"dear"`
	w.chat("")
	if r := w.one(); r.Cost != 200_000 || r.Answered != "dear" || r.Price != dear.Prices[0].ID || r.Price == "" {
		t.Errorf("booked as %+v", r)
	}
}

// revisions tells a world's gateway of changes.
func (w *world) revisions() (changed func()) {
	var mu sync.Mutex
	ctx, cancel := context.WithCancelCause(context.Background())
	w.server.Revision = func() context.Context {
		mu.Lock()
		defer mu.Unlock()
		return ctx
	}
	return func() {
		w.use()
		mu.Lock()
		old := cancel
		ctx, cancel = context.WithCancelCause(context.Background())
		mu.Unlock()
		old(meter.ErrChanged)
	}
}

// TestWaitingGoesByTheCatalogOfTheMoment: one that waits is admitted as soon as its
// limit is raised, and refused as soon as its key is revoked.
func TestWaitingGoesByTheCatalogOfTheMoment(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		status int
		code   string
	}{
		"raised":    {func(w *world) { w.client.Limits = limit(tally.TokensIO, 10_000) }, 200, ""},
		"revoked":   {func(w *world) { w.key.RevokedAt = time.Now().Add(-time.Second) }, 401, tally.CodeKeyRevoked},
		"suspended": {func(w *world) { w.client.Status = tally.Suspended }, 403, tally.CodeClientSuspended},
		"drained":   {nil, 503, tally.CodeStopping},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			m.hold = make(chan struct{})
			w.client.Limits = limit(tally.TokensIO, 300)
			long := time.Minute
			w.settings.HoldWait = &long
			w.open()
			changed := w.revisions()
			first := make(chan answered)
			go func() { first <- w.chat(`,"max_tokens":100`) }()
			m.called(1) // only then does it hold what the second waits for
			second := make(chan answered)
			go func() { second <- w.chat(`,"max_tokens":100`) }()
			for s, _ := w.store.Status(t.Context()); s.Waiting < 1; s, _ = w.store.Status(t.Context()) {
				time.Sleep(time.Millisecond)
			}
			if tc.change == nil {
				go w.server.Drain(context.Background())
			} else {
				client, key := *w.client, *w.key
				w.client, w.key = &client, &key
				tc.change(w)
				changed()
			}
			if tc.status == 200 { // both are under way now
				m.called(2)
				close(m.hold)
			}
			a := <-second
			if a.status != tc.status || tc.code != "" && !strings.Contains(a.body, tc.code) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if tc.status != 200 {
				close(m.hold)
			}
			<-first
			if tc.status == 200 {
				if list := w.records(); list[0].Waited+list[1].Waited <= 0 {
					t.Errorf("no record says that it waited: %+v", list)
				}
			}
		})
	}
}
