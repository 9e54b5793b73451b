package chat

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Writer implements dialect.Dialect.
func (Dialect) Writer(head dialect.Head) dialect.Writer {
	w := &answer{head: head, usage: head.Request != nil && head.Request.StreamUsage}
	o := wire.Begin([]byte("data: "))
	w.identify(&o, "chat.completion.chunk")
	w.open = o.Buf
	return w
}

type answer struct {
	head    dialect.Head
	open    []byte // what every event begins with, up to its choices
	usage   bool   // asked for
	told    dialect.Usage
	calls   int
	thought []byte // what was thought since the last seal
	custom  *dialect.Collector
}

// identify writes what every event and every answer begins with.
func (w *answer) identify(o *wire.Object, object string) {
	o.Text("id", "chatcmpl-"+w.head.ID)
	o.Text("object", object)
	o.Int("created", w.head.Created)
	o.Text("model", w.head.Model)
}

// ContentType implements dialect.Writer.
func (w *answer) ContentType() string { return "text/event-stream; charset=utf-8" }

// Ping implements dialect.Writer.
func (w *answer) Ping(dst []byte) []byte { return append(dst, ": ping\n\n"...) }

// Event implements dialect.Writer.
func (w *answer) Event(dst []byte, e *dialect.Event) []byte {
	switch e.Kind {
	case dialect.Start:
		return w.close(append(w.chunk(dst), `{"role":"assistant","content":""}`...), "null")
	case dialect.Text:
		return w.piece(dst, "content", e.Text)
	case dialect.Refusal:
		return w.piece(dst, "refusal", e.Text)
	case dialect.Reason:
		w.thought = append(w.thought, e.Text...)
		return w.piece(dst, "reasoning_content", e.Text)
	case dialect.Seal:
		r := e.Reasoning
		r.Text = string(w.thought)
		w.thought = w.thought[:0]
		dst = append(w.chunk(dst), `{"reasoning_details":[`...)
		return w.close(append(detail(dst, &r), "]}"...), "null")
	case dialect.Cited:
		dst = append(w.chunk(dst), `{"annotations":[`...)
		return w.close(append(citation(dst, &e.Citation), "]}"...), "null")
	case dialect.ToolBegin:
		w.calls++
		if _, _, custom := w.head.Names(e.Name); custom {
			w.custom = new(dialect.Collector)
			w.custom.Add(e)
			return dst
		}
		dst = append(w.chunk(dst), `{"tool_calls":[`...)
		dst = w.call(dst, &dialect.Call{ID: e.ID, Name: e.Name}, w.calls-1, true)
		return w.close(append(dst, "]}"...), "null")
	case dialect.ToolInput:
		if w.custom != nil {
			w.custom.Add(e)
			return dst
		}
		dst = append(w.chunk(dst), `{"tool_calls":[`...)
		o := wire.Begin(dst)
		o.Int("index", int64(w.calls-1))
		o.Raw("function", `{"arguments":`)
		dst = append(wire.Quote(o.Buf, e.Text), "}}]}"...)
		return w.close(dst, "null")
	case dialect.PartEnd:
		if w.custom != nil {
			p := w.custom.Take()
			w.custom = nil
			dst = append(w.chunk(dst), `{"tool_calls":[`...)
			return w.close(append(w.call(dst, p.Call, w.calls-1, true), "]}"...), "null")
		}
	case dialect.Stop:
		return w.close(append(w.chunk(dst), "{}"...), finish(e.Why))
	case dialect.Used:
		w.told.Merge(&e.Usage)
	}
	return dst
}

// chunk begins an event, up to its delta.
func (w *answer) chunk(dst []byte) []byte {
	return append(append(dst, w.open...), `,"choices":[{"index":0,"delta":`...)
}

// close ends an event.
func (w *answer) close(dst []byte, finish string) []byte {
	dst = append(append(append(dst, `,"logprobs":null,"finish_reason":`...), finish...), "}]"...)
	if w.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (w *answer) piece(dst []byte, field, text string) []byte {
	dst = append(append(append(w.chunk(dst), `{"`...), field...), `":`...)
	return w.close(append(wire.Quote(dst, text), '}'), "null")
}

// Finish implements dialect.Writer.
func (w *answer) Finish(dst []byte, b dialect.Bill) []byte {
	if u := b.Told(&w.told); w.usage && (u.Known || b.Cost != "") {
		dst = append(append(dst, w.open...), `,"choices":[],"usage":`...)
		dst = append(usage(dst, u, b.Cost), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// Fail implements dialect.Writer.
func (w *answer) Fail(dst []byte, f *dialect.Failure) []byte {
	return append(Dialect{}.AppendFailure(append(dst, "data: "...), f), "\n\n"...)
}

// Whole implements dialect.Writer.
func (w *answer) Whole(dst []byte, a *dialect.Answer, b dialect.Bill) []byte {
	o := wire.Begin(dst)
	w.identify(&o, "chat.completion")
	o.Raw("choices", `[{"index":0,"message":`)
	o.Buf = w.message(o.Buf, a)
	o.Raw("logprobs", "null")
	o.Raw("finish_reason", finish(a.Why)+"}]")
	if u := b.Told(&a.Usage); u.Known || b.Cost != "" {
		o.Key("usage")
		o.Buf = usage(o.Buf, u, b.Cost)
	}
	return o.End()
}

func (w *answer) message(dst []byte, a *dialect.Answer) []byte {
	var text, refusal, thought []byte
	var details, calls, notes wire.List
	var detailed, called, noted []byte
	n := 0
	for i := range a.Parts {
		switch p := &a.Parts[i]; p.Kind {
		case dialect.TextPart:
			text = append(text, p.Text...)
			for j := range p.Citations {
				noted = citation(notes.Next(noted), &p.Citations[j])
			}
		case dialect.RefusalPart:
			refusal = append(refusal, p.Text...)
		case dialect.ReasoningPart:
			thought = append(thought, p.Reasoning.Text...)
			if p.Reasoning.Opaque != "" {
				detailed = detail(details.Next(detailed), p.Reasoning)
			}
		case dialect.CallPart:
			called = w.call(calls.Next(called), p.Call, n, false)
			n++
		}
	}
	m := wire.Begin(dst)
	m.Raw("role", `"assistant"`)
	if text == nil && (n > 0 || refusal != nil) {
		m.Raw("content", "null")
	} else {
		m.Text("content", string(text))
	}
	if refusal == nil {
		m.Raw("refusal", "null")
	} else {
		m.Text("refusal", string(refusal))
	}
	m.Value("annotations", notes.End(noted))
	if thought != nil {
		m.Text("reasoning_content", string(thought))
	}
	if detailed != nil {
		m.Value("reasoning_details", details.End(detailed))
	}
	if n > 0 {
		m.Value("tool_calls", calls.End(called))
	}
	return m.End()
}

// call writes a tool call.
func (w *answer) call(dst []byte, c *dialect.Call, n int, indexed bool) []byte {
	own, _, custom := w.head.Names(c.Name)
	o := wire.Begin(dst)
	if indexed {
		o.Int("index", int64(n))
	}
	o.Text("id", w.head.CallID(c.ID, n))
	kind, field := "function", "arguments"
	if custom {
		kind, field = "custom", "input"
	}
	o.Text("type", kind)
	o.Key(kind)
	in := wire.Begin(o.Buf)
	in.Text("name", own)
	in.Text(field, c.Input(custom))
	o.Buf = in.End()
	return o.End()
}

// detail writes what makes a reasoning complete for who made it.
func detail(dst []byte, r *dialect.Reasoning) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"reasoning.encrypted"`)
	o.Text("data", r.Sealed(dialect.Chat))
	return o.End()
}

func citation(dst []byte, c *dialect.Citation) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"url_citation"`)
	o.Key("url_citation")
	in := wire.Begin(o.Buf)
	in.Int("start_index", c.From)
	in.Int("end_index", c.To)
	in.Text("url", c.URL)
	in.Text("title", c.Title)
	o.Buf = in.End()
	return o.End()
}

func finish(why dialect.StopReason) string {
	switch why {
	case dialect.StopLength, dialect.StopContext:
		return `"length"`
	case dialect.StopTools:
		return `"tool_calls"`
	case dialect.StopFiltered:
		return `"content_filter"`
	}
	return `"stop"`
}

func usage(dst []byte, u *dialect.Usage, cost dialect.Number) []byte {
	o := wire.Begin(dst)
	o.Int("prompt_tokens", u.Input)
	o.Int("completion_tokens", u.Output)
	o.Int("total_tokens", u.Input+u.Output)
	o.Key("prompt_tokens_details")
	in := wire.Begin(o.Buf)
	in.Int("cached_tokens", u.CachedInput)
	in.Int("audio_tokens", u.AudioInput)
	if n := u.CacheWrite + u.CacheWriteLong; n > 0 {
		in.Int("cache_write_tokens", n)
	}
	if u.CacheWriteLong > 0 { // of them
		in.Int("ephemeral_1h_input_tokens", u.CacheWriteLong)
	}
	o.Buf = in.End()
	o.Key("completion_tokens_details")
	in = wire.Begin(o.Buf)
	in.Int("reasoning_tokens", u.Reasoning)
	in.Int("audio_tokens", u.AudioOutput)
	in.Int("accepted_prediction_tokens", 0)
	in.Int("rejected_prediction_tokens", 0)
	o.Buf = in.End()
	if cost != "" {
		o.Raw("cost", string(cost))
	}
	return o.End()
}
