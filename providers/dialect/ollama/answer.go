package ollama

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Writer implements dialect.Dialect.
func (Dialect) Writer(head dialect.Head) dialect.Writer { return &answer{head: head} }

type answer struct {
	head dialect.Head
	call dialect.Collector // a call is written whole
	why  dialect.StopReason
	told dialect.Usage
}

// ContentType implements dialect.Writer.
func (w *answer) ContentType() string { return "application/x-ndjson" }

// Ping implements dialect.Writer: an empty piece.
func (w *answer) Ping(dst []byte) []byte { return w.piece(dst, "content", "") }

// Event implements dialect.Writer.
func (w *answer) Event(dst []byte, e *dialect.Event) []byte {
	switch e.Kind {
	case dialect.Text, dialect.Refusal:
		return w.piece(dst, "content", e.Text)
	case dialect.Reason:
		return w.piece(dst, "thinking", e.Text)
	case dialect.ToolBegin, dialect.ToolInput:
		w.call.Add(e)
	case dialect.PartEnd:
		if w.call.Open() {
			p := w.call.Take()
			o := w.begin(dst)
			o.Raw("message", `{"role":"assistant","content":"","tool_calls":[`)
			o.Buf = append(w.tool(o.Buf, p.Call), "]}"...)
			o.Raw("done", "false")
			return append(o.End(), '\n')
		}
	case dialect.Stop:
		w.why = e.Why
	case dialect.Used:
		w.told.Merge(&e.Usage)
	}
	return dst
}

func (w *answer) begin(dst []byte) wire.Object {
	o := wire.Begin(dst)
	o.Text("model", w.head.Model)
	o.Text("created_at", instant(w.head.Created))
	return o
}

func (w *answer) piece(dst []byte, field, text string) []byte {
	o := w.begin(dst)
	o.Raw("message", `{"role":"assistant"`)
	if field != "content" {
		o.Raw("content", `""`)
	}
	o.Text(field, text)
	o.Buf = append(o.Buf, '}')
	o.Raw("done", "false")
	return append(o.End(), '\n')
}

func (w *answer) tool(dst []byte, c *dialect.Call) []byte {
	own, _, _ := w.head.Names(c.Name)
	o := wire.Begin(dst)
	if c.ID != "" {
		o.Text("id", c.ID)
	}
	o.Key("function")
	f := wire.Begin(o.Buf)
	f.Text("name", own)
	f.Value("arguments", c.ObjectArguments())
	o.Buf = f.End()
	return o.End()
}

// end writes what ends an answer.
func (w *answer) end(o *wire.Object, why dialect.StopReason, u *dialect.Usage, cost dialect.Number) {
	o.Raw("done", "true")
	switch why {
	case dialect.StopLength, dialect.StopContext:
		o.Raw("done_reason", `"length"`)
	default:
		o.Raw("done_reason", `"stop"`)
	}
	o.Raw("total_duration", "0")
	o.Raw("load_duration", "0")
	o.Int("prompt_eval_count", u.Input)
	o.Raw("prompt_eval_duration", "0")
	o.Int("eval_count", u.Output)
	o.Raw("eval_duration", "0")
	if cost != "" {
		o.Raw("cost", string(cost))
	}
}

// Finish implements dialect.Writer.
func (w *answer) Finish(dst []byte, b dialect.Bill) []byte {
	o := w.begin(dst)
	o.Raw("message", `{"role":"assistant","content":""}`)
	w.end(&o, w.why, b.Told(&w.told), b.Cost)
	return append(o.End(), '\n')
}

// Fail implements dialect.Writer.
func (w *answer) Fail(dst []byte, f *dialect.Failure) []byte {
	return append(Dialect{}.AppendFailure(dst, f), '\n')
}

// Whole implements dialect.Writer.
func (w *answer) Whole(dst []byte, a *dialect.Answer, b dialect.Bill) []byte {
	var text, thought, calls []byte
	var list wire.List
	for i := range a.Parts {
		switch p := &a.Parts[i]; p.Kind {
		case dialect.TextPart, dialect.RefusalPart:
			text = append(text, p.Text...)
		case dialect.ReasoningPart:
			thought = append(thought, p.Reasoning.Text...)
		case dialect.CallPart:
			calls = w.tool(list.Next(calls), p.Call)
		}
	}
	o := w.begin(dst)
	o.Key("message")
	m := wire.Begin(o.Buf)
	m.Raw("role", `"assistant"`)
	m.Text("content", string(text))
	if thought != nil {
		m.Text("thinking", string(thought))
	}
	if calls != nil {
		m.Value("tool_calls", list.End(calls))
	}
	o.Buf = m.End()
	w.end(&o, a.Why, b.Told(&a.Usage), b.Cost)
	return o.End()
}
