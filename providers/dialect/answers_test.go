package dialect_test

import (
	"errors"
	"strings"
	"testing"

	"tallygate/providers/dialect"
)

// as is the whole answer of an upstream's stream or JSON, as a client of a dialect gets it.
func as(t *testing.T, to dialect.Name, head dialect.Head, from dialect.Name, body string) string {
	t.Helper()
	up := byName(from).(dialect.Upstream)
	if strings.HasPrefix(body, "{") {
		a, err := dialect.ReadWhole(up.Reader(), []byte(body))
		if err != nil {
			return "failure: " + err.Error()
		}
		return string(byName(to).Writer(head).Whole(nil, a, dialect.Bill{}))
	}
	return translated(t, up, byName(to), head, []byte(body), 1<<20)
}

// data makes a stream of chat of the insides of choices.
func data(choices ...string) string {
	var b strings.Builder
	for _, c := range choices {
		b.WriteString(`data: {"id":"x","choices":[{"index":0,` + c + "}]}\n\n")
	}
	return b.String()
}

const stop = `"delta":{},"finish_reason":"stop"`

// What upstreams do that OpenAI's own does not.
func TestPeculiarUpstreams(t *testing.T) {
	for _, tc := range []struct {
		name, stream string
		want         []string // in the answer for messages
	}{
		{"content in parts, as Mistral has it", data(`"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"yes"}]}`, stop),
			[]string{`"thinking":"hm"`, `"text":"yes"`, `"end_turn"`}},
		{"reasoning under two names", data(`"delta":{"reasoning":"hm","reasoning_content":"hm"}`, stop), []string{`"thinking_delta","thinking":"hm"}}`}},
		{"stop where tools are called", data(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`, stop), []string{`"stop_reason":"tool_use"`}},
		{"the same index for each call", data(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"n\":1}"}}]}`, `"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"n\":2}"}}]}`, stop),
			[]string{`"id":"a"`, `"id":"b"`, `{\"n\":1}`, `{\"n\":2}`}},
		{"no index, no ids", data(`"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"n":1}}}]}`, stop), []string{`"id":"call_0abc_0"`, `{\"n\":1}`}},
		{"no end marker", data(`"delta":{"content":"x"}`, stop), []string{`"message_stop"`}},
		{"an end marker alone", data(`"delta":{"content":"x"}`) + "data: [DONE]\n\n", []string{`"end_turn"`, `"message_stop"`}},
		{"comments, ids and a mark", "\ufeff: hello\n\nid: 1\n" + data(`"delta":{"content":"x"}`, stop), []string{`"text":"x"`, `"message_stop"`}},
		{"data in two lines", "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"x\"}}]}\n\n" + data(stop), []string{`"text":"x"`}},
		{"no empty line at the end", data(`"delta":{"content":"x"}`) + strings.TrimSuffix(data(stop), "\n\n"), []string{`"message_stop"`}},
		{"pieces mixed", data(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`, `"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"{}"}}]}`, `"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`, stop),
			[]string{"event: error", "mixes the pieces"}},
		{"an error in place of a choice", `data: {"error":{"message":"too much","type":"overloaded_error"}}` + "\n\n", []string{"event: error", "overloaded_error", "too much"}},
		{"an error with a status", `data: {"error":{"message":"slow down","code":429}}` + "\n\n", []string{"rate_limit_error"}},
		{"other choices", data(`"delta":{"content":"x"}`, `"index":1,"delta":{"content":"zzz"}`, stop), []string{`"text":"x"`}},
		{"more behind the end", data(`"delta":{"content":"x"}`, stop, `"delta":{"content":"zzz"}`), []string{`"text":"x"`}},
		{"no JSON", "data: <html>\n\n", []string{"event: error", "not a JSON object"}},
		{"nothing", "", []string{"event: error", "cut short"}},
	} {
		got := as(t, dialect.Messages, head, dialect.Chat, tc.stream)
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", tc.name, want, got)
			}
		}
		if strings.Count(got, `"thinking":"hm"`) > 1 || strings.Contains(got, "zzz") {
			t.Errorf("%s: said twice:\n%s", tc.name, got)
		}
	}
}

// Each event of responses that some upstream leaves out is made up for.
func TestResponsesWithoutSomeEvents(t *testing.T) {
	for _, file := range []string{"responses-text.sse", "responses-tool.sse", "responses-agent.sse"} {
		stream := string(read(t, "testdata/answers/"+file))
		want := as(t, dialect.Chat, head, dialect.Responses, stream)
		for _, without := range []string{"response.in_progress", "response.output_item.added", "response.content_part.added", "response.content_part.done", "response.output_text.done", "response.output_item.done", "response.function_call_arguments.done"} {
			if without == "response.output_item.done" && file == "responses-agent.sse" {
				continue // the arguments of a call stand nowhere else there
			}
			var left strings.Builder
			for event := range strings.SplitAfterSeq(stream, "\n\n") {
				if !strings.HasPrefix(event, "event: "+without+"\n") {
					left.WriteString(event)
				}
			}
			if got := as(t, dialect.Chat, head, dialect.Responses, left.String()); joinedText(got) != joinedText(want) {
				t.Errorf("%s without %s: got\n%s\nwant\n%s", file, without, joinedText(got), joinedText(want))
			}
		}
	}
}

// joinedText is what a stream of chat says, without regard to its pieces.
func joinedText(stream string) string {
	var a dialect.Answer
	var c dialect.Collector
	r := byName(dialect.Chat).(dialect.Upstream).Reader()
	if err := r.Push([]byte(stream), func(e *dialect.Event) { a.Collect(e, &c) }); err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, p := range a.Parts {
		b.WriteString(p.Text)
		if p.Call != nil {
			b.WriteString(p.Call.ID + p.Call.Name + p.Call.Arguments)
		}
		if p.Reasoning != nil {
			b.WriteString(p.Reasoning.Text)
		}
	}
	return b.String()
}

// Calls of custom tools and of tools in namespaces come back as the client knows them.
func TestToolsAsTheClientKnowsThem(t *testing.T) {
	long := strings.Repeat("long_", 20)
	req, err := byName(dialect.Responses).Parse([]byte(`{"model":"m","input":[{"type":"custom_tool_call","call_id":"c0","name":"apply_patch","input":"*** \"old\""},{"type":"custom_tool_call_output","call_id":"c0","output":"done"}],
		"tools":[{"type":"custom","name":"apply_patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]},{"type":"function","name":"` + long + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	up := byName(dialect.Chat).(dialect.Upstream)
	body, _, err := up.Write(nil, req, dialect.Target{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	short := req.Tools[2].Name
	for _, want := range []string{`"arguments":"{\"input\":\"*** \\\"old\\\"\"}"`, `"name":"clock__sleep"`, `Follows this lark grammar:\nstart: x`, `"name":"` + short + `"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is missing in %s", want, body)
		}
	}
	if len(short) > 64 || strings.Contains(string(body), long) {
		t.Errorf("a name is too long: %s", body)
	}
	call := func(index, name, arguments string) string {
		return `"delta":{"tool_calls":[{"index":` + index + `,"id":"c` + index + `","function":{"name":"` + name + `","arguments":` + arguments + `}}]}`
	}
	stream := data(call("0", "apply_patch", `"{\"input\":\"*** \\\"new\\\"\""`), `"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`, call("1", "clock__sleep", `"{}"`), call("2", short, `"{}"`), stop)
	at := head
	at.Request = req
	whole := `{"choices":[{"message":{"tool_calls":[{"id":"c0","function":{"name":"apply_patch","arguments":"{\"input\":\"*** \\\"new\\\"\"}"}},{"id":"c1","function":{"name":"clock__sleep","arguments":"{}"}},{"id":"c2","function":{"name":"` + short + `","arguments":"{}"}}]}}]}`
	for _, body := range []string{stream, whole} {
		got := as(t, dialect.Responses, at, dialect.Chat, body)
		for _, want := range []string{
			`"type":"custom_tool_call","status":"completed","call_id":"c0","name":"apply_patch","input":"*** \"new\""`,
			`"call_id":"c1","name":"sleep","namespace":"clock","arguments":"{}"`, `"call_id":"c2","name":"` + long + `","arguments":"{}"`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in\n%s", want, got)
			}
		}
	}
	got := as(t, dialect.Responses, at, dialect.Chat, stream)
	for _, want := range []string{`"type":"response.custom_tool_call_input.delta"`, `"type":"response.custom_tool_call_input.done"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
}

// Usage keeps its classes, whichever way a dialect counts.
func TestUsageClasses(t *testing.T) {
	whole := `{"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_read_input_tokens":200,"cache_creation_input_tokens":3500,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":500},"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}`
	for to, want := range map[dialect.Name]string{
		dialect.Chat:      `"prompt_tokens":3710,"completion_tokens":9,"total_tokens":3719,"prompt_tokens_details":{"cached_tokens":200,"audio_tokens":0,"cache_write_tokens":3500,"ephemeral_1h_input_tokens":500}`,
		dialect.Responses: `"input_tokens":3710,"input_tokens_details":{"cached_tokens":200,"cache_write_tokens":3500},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":3719`,
		dialect.Messages:  `"input_tokens":10,"cache_creation_input_tokens":3500,"cache_read_input_tokens":200,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":500},"output_tokens":9`,
		dialect.Ollama:    `"prompt_eval_count":3710,"prompt_eval_duration":0,"eval_count":9`,
	} {
		if got := as(t, to, head, dialect.Messages, whole); !strings.Contains(got, want) {
			t.Errorf("%s: %s", to, got)
		}
	}
}

// Where the upstream tells of no usage, the client is told what was counted.
func TestUsageThatWasCounted(t *testing.T) {
	for _, to := range dialects {
		s := dialect.Translate(byName(dialect.Chat).(dialect.Upstream).Reader(), to.Writer(head))
		out, err := s.Push(nil, []byte(data(`"delta":{"content":"x"}`, stop)))
		if err != nil || s.Usage().Known {
			t.Fatal(err, s.Usage())
		}
		out = s.Finish(out, dialect.Bill{Usage: &dialect.Usage{Known: true, Input: 77, Output: 3}, Cost: "0.5"})
		if got := string(out); !strings.Contains(got, "77") || !strings.Contains(got, `"cost":0.5`) {
			t.Errorf("%s: %s", to.Name(), got)
		}
	}
}

// Nothing is written before the answer has begun, so that another upstream may be asked.
func TestNothingBeforeTheAnswerBegins(t *testing.T) {
	for _, tc := range []struct{ from, head, part string }{
		{"chat", data(`"delta":{"role":"assistant","content":""}`), data(`"delta":{"content":"x"}`)},
		{"messages", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5}}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n", "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n"},
		{"responses", "data: {\"type\":\"response.created\",\"response\":{}}\n\n", "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n"},
	} {
		for _, to := range dialects {
			s := dialect.Translate(byName(dialect.Name(tc.from)).(dialect.Upstream).Reader(), to.Writer(head))
			out, err := s.Push(nil, []byte(tc.head))
			if err != nil || len(out) > 0 || s.Begun() {
				t.Errorf("%s to %s: %v, begun %v: %s", tc.from, to.Name(), err, s.Begun(), out)
			}
			if out, err = s.Push(nil, []byte(tc.part)); err != nil || len(out) == 0 || !s.Begun() {
				t.Errorf("%s to %s: %v, begun %v: %s", tc.from, to.Name(), err, s.Begun(), out)
			}
			if _, err = s.End(nil); err == nil {
				t.Errorf("%s to %s: half an answer is taken for a whole one", tc.from, to.Name())
			}
			if _, again := s.Push(nil, []byte(tc.part)); !errors.Is(again, err) {
				t.Errorf("%s to %s goes on behind a failure: %v", tc.from, to.Name(), again)
			}
		}
	}
}

// Blocks of messages that others do not have, and what comes at once instead of in pieces.
func TestBlocksOfMessages(t *testing.T) {
	block := func(begin string, deltas ...string) string {
		s := `data: {"type":"content_block_start","content_block":` + begin + "}\n\n"
		for _, d := range deltas {
			s += `data: {"type":"content_block_delta","delta":` + d + "}\n\n"
		}
		return s + "data: {\"type\":\"content_block_stop\"}\n\n"
	}
	stream := block(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`, `{"type":"input_json_delta","partial_json":"zzz"}`, `{"type":"text_delta","text":"zzz"}`) +
		block(`{"type":"text","text":""}`, `{"type":"text_delta","text":"One "}`) +
		block(`{"type":"text","text":""}`, `{"type":"text_delta","text":"two."}`, `{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://example.com/a","title":"A","cited_text":"q"}}`) +
		block(`{"type":"tool_use","id":"t1","name":"f","input":{"at":"once"}}`) + block(`{"type":"tool_use","id":"t2","name":"f","input":{}}`) +
		`data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}` + "\n\n"
	got := as(t, dialect.Responses, head, dialect.Messages, stream)
	for _, want := range []string{`"text":"One two.","annotations":[{"type":"url_citation","start_index":0,"end_index":0,"url":"https://example.com/a","title":"A"}]`, `"arguments":"{\"at\":\"once\"}"`, `"call_id":"t2","name":"f","arguments":"{}"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "zzz") || strings.Count(got, `"type":"message"`) != 3 { // added, done, and in the whole
		t.Errorf("got\n%s", got)
	}
}

// Upstreams that never end are given up.
func TestEndlessAnswers(t *testing.T) {
	r := byName(dialect.Messages).(dialect.Upstream).Reader()
	text := []byte("data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"" + strings.Repeat("x", 8<<20) + "\"}}\n\n")
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = r.Push(text, func(*dialect.Event) {})
	}
	if n != dialect.MaxAnswer>>23+1 {
		t.Errorf("%d pieces of 8 MiB: %v", n, err)
	}
	r = byName(dialect.Chat).(dialect.Upstream).Reader()
	for n, err = 0, nil; err == nil && n < 100; n++ {
		err = r.Push(text[:8<<20], func(*dialect.Event) {})
	}
	if f, ok := errors.AsType[*dialect.Failure](err); !ok || f.Status != 502 || n > 5 {
		t.Errorf("%d pieces of 8 MiB without an end: %v", n, err)
	}
}
