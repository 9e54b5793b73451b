package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
)

// speaker is an upstream that answers in the dialect that it is asked in, with answers
// that clients have accepted, and remembers what it was sent.
type speaker struct {
	*httptest.Server
	mu     sync.Mutex // guards the fields that follow
	path   string
	body   string
	header http.Header
	asked  int
	status int    // 0 is 200
	answer string // in the place of the usual one
	which  string // text or tool
}

// speaker makes the world's provider one of a kind.
func (w *world) speaker(kind tally.ProviderKind) *speaker {
	s := newSpeaker(w.t)
	w.kinds = openai.Kinds()
	w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "up", kind, s.URL+"/v1"
	w.models = w.models[:1]
	w.models[0].Upstream = "up-model"
	return s
}

func newSpeaker(t testing.TB) *speaker {
	s := &speaker{which: "text"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *speaker) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a cut body is no JSON
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path, s.body, s.header = r.URL.Path, string(body), r.Header
	s.asked++
	out.Header().Set("Request-Id", "req_up_1")
	stream := strings.Contains(s.body, `"stream":true`) || strings.Contains(s.body, `"stream": true`)
	answer := s.answer
	if answer == "" {
		answer = usual(s.path, s.which, stream)
	}
	if out.Header().Set("Content-Type", "application/json"); stream && s.status == 0 {
		out.Header().Set("Content-Type", "text/event-stream")
	}
	out.WriteHeader(max(s.status, 200))
	io.WriteString(out, answer)
}

// usual is the answer at a path.
func usual(path, which string, stream bool) string {
	form, of := "json", "chat"
	if stream {
		form = "sse"
	}
	switch {
	case strings.HasSuffix(path, "/messages"):
		of = "messages"
	case strings.HasSuffix(path, "/responses"):
		of = "responses"
	}
	b, err := os.ReadFile(fmt.Sprintf("../../providers/dialect/testdata/answers/%s-%s.%s", of, which, form))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// natively are requests of one sentence with fields that nobody here knows, and what is at
// their end upstream.
var natively = map[string]struct {
	kind       tally.ProviderKind
	path, body string
	max        string // the field that bounds the output
	marker     string // what ends a stream
}{
	"chat":      {"tallygate", "/v1/chat/completions", `{"model": "sim-small", "x_new": {"a": [1]}, "max_tokens": 50, "messages":[{"role":"user","content":"hi"}]%s}`, "max_tokens", "data: [DONE]"},
	"responses": {"tallygate", "/v1/responses", `{"model": "sim-small", "x_new": {"a": [1]}, "max_output_tokens": 50, "input":[{"role":"user","content":"hi"},{"type":"x_item"}],"text":{}%s}`, "max_output_tokens", `"type":"response.completed"`},
	"messages": {"anthropic", "/v1/messages?beta=true", `{"model": "sim-small", "x_new": {"a": [1]}, "max_tokens": 50, "system":[{"type":"text","text":"x-anthropic-billing-header: 1","cache_control":{"type":"ephemeral"}}],` +
		`"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"x_block"}]}]%s}`, "max_tokens", `"type":"message_stop"`},
}

// A request in the dialect of its upstream is sent byte for byte, but for the model's name
// and the maximum, and its answer comes back byte for byte, but for the cost.
func TestTheSameDialectPassesAsItIs(t *testing.T) {
	for name, ask := range natively {
		for _, stream := range []string{"", `,"stream":true`} {
			w := newWorld(t)
			up := w.speaker(ask.kind)
			w.open()
			body := fmt.Sprintf(ask.body, stream)
			a := w.send("POST", ask.path, body)
			if name == "chat" && stream != "" { // usage is asked for, and kept from a caller that has not
				continue
			}
			if want := strings.Replace(body, `"sim-small"`, `"up-model"`, 1); a.status != 200 || up.body != want || up.path != strings.TrimSuffix(ask.path, "?beta=true") {
				t.Errorf("%s%s: %d, sent %s to %s, want %s", name, stream, a.status, up.body, up.path, want)
			}
			rec := w.one()
			if rec.Outcome != tally.OK || rec.Basis != tally.Exact || rec.Endpoint != map[string]string{"chat": "chat/completions"}[name]+map[bool]string{true: name}[name != "chat"] || rec.Stream != (stream != "") {
				t.Errorf("%s%s: %+v", name, stream, rec)
			}
			cost := `,"cost":` + strings.TrimPrefix(rec.Cost.String(), "$")
			if came := usual(up.path, "text", stream != ""); strings.Replace(a.body, cost, "", 1) != came {
				t.Errorf("%s%s: told %s, the upstream said %s", name, stream, a.body, came)
			}
			if n := strings.Count(a.body, cost); n != 1 {
				t.Errorf("%s%s: %d costs of %s: %s", name, stream, n, cost, a.body)
			}
			if told := a.header.Get("X-Tallygate-Cost-Usd") + a.trailer.Get("X-Tallygate-Cost-Usd"); told != rec.Cost.String() || rec.Cost == 0 || a.header.Get("X-Tallygate-Upstream-Request-Id") != "req_up_1" {
				t.Errorf("%s%s: told %q of %s: %v", name, stream, told, rec.Cost, a.header)
			}
		}
	}
}

// Where a budget is short the granted output takes the place of the caller's maximum, and
// where the caller names none it is added.
func TestTheGrantIsSentInEveryDialect(t *testing.T) {
	for name, ask := range natively {
		for _, own := range []bool{true, false} {
			w := newWorld(t)
			up := w.speaker(ask.kind)
			w.client.Limits = limit(tally.TokensIO, 700)
			w.open()
			body := strings.Replace(fmt.Sprintf(ask.body, ""), `{"type":"x_item"}`, `{"role":"user","content":"ho"}`, 1)
			body = strings.Replace(body, `,{"type":"x_block"}`, "", 1)
			if body = strings.Replace(body, ": 50", ": 5000", 1); !own {
				body = strings.Replace(body, `"`+ask.max+`": 5000, `, "", 1)
			}
			a := w.send("POST", ask.path, body)
			var sent map[string]any
			json.Unmarshal([]byte(up.body), &sent)
			if n, _ := sent[ask.max].(float64); a.status != 200 || n < 16 || n > 600 || strings.Contains(up.body, "5000") {
				t.Errorf("%s, own %v: %d %s, sent %s", name, own, a.status, a.body, up.body)
			}
		}
	}
}

// A caller of each dialect is answered by an upstream of each other, in its own words, at
// the price of what was used.
func TestEveryPairOfDialects(t *testing.T) {
	for name, ask := range natively {
		for kind, at := range map[tally.ProviderKind]string{"anthropic": "/v1/messages", "custom": "/v1/chat/completions"} {
			for _, stream := range []string{"", `,"stream":true`} {
				w := newWorld(t)
				up := w.speaker(kind)
				w.open()
				body := strings.Replace(fmt.Sprintf(ask.body, stream), `,{"type":"x_item"}`, ``, 1)
				body = strings.Replace(body, `,{"type":"x_block"}`, "", 1)
				a := w.send("POST", ask.path, body)
				if up.path != at || a.status != 200 || !strings.Contains(a.body, "Hello") || stream != "" && !strings.Contains(a.body, ask.marker) {
					t.Errorf("%s by %s%s: %d %s: %s", name, kind, stream, a.status, up.path, a.body)
				}
				if r := w.one(); r.Outcome != tally.OK || r.Basis != tally.Exact || r.Cost == 0 || r.Tokens.Prompt() != 57 || r.Tokens.Completion() != 9 {
					t.Errorf("%s by %s%s: %+v", name, kind, stream, r)
				}
			}
		}
	}
}
