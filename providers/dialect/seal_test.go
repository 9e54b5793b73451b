package dialect_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// givenBack is the next request of a client that gives an answer back whole, as the tools
// of its dialect do.
func givenBack(t *testing.T, client dialect.Name, answer []byte) []byte {
	t.Helper()
	v, off := wire.Parse(answer)
	if off >= 0 {
		t.Fatalf("not JSON: %s", answer)
	}
	switch client {
	case dialect.Chat:
		var message wire.Value
		for c := range v.Get("choices").Elements() {
			message = c.Get("message")
		}
		return []byte(`{"model":"m","messages":[{"role":"user","content":"hi"},` + string(message) + `]}`)
	case dialect.Responses:
		output := strings.TrimPrefix(string(v.Get("output")), "[")
		return []byte(`{"model":"m","input":[{"role":"user","content":"hi"},` + output + `}`)
	}
	return []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":` + string(v.Get("content")) + `}]}`)
}

// A thought goes through a client of any dialect and comes back to who made it with what
// proves it, and never to anybody else.
func TestThoughtsComeBack(t *testing.T) {
	for _, tc := range []struct {
		upstream   dialect.Name
		file, want string
	}{
		{dialect.Messages, "messages-thinking.sse", `{"type":"thinking","thinking":"Let me think.","signature":"c2ln"}`},
		{dialect.Responses, "responses-agent.sse", `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Let me think.\n\nAgain."}],"encrypted_content":"gAAAAA=="}`},
	} {
		maker := byName(tc.upstream).(dialect.Upstream)
		var a dialect.Answer
		var c dialect.Collector
		r := maker.Reader()
		if err := r.Push(read(t, "testdata/answers/"+tc.file), func(e *dialect.Event) { a.Collect(e, &c) }); err != nil {
			t.Fatal(err)
		}
		for _, client := range upstreams {
			if client.Name() == tc.upstream {
				continue
			}
			back := givenBack(t, client.Name(), client.Writer(head).Whole(nil, &a, dialect.Bill{}))
			req, err := client.Parse(back)
			if err != nil {
				t.Fatalf("%s: %v: %s", client.Name(), err, back)
			}
			for _, to := range upstreams {
				out, _, err := to.Write(nil, req, dialect.Target{Model: "m", Reasons: true})
				if err != nil || !json.Valid(out) {
					t.Fatalf("%s to %s: %v", client.Name(), to.Name(), err)
				}
				if got := strings.Contains(string(out), tc.want); got != (to.Name() == tc.upstream) {
					t.Errorf("made in %s, by way of %s, to %s: %s", tc.upstream, client.Name(), to.Name(), out)
				}
				if to.Name() != tc.upstream && (strings.Contains(string(out), "c2ln") || strings.Contains(string(out), "gAAAAA")) {
					t.Errorf("made in %s, by way of %s, it goes to %s: %s", tc.upstream, client.Name(), to.Name(), out)
				}
			}
			if got := dialect.WithoutForeign(back); client.Name() != dialect.Chat && (strings.Contains(string(got), "tallygate-1") || !json.Valid(got) || strings.Contains(string(got), "Let me think")) {
				t.Errorf("%s keeps what was made in %s: %s", client.Name(), tc.upstream, got)
			}
		}
	}
}

// A hidden thought of messages survives responses, and the streamed one is the whole one.
func TestHiddenThoughts(t *testing.T) {
	whole := `{"id":"m","model":"m","content":[{"type":"redacted_thinking","data":"ZGF0YQ=="},{"type":"text","text":"x"}],"stop_reason":"end_turn"}`
	m, client := byName(dialect.Messages).(dialect.Upstream), byName(dialect.Responses)
	a, err := dialect.ReadWhole(m.Reader(), []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	req, err := client.Parse(givenBack(t, dialect.Responses, client.Writer(head).Whole(nil, a, dialect.Bill{})))
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := m.Write(nil, req, dialect.Target{Model: "m"})
	if err != nil || !strings.Contains(string(out), `{"type":"redacted_thinking","data":"ZGF0YQ=="}`) {
		t.Errorf("%v: %s", err, out)
	}
}

// Bodies without foreign thoughts are not touched.
func TestWithoutForeign(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{`{"messages":[{"content":[{"type":"thinking","signature":"c2ln"}]}]}`, ""},
		{`{"messages":[{"content":"tallygate-1."}]}`, ""},
		{`not JSON tallygate-1.`, ""},
		{`{"a":1, "messages": [ {"content": [ {"type":"thinking","thinking":"x","signature":"tallygate-1.none.s...-"} , {"type":"text"} ] }, {"content":[{"data":"tallygate-1.x"}]} ], "b":2}`,
			`{"a":1, "messages": [ {"content": [{"type":"text"}] }, {"content":[]} ], "b":2}`},
		{`{"input":[{"type":"reasoning","encrypted_content":"tallygate-1.messages.s...c2ln"},{"role":"user"}]}`, `{"input":[{"role":"user"}]}`},
	} {
		if tc.want == "" {
			tc.want = tc.body
		}
		if got := dialect.WithoutForeign([]byte(tc.body)); string(got) != tc.want {
			t.Errorf("%s: got %s", tc.body, got)
		}
	}
}

// What some upstreams of chat want back comes back through clients of other dialects:
// OpenRouter its reasoning_details, Gemini the extra_content of a call.
func TestWhatUpstreamsOfChatWantBack(t *testing.T) {
	up := byName(dialect.Chat).(dialect.Upstream)
	details := []string{`{"type":"reasoning.text","text":"Let","index":0}`, `{"type":"reasoning.text","text":" me","signature":"c2ln","index":0}`}
	stream := data(`"delta":{"reasoning":"Let","reasoning_details":[`+details[0]+`]}`, `"delta":{"reasoning":" me","reasoning_details":[`+details[1]+`]}`, `"delta":{"content":"Both."}`,
		`"delta":{"tool_calls":[{"index":0,"id":"a.1","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"c2ln"}}}]}`,
		`"delta":{"tool_calls":[{"index":1,"id":"b.1","function":{"name":"f","arguments":"{}"}}]}`, stop)
	for _, client := range []dialect.Upstream{upstreams[1], upstreams[2]} {
		var a dialect.Answer
		var c dialect.Collector
		if err := up.Reader().Push([]byte(stream), func(e *dialect.Event) { a.Collect(e, &c) }); err != nil {
			t.Fatal(err)
		}
		req, err := client.Parse(givenBack(t, client.Name(), client.Writer(head).Whole(nil, &a, dialect.Bill{})))
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := up.Write(nil, req, dialect.Target{Model: "m", ReasoningField: "reasoning", CallExtras: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"reasoning_details":[` + details[0] + `,` + details[1] + `]`, `"id":"a.1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"c2ln"}}}`, `"id":"b.1","type":"function","function":{"name":"f","arguments":"{}"}}`} {
			if !strings.Contains(string(out), want) {
				t.Errorf("by way of %s: %s is missing in %s", client.Name(), want, out)
			}
		}
		if out, _, _ = up.Write(nil, req, dialect.Target{Model: "m"}); strings.Contains(string(out), "c2ln") {
			t.Errorf("an upstream that does not want it gets it: %s", out)
		}
	}
}
