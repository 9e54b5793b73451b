package chat

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Write implements dialect.Upstream.
func (Dialect) Write(dst []byte, r *dialect.Request, to dialect.Target) ([]byte, dialect.Dropped, error) {
	dropped, err := table.Apply(r, &to)
	if err != nil {
		return dst, nil, err
	}
	w := writer{Object: wire.Begin(dst), r: r, to: &to, dropped: dropped}
	w.Text("model", to.Model)
	w.Key("messages")
	var list wire.List
	for _, first := range [...]bool{true, false} {
		for i := range r.Turns {
			if t := &r.Turns[i]; (to.SystemFirst && t.Role == dialect.System) == first {
				w.turn(&list, t)
			}
		}
	}
	w.Buf = list.End(w.Buf)
	w.tools()
	w.sampling()
	w.reasoning()
	if to.Stream {
		w.Raw("stream", "true")
		w.Raw("stream_options", `{"include_usage":true}`)
	}
	return w.End(), w.dropped, nil
}

type writer struct {
	wire.Object
	r       *dialect.Request
	to      *dialect.Target
	dropped dialect.Dropped
}

func (w *writer) number(key string, n dialect.Number) {
	if n != "" {
		w.Raw(key, string(n))
	}
}

func (w *writer) sampling() {
	r := w.r
	if n := max(w.to.MaxOutput, 0); n > 0 || r.MaxOutput > 0 {
		field := w.to.MaxField
		if field == "" {
			field = "max_completion_tokens"
		}
		if n == 0 {
			n = r.MaxOutput
		}
		w.Int(field, n)
	}
	w.number("temperature", r.Temperature)
	w.number("top_p", r.TopP)
	w.number("frequency_penalty", r.Frequency)
	w.number("presence_penalty", r.Presence)
	w.number("seed", r.Seed)
	if len(r.Stop) > 0 {
		w.Key("stop")
		var list wire.List
		for _, s := range r.Stop {
			w.Buf = wire.Quote(list.Next(w.Buf), s)
		}
		w.Buf = list.End(w.Buf)
	}
	if r.Choices > 1 {
		w.Int("n", r.Choices)
	}
	switch f := &r.Format; f.Kind {
	case dialect.JSONObject:
		w.Raw("response_format", `{"type":"json_object"}`)
	case dialect.JSONSchema:
		w.schema(f)
	}
	if len(r.User) > maxUser {
		w.dropped.DropUsed(r, dialect.EndUser)
	} else if r.User != "" {
		w.Text("user", r.User)
	}
	if r.Tier != "" && r.Used(dialect.ServiceTier) {
		w.Text("service_tier", r.Tier)
	}
}

// maxUser is the longest name of an end user that upstreams take.
const maxUser = 64

func (w *writer) schema(f *dialect.Format) {
	w.Raw("response_format", `{"type":"json_schema","json_schema":`)
	s := wire.Begin(w.Buf)
	name := f.Name
	if name == "" {
		name = "answer"
	}
	s.Text("name", name)
	if f.Description != "" {
		s.Text("description", f.Description)
	}
	if f.Schema != nil {
		s.Value("schema", f.Schema)
	}
	if f.Strict != dialect.Unsaid {
		s.Bool("strict", f.Strict == dialect.Yes)
	}
	w.Buf = append(s.End(), '}')
}

// reasoning writes what only models that reason take.
func (w *writer) reasoning() {
	r := w.r
	if w.to.ReasoningField == "" {
		w.dropped.DropUsed(r, dialect.OldReasoning)
	}
	if !w.to.Reasons {
		w.dropped.DropUsed(r, dialect.Effort, dialect.ThinkingBudget, dialect.Verbosity)
		return
	}
	if word := r.EffortWord(); word != "" {
		w.Text("reasoning_effort", word)
	}
	if r.Verbosity != "" {
		w.Text("verbosity", r.Verbosity)
	}
}

func (w *writer) tools() {
	r := w.r
	if len(r.Tools) == 0 {
		return
	}
	w.Key("tools")
	var list wire.List
	for i := range r.Tools {
		t := &r.Tools[i]
		w.Buf = append(list.Next(w.Buf), `{"type":"function","function":`...)
		f := wire.Begin(w.Buf)
		f.Text("name", t.Name)
		if t.Description != "" {
			f.Text("description", t.Description)
		}
		f.Value("parameters", t.FunctionSchema())
		if t.Strict == dialect.Yes {
			f.Raw("strict", "true")
		}
		w.Buf = append(f.End(), '}')
	}
	w.Buf = list.End(w.Buf)
	switch r.Choice.Mode {
	case dialect.AutoChoice:
		w.Raw("tool_choice", `"auto"`)
	case dialect.NoChoice:
		w.Raw("tool_choice", `"none"`)
	case dialect.MustChoice:
		w.Raw("tool_choice", `"required"`)
	case dialect.NamedChoice:
		w.Raw("tool_choice", `{"type":"function","function":{"name":`)
		w.Buf = append(wire.Quote(w.Buf, r.Choice.Name), "}}"...)
	}
	if r.Parallel == dialect.No {
		w.Raw("parallel_tool_calls", "false")
	}
}
