package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

func TestChatIsPricedAndRecorded(t *testing.T) {
	w := newWorld(t).open()
	a := w.chat("")
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	var got struct {
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			Prompt     int64       `json:"prompt_tokens"`
			Completion int64       `json:"completion_tokens"`
			Cost       json.Number `json:"cost"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Choices[0].Message.Content == "" {
		t.Fatalf("%v in %s", err, a.body)
	}
	rec := w.one()
	wantCost := tally.NanoUSD(got.Usage.Prompt*1000 + got.Usage.Completion*2000)
	if rec.Outcome != tally.OK || rec.Status != 200 || rec.Basis != tally.Exact || rec.Cost != wantCost || rec.Attempts != 1 ||
		rec.Client != "cl_1" || rec.Key != "ke_1" || rec.Provider != "pr_1" || rec.Model != "sim-small" || rec.Endpoint != "chat/completions" {
		t.Errorf("record %+v, want a cost of %d", rec, wantCost)
	}
	for name, want := range map[string]string{
		"X-Request-Id": string(rec.ID), "X-Tallygate-Provider": "sim", "X-Tallygate-Model": "sim-small",
		"X-Tallygate-Cost-Usd": wantCost.String(), "Content-Type": "application/json",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got.Usage.Cost.String() != wantCost.String() {
		t.Errorf("usage.cost is %s, want %s", got.Usage.Cost, wantCost)
	}
}

// The key's own limit is tighter than the gateway's, so it is the one told.
func TestRateLimitHeadersAreOfTheTightestLimit(t *testing.T) {
	w := newWorld(t)
	w.gw.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 100}, {Metric: tally.TokensIO, Window: tally.Window{Unit: tally.Total}, Max: 1e6}}
	w.key.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Month}, Max: 7}}
	w.open()
	h := w.chat("").header
	if h.Get("X-Ratelimit-Limit-Requests") != "7" || h.Get("X-Ratelimit-Remaining-Requests") != "6" {
		t.Errorf("requests: %v", h)
	}
	if d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-Requests")); err != nil || d <= 0 || d > 31*24*time.Hour {
		t.Errorf("reset %q", h.Get("X-Ratelimit-Reset-Requests"))
	}
	if h.Get("X-Ratelimit-Limit-Tokens") != "1000000" || h.Get("X-Ratelimit-Reset-Tokens") != "" {
		t.Errorf("tokens in total never reset: %v", h)
	}
}

func TestStreamEndsAfterItsRecord(t *testing.T) {
	for name, extra := range map[string]string{"usage": `,"stream":true,"stream_options":{"include_usage":true}`, "plain": `,"stream":true`} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).open()
			a := w.chat(extra)
			if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
				t.Fatalf("status %d, %v", a.status, a.header)
			}
			if !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
				t.Errorf("no end marker: %q", a.body[max(0, len(a.body)-60):])
			}
			rec := w.one()
			if rec.Outcome != tally.OK || !rec.Stream || rec.Basis != tally.Exact || rec.Tokens.Output == 0 || rec.FirstByte == 0 || rec.Total < rec.FirstByte {
				t.Errorf("record %+v", rec)
			}
			if got := a.trailer.Get("X-Tallygate-Cost-Usd"); got != rec.Cost.String() {
				t.Errorf("trailer %q, want %s", got, rec.Cost)
			}
			if has := strings.Contains(a.body, `"cost":`+rec.Cost.String()); has != (name == "usage") {
				t.Errorf("cost in the usage event: %v", has)
			}
			if has := strings.Contains(a.body, `"prompt_tokens"`); has != (name == "usage") {
				t.Errorf("usage event passed on: %v", has)
			}
		})
	}
}

func TestOtherEndpoints(t *testing.T) {
	w := newWorld(t).open()
	if a := w.send("POST", "/v1/completions", `{"model":"sim-small","prompt":["a","b"]}`); a.status != 200 || strings.Count(a.body, `"index"`) != 2 {
		t.Errorf("completions: %d %s", a.status, a.body)
	}
	if a := w.send("POST", "/v1/embeddings", `{"model":"sim-embed","input":["a","b"],"encoding_format":"base64"}`); a.status != 200 || !strings.Contains(a.body, `"embedding":"`) {
		t.Errorf("embeddings: %d %.300s", a.status, a.body)
	}
	for _, path := range []string{"/v1/models", "//v1//models"} {
		if a := w.send("GET", path, ""); a.status != 200 || !strings.Contains(a.body, `"id":"sim-small","object":"model"`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.send("GET", "/v1/models/sim-embed", ""); a.status != 200 {
		t.Errorf("one model: %d %s", a.status, a.body)
	}
	if a := w.send("HEAD", "/v1/models", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	if a := w.send("GET", "/health", "", "Authorization: "); a.status != 200 || !strings.Contains(a.body, `"version":"1.2.3"`) {
		t.Errorf("health: %d %s", a.status, a.body)
	}
	w.ready = tally.Errorf(tally.Unavailable, "nothing is set up yet").WithHint("tallygate init --yes")
	if a := w.send("GET", "/readyz", "", "Authorization: "); a.status != 503 || !strings.Contains(a.body, "tallygate init") {
		t.Errorf("ready: %d %s", a.status, a.body)
	}
}

func TestAliasesAndDefaults(t *testing.T) {
	w := newWorld(t)
	w.gw.Aliases = map[string]string{"fast": "sim-small", "gone": "nothing"}
	w.gw.DefaultModel = "fast"
	w.open()
	if a := w.send("POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"hi"}]}`); a.status != 200 || a.header.Get("X-Tallygate-Model") != "sim-small" {
		t.Errorf("no model: %d %v", a.status, a.header)
	}
	a := w.send("GET", "/v1/models", "")
	if !strings.Contains(a.body, `"fast"`) || strings.Contains(a.body, `"gone"`) {
		t.Errorf("models: %s", a.body)
	}
}

func TestUsageTellsWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: int64(5 * tally.Dollar)}}
	w.client.Tariffs = []tally.Tariff{{Added: 2000}}
	w.open()
	w.chat("")
	rec := w.one()
	var u struct {
		Client, Key string
		Month       amounts
		Limits      []limitStanding
	}
	a := w.send("GET", "/v1/usage", "")
	if err := json.Unmarshal([]byte(a.body), &u); err != nil || a.status != 200 {
		t.Fatalf("%d %v %s", a.status, err, a.body)
	}
	// A client with a mark-up is told what it pays, and of the owner's money a share.
	if u.Client != "Hotel Aurora" || u.Key != "bot" || u.Month.Requests != 1 || u.Month.CostNanoUSD != nil || u.Month.CostUSD != nil ||
		*u.Month.CreditsNanoUSD != rec.Cost.WithMarkup(2000) || u.Month.Tokens != rec.Tokens.Total() {
		t.Errorf("%+v, record %+v", u, rec)
	}
	if len(u.Limits) != 1 || u.Limits[0].Used != nil || u.Limits[0].Max != nil || u.Limits[0].Share != "0%" || u.Limits[0].ResetsAt.IsZero() || u.Limits[0].Of != "client" {
		t.Errorf("limits %+v", u.Limits)
	}
}

// A page may read answers only if the owner listed its origin for the client.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.client.Origins = []string{"https://app.example.com"}
	w.open()
	const origin = "Origin: https://app.example.com"
	pre := w.send("OPTIONS", "/v1/chat/completions", "", "Authorization: ", origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type")
	if pre.status != http.StatusNoContent || pre.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		pre.header.Get("Access-Control-Allow-Headers") != "authorization,content-type" || !strings.Contains(pre.header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %d %v", pre.status, pre.header)
	}
	if a := w.chat("", origin); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || a.header.Get("Vary") != "Origin" ||
		!strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "x-request-id") {
		t.Errorf("listed page: %d %v", a.status, a.header)
	}
	for _, other := range []string{"https://evil.example.com", "null", "https://app.example.com.evil.com"} {
		a := w.chat("", "Origin: "+other)
		if _, code, _ := a.refusal(t); a.status != 403 || code != tally.CodeOrigin || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v %s", other, a.status, a.header, a.body)
		}
		if pre := w.send("OPTIONS", "/v1/chat/completions", "", "Origin: "+other); pre.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: preflight %v", other, pre.header)
		}
	}
	if a := w.chat(""); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a server: %d %v", a.status, a.header)
	}
}

func TestPrivateKeyIsATrustedCaller(t *testing.T) {
	w := newWorld(t)
	secret, digest := auth.NewPrivateKey(w.gw.PublicID)
	w.more = append(w.more, &tally.Secret{Meta: tally.Meta{ID: "se_2"}, Of: w.gw.ID, Digest: digest})
	w.gw.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}, Max: 1}}
	w.open()
	if a := w.chat("", "Authorization: Bearer "+secret); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := w.chat("", "Authorization: Bearer "+secret)
	if _, code, message := a.refusal(t); code != "requests_limit" || message != `Gateway "Main" has used 1 of 1 requests in all.` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if rec := w.records()[0]; rec.Gateway != "gw_1" || rec.Client != "" || rec.Key != "" {
		t.Errorf("record %+v", rec)
	}
}

func TestServeAs(t *testing.T) {
	w := newWorld(t).open()
	for key, want := range map[tally.ID]int{"ke_1": 200, "ke_unknown": 401} {
		rec := newRecorder()
		r, _ := http.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`))
		w.server.ServeAs(rec, r, Trial{Key: key})
		if rec.Code != want {
			t.Errorf("%s: %d, want %d: %s", key, rec.Code, want, rec.Body)
		}
	}
}

// A request is in flight before it looks at the clock: while nothing is in flight the
// clock may be taken back, and none may go on with the time of before.
func TestInFlightBeforeTheClock(t *testing.T) {
	w := newWorld(t)
	asked := 0
	w.clock = func() time.Time {
		if w.server != nil { // it is made with the time, too
			if asked++; w.server.InFlight() == 0 {
				t.Error("a request that is not in flight has looked at the clock")
			}
		}
		return time.Now()
	}
	w.open()
	if a := w.chat(""); a.status != 200 || asked == 0 {
		t.Errorf("asked %d times: %d %s", asked, a.status, a.body)
	}
}
