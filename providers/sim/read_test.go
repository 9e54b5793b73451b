package sim_test

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
)

// outcome is an answer read to its end.
type outcome struct {
	body   string
	blocks int // how many times Next returned something
	tokens tally.Tokens
	deliv  int64
}

func call(t testing.TB, at providers.Endpoint, model, body string) providers.Call {
	t.Helper()
	e, err := providers.Peek([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return providers.Call{Endpoint: at, Envelope: e, Model: model, Stream: e.Stream, KeepUsage: e.IncludeUsage, MaxOutput: 4096}
}

func do(t testing.TB, c providers.Call) outcome {
	t.Helper()
	r, err := sim.Open(sim.Options{}).Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, r)
}

func read(t testing.TB, r *providers.Reply) outcome {
	t.Helper()
	defer r.Body.Close()
	var o outcome
	for {
		b, err := r.Body.Next()
		o.body += string(b)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		o.blocks++
	}
	said := r.Body.Report()
	if o.tokens = said.Tokens; said.Known != providers.KnownWhole {
		t.Fatalf("no usage in %s", o.body)
	}
	o.deliv = r.Body.Delivered()
	return o
}

func chat(prompt, more string) string {
	quoted, _ := json.Marshal(prompt)
	return `{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":` + string(quoted) + `}]` + more + `}`
}

// completion is the shape that SDKs decode.
type completion struct {
	ID      string
	Object  string
	Created int64
	Model   string
	Choices []struct {
		Index   int
		Text    string
		Message message
		Delta   message
		Finish  *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
	}
}

type message struct {
	Role      string
	Content   *string
	ToolCalls []struct {
		Index    int
		ID       string
		Type     string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

func decode[T any](t testing.TB, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// joined is what an SDK makes of a stream: each choice's text, call and end.
type joined struct{ role, text, tool, arguments, finish string }

func join(t testing.TB, body string) (all []joined, usage []int64, done bool) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		chunk := decode[completion](t, data)
		if chunk.Usage != nil {
			usage = append(usage, chunk.Usage.Prompt, chunk.Usage.Completion)
		}
		for _, c := range chunk.Choices {
			for len(all) <= c.Index {
				all = append(all, joined{})
			}
			j := &all[c.Index]
			j.role += c.Delta.Role
			j.text += c.Text
			if c.Delta.Content != nil {
				j.text += *c.Delta.Content
			}
			for _, call := range c.Delta.ToolCalls {
				j.tool += call.Function.Name
				j.arguments += call.Function.Arguments
			}
			if c.Finish != nil {
				j.finish += *c.Finish
			}
		}
	}
	return all, usage, done
}
