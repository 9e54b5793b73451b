package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/responses"
)

// natives are the dialects beside chat completions.
var natives = map[string]struct {
	dialect.Upstream
	marker string // what a stream ends with
}{
	"messages":  {messages.Dialect{}, "event: message_stop\n"},
	"responses": {responses.Dialect{}, "event: response.completed\n"},
}

// recorded is an answer that clients have accepted.
func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("dialect/testdata/answers/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// streamed reads a stream in pieces.
func streamed(t testing.TB, of dialect.Upstream, text string, size func() int) outcome {
	return drain(t, NewStream(&pieces{text: text, size: size}, StreamOptions{Dialect: of, KeepUsage: true}))
}

// Streams of every dialect pass byte for byte, wherever they are cut, end at their own
// marker, and tell what was used.
func TestNativeStreams(t *testing.T) {
	for name, of := range natives {
		for _, what := range []string{"text", "tool", "thinking"} {
			if name == "responses" && what == "thinking" {
				what = "agent"
			}
			text := recorded(t, name+"-"+what+".sse")
			want := streamed(t, of, text, nil)
			if want.out != text || want.fault != "" || !want.ok || want.tokens.Prompt() == 0 || want.tokens.Completion() == 0 || !strings.HasPrefix(text[max(want.final, 0):], of.marker) || want.delivered == 0 {
				t.Errorf("%s %s: %+v", name, what, want)
			}
			for cut := 1; cut < len(text); cut++ {
				first := cut
				got := streamed(t, of, text, func() int { n := first; first = len(text); return n })
				if got != want {
					t.Fatalf("%s %s, cut at %d: %+v, want %+v", name, what, cut, got, want)
				}
			}
			one := streamed(t, of, text, func() int { return 1 })
			if one != want {
				t.Errorf("%s %s, byte by byte: %+v", name, what, one)
			}
			all := streamed(t, of, strings.ReplaceAll(text, "\n", "\r\n"), nil)
			if all.fault != "" || all.tokens != want.tokens || all.final < 0 {
				t.Errorf("%s %s, with \\r\\n: %+v", name, what, all)
			}
		}
	}
}

// A stream that fails or is cut passes on what came before, and never looks whole.
func TestNativeStreamsThatBreak(t *testing.T) {
	for name, of := range natives {
		failed := recorded(t, name+"-midfail.sse")
		got := streamed(t, of, failed, nil)
		if begin, _, _ := strings.Cut(failed, "event: error\n"); got.out != begin || got.fault == "" || !got.told || got.final >= 0 || got.free {
			t.Errorf("%s fails: %+v", name, got)
		}
		text := recorded(t, name+"-text.sse")
		for i := range strings.Count(text, "\n\n") {
			events := strings.SplitAfter(text, "\n\n")
			cut := strings.Join(events[:i], "")
			got := streamed(t, of, cut, nil)
			whole := name == "messages" && strings.Contains(cut, "message_delta") // only the marker is missing
			if whole && (got.fault != "" || got.out != text) || !whole && (got.fault != BadAnswer || got.out != cut || got.final >= 0) {
				t.Errorf("%s behind %d events: %+v", name, i, got)
			}
		}
		begin, rest, _ := strings.Cut(failed, "event: error\n")
		first, _, _ := strings.Cut(begin, "\n\n")
		alone := streamed(t, of, "event: error\n"+rest, nil)
		if !alone.free || alone.out != "" {
			t.Errorf("%s fails at once: %+v", name, alone)
		}
		if early := streamed(t, of, first+"\n\nevent: error\n"+rest, nil); name == "messages" && early.free {
			t.Errorf("%s has told of its prompt, and is free: %+v", name, early)
		}
	}
}

// An answer in one piece passes as it came; one of the other form than was asked for
// becomes what was asked for.
func TestNativeAnswersInEitherForm(t *testing.T) {
	for name, of := range natives {
		for _, what := range []string{"text", "tool"} {
			whole, stream := recorded(t, name+"-"+what+".json"), recorded(t, name+"-"+what+".sse")
			read := func(text string) outcome {
				return drain(t, NewWhole(&pieces{text: text}, WholeOptions{Dialect: of, Choices: 1}))
			}
			want := read(whole)
			if want.out != whole || want.fault != "" || want.tokens.Prompt() != 57 || !strings.Contains(want.usage, "input_tokens") {
				t.Errorf("%s %s: %+v", name, what, want)
			}
			got := read(stream)
			a, err := dialect.ReadWhole(of.Reader(), []byte(got.out))
			if err != nil || got.tokens != streamed(t, of, stream, nil).tokens || len(a.Parts) == 0 || !strings.Contains(got.usage, "output_tokens") {
				t.Errorf("%s %s, a stream that was not asked for: %v %+v", name, what, err, got)
			}
			either := drain(t, NewEither(&pieces{text: whole}, StreamOptions{Dialect: of, KeepUsage: true}, WholeOptions{Dialect: of, Choices: 1}))
			again := streamed(t, of, either.out, nil)
			if either.tokens != want.tokens || either.final < 0 || !strings.HasPrefix(either.out[max(either.final, 0):], of.marker) || either.usage == "" || again.tokens.Total() != want.tokens.Total() {
				t.Errorf("%s %s, a stream that did not come: %+v, %+v", name, what, either, again)
			}
		}
		for _, text := range []string{`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, `{"error":{"message":"x"}}`, `{"hello":1}`, `{"choices":[]}`, `[]`, `<html>`} {
			if got := drain(t, NewWhole(&pieces{text: text}, WholeOptions{Dialect: of, Choices: 1})); got.fault == "" {
				t.Errorf("%s: %s is an answer: %+v", name, text, got)
			}
		}
	}
	for _, text := range []string{`{"type":"message","content":[],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":1}}`} {
		if got := drain(t, NewWhole(&pieces{text: text}, WholeOptions{Dialect: messages.Dialect{}, Choices: 1})); got.fault != "" || got.tokens.Input != 5 {
			t.Errorf("an answer without content: %+v", got)
		}
	}
}

// All that messages and responses tell of their use is counted once, in its class: in
// messages caches stand beside the input, in responses within.
func TestNativeUsage(t *testing.T) {
	of := func(d dialect.Upstream, text string) Report {
		w := NewWhole(&pieces{text: text}, WholeOptions{Dialect: d, Choices: 1})
		defer w.Close()
		if _, err := w.Next(); err != nil {
			t.Fatal(err)
		}
		return w.Report()
	}
	message := func(usage string) Report {
		return of(messages.Dialect{}, `{"content":[{"type":"text","text":"hello"}],"stop_reason":"max_tokens","model":"c","usage":{`+usage+`}}`)
	}
	response := func(usage string) Report {
		return of(responses.Dialect{}, `{"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"g","service_tier":"flex","output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{`+usage+`}}`)
	}
	for name, tc := range map[string]struct {
		said Report
		want tally.Tokens
		tier string
	}{
		"less in the cache than beside": {message(`"input_tokens":100,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":7,"output_tokens_details":{"thinking_tokens":3},"service_tier":"priority"`),
			tally.Tokens{Input: 100, CachedInput: 20, CacheWrite: 10, CacheWriteLong: 20, Output: 4, Reasoning: 3}, "priority"},
		"all in the cache": {message(`"input_tokens":0,"cache_read_input_tokens":20,"output_tokens":7,"speed":"fast"`), tally.Tokens{CachedInput: 20, Output: 7}, "fast"},
		"a response": {response(`"input_tokens":100,"input_tokens_details":{"cached_tokens":20},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":107`),
			tally.Tokens{Input: 80, CachedInput: 20, Output: 4, Reasoning: 3}, "flex"},
	} {
		if tc.said.Tokens != tc.want || tc.said.Known != KnownWhole || tc.said.Finish != FinishedLength || tc.said.Tier != tc.tier || tc.said.Model == "" {
			t.Errorf("%s: %+v, want %+v", name, tc.said, tc.want)
		}
	}
	if r := message(`"input_tokens":1,"output_tokens":1,"server_tool_use":{"web_search_requests":3}`); !r.Counted || r.Pieces != 3 {
		t.Errorf("searches: %+v", r)
	}
	begun := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n"
	s := NewStream(&pieces{text: begun, err: &UpstreamError{Fault: TimedOut}}, StreamOptions{Dialect: messages.Dialect{}, KeepUsage: true})
	defer s.Close()
	if _, err := s.Next(); err != nil || s.Report().Tokens.Prompt() != 13 || s.Report().Finish != Unfinished {
		t.Errorf("a stream that has begun: %v %+v", err, s.Report())
	}
	if from, to := s.UsageAt(); to != 0 {
		t.Errorf("the estimate at the begin is shown as usage [%d, %d)", from, to)
	}
}

// What bounds the prompt of a request in messages or responses.
func TestNativeContent(t *testing.T) {
	const picture = `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}`
	for body, want := range map[string]string{ // what only the context bounds; "" if nothing
		`messages [{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","is_error":true,"content":[{"type":"text","text":"x"},` + picture + `]}]}]`:         "",
		`messages [{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]}]`:                                                                  "",
		`messages [{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]}]`:                           "image in messages",
		`messages [{"role":"user","content":[{"type":"tool_result","content":[{"type":"tool_reference","tool_name":"x"}]}]}]`:                                            "tool_reference in messages",
		`messages [{"role":"user","content":[{"type":"tool_result","content":{"url":"https://x"}}]}]`:                                                                    "tool_result in messages",
		`messages [{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"url":"https://x","image_url":{"a":1}},"caller":{"type":"direct"}}]}]`: "",
		`messages [{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"redacted_thinking","data":"z"}]}]`:                         "",
		`messages [{"role":"user","content":[{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"hello"}}]}]`:                       "",
		`messages [{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hello","url":"https://x"}}]}]`:                 "document in messages",
		`messages [{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]}]`:                             "document in messages",
		`messages [{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]`:                                                              "document in messages",
		`messages [{"role":"assistant","content":[{"type":"web_search_tool_result","content":[]}]}]`:                                                                     "web_search_tool_result in messages",
		`responses "hi"`: "",
		`responses [{"role":"user","content":"hi"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[]}],"status":"completed","id":"m"}]`: "",
		`responses [{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"}]`:                                     "",
		`responses [{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]`:         "",
		`responses [{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://x"}]}]`:                                                           "input_image in input",
		`responses [{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"x"}],"content":null,"encrypted_content":"x"}]`:                                               "",
		`responses [{"type":"input_file","file_id":"f"}]`:                                                              "input_file in input",
		`responses [{"type":"item_reference","id":"i"}]`:                                                               "item_reference in input",
		`responses [{"role":"user","content":[{"type":"input_file","file_data":"data:application/pdf;base64,AAAA"}]}]`: "input_file in input",
		`responses [{"type":"message","role":"user","content":"x","file_url":"https://x"}]`:                            "message in input",
	} {
		in, text, _ := strings.Cut(body, " ")
		field := map[string]string{"messages": "messages", "responses": "input"}[in]
		var e Envelope
		if err := e.Peek(dialect.Name(in), []byte(`{"`+field+`":`+text+`}`)); err != nil || e.Content.Unbounded != want {
			t.Errorf("%s: %v, %q, want %q", body, err, e.Content.Unbounded, want)
		}
	}
}

// Which tools cost something, and which only their description.
func TestNativeTools(t *testing.T) {
	for tool, want := range map[string]string{ // "" is nothing; "+" a description of the upstream's
		`{"type":"function","name":"f","parameters":{}}`:                                           "",
		`{"type":"custom","name":"f","format":{"type":"grammar"}}`:                                 "",
		`{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}`:                 "",
		`{"type":"namespace","name":"n","tools":[{"type":"code_interpreter"}]}`:                    "tools of type code_interpreter",
		`{"type":"tool_search","execution":"client"}`:                                              "+",
		`{"type":"tool_search"}`:                                                                   "tools of type tool_search",
		`{"type":"local_shell"}`:                                                                   "+",
		`{"type":"bash_20250124","name":"bash"}`:                                                   "+",
		`{"type":"text_editor_20250728","name":"e","max_characters":9}`:                            "+",
		`{"type":"bash_20250124","name":"bash","\u0078":1}`:                                        "tools of an unknown type",
		`{"type":"code_execution_20250825","name":"c"}`:                                            "tools of type code_execution_20250825",
		`{"type":"web_fetch_20250910","name":"w"}`:                                                 "tools of type web_fetch_20250910",
		`{"name":"f","input_schema":{},"defer_loading":true,"cache_control":{"type":"ephemeral"}}`: "",
		`{"type":"function","name":"f","execution":"client"}`:                                      "tools of an unknown type",
	} {
		var e Envelope
		if err := e.Peek(dialect.Responses, []byte(`{"tools":[`+tool+`]}`)); err != nil {
			t.Fatal(err)
		}
		got := strings.Repeat("+", int(e.BuiltIn))
		for _, x := range e.Extras {
			got += x.Field
		}
		if got != want {
			t.Errorf("%s: %q, want %q", tool, got, want)
		}
		var within Envelope
		if err := within.Peek(dialect.Responses, []byte(`{"input":[{"type":"additional_tools","tools":[`+tool+`]}]}`)); err != nil || len(within.Extras) != len(e.Extras) || within.BuiltIn != e.BuiltIn {
			t.Errorf("%s in an item: %v %+v", tool, err, within.Extras)
		}
	}
}

// FuzzNativePeek: what is accepted in any dialect is rewritten to the same body with the
// model and the maximum that are wanted, under the name that binds there.
func FuzzNativePeek(f *testing.F) {
	for _, body := range []string{
		`{"model":"a","max_tokens":5,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"a \" b\\"}]}]}],"system":[{"text":"x"}],"thinking":{"budget_tokens":3}}`,
		`{"model":"a","max_output_tokens":7,"max_tokens":9,"input":[{"content":"x"},{"type":"function_call_output","output":[]},{"type":"additional_tools","tools":[{"type":"namespace","tools":[{}]}]}],"prompt_cache_key":"k"}`,
		`{"\u006dax_output_tokens":7,"Model":"b"}`, ` { } `, `{"input":{"a":1},"background":false}`, `{"input":[[]],"tools":{}}`, `{"messages":[{"content":[{"type":"document","source":{}}]}]}`,
	} {
		f.Add([]byte(body), int64(6))
	}
	f.Fuzz(func(t *testing.T, body []byte, most int64) {
		for _, in := range []dialect.Name{dialect.Messages, dialect.Responses} {
			var e Envelope
			if e.Peek(in, body) != nil {
				continue
			}
			members, err := pairs(body)
			if err != nil {
				continue // within strings, which are left to the upstream
			}
			field := map[dialect.Name]string{dialect.Messages: FieldMaxTokens, dialect.Responses: FieldMaxOutput}[in]
			want := max(1, min(most, tally.MaxTokens))
			out := e.Rewrite(nil, Edits{Model: "up", MaxOutput: want, MaxField: FieldMaxTokens, OnlyMaxField: true, Stream: e.Stream})
			if e.MaxTokens >= 0 {
				want = min(want, e.MaxTokens)
			}
			got, err := pairs(out)
			if err != nil || get(got, "model") != `"up"` || get(got, field) != fmt.Sprint(want) && e.MaxTokens != 0 {
				t.Fatalf("%s: %q became %q", in, body, out)
			}
			for _, p := range members {
				switch p.key {
				case "model", FieldMaxTokens, FieldMaxCompletion, FieldMaxOutput:
				default:
					if !bytes.Contains(out, p.raw) || !json.Valid(out) && json.Valid(body) {
						t.Fatalf("%s: %q lost %q: %q", in, body, p.key, out)
					}
				}
			}
		}
	})
}
