package responses

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// part writes the part of a message that has begun.
func (it *item) part(dst []byte) []byte {
	o := wire.Begin(dst)
	if it.open == dialect.Refusal {
		o.Raw("type", `"refusal"`)
		o.Text("refusal", string(it.text))
		return o.End()
	}
	o.Raw("type", `"output_text"`)
	o.Text("text", string(it.text))
	notes := it.noted
	o.Key("annotations")
	if it.notes == nil {
		o.Buf = append(o.Buf, "[]"...)
	} else {
		o.Buf = notes.End(append(o.Buf, it.notes...))
	}
	o.Raw("logprobs", "[]")
	return o.End()
}

// endPart puts the part of a message that has begun to those that are complete.
func (it *item) endPart() {
	it.parts = it.part(it.list.Next(it.parts))
	it.count++
	it.open, it.text, it.notes, it.noted = 0, it.text[:0], nil, wire.List{}
	it.cited = 0
}

// input is the free text of a call of a custom tool.
func (it *item) input() string {
	c := it.call
	c.Arguments = string(it.text)
	return c.Input(true)
}

// append writes the item as it is so far: without what belongs to parts that go on.
func (it *item) append(dst []byte, status string) []byte {
	o := wire.Begin(dst)
	o.Text("id", it.id)
	switch it.kind {
	case messageItem:
		o.Raw("type", `"message"`)
		o.Text("status", status)
		o.Raw("role", `"assistant"`)
		o.Key("content")
		list := it.list
		o.Buf = list.End(append(o.Buf, it.parts...))
	case thoughtItem:
		o.Raw("type", `"reasoning"`)
		o.Key("summary")
		o.Buf = summary(o.Buf, string(it.text))
		if it.sealed != "" {
			o.Text("encrypted_content", it.sealed)
		}
		o.Text("status", status)
	case callItem, customItem:
		field, text := "arguments", string(it.text)
		if it.kind == customItem {
			o.Raw("type", `"custom_tool_call"`)
			if field = "input"; status == "completed" {
				text = it.input()
			}
		} else {
			o.Raw("type", `"function_call"`)
		}
		o.Text("status", status)
		o.Text("call_id", it.call.ID)
		o.Text("name", it.own)
		if it.spaces != "" {
			o.Text("namespace", it.spaces)
		}
		o.Text(field, text)
	}
	return o.End()
}

// cite writes a citation.
func (w *answer) cite(dst []byte, c *dialect.Citation) []byte {
	it := &w.item
	note := citation(nil, c)
	it.notes = append(it.noted.Next(it.notes), note...)
	dst = w.at(w.event(dst, "response.output_text.annotation.added"), true)
	o := wire.Object{Buf: append(dst, ',')}
	o.Int("annotation_index", it.cited)
	it.cited++
	o.Value("annotation", note)
	return append(o.Buf, "}\n\n"...)
}

func citation(dst []byte, c *dialect.Citation) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"url_citation"`)
	o.Int("start_index", c.From)
	o.Int("end_index", c.To)
	o.Text("url", c.URL)
	o.Text("title", c.Title)
	return o.End()
}

// whole keeps a part of a whole answer. Parts of text that follow each other are one
// message.
func (w *answer) whole(p *dialect.Part) {
	it := &w.item
	switch p.Kind {
	case dialect.TextPart, dialect.RefusalPart:
		kind := dialect.Text
		if p.Kind == dialect.RefusalPart {
			kind = dialect.Refusal
		}
		if it.kind != messageItem {
			w.keep()
			w.begin(messageItem)
		}
		if it.open != 0 && it.open != kind {
			it.endPart()
		}
		it.open = kind
		it.text = append(it.text, p.Text...)
		for i := range p.Citations {
			it.notes = citation(it.noted.Next(it.notes), &p.Citations[i])
		}
	case dialect.ReasoningPart:
		w.keep()
		w.begin(thoughtItem)
		it.text = append(it.text, p.Reasoning.Text...)
		it.sealed = p.Reasoning.Sealed(dialect.Responses)
	case dialect.CallPart:
		w.keep()
		own, space, custom := w.head.Names(p.Call.Name)
		kind := callItem
		if custom || p.Call.Custom {
			kind = customItem
		}
		w.begin(kind)
		it.own, it.spaces, it.call = own, space, *p.Call
		it.call.ID = w.head.CallID(p.Call.ID, w.calls)
		it.text = append(it.text, p.Call.Arguments...)
		w.calls++
	}
}

// keep puts the item that has begun to those that are complete.
func (w *answer) keep() {
	it := &w.item
	if it.kind == noItem {
		return
	}
	if it.kind == messageItem && it.open != 0 {
		it.endPart()
	}
	w.items = it.append(w.list.Next(w.items), "completed")
	it.kind = noItem
	it.n++
}
