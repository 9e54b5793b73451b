package responses

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
	w.input()
	w.tools()
	w.options()
	w.reasoning()
	w.text()
	w.Raw("store", "false")
	if to.Stream {
		w.Raw("stream", "true")
	}
	return w.End(), w.dropped, nil
}

type writer struct {
	wire.Object
	r       *dialect.Request
	to      *dialect.Target
	dropped dialect.Dropped
	lost    bool            // a thought that is not of this dialect was left out
	custom  map[string]bool // ids of calls of custom tools
}

// maxUser is the longest name of an end user that upstreams take.
const maxUser = 64

func (w *writer) options() {
	r := w.r
	n := w.to.MaxOutput
	if n <= 0 {
		n = r.MaxOutput
	}
	if n > 0 {
		w.Int("max_output_tokens", n)
	}
	if r.Temperature != "" {
		w.Raw("temperature", string(r.Temperature))
	}
	if r.TopP != "" {
		w.Raw("top_p", string(r.TopP))
	}
	if len(r.User) > maxUser {
		w.dropped.DropUsed(r, dialect.EndUser)
	} else if r.User != "" {
		w.Text("user", r.User)
	}
	if !r.Metadata.Empty() {
		w.Value("metadata", r.Metadata)
	}
	if r.CacheKey != "" {
		w.Text("prompt_cache_key", r.CacheKey)
	}
	if r.Tier != "" && r.Used(dialect.ServiceTier) {
		w.Text("service_tier", r.Tier)
	}
}

// reasoning writes what only models that reason take. Their thoughts are asked for in the
// form that can be given back, since nothing is stored.
func (w *writer) reasoning() {
	r := w.r
	if w.lost {
		w.dropped.DropUsed(r, dialect.OldReasoning)
	}
	if !w.to.Reasons {
		w.dropped.DropUsed(r, dialect.Effort, dialect.ThinkingBudget, dialect.Verbosity)
		return
	}
	w.Raw("include", `["reasoning.encrypted_content"]`)
	word, summary := r.EffortWord(), r.Thinking.Summary
	switch summary {
	case "summarized":
		summary = "auto"
	case "omitted":
		summary = ""
	}
	if word == "" && summary == "" {
		return
	}
	w.Key("reasoning")
	o := wire.Begin(w.Buf)
	if word != "" {
		o.Text("effort", word)
	}
	if summary != "" {
		o.Text("summary", summary)
	}
	w.Buf = o.End()
}

// text writes what form the answer has.
func (w *writer) text() {
	f := &w.r.Format
	verbosity := w.r.Verbosity
	if !w.to.Reasons {
		verbosity = ""
	}
	if f.Kind == dialect.AnyFormat && verbosity == "" {
		return
	}
	w.Key("text")
	o := wire.Begin(w.Buf)
	switch f.Kind {
	case dialect.JSONObject:
		o.Raw("format", `{"type":"json_object"}`)
	case dialect.JSONSchema:
		o.Key("format")
		s := wire.Begin(o.Buf)
		s.Raw("type", `"json_schema"`)
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
		s.Bool("strict", f.Strict == dialect.Yes)
		o.Buf = s.End()
	}
	if verbosity != "" {
		o.Text("verbosity", verbosity)
	}
	w.Buf = o.End()
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
		if t.Custom {
			o.Raw("type", `"custom"`)
		} else {
			o.Raw("type", `"function"`)
		}
		o.Text("name", t.Name)
		if t.Description != "" {
			o.Text("description", t.Description)
		}
		switch {
		case !t.Custom:
			o.Value("parameters", t.FunctionSchema())
			o.Bool("strict", t.Strict == dialect.Yes) // what is not said would be taken for true
		case t.Grammar != nil:
			o.Value("format", t.Grammar)
		}
		w.Buf = o.End()
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
		kind := "function"
		if t := r.Tool(r.Choice.Name); t != nil && t.Custom {
			kind = "custom"
		}
		w.Raw("tool_choice", `{"type":"`+kind+`","name":`)
		w.Buf = append(wire.Quote(w.Buf, r.Choice.Name), '}')
	}
	if r.Parallel == dialect.No {
		w.Raw("parallel_tool_calls", "false")
	}
}
