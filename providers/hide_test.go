package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// creditsFor are ours, for the usage that a reader of the answer is shown.
func creditsFor(answer string) View {
	var f facts
	inspect([]byte(answer), space([]byte(answer), 0), &f)
	return View{From: f.shown().From, To: f.shown().To, Amount: 1_500_000}
}

// TestHideCosts: with credits, and without.
func TestHideCosts(t *testing.T) {
	for _, x := range []struct{ in, ours, none string }{
		{`{"usage":{"prompt_tokens":5}}`, `{"usage":{"prompt_tokens":5,"cost":0.0015}}`, `{"usage":{"prompt_tokens":5}}`},
		{`{"usage":{}}`, `{"usage":{"cost":0.0015}}`, `{"usage":{}}`},
		{`{"usage":{"cost":7,"a": 1}}`, `{"usage":{"cost":0.0015,"a": 1}}`, `{"usage":{"a": 1}}`},
		{`{"usage":{"a": 1 ,"cost":1e-05 }}`, `{"usage":{"a": 1 ,"cost":0.0015 }}`, `{"usage":{"a": 1 }}`},
		{`{"usage":{"cost":{"input_tokens_cost":1,"total_cost":2},"a":1}}`, `{"usage":{"cost":{"total_cost":0.0015},"a":1}}`, `{"usage":{"a":1}}`},
		{`{"usage":{"a":1,"cost":1,"is_byok":true,"cost_details":{"upstream_inference_cost":3},"b":2}}`, `{"usage":{"a":1,"cost":0.0015,"is_byok":true,"b":2}}`, `{"usage":{"a":1,"is_byok":true,"b":2}}`},
		{`{"usage":{"cost_in_usd_ticks":37756000,"a":1}}`, `{"usage":{"a":1,"cost":0.0015}}`, `{"usage":{"a":1}}`},
		{`{"usage":{"cost":7,"cost":8}}`, `{"usage":{"cost":0.0015}}`, `{"usage":{}}`},
		{`{"usage":{"estimated_cost":1,"total_cost":1,"prompt_cost":2,"a":1}}`, `{"usage":{"a":1,"cost":0.0015}}`, `{"usage":{"a":1}}`},
		{`{"usage":{"a":1,"cost_usd":1,"totalPrice":2,"SPEND":3}}`, `{"usage":{"a":1,"cost":0.0015}}`, `{"usage":{"a":1}}`},
		{`{"usage":{"completion_tokens_details":{"cost":1,"reasoning_tokens":2}}}`, `{"usage":{"completion_tokens_details":{"reasoning_tokens":2},"cost":0.0015}}`, `{"usage":{"completion_tokens_details":{"reasoning_tokens":2}}}`},
		{`{"cost":1,"a":2}`, `{"a":2}`, `{"a":2}`},
		{`{"a":2, "provider_metadata":{"cost":1} ,"b":[{"price":1}]}`, `{"a":2, "provider_metadata":{} ,"b":[{}]}`, `{"a":2, "provider_metadata":{} ,"b":[{}]}`},
		{`{"x_groq":{"usage":{"cost":1,"a":1}},"usage":{"a":1}}`, `{"x_groq":{"usage":{"a":1}},"usage":{"a":1,"cost":0.0015}}`, `{"x_groq":{"usage":{"a":1}},"usage":{"a":1}}`},
		{`{"choices":[{"usage":{"cost":1}}],"usage":{"cost":2}}`, `{"choices":[{"usage":{}}],"usage":{"cost":0.0015}}`, `{"choices":[{"usage":{}}],"usage":{}}`},
		{`{"choices":[{"usage":{"cost":1}}]}`, `{"choices":[{"usage":{"cost":0.0015}}]}`, `{"choices":[{"usage":{}}]}`},
		{`{"usage":{"\u0063ost":7,"a":1,"b\u002e":2}}`, `{"usage":{"a":1,"b\u002e":2,"cost":0.0015}}`, `{"usage":{"a":1,"b\u002e":2}}`},
		{`{"choices":[{"cost":1,"message":{"cost":2,"content":"\"cost\":3","tool_calls":[{"function":{"arguments":{"price":4},"cost":5}}]},"logprobs":{"top_logprobs":[{" cost":-1}]}}]}`,
			`{"choices":[{"message":{"content":"\"cost\":3","tool_calls":[{"function":{"arguments":{"price":4}}}]},"logprobs":{"top_logprobs":[{" cost":-1}]}}]}`,
			`{"choices":[{"message":{"content":"\"cost\":3","tool_calls":[{"function":{"arguments":{"price":4}}}]},"logprobs":{"top_logprobs":[{" cost":-1}]}}]}`},
	} {
		if got := string(HideCosts([]byte("x"), []byte(x.in), creditsFor(x.in))); got != "x"+x.ours {
			t.Errorf("%s:\n got %s\nwant x%s", x.in, got, x.ours)
		}
		if got := string(HideCosts([]byte("x"), []byte(x.in), View{})); got != "x"+x.none {
			t.Errorf("%s, without credits:\n got %s\nwant x%s", x.in, got, x.none)
		}
		for _, end := range []string{"\n", "\r\n"} {
			event := ": the cost" + end + "id: 1" + end + "data: " + x.in + end + end
			want := "data: " + x.none + end + end
			if x.none == "{}" {
				want = ":\n" + end
			}
			if got := string(HideCostsInEvents(nil, []byte(": 7"+end+end+event+evDone), View{})); got != ":\n"+end+want+evDone {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
}

// TestHiddenMembers: what speaks of money is left out wherever it stands, and nothing is
// left out that only looks like it.
func TestHiddenMembers(t *testing.T) {
	const words = hiddenText
	for in, want := range map[string]string{
		`{"pricing":{"amount":1},"a":{"totalFee":1,"remainingBalance":"2","x_payment":3,"consumed_quota":4},"b":1}`:               `{"a":{},"b":1}`,
		`{"usage":{"money":1,"total_cents":2,"dollars":3,"rates":{"in":4},"total_eur":5,"totalEUR":6,"Tariff":7,"currency":"X"}}`: `{"usage":{}}`,
		`{"feedback":1,"percent":2,"rate_limit":3,"neurons":4,"prepaid":5,"recent":6,"generates":7}`:                              `{"feedback":1,"percent":2,"rate_limit":3,"neurons":4,"prepaid":5,"recent":6,"generates":7}`,

		// In a usage object a fraction is money, or a time.
		`{"usage":{"neurons":0.5,"units":"0.5","x":5e-1,"a":{"b":[1,{"c":1.5}]},"prompt_tokens":5.0,"total_time":0.5,"queue_ms":1.5}}`: `{"usage":{"a":{"b":[1,{}]},"prompt_tokens":5.0,"total_time":0.5,"queue_ms":1.5}}`,
		`{"usage":{"n":-5,"v":"v1.5","d":"2026-11-29","e":"e","f":"."},"score":0.5}`:                                                   `{"usage":{"n":-5,"v":"v1.5","d":"2026-11-29","e":"e"},"score":0.5}`,

		// What the model wrote, and what stands beside it.
		`{"choices":[{"message":{"reasoning_details":[{"type":"x","cost":1,"text":"costs $1"}],"images":[{"cost_usd":1,"url":"x"}],"audio":{"price":1,"data":"A"}},"logprobs":{"cost":1,"content":[{"token":" cost","cost":2}]}}]}`: `{"choices":[{"message":{"reasoning_details":[{"type":"x","text":"costs $1"}],"images":[{"url":"x"}],"audio":{"data":"A"}},"logprobs":{"content":[{"token":" cost"}]}}]}`,
		`{"choices":[{"message":{"content":[{"type":"tool_use","input":{"price":1,"amount":0.5}}],"parsed":{"cost":1},"tool_calls":[{"custom":{"input":"{\"price\":1}"}}]}}]}`:                                                      `{"choices":[{"message":{"content":[{"type":"tool_use","input":{"price":1,"amount":0.5}}],"parsed":{"cost":1},"tool_calls":[{"custom":{"input":"{\"price\":1}"}}]}}]}`,
		`{"search_results":[{"title":"now $5 cheaper"}],"choices":[{"error":{"message":"you have $5"}}]}`:                                                                                                                           `{"search_results":[{"title":"now $5 cheaper"}],"choices":[{"error":{"message":` + words + `}}]}`,

		// Words about money.
		`{"error":{"message":"that would cost $0.0123","code":402}}`:                             `{"error":{"message":` + words + `,"code":402}}`,
		`{"error":"\u0024 5","detail":[{"msg":"a balance of 3"}]}`:                               `{"error":` + words + `,"detail":[{"msg":` + words + `}]}`,
		`{"error":{"message":"temperature must be at most 2"},"model":"costly-2","id":"a1cent"}`: `{"error":{"message":"temperature must be at most 2"},"model":"costly-2","id":"a1cent"}`,
	} {
		if got := string(HideCosts(nil, []byte(in), View{})); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
	deep := strings.Repeat(`{"a":`, maxDepth+1) + `{"cost":1}` + strings.Repeat("}", maxDepth+1)
	if got := HideCosts([]byte("x"), []byte(deep), View{}); string(got) != "x" {
		t.Errorf("what was not walked over is shown: %s", got)
	}
}

// TestKnownMembers: a visitor sees only those members of an answer that are known, and of
// an event nothing beside the answer.
func TestKnownMembers(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":"c","choices":[{"index":0,"message":{"content":"x"},"error":{"message":"y"}}],"error":"y","detail":"y","warning":"y","base_resp":{"status_msg":"y"},"\u0065rrors":["y"]}`: `{"id":"c","choices":[{"index":0,"message":{"content":"x"}}]}`,
		`{"choices":[{"message":{"provider_error":"y","tool_calls":[{"function":{"arguments":{"error":"mine"}}}]}}]}`:                                                                    `{"choices":[{"message":{"tool_calls":[{"function":{"arguments":{"error":"mine"}}}]}}]}`,
	} {
		if got := string(HideCosts(nil, []byte(in), View{Known: true})); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
		event := ": y\nevent: y\nid: y\n\nerror: y\ndata: " + in + "\ny\n\nevent: y\ndata: {\"message\":\"y\"}\n\n"
		if got := string(HideCostsInEvents(nil, []byte(event+evDone), View{Known: true})); got != ":\n\ndata: "+want+"\n\n:\n\n"+evDone {
			t.Errorf("%q became %q", event, got)
		}
	}
}

// TestHidingWhatIsNoJSON: words are passed on if they are not about money. What only looks
// like JSON is not passed on. Visitors see neither.
func TestHidingWhatIsNoJSON(t *testing.T) {
	for data, shown := range map[string]bool{
		"OK: still at it":   true,
		"[DONE]":            true,
		"it costs 7":        false,
		"$7":                false,
		`["c\u006fst",7]`:   false,
		`[{"cost":7}]`:      false,
		`{"choices":[}`:     false,
		`{"a":1} {"b":2}`:   false,
		`{"a":"`:            false,
		`{"usage":{"x":0.7`: false,
	} {
		for _, known := range []bool{false, true} {
			want := ":\n\n"
			if shown && (!known || data == "[DONE]") {
				want = "data: " + data + "\n\n"
			}
			behind := "data: {\"b\":\"x\"}\n\n"
			left := behind
			if known {
				left = ":\n\n"
			}
			if got := string(HideCostsInEvents(nil, []byte("data: "+data+"\n\n"+behind), View{Known: known})); got != want+left {
				t.Errorf("%s, known %v: %q", data, known, got)
			}
		}
	}
}

// node is a value of JSON and what is to be left of it.
type node struct{ in, want string }

func drawNode(t *rapid.T, depth int) node {
	kinds := 5
	if depth > 4 {
		kinds = 3
	}
	sp := rapid.SampledFrom([]string{"", " ", "\n\t"})
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		s := rapid.SampledFrom([]string{`"cost"`, `"a\"price\":1"`, `"\\"`, `""`}).Draw(t, "text")
		return node{s, s}
	case 1:
		return node{"-15", "-15"} // a fraction would be money in a usage object
	case 2:
		return node{"null", "null"}
	case 3:
		var in, want []string
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			n := drawNode(t, depth+1)
			in, want = append(in, n.in), append(want, n.want)
		}
		return node{"[" + strings.Join(in, ",") + "]", "[" + strings.Join(want, ",") + "]"}
	}
	in, want := "{", ""
	for i := range rapid.IntRange(0, 5).Draw(t, "members") {
		if i > 0 {
			in += ","
		}
		stays := rapid.Bool().Draw(t, "stays")
		keys := []string{"cost", "Total_Cost", `prompt\u0050RICE`, "xTicks", "billed", "spend", "credits", `c\u006fst`, "ébilled"}
		if stays {
			keys = []string{"a", "b", "content", "tokens", `\/`, "usage"}
		}
		key := rapid.SampledFrom(keys).Draw(t, "key")
		n := drawNode(t, depth+1)
		member := func(value string) string { return fmt.Sprintf(`"%s"`, key) + ":" + value }
		in += sp.Draw(t, "space") + member(n.in) + sp.Draw(t, "space")
		if !stays {
			continue
		}
		if want != "" {
			want += ","
		}
		want += member(n.want)
	}
	return node{in + "}", "{" + want + "}"}
}

// Whatever the answer: what is left is JSON, tells of no money, and is byte for byte
// what it was but for the spaces around what is gone.
func TestHideCostsInAnything(t *testing.T) {
	compact := func(b []byte) string {
		var out bytes.Buffer
		if err := json.Compact(&out, b); err != nil {
			return err.Error()
		}
		return out.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t, 0)
		if !json.Valid([]byte(n.in)) {
			t.Fatalf("drawn: %s", n.in)
		}
		if got := HideCosts(nil, []byte(n.in), View{}); compact(got) != n.want {
			t.Fatalf("%s:\n got %s\nwant %s", n.in, got, n.want)
		}
		usage := `{"usage":` + n.in + `}`
		got := HideCosts(nil, []byte(usage), creditsFor(usage))
		var out struct{ Usage map[string]json.RawMessage }
		if n.in[0] == '{' && (json.Unmarshal(got, &out) != nil || out.Usage["cost"] == nil || bytes.Count(got, []byte("0.0015")) != 1) {
			t.Fatalf("%s became %s", usage, got)
		}
	})
}

// An event costs no memory either for callers from whom money is hidden.
func TestHidingTakesNoMemory(t *testing.T) {
	event := []byte(reporting)
	out := make([]byte, 0, 2*len(event))
	if n := testing.AllocsPerRun(100, func() { out = HideCostsInEvents(out[:0], event, View{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if bytes.Contains(out, []byte("0.0221")) {
		t.Errorf("%s", out)
	}
}

func FuzzHideCosts(f *testing.F) {
	f.Add([]byte(`{"a":{"cost":1},"usage":{"cost":{"total_cost":2},"cost_details":{},"cost_in_usd_ticks":5}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var seen facts
		if !json.Valid(in) || inspect(in, space(in, 0), &seen) < 0 {
			return
		}
		for _, c := range []View{{}, {Known: true}, {From: seen.shown().From, To: seen.shown().To, Amount: tally.Dollar}} {
			out := HideCosts(nil, in, c)
			if !json.Valid(out) {
				t.Fatalf("%s became %s", in, out)
			}
			if again := HideCosts(nil, out, c); c.To == 0 && string(again) != string(out) {
				t.Fatalf("%s, and then %s", out, again)
			}
		}
	})
}

func BenchmarkHideCosts(b *testing.B) {
	event := []byte(reporting)
	var out []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		out = HideCostsInEvents(out[:0], event, View{})
	}
}
