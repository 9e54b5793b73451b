package gateway

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// second puts another provider behind the first one, for the same model.
func (w *world) second(kind tally.ProviderKind) *speaker {
	s := newSpeaker(w.t)
	p := *w.provider
	p.ID, p.Name, p.ProviderKind, p.BaseURL = "pr_2", "up2", kind, s.URL+"/v1"
	m := *w.models[0]
	m.ID, m.Provider = "mo_2", "pr_2"
	w.more = append(w.more, &p)
	w.models = append(w.models, &m)
	w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
	return s
}

// When an upstream of one dialect fails, one of another is asked in its own: each attempt
// is written for its own upstream, and the answer is in the caller's words either way.
func TestFallbackAcrossDialects(t *testing.T) {
	for name, ask := range natively {
		for _, kinds := range [][2]tally.ProviderKind{{"anthropic", "custom"}, {"custom", "anthropic"}, {ask.kind, "custom"}} {
			for _, stream := range []string{"", `,"stream":true`} {
				w := newWorld(t)
				first := w.speaker(kinds[0])
				second := w.second(kinds[1])
				first.status, first.answer = 503, `{"error":{"message":"busy"}}`
				w.open()
				body := strings.Replace(fmt.Sprintf(ask.body, stream), `,{"type":"x_item"}`, ``, 1)
				body = strings.Replace(body, `,{"type":"x_block"}`, "", 1)
				a := w.send("POST", ask.path, body)
				r := w.one()
				if a.status != 200 || first.asked != 1 || second.asked != 1 || !strings.Contains(a.body, "Hello") || r.Attempts != 2 || r.Basis != tally.Exact {
					t.Errorf("%s by %v%s: %d %s, %+v", name, kinds, stream, a.status, a.body, r)
				}
				for _, up := range []*speaker{first, second} {
					if has := strings.Contains(up.body, "x_new"); has != strings.HasSuffix(strings.TrimSuffix(ask.path, "?beta=true"), up.path) {
						t.Errorf("%s by %v: %s was sent %s", name, kinds, up.path, up.body)
					}
				}
			}
		}
	}
}

// A refusal of the request itself passes as it came to callers of the same dialect, but
// for what is the owner's, and for visitors; callers of another dialect read it in theirs.
func TestRefusalsPassAsTheyCame(t *testing.T) {
	const thread = `{"type":"error","error":{"type":"invalid_request_error","message":"no threads","details":{"error_code":"thread_unsupported_request","unsupported":["thread"]}},"request_id":"req_9"}`
	for _, tc := range []struct {
		path, body, answer string
		visitor, passes    bool
	}{
		{"/v1/messages", natively["messages"].body, thread, false, true},
		{"/v1/messages", natively["messages"].body, thread, true, false},
		{"/v1/messages", natively["messages"].body, `{"type":"error","error":{"type":"invalid_request_error","message":"no threads in your organization"}}`, false, false},
		{"/v1/messages", natively["messages"].body, `{"type":"error","error":{"type":"invalid_request_error","message":"no threads"},"price":3}`, false, false},
		{"/v1/chat/completions", natively["chat"].body, thread, false, false},
	} {
		w := newWorld(t)
		up := w.speaker("anthropic")
		up.status, up.answer = 400, tc.answer
		var headers []string
		if tc.visitor {
			headers = w.as("visitor")
			tc.body = strings.Replace(tc.body, `"x_new": {"a": [1]}, `, "", 1)
		}
		w.open()
		a := w.send("POST", tc.path, fmt.Sprintf(tc.body, ""), headers...)
		if a.status != 400 || (a.body == tc.answer) != tc.passes || strings.Contains(a.body, "organization") || strings.Contains(a.body, "price") {
			t.Errorf("%s, visitor %v: %d %s", tc.path, tc.visitor, a.status, a.body)
		}
	}
}

// A stream that fails passes on what came, ends in the caller's own shape, and does not
// look whole.
func TestNativeStreamsThatFail(t *testing.T) {
	for name, ends := range map[string]string{"messages": "event: error\ndata: {\"type\":\"error\"", "responses": `"type":"response.failed"`} {
		ask := natively[name]
		b, err := os.ReadFile("../../providers/dialect/testdata/answers/" + name + "-midfail.sse")
		if err != nil {
			t.Fatal(err)
		}
		for _, answer := range []string{string(b), strings.Split(string(b), "event: error")[0]} {
			w := newWorld(t)
			up := w.speaker(ask.kind)
			up.answer = answer
			w.open()
			a := w.send("POST", ask.path, fmt.Sprintf(ask.body, `,"stream":true`))
			begin := strings.Split(answer, "event: error")[0]
			if rest, ok := strings.CutPrefix(a.body, begin); !ok || !strings.Contains(rest, ends) || strings.Contains(rest, "response.created") || strings.Contains(a.body, ask.marker) {
				t.Errorf("%s: %s", name, a.body)
			}
			if r := w.one(); r.Outcome != tally.OutcomeFailed || r.Cost == 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// Visitors and clients who pay something else see none of the owner's cost in any dialect,
// and the rest of the answer; the others see the upstream's own figure.
func TestCostsInNativeAnswers(t *testing.T) {
	for name, ask := range natively {
		for _, stream := range []string{"", `,"stream":true`} {
			for _, who := range []string{"", "client", "visitor"} {
				w := newWorld(t)
				up := w.speaker(ask.kind)
				up.answer = usual(ask.path[:strings.IndexByte(ask.path+"?", '?')], "text", stream != "")
				for _, of := range []string{`"usage":{`, "\"usage\": {\n"} {
					up.answer = strings.ReplaceAll(up.answer, of, `"usage":{"cost":0.777,"cost_details":{"upstream":0.777},`)
				}
				up.answer = strings.Replace(up.answer, `event: message_delta`, `event: cost_0.777`, 1)
				headers := w.as(who)
				w.open()
				body := strings.Replace(fmt.Sprintf(ask.body, stream), `"x_new": {"a": [1]}, `, "", 1)
				if name == "chat" && stream != "" {
					body = strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
				}
				a := w.send("POST", ask.path, body, headers...)
				if a.status != 200 || !strings.Contains(a.body, "Hello") || strings.Contains(a.body, "0.777") != (who == "") {
					t.Errorf("%s%s for %q: %d %s", name, stream, who, a.status, a.body)
				}
				credits := `"cost":` + strings.TrimPrefix(w.one().Credits.String(), "$")
				if who != "" && strings.Contains(a.body, credits) != (who == "client") || who == "visitor" && strings.Contains(a.body, `cost"`) {
					t.Errorf("%s%s for %q, who pays %s: %s", name, stream, who, credits, a.body)
				}
				if stream != "" && name != "chat" && (strings.Count(a.body, "event: ") != strings.Count(a.body, "data: ") || !strings.Contains(a.body, ask.marker)) {
					t.Errorf("%s for %q lacks names of events, or its end: %s", name, who, a.body)
				}
			}
		}
	}
}

// What means something to upstreams passes to those who read the caller's own words, and
// nothing that says who the caller is.
func TestFieldsThatPass(t *testing.T) {
	headers := []string{"Anthropic-Version: 2026-10-21", "Anthropic-Beta: a-1,b-2", "Openai-Beta: x=1", "X-Openai-Internal-Codex-Responses-Lite: true", "X-Codex-Window-Id: w",
		"Session-Id: s", "Thread-Id: t", "Originator: o", "X-Client-Request-Id: c", "Idempotency-Key: i", "Traceparent: 00-1", "Tracestate: a=b",
		"Http-Referer: https://a.example", "X-Title: A", "Openai-Organization: org", "Openai-Project: proj", "X-Openai-Project: proj", "X-Openai-Apikey: k", "X-Codex-Accountid: a", "Cookie: a=b", "X-Api-Key: k", "Tracestate: " + strings.Repeat("x", 5000)}
	all := []string{"Openai-Beta", "X-Openai-Internal-Codex-Responses-Lite", "X-Codex-Window-Id", "Session-Id", "Thread-Id", "Originator", "X-Client-Request-Id", "Idempotency-Key"}
	for _, tc := range []struct {
		of, kind string
		own      []string
	}{
		{"messages", "anthropic", append([]string{"Anthropic-Beta"}, all...)},
		{"messages", "custom", nil},
		{"responses", "tallygate", all},
		{"chat", "openrouter", append([]string{"Http-Referer", "X-Title"}, all...)},
		{"chat", "anthropic", nil},
	} {
		w := newWorld(t)
		up := w.speaker(tally.ProviderKind(tc.kind))
		w.open()
		ask := natively[tc.of]
		body := strings.Replace(fmt.Sprintf(ask.body, ""), `,{"type":"x_block"}`, "", 1)
		if a := w.send("POST", ask.path, body, headers[:len(headers)-1]...); a.status != 200 {
			t.Fatalf("%+v: %d %s", tc, a.status, a.body)
		}
		want := append([]string{"Traceparent", "Tracestate"}, tc.own...)
		got := 0
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			passed := up.header.Get(name)
			if name == "Idempotency-Key" && passed == value {
				t.Errorf("%+v: a key that two callers may have chosen passes as it is", tc)
			}
			if name != "Anthropic-Version" && (passed == value || name == "Idempotency-Key" && passed != "") {
				got++
			}
		}
		for _, name := range want {
			if up.header.Get(name) == "" {
				t.Errorf("%+v: %s does not pass", tc, name)
			}
		}
		if got != len(want) {
			t.Errorf("%+v: %d fields pass, want %d: %v", tc, got, len(want), up.header)
		}
		if version := map[string]string{"anthropic": "2023-06-01"}[tc.kind]; tc.of == "messages" && tc.kind == "anthropic" && up.header.Get("Anthropic-Version") != "2026-10-21" || tc.of != "messages" && up.header.Get("Anthropic-Version") != version {
			t.Errorf("%+v: version %q", tc, up.header.Get("Anthropic-Version"))
		}
	}
}

// A trace is on the record of the request, refused or not; what names none is passed on all the
// same, and not kept.
func TestTraceOnTheRecord(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	w := newWorld(t)
	up := w.speaker("custom")
	w.open()
	ask := natively["chat"]
	for _, tc := range []struct{ parent, model, want string }{
		{"00-" + trace + "-b7ad6b7169203331-01", "", trace},
		{"01-" + trace + "-b7ad6b7169203331-01-later", "", trace},
		{"00-" + trace + "-b7ad6b7169203331-01", "no-such-model", trace},
		{"00-" + strings.ToUpper(trace) + "-b7ad6b7169203331-01", "", ""},
		{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "", ""},
		{"00-0af7-b7ad6b7169203331-01", "", ""},
		{"ff-" + trace + "-b7ad6b7169203331-01", "", ""},
	} {
		body := strings.Replace(fmt.Sprintf(ask.body, ""), `,{"type":"x_block"}`, "", 1)
		if tc.model != "" {
			body = regexp.MustCompile(`"model":"[^"]*"`).ReplaceAllString(body, `"model":"`+tc.model+`"`)
		}
		w.send("POST", ask.path, body, "Traceparent: "+tc.parent)
		list := w.records()
		if got := list[len(list)-1].Trace; got != tc.want || (tc.model == "" && up.header.Get("Traceparent") != tc.parent) {
			t.Errorf("%s: the record has %q, the upstream %q", tc.parent, got, up.header.Get("Traceparent"))
		}
	}
}

// Thoughts that another dialect's upstream has made are left out of a request that passes
// as it is.
func TestForeignThoughtsStayHere(t *testing.T) {
	w := newWorld(t)
	up := w.speaker("anthropic")
	w.open()
	a := w.send("POST", "/v1/messages", `{"model":"sim-small","max_tokens":50,"x_new":1,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"tallygate-1.responses.s...sig"},{"type":"text","text":"ho"}]},{"role":"user","content":"go"}]}`)
	if want := `{"model":"up-model","max_tokens":50,"x_new":1,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"ho"}]},{"role":"user","content":"go"}]}`; a.status != 200 || up.body != want {
		t.Errorf("%d %s: sent %s", a.status, a.body, up.body)
	}
}

// Codex declares tools of the provider's in every request. Under a limit on money that they
// have no price for it is asked without them; where nothing is limited they pass.
func TestCodexDeclaresTools(t *testing.T) {
	for _, limited := range []bool{false, true} {
		w := newWorld(t)
		up := w.speaker("tallygate")
		if limited {
			w.client.Limits = limit(tally.Cost, int64(tally.Dollar))
		}
		w.models[0].ContextTokens = 100_000
		w.open()
		body := `{"model":"sim-small","input":[{"role":"user","content":"hi"}],"tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"}]}`
		a := w.send("POST", "/v1/responses", body, "Originator: codex_exec")
		if a.status != 200 || !strings.Contains(a.body, "Hello") || strings.Contains(up.body, "web_search") == limited || strings.Contains(a.header.Get("X-Tallygate-Dropped"), "web_search") != limited {
			t.Errorf("limited %v: %d %s, sent %s, dropped %q", limited, a.status, a.body, up.body, a.header.Get("X-Tallygate-Dropped"))
		}
		if a := w.send("POST", "/v1/responses", body); (a.status == 400) != limited {
			t.Errorf("a plain caller, limited %v: %d %s", limited, a.status, a.body)
		}
	}
}

// A limit that has no room for what the provider may do with the tools that Codex declares
// has room for the request without them.
func TestCodexWithinALimit(t *testing.T) {
	w := newWorld(t)
	up := w.speaker("litellm")
	w.models[0].ContextTokens = 100_000
	w.client.Limits = limit(tally.TokensIO, 50_000)
	w.open()
	body := `{"model":"sim-small","input":[{"role":"user","content":"hi"}],"tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"}]}`
	a := w.send("POST", "/v1/responses", body, "Originator: codex_exec")
	if a.status != 200 || strings.Contains(up.body, "web_search") || !strings.Contains(up.body, `"f"`) || !strings.Contains(a.header.Get("X-Tallygate-Dropped"), "web_search") {
		t.Errorf("%d %s, sent %s", a.status, a.body, up.body)
	}
	if a := w.send("POST", "/v1/responses", body); a.status != 429 && a.status != 400 {
		t.Errorf("a plain caller: %d %s", a.status, a.body)
	}
}

// Nothing is added to a request that nothing limits, but for a maximum where the upstream's
// dialect has no request without one.
func TestNoMaximumIsInvented(t *testing.T) {
	for kind, sent := range map[tally.ProviderKind]string{"custom": "", "anthropic": `"max_tokens":900`} {
		w := newWorld(t)
		up := w.speaker(kind)
		w.models[0].MaxOutputTokens = 900
		w.open()
		a := w.send("POST", "/v1/responses", `{"model":"sim-small","input":"hi"}`)
		if has := strings.Contains(up.body, "max_"); a.status != 200 || has != (sent != "") || !strings.Contains(up.body, sent) {
			t.Errorf("%s: %d %s, sent %s", kind, a.status, a.body, up.body)
		}
	}
}

// A beta that makes a model's context longer makes what is held larger.
func TestLongContext(t *testing.T) {
	for beta, ok := range map[string]bool{"a-1": true, "a-1,context-1m-2025-08-07": false} {
		w := newWorld(t)
		w.speaker("anthropic")
		w.models[0].ContextTokens = 20_000
		w.client.Limits = limit(tally.TokensIO, 30_000)
		w.open()
		body := `{"model":"sim-small","max_tokens":50,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 8000) + `"}]}`
		if a := w.send("POST", "/v1/messages", body, "Anthropic-Beta: "+beta); (a.status == 200) != ok {
			t.Errorf("%s: %d %s", beta, a.status, a.body)
		}
	}
}

// The shapes that no upstream speaks are written for each upstream once as well.
func TestOllamaAndTheDaemonByAnthropic(t *testing.T) {
	for path, body := range map[string]string{
		"/api/chat": `{"model":"sim-small","stream":false,"messages":[{"role":"user","content":"hi"}]}`,
		"/api":      `{"model":"sim-small","messages":[{"role":"user","content":"hi"}],"maxTokens":50}`,
	} {
		w := newWorld(t)
		up := w.speaker("anthropic")
		w.open()
		a := w.send("POST", path, body)
		if r := w.one(); a.status != 200 || up.path != "/v1/messages" || !strings.Contains(a.body, "Hello") || strings.Contains(a.body, "chat.completion") || r.Basis != tally.Exact || r.Tokens.Prompt() != 57 {
			t.Errorf("%s: %d %s, asked at %s: %+v", path, a.status, a.body, up.path, r)
		}
	}
}

// Nothing is kept here that could be fetched later.
func TestBackgroundIsRefused(t *testing.T) {
	w := newWorld(t)
	up := w.speaker("tallygate")
	w.open()
	for _, key := range []string{"background", `\u0062ackground`} {
		if a := w.send("POST", "/v1/responses", `{"model":"sim-small","input":"hi","`+key+`":true}`); a.status != 400 || !strings.Contains(a.body, "background") || up.asked != 0 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	w.client.Limits = limit(tally.TokensIO, 100_000)
	w.models[0].ContextTokens = 200_000
	w.use()
	if a := w.send("POST", "/v1/responses", `{"model":"sim-small","input":"hi","previous_response_id":"resp_1"}`); a.status != 429 || up.asked != 0 {
		t.Errorf("an input that only the context bounds: %d %s", a.status, a.body)
	}
}
