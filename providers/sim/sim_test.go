package sim_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
)

func TestStreamSaysWhatPlainSays(t *testing.T) {
	tools := `,"tool_choice":"required","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}}]`
	for name, c := range map[string]struct {
		at   providers.Endpoint
		body string
	}{
		"chat":          {providers.Chat, chat("Say hello.", "")},
		"odd bytes":     {providers.Chat, chat("a \"quote\"\\, a\nline, \x00\x1f, wörld 🌍, </script>\u2028", "")},
		"long":          {providers.Chat, chat("Tell me a long story.", "")},
		"cut":           {providers.Chat, chat("Tell me a long story.", `,"max_tokens":17`)},
		"choices":       {providers.Chat, chat("Say hello.", `,"n":3`)},
		"tool":          {providers.Chat, chat("Lisbon?", tools)},
		"tool cut":      {providers.Chat, chat("Lisbon?", tools+`,"max_tokens":6`)},
		"tool too long": {providers.Chat, chat("Lisbon?", tools+`,"max_tokens":1`)},
		"json":          {providers.Chat, chat("Say hello.", `,"response_format":{"type":"json_object"}`)},
		"completion":    {providers.Completions, `{"prompt":"Once upon a time"}`},
		"completions":   {providers.Completions, `{"prompt":["one","two"],"n":2}`},
		"token prompts": {providers.Completions, `{"prompt":[[1,2,3],[4]]}`},
	} {
		t.Run(name, func(t *testing.T) {
			plainCall := call(t, c.at, "sim-small", c.body)
			streamed := call(t, c.at, "sim-small", strings.TrimSuffix(c.body, "}")+`,"stream":true,"stream_options":{"include_usage":true}}`)
			if most := plainCall.Envelope.MaxTokens; most > 0 {
				plainCall.MaxOutput, streamed.MaxOutput = most, most
			}
			p, s := do(t, plainCall), do(t, streamed)
			want := decode[completion](t, p.body)
			got, usage, done := join(t, s.body)
			if len(got) != len(want.Choices) {
				t.Fatalf("%d choices streamed, %d plain", len(got), len(want.Choices))
			}
			for i, w := range want.Choices {
				g := got[i]
				plain := joined{role: w.Message.Role, text: w.Text, finish: *w.Finish}
				if w.Message.Content != nil {
					plain.text = *w.Message.Content
				}
				for _, call := range w.Message.ToolCalls {
					plain.tool, plain.arguments = call.Function.Name, call.Function.Arguments
				}
				if g != plain || w.Index != i {
					t.Errorf("choice %d streamed\n%+v\nplain\n%+v", i, g, plain)
				}
			}
			if len(usage) != 2 || usage[0] != want.Usage.Prompt || usage[1] != want.Usage.Completion || !done {
				t.Errorf("usage %v, done %v; plain had %+v", usage, done, *want.Usage)
			}
			for _, o := range []outcome{p, s} {
				if o.tokens != (tally.Tokens{Input: want.Usage.Prompt, Output: want.Usage.Completion}) {
					t.Errorf("read %+v, the answer says %+v", o.tokens, *want.Usage)
				}
				if o.deliv > want.Usage.Completion || want.Usage.Completion > plainCall.MaxOutput*int64(len(got)) {
					t.Errorf("delivered %d, reported %d, granted %d", o.deliv, want.Usage.Completion, plainCall.MaxOutput)
				}
			}
			if again := do(t, plainCall); decode[completion](t, again.body).Choices[0].Text != want.Choices[0].Text || again.tokens != p.tokens {
				t.Error("the second answer differs")
			}
		})
	}
}

func TestAnswersSayTheyArePretend(t *testing.T) {
	o := do(t, call(t, providers.Chat, "sim-large", chat("Say hello.", "")))
	c := decode[completion](t, o.body)
	if c.Object != "chat.completion" || c.Model != "sim-large" || c.Created == 0 || !strings.HasPrefix(c.ID, "chatcmpl-") {
		t.Errorf("%s", o.body)
	}
	text := *c.Choices[0].Message.Content
	if !strings.Contains(text, "pretend model sim-large") || !strings.Contains(text, `"Say hello."`) {
		t.Errorf("%q", text)
	}
	if *c.Choices[0].Finish != "stop" || c.Choices[0].Message.Role != "assistant" {
		t.Errorf("%s", o.body)
	}
	other := decode[completion](t, do(t, call(t, providers.Chat, "sim-large", chat("Say goodbye.", ""))).body)
	if *other.Choices[0].Message.Content == text {
		t.Error("another prompt got the same answer")
	}
	long := do(t, call(t, providers.Chat, "sim-small", chat(strings.Repeat("tell me a long story ", 20), "")))
	if long.tokens.Output < 300 || long.tokens.Output > 1000 {
		t.Errorf("a long story of %d tokens", long.tokens.Output)
	}
}

func TestGrantedOutputIsObeyed(t *testing.T) {
	for granted := int64(1); granted < 40; granted++ {
		for _, stream := range []bool{false, true} {
			c := call(t, providers.Chat, "sim-small", chat("Tell me a long story.", `,"n":2`))
			c.MaxOutput, c.Stream = granted, stream
			o := do(t, c)
			if o.tokens.Output > 2*granted || o.tokens.Output < 2 || o.deliv > o.tokens.Output {
				t.Fatalf("granted %d for each of 2: reported %d, delivered %d", granted, o.tokens.Output, o.deliv)
			}
			if !strings.Contains(o.body, `"finish_reason":"length"`) || strings.Contains(o.body, `"stop"`) {
				t.Fatalf("not cut: %s", o.body)
			}
		}
	}
}

func TestTools(t *testing.T) {
	const tools = `,"tools":[{"type":"function","function":{"name":"send_mail","parameters":{"type":"object"}}},{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	for _, c := range []struct{ prompt, more, want string }{
		{"What is the weather?", "", "get_weather"},
		{"Use a tool.", "", "send_mail"},
		{"Say hello.", "", ""},
		{"Say hello.", `,"tool_choice":"required"`, "send_mail"},
		{"Say hello.", `,"tool_choice":{"type":"function","function":{"name":"get_weather"}}`, "get_weather"},
		{"What is the weather?", `,"tool_choice":"none"`, ""},
	} {
		got := decode[completion](t, do(t, call(t, providers.Chat, "sim-small", chat(c.prompt, tools+c.more))).body).Choices[0]
		name := ""
		if calls := got.Message.ToolCalls; len(calls) == 1 {
			name = calls[0].Function.Name
			decode[map[string]any](t, calls[0].Function.Arguments)
		}
		finish := map[bool]string{true: "tool_calls", false: "stop"}[c.want != ""]
		if name != c.want || *got.Finish != finish {
			t.Errorf("%q%s calls %q and ends with %q, want %q and %q", c.prompt, c.more, name, *got.Finish, c.want, finish)
		}
	}
	// The result of a tool is answered in words, or an agent would never end.
	after := `{"messages":[{"role":"user","content":"What is the weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]},{"role":"tool","tool_call_id":"c","content":"sunny"}]` + tools + `}`
	if got := decode[completion](t, do(t, call(t, providers.Chat, "sim-small", after)).body).Choices[0]; *got.Finish != "stop" {
		t.Errorf("after a tool's result: %+v", got)
	}
}

func TestEmbeddings(t *testing.T) {
	type answer struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
	}
	const body = `{"model":"m","input":["first words","second words","nothing alike","first words"],"encoding_format":"`
	floats := decode[answer](t, do(t, call(t, providers.Embeddings, "sim-embed", body+`float"}`)).body)
	binary := decode[answer](t, do(t, call(t, providers.Embeddings, "sim-embed", body+`base64"}`)).body)
	vectors := make([][]float32, 4)
	for i := range vectors {
		vectors[i] = decode[[]float32](t, string(floats.Data[i].Embedding))
		raw := decode[[]byte](t, string(binary.Data[i].Embedding))
		if len(vectors[i]) != 256 || len(raw) != 4*256 || floats.Data[i].Index != i {
			t.Fatalf("vector %d has %d numbers and %d bytes", i, len(vectors[i]), len(raw))
		}
		for j, x := range vectors[i] {
			bits := uint32(raw[4*j]) | uint32(raw[4*j+1])<<8 | uint32(raw[4*j+2])<<16 | uint32(raw[4*j+3])<<24
			// JavaScript and others read a number as a double first.
			if double := decode[[]float64](t, string(floats.Data[i].Embedding)); math.Float32bits(float32(double[j])) != bits || math.Float32bits(x) != bits {
				t.Fatalf("vector %d differs at %d", i, j)
			}
		}
	}
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	if length := dot(vectors[0], vectors[0]); math.Abs(length-1) > 1e-5 {
		t.Errorf("a vector of length² %v", length)
	}
	if dot(vectors[0], vectors[3]) < 0.9999 || dot(vectors[0], vectors[1]) > 0.9 {
		t.Error("equal inputs differ, or different ones are equal")
	}
	if dot(vectors[0], vectors[1]) <= dot(vectors[0], vectors[2]) {
		t.Error("texts that share a word are not nearer than others")
	}
	if got := decode[answer](t, do(t, call(t, providers.Embeddings, "sim-embed", `{"input":"x","dimensions":3}`)).body); len(decode[[]float32](t, string(got.Data[0].Embedding))) != 3 {
		t.Error("dimensions are not obeyed")
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		at                 providers.Endpoint
		model, body, param string
	}{
		{providers.Chat, "sim-small", `{"messages":[]}`, "messages"},
		{providers.Chat, "sim-small", `{}`, "messages"},
		{providers.Chat, "sim-small", `{"messages":"hi"}`, "messages"},
		{providers.Chat, "sim-small", `{"messages":[{"role":7}]}`, "messages"},
		{providers.Chat, "sim-embed", chat("hi", ""), "model"},
		{providers.Completions, "sim-small", `{"prompt":null}`, "prompt"},
		{providers.Completions, "sim-small", `{"prompt":[` + strings.Repeat(`"x",`, 99) + `"x"],"n":128}`, "n"},
		{providers.Embeddings, "sim-small", `{"input":"x"}`, "model"},
		{providers.Embeddings, "sim-embed", `{"input":"x","dimensions":-1}`, "dimensions"},
		{providers.Embeddings, "sim-embed", `{}`, "input"},
	} {
		_, err := sim.Open(sim.Options{}).Do(t.Context(), call(t, c.at, c.model, c.body))
		up, ok := errors.AsType[*providers.UpstreamError](err)
		if !ok || up.Fault != providers.Refused || up.Status != 400 {
			t.Errorf("%s %s: %v", c.at, c.body, err)
			continue
		}
		if w := up.Words; w.Param != c.param || w.Message == "" || w.Type != "invalid_request_error" {
			t.Errorf("%s %s: %+v", c.at, c.body, w)
		}
	}
}

// Whatever the body, it is refused in OpenAI's words, or the plain answer is
// JSON and the streamed one says the same.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		chat("hi", ""), chat("use a tool", `,"n":2,"max_tokens":3,"tools":[{"function":{"name":"f","parameters":{"$ref":"#"}}}]`),
		chat("x", `,"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"array"}}}`),
		`{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}},7]}]}`,
		`{"messages":[{"role":"user","content":"\ud800"},{}],"tools":[],"tool_choice":{"function":7}}`,
		`{"messages":[{"content":[{"source":{`, `{"prompt":["a",[1],{}]}`, `{"prompt":[]}`, `{"input":[[1,2],[3]],"encoding_format":"base64"}`, `{"input":[[]],"dimensions":1}`,
	} {
		f.Add(body)
	}
	p := sim.Open(sim.Options{})
	f.Fuzz(func(t *testing.T, body string) {
		e, err := providers.Peek([]byte(body))
		if err != nil {
			return
		}
		for _, at := range []providers.Endpoint{providers.Chat, providers.Completions, providers.Embeddings} {
			c := providers.Call{Endpoint: at, Envelope: e, Model: "any", MaxOutput: 100}
			r, err := p.Do(t.Context(), c)
			if err != nil {
				up, ok := errors.AsType[*providers.UpstreamError](err)
				if !ok || up.Fault != providers.Refused || up.Words.Message == "" {
					t.Fatalf("%s: %v", at, err)
				}
				continue
			}
			plain := read(t, r)
			if !json.Valid([]byte(plain.body)) {
				t.Fatalf("%s: %s", at, plain.body)
			}
			if at == providers.Embeddings {
				continue
			}
			c.Stream = true
			if r, err = p.Do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if streamed := read(t, r); streamed.tokens != plain.tokens {
				t.Fatalf("%s: plain %+v, streamed %+v", at, plain.tokens, streamed.tokens)
			}
		}
	})
}
