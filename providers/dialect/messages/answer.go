package messages

import (
	"strconv"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Writer implements dialect.Dialect.
func (Dialect) Writer(head dialect.Head) dialect.Writer { return &answer{head: head} }

type answer struct {
	head   dialect.Head
	blocks int
	calls  int
	open   bool // a block has begun
	// unproved is whether that is a thought without what must go with it.
	unproved bool
	refused  bool
	why      dialect.StopReason
	by       string
	told     dialect.Usage
}

// ContentType implements dialect.Writer.
func (w *answer) ContentType() string { return "text/event-stream; charset=utf-8" }

// Ping implements dialect.Writer.
func (w *answer) Ping(dst []byte) []byte {
	return append(dst, "event: ping\ndata: {\"type\":\"ping\"}\n\n"...)
}

// Event implements dialect.Writer.
func (w *answer) Event(dst []byte, e *dialect.Event) []byte {
	switch e.Kind {
	case dialect.Start:
		return w.start(dst)
	case dialect.Text, dialect.Refusal:
		w.refused = w.refused || e.Kind == dialect.Refusal
		if !w.open {
			dst = w.begin(dst, `{"type":"text","text":""}`)
		}
		return w.delta(dst, "text_delta", "text", e.Text)
	case dialect.Reason:
		if !w.open {
			dst = w.begin(dst, `{"type":"thinking","thinking":"","signature":""}`)
			w.unproved = true
		}
		return w.delta(dst, "thinking_delta", "thinking", e.Text)
	case dialect.Seal:
		return w.seal(dst, &e.Reasoning)
	case dialect.Cited:
		if !w.open {
			dst = w.begin(dst, `{"type":"text","text":""}`)
		}
		dst = append(w.deltaOf(dst), `{"type":"citations_delta","citation":`...)
		return append(citation(dst, &e.Citation), "}}\n\n"...)
	case dialect.ToolBegin:
		own, _, _ := w.head.Names(e.Name)
		c := dialect.Call{ID: w.head.CallID(e.ID, w.calls), Name: own}
		w.calls++
		return w.begin(dst, string(toolUse(nil, &c, "{}")))
	case dialect.ToolInput:
		return w.delta(dst, "input_json_delta", "partial_json", e.Text)
	case dialect.PartEnd:
		if w.unproved {
			dst = w.delta(dst, "signature_delta", "signature", dialect.Unsigned)
		}
		if w.open {
			dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
			dst = append(strconv.AppendInt(dst, int64(w.blocks-1), 10), "}\n\n"...)
		}
		w.open, w.unproved = false, false
	case dialect.Stop:
		w.why, w.by = e.Why, e.StoppedBy
	case dialect.Used:
		w.told.Merge(&e.Usage)
	}
	return dst
}

func (w *answer) start(dst []byte) []byte {
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	o := w.message(dst, "[]", "null", "null")
	o.Key("usage")
	o.Buf = usage(o.Buf, &dialect.Usage{Input: w.head.Input, Output: 1}, "")
	return append(o.End(), "}\n\n"...)
}

// message begins a message.
func (w *answer) message(dst []byte, content, why, by string) wire.Object {
	o := wire.Begin(dst)
	o.Text("id", "msg_"+w.head.ID)
	o.Raw("type", `"message"`)
	o.Raw("role", `"assistant"`)
	o.Text("model", w.head.Model)
	o.Raw("content", content)
	o.Raw("stop_reason", why)
	o.Raw("stop_sequence", by)
	o.Raw("stop_details", "null")
	o.Raw("container", "null")
	o.Raw("diagnostics", "null")
	return o
}

// begin begins a block.
func (w *answer) begin(dst []byte, block string) []byte {
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(w.blocks), 10)
	w.blocks++
	w.open = true
	return append(append(append(dst, `,"content_block":`...), block...), "}\n\n"...)
}

func (w *answer) deltaOf(dst []byte) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	return append(strconv.AppendInt(dst, int64(w.blocks-1), 10), `,"delta":`...)
}

func (w *answer) delta(dst []byte, kind, field, text string) []byte {
	dst = append(append(w.deltaOf(dst), `{"type":"`...), kind...)
	dst = append(append(append(dst, `","`...), field...), `":`...)
	return append(wire.Quote(dst, text), "}}\n\n"...)
}

// seal writes what goes with a thought. A hidden one is a block of its own.
func (w *answer) seal(dst []byte, r *dialect.Reasoning) []byte {
	opaque := r.Sealed(dialect.Messages)
	if r.Hidden && !w.open {
		return w.begin(dst, string(wire.Quote([]byte(`{"type":"redacted_thinking","data":`), opaque))+"}")
	}
	if !w.open {
		dst = w.begin(dst, `{"type":"thinking","thinking":"","signature":""}`)
	}
	w.unproved = false
	return w.delta(dst, "signature_delta", "signature", opaque)
}

// Finish implements dialect.Writer.
func (w *answer) Finish(dst []byte, b dialect.Bill) []byte {
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"...)
	dst = append(dst, stopReason(w.why, w.refused)...)
	dst = append(dst, `,"stop_sequence":`...)
	dst = append(append(dst, textOrNull(w.by)...), `,"stop_details":null,"container":null},"usage":`...)
	dst = usage(dst, b.Told(&w.told), b.Cost)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// Fail implements dialect.Writer.
func (w *answer) Fail(dst []byte, f *dialect.Failure) []byte {
	return append(Dialect{}.AppendFailure(append(dst, "event: error\ndata: "...), f), "\n\n"...)
}

// Whole implements dialect.Writer.
func (w *answer) Whole(dst []byte, a *dialect.Answer, b dialect.Bill) []byte {
	var list wire.List
	var content []byte
	refused := false
	for i := range a.Parts {
		p := &a.Parts[i]
		if (p.Kind == dialect.TextPart || p.Kind == dialect.RefusalPart) && p.Text == "" {
			continue
		}
		content = list.Next(content)
		switch p.Kind {
		case dialect.TextPart, dialect.RefusalPart:
			refused = refused || p.Kind == dialect.RefusalPart
			content = textBlock(content, p)
		case dialect.ReasoningPart:
			content = thinkingBlock(content, p.Reasoning)
		case dialect.CallPart:
			own, _, _ := w.head.Names(p.Call.Name)
			c := dialect.Call{ID: w.head.CallID(p.Call.ID, w.calls), Name: own}
			w.calls++
			content = toolUse(content, &c, string(p.Call.ObjectArguments()))
		}
	}
	o := w.message(dst, string(list.End(content)), stopReason(a.Why, refused), textOrNull(a.StoppedBy))
	o.Key("usage")
	o.Buf = usage(o.Buf, b.Told(&a.Usage), b.Cost)
	return o.End()
}
