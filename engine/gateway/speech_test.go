package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// asks are requests of one sentence in each shape that callers speak.
var asks = map[string]struct {
	path, body, end string // end is in the last event of a stream
}{
	"responses": {"/v1/responses", `{"model":"sim-small","input":"hi","store":true,"text":{}%s}`, `"type":"response.completed"`},
	"messages":  {"/v1/messages?beta=true", `{"model":"sim-small","max_tokens":50,"system":"short","messages":[{"role":"user","content":"hi"}]%s}`, `"type":"message_stop"`},
	"ollama":    {"/api/chat", `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]%s}`, `"done":true`},
}

// Whatever shape a caller speaks, the answer comes in it, and is priced, recorded and told
// as that of a chat completion is.
func TestEverySpeechIsPricedAndRecorded(t *testing.T) {
	for name, ask := range asks {
		for _, stream := range []bool{false, true} {
			extra := `,"stream":false`
			if stream {
				extra = `,"stream":true`
			}
			t.Run(name+extra, func(t *testing.T) {
				w := newWorld(t).open()
				a := w.send("POST", ask.path, strings.Replace(ask.body, "%s", extra, 1))
				if a.status != 200 {
					t.Fatalf("status %d: %s", a.status, a.body)
				}
				rec := w.one()
				if rec.Outcome != tally.OK || rec.Basis != tally.Exact || rec.Cost == 0 || rec.Endpoint != name || rec.Model != "sim-small" || rec.Stream != stream {
					t.Errorf("record %+v", rec)
				}
				told := a.header.Get("X-Tallygate-Cost-Usd") + a.trailer.Get("X-Tallygate-Cost-Usd")
				if told != rec.Cost.String() {
					t.Errorf("the caller is told a cost of %q, the record has %s", told, rec.Cost)
				}
				lines := strings.Split(strings.TrimSpace(a.body), "\n")
				if last := lines[len(lines)-1]; stream && !strings.Contains(last, ask.end) {
					t.Errorf("the stream ends with %s", last)
				}
				if !stream && !json.Valid([]byte(a.body)) {
					t.Errorf("no JSON: %s", a.body)
				}
				if strings.Contains(a.body, "chat.completion") || strings.Contains(a.body, "[DONE]") {
					t.Errorf("it speaks chat: %s", a.body)
				}
			})
		}
	}
}

// A refusal is in the caller's shape, whoever refuses: the key, a limit, a path, a method,
// a dialect that cannot say it.
func TestRefusalsAreInTheCallersShape(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}, Max: 1}}
	w.open()
	messages := `{"model":"sim-small","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`
	for i, x := range []struct {
		method, path, body string
		headers            []string
		status             int
		kind               string
	}{
		{"POST", "/v1/messages", messages, []string{"Authorization: "}, 401, "authentication_error"},
		{"GET", "/v1/messages", "", nil, 405, "invalid_request_error"},
		{"GET", "/v1/models", "", []string{"Authorization: ", "Anthropic-Version: 2023-06-01"}, 401, "authentication_error"},
		{"POST", "/v1/messages", `{"model":"sim-none","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, nil, 404, "not_found_error"},
		{"POST", "/v1/messages", `{"model":"sim-small","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"thread":"t"}`, nil, 400, "invalid_request_error"},
		{"POST", "/v1/messages", messages, nil, 200, ""},
		{"POST", "/v1/messages", messages, nil, 429, "rate_limit_error"},
	} {
		a := w.send(x.method, x.path, x.body, x.headers...)
		var got struct {
			Type  string
			Error struct{ Type, Message string }
			ID    string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != x.status || got.Error.Type != x.kind || x.kind != "" && (got.Type != "error" || got.ID == "" || got.Error.Message == "") {
			t.Errorf("%d: status %d, %s, want %d %s", i, a.status, a.body, x.status, x.kind)
		}
		if a.header.Get("Request-Id") != a.header.Get("X-Request-Id") {
			t.Errorf("%d: request-id is %q", i, a.header.Get("Request-Id"))
		}
	}
	if a := w.send("POST", "/v1/responses", `{"model":"sim-small","input":"hi","background":true}`); a.status != 400 || a.told(t).code == "" || !strings.Contains(a.body, "background") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// What fails in the middle of a stream is told in the caller's shape, and the stream does
// not look whole.
func TestAFailureInTheStreamIsInTheCallersShape(t *testing.T) {
	for name, wants := range map[string][]string{
		"responses": {"event: error\n", `"type":"response.failed"`}, "messages": {"event: error\n", `"type":"error"`}, "ollama": {`"error":`},
	} {
		w := newWorld(t)
		w.scripted(200, `{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}`, `{"error":{"message":"the model went away","type":"server_error"}}`)
		w.open()
		a := w.send("POST", asks[name].path, strings.Replace(asks[name].body, "%s", `,"stream":true`, 1))
		for _, s := range append(wants, "Hel") {
			if !strings.Contains(a.body, s) {
				t.Errorf("%s: the stream lacks %q: %s", name, s, a.body)
			}
		}
		if strings.Contains(a.body, asks[name].end) {
			t.Errorf("%s: the stream looks whole: %s", name, a.body)
		}
		if r := w.one(); r.Outcome != tally.OutcomeFailed {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What official clients ask before they send anything, and costs nothing.
func TestClientsFindTheirWay(t *testing.T) {
	w := newWorld(t).open()
	for _, x := range []struct {
		method, path, body string
		headers            []string
		status             int
		has                string
	}{
		{"HEAD", "/", "", []string{"Authorization: "}, 200, ""},
		{"HEAD", "/api/hello", "", []string{"Authorization: "}, 200, ""},
		{"GET", "/v1/responses", "", []string{"Upgrade: websocket"}, 426, "POST /v1/responses"},
		{"GET", "/v1/models?limit=1000", "", []string{"Anthropic-Version: 2023-06-01"}, 200, `"has_more":false`},
		{"GET", "/v1/models", "", nil, 200, `"object":"list"`},
		{"GET", "/v1/models/sim-small", "", []string{"Anthropic-Version: 2023-06-01"}, 200, `"type":"model"`},
		{"POST", "/v1/messages/count_tokens", `{"model":"sim-small","messages":[{"role":"user","content":"hi there"}]}`, nil, 200, `"input_tokens":`},
		{"POST", "/v1/responses/input_tokens", `{"model":"sim-small","input":"hi there"}`, nil, 200, `"input_tokens":`},
		{"GET", "/api/tags", "", nil, 200, `"models":`},
		{"GET", "/api/version", "", []string{"Authorization: "}, 200, `"version":`},
	} {
		if a := w.send(x.method, x.path, x.body, x.headers...); a.status != x.status || !strings.Contains(a.body, x.has) {
			t.Errorf("%s %s: %d %s", x.method, x.path, a.status, a.body)
		}
	}
	if list := w.records(); len(list) != 0 {
		t.Errorf("%d records of what costs nothing: %+v", len(list), list)
	}
	a := w.send("POST", "/openai/deployments/sim-small/chat/completions?api-version=2024-10-21", `{"messages":[{"role":"user","content":"hi"}]}`, "Authorization: ", "Api-Key: "+w.token)
	if r := w.one(); a.status != http.StatusOK || r.Model != "sim-small" || r.Cost == 0 {
		t.Errorf("as Azure: %d %s, %+v", a.status, a.body, r)
	}
}

// What the upstream cannot be told is named, and the rest is answered.
func TestWhatIsDroppedIsTold(t *testing.T) {
	w := newWorld(t).open()
	a := w.send("POST", "/v1/messages", `{"model":"sim-small","max_tokens":5,"top_k":3,"messages":[{"role":"user","content":"hi"}]}`)
	if a.status != 200 || !strings.Contains(a.header.Get("X-Tallygate-Dropped"), "top_k") {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// A wish for thinking reaches a model that takes one, in any speech; one that would refuse
// the request for it is asked without, and the caller is told.
func TestThinkingReachesModelsThatThink(t *testing.T) {
	for name, thinks := range map[string]bool{"claude-sonnet-4-5": true, "gpt-5.5": true, "gpt-4o-mini": false} {
		w := newWorld(t)
		m := w.mirror()
		w.models[0].Name = name
		w.open()
		a := w.send("POST", "/v1/messages", `{"model":"`+name+`","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":4000},"messages":[{"role":"user","content":"hi"}]}`)
		sent := string(m.sent["reasoning_effort"])
		if a.status != 200 || (sent != "") != thinks || strings.Contains(a.header.Get("X-Tallygate-Dropped"), "thinking") == thinks {
			t.Errorf("%s: %d, sent with effort %q, dropped %q", name, a.status, sent, a.header.Get("X-Tallygate-Dropped"))
		}
	}
}
