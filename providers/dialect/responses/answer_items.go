package responses

import (
	"strconv"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// itemKind says what an item of an answer is.
type itemKind uint8

const (
	noItem itemKind = iota
	messageItem
	thoughtItem
	callItem
	customItem
)

// prefixes begin the ids of items.
var prefixes = [...]string{messageItem: "msg_", thoughtItem: "rs_", callItem: "fc_", customItem: "ctc_"}

// item is the item that has begun. A message goes on over several parts of text: it ends
// when something else begins.
type item struct {
	kind  itemKind
	n     int64 // its output_index
	id    string
	parts []byte // of a message: those that are complete, as the elements of a list
	list  wire.List
	count int64 // of them
	open  dialect.Kind
	text  []byte // of the part, the summary, or the arguments

	notes  []byte // citations of the part, as the elements of a list
	noted  wire.List
	cited  int64        // of them
	call   dialect.Call // without arguments
	spaces string       // the namespace of its tool
	own    string       // its tool, as the client knows it
	sealed string
}

// part writes an event of a part.
func (w *answer) part(dst []byte, e *dialect.Event) []byte {
	it := &w.item
	switch e.Kind {
	case dialect.Text, dialect.Refusal, dialect.Cited:
		kind := e.Kind
		if kind == dialect.Cited {
			kind = dialect.Text
		}
		dst = w.enter(dst, messageItem)
		dst = w.content(dst, kind)
		if e.Kind == dialect.Cited {
			return w.cite(dst, &e.Citation)
		}
		it.text = append(it.text, e.Text...)
		name := "response.output_text.delta"
		if kind == dialect.Refusal {
			name = "response.refusal.delta"
		}
		dst = w.at(w.event(dst, name), true)
		dst = wire.Quote(append(dst, `,"delta":`...), e.Text)
		if kind == dialect.Text {
			dst = append(dst, `,"logprobs":[]`...)
		}
		return append(dst, "}\n\n"...)
	case dialect.Reason:
		dst = w.enter(dst, thoughtItem)
		if it.open == 0 {
			it.open = dialect.Reason
			dst = w.at(w.event(dst, "response.reasoning_summary_part.added"), false)
			dst = append(dst, `,"summary_index":0,"part":{"type":"summary_text","text":""}}`+"\n\n"...)
		}
		it.text = append(it.text, e.Text...)
		dst = w.at(w.event(dst, "response.reasoning_summary_text.delta"), false)
		return append(wire.Quote(append(dst, `,"summary_index":0,"delta":`...), e.Text), "}\n\n"...)
	case dialect.Seal:
		dst = w.enter(dst, thoughtItem)
		it.sealed = e.Reasoning.Sealed(dialect.Responses)
	case dialect.ToolBegin:
		return w.tool(dst, e)
	case dialect.ToolInput:
		it.text = append(it.text, e.Text...)
		if it.kind == callItem {
			dst = w.at(w.event(dst, "response.function_call_arguments.delta"), false)
			return append(wire.Quote(append(dst, `,"delta":`...), e.Text), "}\n\n"...)
		}
	}
	return dst
}

// at writes where in the answer an event belongs.
func (w *answer) at(dst []byte, content bool) []byte {
	dst = append(append(dst, `,"item_id":"`...), w.item.id...)
	dst = strconv.AppendInt(append(dst, `","output_index":`...), w.item.n, 10)
	if content {
		dst = strconv.AppendInt(append(dst, `,"content_index":`...), w.item.count, 10)
	}
	return dst
}

// enter begins an item, unless the one that has begun goes on.
func (w *answer) enter(dst []byte, kind itemKind) []byte {
	if w.item.kind == kind {
		return dst
	}
	dst = w.close(dst)
	w.begin(kind)
	return w.added(dst)
}

// begin begins an item in memory.
func (w *answer) begin(kind itemKind) {
	n := w.item.n
	w.item = item{kind: kind, n: n, text: w.item.text[:0], id: prefixes[kind] + w.head.ID + "_" + strconv.FormatInt(n, 10)}
}

func (w *answer) added(dst []byte) []byte {
	dst = append(w.event(dst, "response.output_item.added"), `,"output_index":`...)
	dst = append(strconv.AppendInt(dst, w.item.n, 10), `,"item":`...)
	return append(w.item.append(dst, "in_progress"), "}\n\n"...)
}

func (w *answer) tool(dst []byte, e *dialect.Event) []byte {
	dst = w.close(dst)
	own, space, custom := w.head.Names(e.Name)
	kind := callItem
	if custom || e.Custom {
		kind = customItem
	}
	w.begin(kind)
	w.item.own, w.item.spaces = own, space
	w.item.call = dialect.Call{ID: w.head.CallID(e.ID, w.calls), Name: e.Name, Custom: e.Custom}
	w.calls++
	return w.added(dst)
}

// content begins a part of a message, unless the one that has begun goes on.
func (w *answer) content(dst []byte, kind dialect.Kind) []byte {
	it := &w.item
	if it.open == kind {
		return dst
	}
	dst = w.contentDone(dst)
	it.open = kind
	dst = append(w.at(w.event(dst, "response.content_part.added"), true), `,"part":`...)
	return append(it.part(dst), "}\n\n"...)
}

func (w *answer) contentDone(dst []byte) []byte {
	it := &w.item
	if it.open == 0 {
		return dst
	}
	name, field := "response.output_text.done", `,"text":`
	if it.open == dialect.Refusal {
		name, field = "response.refusal.done", `,"refusal":`
	}
	dst = append(w.at(w.event(dst, name), true), field...)
	dst = wire.Quote(dst, string(it.text))
	if it.open == dialect.Text {
		dst = append(dst, `,"logprobs":[]`...)
	}
	dst = append(dst, "}\n\n"...)
	dst = append(w.at(w.event(dst, "response.content_part.done"), true), `,"part":`...)
	dst = append(it.part(dst), "}\n\n"...)
	it.endPart()
	return dst
}

// partEnd ends what a part of the answer is in the dialect. Messages go on.
func (w *answer) partEnd(dst []byte) []byte {
	if w.item.kind == messageItem {
		return dst
	}
	return w.close(dst)
}

// close ends the item that has begun.
func (w *answer) close(dst []byte) []byte {
	it := &w.item
	switch it.kind {
	case noItem:
		return dst
	case messageItem:
		dst = w.contentDone(dst)
	case thoughtItem:
		if it.open != 0 {
			dst = w.at(w.event(dst, "response.reasoning_summary_text.done"), false)
			dst = append(wire.Quote(append(dst, `,"summary_index":0,"text":`...), string(it.text)), "}\n\n"...)
			dst = append(w.at(w.event(dst, "response.reasoning_summary_part.done"), false),
				`,"summary_index":0,"part":{"type":"summary_text","text":`...)
			dst = append(wire.Quote(dst, string(it.text)), "}}\n\n"...)
		}
	case callItem:
		dst = wire.Quote(append(w.at(w.event(dst, "response.function_call_arguments.done"), false), `,"name":`...), it.own)
		dst = append(wire.Quote(append(dst, `,"arguments":`...), string(it.text)), "}\n\n"...)
	case customItem:
		text := it.input()
		dst = append(w.at(w.event(dst, "response.custom_tool_call_input.delta"), false), `,"delta":`...)
		dst = append(wire.Quote(dst, text), "}\n\n"...)
		dst = append(w.at(w.event(dst, "response.custom_tool_call_input.done"), false), `,"input":`...)
		dst = append(wire.Quote(dst, text), "}\n\n"...)
	}
	dst = append(w.event(dst, "response.output_item.done"), `,"output_index":`...)
	dst = append(strconv.AppendInt(dst, it.n, 10), `,"item":`...)
	from := len(dst)
	dst = it.append(dst, "completed")
	w.items = append(w.list.Next(w.items), dst[from:]...)
	it.kind = noItem
	it.n++
	return append(dst, "}\n\n"...)
}
