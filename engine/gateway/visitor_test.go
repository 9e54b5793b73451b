package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
)

const page = "Origin: https://mysite.com"

// mint makes an access token of the world's gateway, and lets the gateway take
// such tokens.
func (w *world) mint(o token.Options) string {
	w.t.Helper()
	w.gw.Access = tally.AccessByToken
	credential, _, err := token.Mint(w.private, o, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return "Authorization: Bearer " + credential
}

func TestVisitorIsServed(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{Domains: []string{"mysite.com"}, Requests: "2/day"})
	w.open()
	for range 2 {
		a := w.chat("", auth, page)
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://mysite.com" || a.header.Get("Vary") != "Origin" ||
			!strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "x-request-id") {
			t.Fatalf("status %d, header %v, %s", a.status, a.header, a.body)
		}
	}
	a := w.chat("", auth, page)
	if _, code, message := a.refusal(t); a.status != 429 || code != "requests_limit" || !strings.Contains(message, "2 of 2 requests today") || a.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %s: %s", a.status, code, message)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "https://mysite.com" {
		t.Error("the page cannot read why it was refused")
	}
	for _, r := range w.records() {
		if !strings.HasPrefix(r.Token, "abcdefghi.tok_") || r.Gateway != "gw_1" || r.Client != "" || r.Origin != "https://mysite.com" || r.VisitorNet != "127.0.0.0/24" || len(r.Visitor) == 0 {
			t.Errorf("record %+v", r)
		}
	}
}

// A refusal may be read by the page that it is for; an answer only by one that
// may have it.
func TestRefusedPages(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{Domains: []string{"mysite.com"}, AllowedCountries: []string{"PT"}})
	w.open()
	for _, tc := range []struct {
		name    string
		headers []string
		status  int
		code    string
		echo    string
	}{
		{"another page", []string{auth, "Origin: https://evil.example"}, 403, "origin_not_allowed", "https://evil.example"},
		{"a frame", []string{auth, "Origin: null"}, 403, "origin_not_allowed", ""},
		{"no page", []string{auth}, 403, "origin_not_allowed", ""},
		{"a country that is not served", []string{auth, page}, 403, "country_not_allowed", "https://mysite.com"},
		{"a token nobody signed", []string{auth + "x", page}, 401, "invalid_api_key", "https://mysite.com"},
		{"a client's key that lists no origin", []string{page}, 200, "", ""},
		{"the private key", []string{"Authorization: Bearer " + w.private, page}, 200, "", ""},
		{"a header without end", []string{auth, "Origin: https://" + strings.Repeat("a", 300)}, 400, "invalid_request", ""},
	} {
		a := w.chat("", tc.headers...)
		code := ""
		if a.status != 200 {
			_, code, _ = a.refusal(t)
		}
		if a.status != tc.status || code != tc.code || a.header.Get("Access-Control-Allow-Origin") != tc.echo {
			t.Errorf("%s: %d %s, echoes %q: %s", tc.name, a.status, code, a.header.Get("Access-Control-Allow-Origin"), a.body)
		}
	}
}

// A preflight is let through where any credential might be.
func TestVisitorsPreflight(t *testing.T) {
	for _, access := range []tally.Access{tally.AccessByToken, tally.AccessPublic, tally.AccessByKey} {
		w := newWorld(t)
		w.gw.Access = access
		w.open()
		a := w.send(http.MethodOptions, "/v1/chat/completions", "", "Authorization: ", page, "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: authorization, content-type", "Access-Control-Request-Private-Network: true")
		want, asked, private := "https://mysite.com", "authorization, content-type", "true"
		if access == tally.AccessByKey {
			want, asked, private = "", "", ""
		}
		if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != want || a.header.Get("Access-Control-Allow-Headers") != asked ||
			a.header.Get("Access-Control-Allow-Private-Network") != private || a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", access, a.status, a.header)
		}
		if a := w.send(http.MethodOptions, "/v1/chat/completions", "", "Origin: null"); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: the origin null is let through", access)
		}
	}
}

// A public gateway serves whoever comes, within each visitor's limits.
func TestPublicGateway(t *testing.T) {
	w := newWorld(t)
	w.inMidMonth()
	w.gw.Access = tally.AccessPublic
	w.gw.VisitorLimits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 1}}
	w.open()
	if a := w.chat("", "Authorization: ", page); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://mysite.com" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := w.chat("", "Authorization: ", page)
	if _, code, message := a.refusal(t); a.status != 429 || code != "ip_quota" || !strings.Contains(message, "This visitor's address, at gateway \"Main\", has used 1 of 1 requests today") {
		t.Errorf("%d %s: %s", a.status, code, message)
	}
	if got := visitorMessage(t, a); got != "You have asked as much as you can here for now. Please come back tomorrow." {
		t.Errorf("the visitor reads %q", got)
	}
	if a := w.chat("", "Authorization: Bearer "+w.private); a.status != 200 {
		t.Errorf("the owner's server: %d %s", a.status, a.body)
	}
}

// A forgery costs no record.
func TestForgeriesAreNotRecorded(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{})
	w.open()
	for range 50 {
		if a := w.chat("", auth[:len(auth)-3]+"AAA"); a.status != 401 {
			t.Fatal(a.status, a.body)
		}
	}
	if got := w.records(); len(got) != 0 || w.server.Unknown() != 50 {
		t.Errorf("%d records, %d unknown", len(got), w.server.Unknown())
	}
}

// The token's own list of models holds beside the gateway's.
func TestTokensModels(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{Models: []string{"sim-embed"}})
	w.open()
	a := w.chat("", auth)
	if _, code, _ := a.refusal(t); a.status != 403 || code != "model_not_allowed" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.send("GET", "/v1/models", "", auth); strings.Contains(a.body, "sim-small") || !strings.Contains(a.body, "sim-embed") {
		t.Error(a.body)
	}
}

// The visitor's own usage: address, token and gateway.
func TestVisitorsUsage(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{Requests: "10/day", IPQuota: "5/hour", Cost: "1"})
	w.open()
	w.chat("", auth)
	var out struct {
		Token  string
		Today  struct{ Requests int64 }
		Limits []struct {
			Of, Metric string
			Left       int64
		}
	}
	if a := w.send("GET", "/v1/usage", "", auth); json.Unmarshal([]byte(a.body), &out) != nil || len(out.Limits) != 3 || out.Today.Requests != 1 || !strings.HasPrefix(out.Token, "tok_") {
		t.Fatalf("%+v", out)
	}
	for i, want := range []struct {
		of   string
		left int64
	}{{"visitor", 4}, {"token", 9}} {
		if l := out.Limits[i]; l.Of != want.of || l.Left != want.left {
			t.Errorf("limit %d: %+v, want %+v", i, l, want)
		}
	}
}

// The WebLLM daemon's shape, for the npm package as it is.
func TestDaemon(t *testing.T) {
	w := newWorld(t).open()
	a := w.send("POST", "/api", `{"messages":[{"role":"user","content":"hi"}],"model":"sim-small","temperature":0.5,"maxTokens":9,"topP":0.9,"topK":3,"stopSequences":["x"],"stream":false}`)
	var out struct {
		ID, Content, Model, Provider, FinishReason string
		Usage                                      struct{ PromptTokens, CompletionTokens, TotalTokens int64 }
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 || out.Content == "" || out.Model != "sim-small" || out.Provider != "sim" || out.FinishReason == "" ||
		out.Usage.PromptTokens == 0 || out.Usage.CompletionTokens > 9 || out.Usage.TotalTokens != out.Usage.PromptTokens+out.Usage.CompletionTokens || out.ID != a.header.Get("X-Request-Id") {
		t.Errorf("%d %v %s", a.status, err, a.body)
	}
	if r := w.one(); r.Endpoint != "api" || r.Tokens.Total() != out.Usage.TotalTokens {
		t.Errorf("record %+v", r)
	}
	for _, tc := range []struct {
		body    string
		headers []string
		status  int
		code    string
	}{
		{`{"messages":[{"role":"user","content":"hi"}],"stream":true}`, nil, 400, "invalid_request"},
		{`{"messages":"hi"}`, nil, 400, "invalid_request"},
		{`{`, nil, 400, "invalid_request"},
		{`{"messages":[{"role":"user","content":"hi"}],"model":"nope"}`, nil, 404, "model_not_found"},
		{`{"messages":[{"role":"user","content":"hi"}]}`, []string{"Authorization: "}, 401, "invalid_api_key"},
	} {
		a := w.send("POST", "/api", tc.body, tc.headers...)
		var said struct{ Error, Message string }
		if json.Unmarshal([]byte(a.body), &said) != nil || a.status != tc.status || said.Error != tc.code || said.Message == "" {
			t.Errorf("%s: %d %s", tc.body, a.status, a.body)
		}
	}
}

// A token from the future is refused: revoking all tokens would not end it.
func TestTokenFromTheFuture(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.clock = func() time.Time { return now }
	w.gw.Access = tally.AccessByToken
	w.open()
	for ahead, status := range map[time.Duration]int{0: 200, 4*time.Minute + 59*time.Second: 200, 5*time.Minute + 2*time.Second: 401} {
		credential, _, err := token.Mint(w.private, token.Options{}, now.Add(ahead))
		if err != nil {
			t.Fatal(err)
		}
		a := w.chat("", "Authorization: Bearer "+credential)
		if a.status != status {
			t.Fatalf("%s ahead: %d %s", ahead, a.status, a.body)
		}
		if status == 401 {
			if _, code, message := a.refusal(t); code != tally.CodeInvalidKey || !strings.Contains(message, "has not come yet") {
				t.Errorf("%s: %s", code, message)
			}
		}
	}
}

// A visitor's answer is as long as the token says, or else as the gateway's default
// for visitors.
func TestVisitorsOutput(t *testing.T) {
	var sent struct {
		MaxTokens           int64 `json:"max_tokens"`
		MaxCompletionTokens int64 `json:"max_completion_tokens"`
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.MaxTokens, sent.MaxCompletionTokens = 0, 0
		json.NewDecoder(r.Body).Decode(&sent)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`)
	}))
	defer up.Close()
	w := behind(t, up.URL, "key")
	w.settings.VisitorMaxOutput = 100
	plain, longer := w.mint(token.Options{}), w.mint(token.Options{MaxOutput: new(int64(5000))})
	shorter := w.mint(token.Options{MaxOutput: new(int64(50))})
	w.open()
	for _, tc := range []struct {
		auth, more string
		want       int64
	}{
		{plain, "", 100}, {plain, `,"max_tokens":60`, 60}, {plain, `,"max_tokens":600`, 100},
		{longer, "", 5000}, {longer, `,"max_tokens":600`, 600}, {longer, `,"max_tokens":6000`, 5000},
		{shorter, "", 50}, {shorter, `,"max_tokens":60`, 50},
	} {
		a := w.chat(tc.more, tc.auth)
		if got := max(sent.MaxTokens, sent.MaxCompletionTokens); a.status != 200 || got != tc.want {
			t.Errorf("%s: asked for %d, want %d; %d %s", tc.more, got, tc.want, a.status, a.body)
		}
	}
}

// However many come at once, a quota is never exceeded.
func TestVisitorLimitsAreExact(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{IPQuota: "7/day", Requests: "100/day"})
	w.open()
	var served, refused atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			switch a := w.chat("", auth); a.status {
			case 200:
				served.Add(1)
			case 429:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	// A request that is refused while others hold the room may try again.
	for range 7 {
		if w.chat("", auth).status == 200 {
			served.Add(1)
		}
	}
	if served.Load() != 7 || refused.Load() < 57 {
		t.Errorf("%d were served and %d refused, want 7 of them served", served.Load(), refused.Load())
	}
}

// A flood of bad tokens: nothing of a request but its head is looked at, and
// nothing is written.
func BenchmarkForgery(b *testing.B) {
	w := newWorld(b)
	auth := w.mint(token.Options{Domains: []string{"mysite.com"}})
	w.assemble()
	r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{}`))
	r.Header.Set("Authorization", strings.TrimPrefix(auth[:len(auth)-3]+"AAA", "Authorization: "))
	r.Header.Set("Origin", "https://mysite.com")
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code != http.StatusUnauthorized {
			b.Fatal(rec.Code)
		}
	}
}

// What a terminal would obey does not get into the records: it is refused in the name
// of a model, and replaced in an origin, which a caller may have no say in.
func TestControlCharactersStayOut(t *testing.T) {
	w := newWorld(t)
	auth := w.mint(token.Options{})
	w.open()
	for _, name := range []string{`\u001b[2J`, `a\u009b31m`, `a\r\nb`, `\u007f`} {
		a := w.send("POST", "/v1/chat/completions", `{"model":"`+name+`","messages":[]}`, auth)
		if _, _, message := a.refusal(t); a.status != 400 || !strings.Contains(message, "control character") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := w.chat("", auth, "Origin: https://a.example\xc2\x9b31m"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, r := range w.records() {
		if tally.Unprintable(r.Model) || tally.Unprintable(r.Origin) {
			t.Errorf("record of model %q, origin %q", r.Model, r.Origin)
		}
	}
}

// A visitor reads a sentence that says nothing of keys, budgets and providers; the owner's
// own callers have none.
func TestVisitorMessages(t *testing.T) {
	w := newWorld(t)
	w.inMidMonth()
	spent := w.mint(token.Options{Requests: "1"})
	monthly := w.mint(token.Options{Requests: "1/month"})
	home := w.mint(token.Options{Domains: []string{"mysite.com"}})
	w.open()
	w.chat("", spent, page)
	w.chat("", monthly, page)
	for says, a := range map[string]answered{
		"This page has answered as much as it can for now. Please come back another time.": w.chat("", spent, page),
		"This page has answered as much as it can for now. Please come back in ":           w.chat("", monthly, page),
		"This does not work on this page.":                                                 w.chat("", home, "Origin: https://evil.example"),
		"This is switched off at the moment.":                                              w.chat("", spent+"x", page),
		"Something went wrong. Please try again later.":                                    w.send("POST", "/v1/chat/completions", `{"model":"none","messages":[{"role":"user","content":"hi"}]}`, home, page),
	} {
		if got := visitorMessage(t, a); !strings.HasPrefix(got, says) {
			t.Errorf("%d %s\n the visitor reads %q, want %q", a.status, a.body, got, says)
		}
	}
	if got := visitorMessage(t, w.send("POST", "/v1/chat/completions", `{"model":"none","messages":[{"role":"user","content":"hi"}]}`, "Authorization: Bearer "+w.private)); got != "" {
		t.Errorf("the owner's server reads %q", got)
	}
}

// inMidMonth sets the clock to a noon to come that is far from the end of its day and of
// its month.
func (w *world) inMidMonth() {
	now := time.Now().UTC()
	ahead := time.Until(time.Date(now.Year(), now.Month()+1, 10, 12, 0, 0, 0, time.UTC))
	w.clock = func() time.Time { return time.Now().Add(ahead) }
}

func visitorMessage(t *testing.T, a answered) string {
	t.Helper()
	var got struct {
		Error struct {
			Message string `json:"visitor_message"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Errorf("%q: %v", a.body, err)
	}
	return got.Error.Message
}
