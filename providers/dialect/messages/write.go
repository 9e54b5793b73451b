package messages

import (
	"strconv"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// leastOutput is written where nobody says how much output there may be.
const leastOutput = 4096

// Write implements dialect.Upstream.
func (Dialect) Write(dst []byte, r *dialect.Request, to dialect.Target) ([]byte, dialect.Dropped, error) {
	dropped, err := table.Apply(r, &to)
	if err != nil {
		return dst, nil, err
	}
	w := writer{Object: wire.Begin(dst), r: r, to: &to, dropped: dropped}
	w.Text("model", to.Model)
	w.output = to.MaxOutput
	if w.output <= 0 {
		if w.output = r.MaxOutput; w.output <= 0 {
			w.output = leastOutput
		}
	}
	w.Int("max_tokens", w.output)
	w.system()
	w.messages()
	w.tools()
	w.config(w.thinking())
	if to.Cache != "" && !r.Used(dialect.CacheMarks) {
		mark(&w.Object, to.Cache)
	}
	if to.Stream {
		w.Raw("stream", "true")
	}
	return w.End(), w.dropped, nil
}

type writer struct {
	wire.Object
	r       *dialect.Request
	to      *dialect.Target
	output  int64
	thinks  bool // thinking was written
	lost    bool // a thought that is not of this dialect was left out
	dropped dialect.Dropped
}

// inJSON is how an answer in JSON without a schema is asked for.
const inJSON = "Answer with one JSON object and nothing else."

// system writes all instructions, wherever in the conversation they stand.
func (w *writer) system() {
	var parts []dialect.Part
	for i := range w.r.Turns {
		if t := &w.r.Turns[i]; t.Role == dialect.System {
			parts = append(parts, t.Parts...)
		}
	}
	if w.r.Format.Kind == dialect.JSONObject {
		parts = append(parts, dialect.Part{Text: inJSON})
	}
	if parts = spoken(parts); len(parts) > 0 {
		w.Key("system")
		w.Buf = blocks(w.Buf, parts)
	}
}

// thinking writes how much is thought, and returns an effort, "" for none.
func (w *writer) thinking() (effort string) {
	r := w.r
	budget := r.ThinkingBudget()
	if budget == 0 {
		if r.Thinking.Mode != dialect.NoThinking && r.Effort != "none" {
			return ""
		}
		w.dropped.DropUsed(r, dialect.Effort)
		return ""
	}
	forced := r.Choice.Mode == dialect.MustChoice || r.Choice.Mode == dialect.NamedChoice
	budget = min(budget, w.output/2)
	switch {
	case !w.to.Reasons, forced && len(r.Tools) > 0, !w.to.Adaptive && (budget < 1024 || unproved(r.Turns)):
		w.dropped.DropUsed(r, dialect.Effort, dialect.ThinkingBudget)
		return ""
	case w.to.Adaptive:
		w.Raw("thinking", `{"type":"adaptive"}`)
		effort = effortWord(r)
	default:
		w.Raw("thinking", `{"type":"enabled","budget_tokens":`+strconv.FormatInt(budget, 10)+"}")
	}
	w.dropped.DropUsed(r, dialect.Temperature, dialect.TopP, dialect.TopK)
	w.thinks = true
	return effort
}

// effortWord is an effort that the dialect knows.
func effortWord(r *dialect.Request) string {
	switch word := r.EffortWord(); word {
	case "minimal":
		return "low"
	case "xhigh":
		return "max"
	default:
		return word
	}
}

// unproved reports whether the answer under way has called tools without a thought that
// can be given back: then it cannot go on thinking.
func unproved(turns []dialect.Turn) bool {
	for i := len(turns) - 1; i >= 0; i-- {
		t := &turns[i]
		switch t.Role {
		case dialect.User:
			for j := range t.Parts {
				if t.Parts[j].Kind != dialect.ResultPart {
					return false
				}
			}
		case dialect.Assistant:
			called := false
			for j := range t.Parts {
				called = called || t.Parts[j].Kind == dialect.CallPart
				if t.Parts[j].Kind == dialect.ReasoningPart && proved(t.Parts[j].Reasoning) {
					return false
				}
			}
			return called
		}
	}
	return false
}

// proved reports whether a thought was made in this dialect.
func proved(r *dialect.Reasoning) bool { return r.Opaque != "" && r.Origin == dialect.Messages }

// config writes how the model is to answer.
func (w *writer) config(effort string) {
	r := w.r
	if !w.thinks {
		w.temperature()
		if r.TopK > 0 {
			w.Int("top_k", r.TopK)
		}
	}
	if len(r.Stop) > 0 {
		w.Key("stop_sequences")
		var list wire.List
		for _, s := range r.Stop {
			w.Buf = wire.Quote(list.Next(w.Buf), s)
		}
		w.Buf = list.End(w.Buf)
	}
	if r.User != "" {
		w.Raw("metadata", `{"user_id":`)
		w.Buf = append(wire.Quote(w.Buf, r.User), '}')
	}
	schema := r.Format.Kind == dialect.JSONSchema && r.Format.Schema != nil
	if effort == "" && !schema {
		return
	}
	w.Key("output_config")
	o := wire.Begin(w.Buf)
	if effort != "" {
		o.Text("effort", effort)
	}
	if schema {
		o.Raw("format", `{"type":"json_schema","schema":`)
		o.Buf = append(append(o.Buf, r.Format.Schema...), '}')
	}
	w.Buf = o.End()
}

func (w *writer) temperature() {
	r := w.r
	if r.Temperature == "" {
		if r.TopP != "" {
			w.Raw("top_p", string(r.TopP))
		}
		return
	}
	w.dropped.DropUsed(r, dialect.TopP)
	if t, err := strconv.ParseFloat(string(r.Temperature), 64); err != nil || t > 1 {
		w.dropped.DropUsed(r, dialect.Temperature)
		w.Raw("temperature", "1")
		return
	}
	w.Raw("temperature", string(r.Temperature))
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
		o := wire.Begin(list.Next(w.Buf))
		o.Text("name", t.Name)
		if t.Description != "" {
			o.Text("description", t.Description)
		}
		o.Key("input_schema")
		o.Buf = object(o.Buf, t.FunctionSchema())
		mark(&o, t.Cache)
		w.Buf = o.End()
	}
	w.Buf = list.End(w.Buf)
	mode := ""
	switch r.Choice.Mode {
	case dialect.AutoChoice:
		mode = "auto"
	case dialect.NoChoice:
		mode = "none"
	case dialect.MustChoice:
		mode = "any"
	case dialect.NamedChoice:
		mode = "tool"
	default:
		if r.Parallel == dialect.No {
			mode = "auto"
		}
	}
	if mode == "" {
		return
	}
	w.Key("tool_choice")
	o := wire.Begin(w.Buf)
	o.Text("type", mode)
	if mode == "tool" {
		o.Text("name", r.Choice.Name)
	}
	if r.Parallel == dialect.No && mode != "none" {
		o.Raw("disable_parallel_tool_use", "true")
	}
	w.Buf = o.End()
}

// object writes a schema, which must say that it is one of an object.
func object(dst []byte, schema wire.Value) []byte {
	switch {
	case schema.Get("type").Said():
		return append(dst, schema...)
	case schema.Empty():
		return append(dst, `{"type":"object"}`...)
	}
	return append(append(dst, `{"type":"object",`...), schema[1:]...)
}

// mark writes a mark for the prompt cache.
func mark(o *wire.Object, cache string) {
	switch cache {
	case "5m":
		o.Raw("cache_control", `{"type":"ephemeral"}`)
	case "1h":
		o.Raw("cache_control", `{"type":"ephemeral","ttl":"1h"}`)
	}
}
