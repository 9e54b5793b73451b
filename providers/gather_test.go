package providers

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// same reports whether two texts are the same JSON.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Errorf("%v in %s", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Errorf("%v in %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

const (
	aCall      = `{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":\"<\\n>\"}"}}`
	wholeTools = `{"id":"c","object":"chat.completion","created":1,"model":"up","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[` + aCall + `,` + aCall + `]},"logprobs":null,"finish_reason":"tool_calls"},{"index":1,"message":{"role":"assistant","content":"né\n"},"finish_reason":"length"}],"usage":` + theUsage + `}`
)

// An answer in JSON becomes the events of a stream, and those events become that answer
// again. What was used is the same in both forms.
func TestOtherForm(t *testing.T) {
	for name, tc := range map[string]struct{ whole string }{
		"tools, reasoning, two choices": {wholeTools},
		"in lines":                      {"\n" + strings.ReplaceAll(wholeTools, `,"`, ",\r\n\"") + "\n"},
		"legacy":                        {`{"id":"c","object":"text_completion","created":1,"model":"up","choices":[{"index":0,"text":"hello","logprobs":{"tokens":["hello"]},"finish_reason":"stop"}],"usage":` + theUsage + `}`},
		"nothing but a word":            {`{"choices":[{"index":0,"message":{"content":"hello"}}],"usage":` + theUsage + `}`},
	} {
		for _, usage := range []bool{true, false} {
			plain := NewWhole(&pieces{text: tc.whole}, WholeOptions{Choices: 2})
			if _, err := plain.Next(); err != nil {
				t.Fatal(err)
			}
			want := plain.Report()
			e := NewEither(&pieces{text: tc.whole, size: func() int { return 1 }}, StreamOptions{KeepUsage: usage}, WholeOptions{Length: -1, Choices: 2})
			events, err := e.Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Report(); got != want || got.Tokens != counted || e.Delivered() != plain.Delivered() {
				t.Errorf("%s: as events it reports %+v, want %+v", name, got, want)
			}
			from, to := e.UsageAt()
			if (to > 0) != usage || usage && !sameJSON(t, string(events[from:to]), theUsage) {
				t.Errorf("%s: usage at %d, %d of %s", name, from, to, events)
			}
			if string(events[e.Final():]) != evDone {
				t.Errorf("%s: the mark is at %d of %s", name, e.Final(), events)
			}
			if !usage {
				continue
			}
			text := string(events)
			if name == "nothing but a word" {
				text = strings.Replace(text, `"hello"}`, `"hello"},"finish_reason":"stop"`, 1) // or it is no end
			}
			back := NewWhole(&pieces{text: text}, WholeOptions{Choices: 2})
			answer, err := back.Next()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := back.Report(); got.Tokens != want.Tokens || got.Known != want.Known || got.Model != want.Model {
				t.Errorf("%s: put together it reports %+v, want %+v", name, got, want)
			}
			if from, to := back.UsageAt(); !sameJSON(t, string(answer[from:to]), theUsage) {
				t.Errorf("%s: usage at %d, %d of %s", name, from, to, answer)
			}
			if name != "nothing but a word" && !sameJSON(t, string(answer), tc.whole) {
				t.Errorf("%s: it became %s", name, answer)
			}
		}
	}
}

// A stream is put together however its upstream tears it.
func TestGather(t *testing.T) {
	delta := func(d string) string { return `data: {"choices":[{"index":0,"delta":{` + d + `}}]}` + "\n\n" }
	for name, tc := range map[string]struct {
		in   string
		want string // the message
	}{
		"a role in every event": {delta(`"role":"assistant","content":"a"`) + delta(`"role":"assistant","content":"b"`), `{"role":"assistant","content":"ab"}`},
		"arguments in pieces": {delta(`"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]`) + delta(`"tool_calls":[{"index":0,"id":"","function":{"arguments":"{\"a\""}}]`) +
			delta(`"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"{}"}}]`) + delta(`"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]`),
			`{"content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"y","function":{"name":"g","arguments":"{}"}}]}`},
		"thinking of two kinds": {delta(`"reasoning_details":[{"type":"reasoning.text","index":0,"text":"h"}]`) + delta(`"reasoning_details":[{"type":"reasoning.text","index":0,"text":"m"}]`) + delta(`"reasoning_details":[{"type":"reasoning.encrypted","index":0,"data":"=="}]`),
			`{"content":null,"reasoning_details":[{"type":"reasoning.text","index":0,"text":"hm"},{"type":"reasoning.encrypted","index":0,"data":"=="}]}`},
		"pictures":               {delta(`"content":"Here","images":[{"type":"image_url","image_url":{"url":"data:x"},"index":0}]`), `{"content":"Here","images":[{"type":"image_url","image_url":{"url":"data:x"},"index":0}]}`},
		"an index that is none":  {delta(`"content":"a","tool_calls":[{"index":{},"id":"x"}]`) + delta(`"tool_calls":[{"index":{},"id":"y"}]`), `{"content":"a","tool_calls":[{"id":"x"},{"id":"y"}]}`},
		"what is no JSON in it":  {delta(`"content":"a"`) + ": c\n\ndata: OK\n\nevent: x\n\n" + delta(`"content":"b"`), `{"content":"ab"}`},
		"lists where objects go": {delta(`"content":"a"`) + `data: {"choices":[[],7,{"index":0,"delta":[]}]}` + "\n\n", `{"content":"a"}`},
	} {
		w := NewWhole(&pieces{text: tc.in + evStop + evUsage + evDone}, WholeOptions{})
		answer, err := w.Next()
		var got struct {
			Choices []struct{ Message json.RawMessage }
		}
		if err != nil || json.Unmarshal(answer, &got) != nil || len(got.Choices) != 1 {
			t.Errorf("%s: %v, %s", name, err, answer)
			continue
		}
		if name != "lists where objects go" && !sameJSON(t, string(got.Choices[0].Message), tc.want) {
			t.Errorf("%s: %s", name, got.Choices[0].Message)
		}
		if w.Report().Tokens != counted {
			t.Errorf("%s: %+v", name, w.Report())
		}
	}
	many := strings.Repeat(delta(`"content":"word "`), 200_000) // in linear time
	w := NewWhole(&pieces{text: many + evStop + evDone}, WholeOptions{Length: int64(len(many))})
	if answer, err := w.Next(); err != nil || len(answer) < 1_000_000 || w.Delivered() != 250_000 {
		t.Errorf("%v, %d bytes, %d tokens", err, len(answer), w.Delivered())
	}
	if r := w.Report(); r.Tokens != (tally.Tokens{}) || r.Known != KnownNothing {
		t.Errorf("%+v", r)
	}
}

// A stream that fails tells what it has used, also to a client that did not ask for a
// stream.
func TestGatherFailed(t *testing.T) {
	for name, tc := range map[string]struct {
		in    string
		fault Fault
	}{
		"an error, and its usage": {evError + evUsage + evDone, ServerError},
		"usage, and an error":     {evHello + evUsage + evError, ServerError},
		"usage, and cut":          {evHello + evUsage, BadAnswer},
	} {
		w := NewWhole(&pieces{text: tc.in}, WholeOptions{})
		_, err := w.Next()
		up, ok := err.(*UpstreamError)
		if r := w.Report(); !ok || up.Fault != tc.fault || up.Free || r.Tokens != counted || r.Known != KnownWhole {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		w.Close()
	}
}
