package chat

import (
	"strings"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// turn writes a turn as messages: results of tools are messages of their own, and stand
// before what the user says beside them, right behind the calls.
func (w *writer) turn(list *wire.List, t *dialect.Turn) {
	switch t.Role {
	case dialect.System:
		if text := dialect.JoinText(t.Parts, "\n\n"); text != "" {
			m := w.begin(list, "system", t.Name)
			m.Text("content", text)
			w.Buf = m.End()
		}
	case dialect.User:
		w.user(list, t)
	case dialect.Assistant:
		w.assistant(list, t)
	}
}

func (w *writer) begin(list *wire.List, role, name string) wire.Object {
	m := wire.Begin(list.Next(w.Buf))
	m.Text("role", role)
	if name != "" {
		m.Text("name", name)
	}
	return m
}

func (w *writer) user(list *wire.List, t *dialect.Turn) {
	var said []dialect.Part
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.Kind != dialect.ResultPart {
			continue
		}
		m := w.begin(list, "tool", "")
		m.Text("tool_call_id", p.Result.CallID)
		text := dialect.JoinText(p.Result.Parts, "\n")
		if p.Result.Failed && !strings.HasPrefix(text, "Error") {
			text = "Error: " + text
		}
		first := true
		for j := range p.Result.Parts {
			if media := &p.Result.Parts[j]; media.Kind != dialect.TextPart {
				if first {
					said = append(said, dialect.Part{Text: "From the tool call " + p.Result.CallID + ":"})
					first = false
				}
				said = append(said, *media)
			}
		}
		if text == "" && !first {
			text = "See the message behind the results."
		}
		m.Text("content", text)
		w.Buf = m.End()
	}
	for i := range t.Parts {
		if t.Parts[i].Kind != dialect.ResultPart {
			said = append(said, t.Parts[i])
		}
	}
	if len(said) == 0 {
		return
	}
	m := w.begin(list, "user", t.Name)
	if len(said) == 1 && said[0].Kind == dialect.TextPart {
		m.Text("content", said[0].Text)
	} else {
		m.Key("content")
		m.Buf = parts(m.Buf, said)
	}
	w.Buf = m.End()
}

func parts(dst []byte, parts []dialect.Part) []byte {
	var list wire.List
	for i := range parts {
		p := &parts[i]
		o := wire.Begin(list.Next(dst))
		switch p.Kind {
		case dialect.TextPart, dialect.RefusalPart:
			o.Raw("type", `"text"`)
			o.Text("text", p.Text)
		case dialect.ImagePart:
			o.Raw("type", `"image_url"`)
			o.Key("image_url")
			in := wire.Begin(o.Buf)
			in.Text("url", p.Media.DataURL())
			if p.Media.Detail != "" {
				in.Text("detail", p.Media.Detail)
			}
			o.Buf = in.End()
		case dialect.AudioPart:
			o.Raw("type", `"input_audio"`)
			o.Key("input_audio")
			in := wire.Begin(o.Buf)
			in.Text("data", p.Media.Data)
			in.Text("format", strings.TrimPrefix(p.Media.Type, "audio/"))
			o.Buf = in.End()
		case dialect.FilePart:
			o.Raw("type", `"file"`)
			o.Key("file")
			in := wire.Begin(o.Buf)
			name := p.Media.Name
			if name == "" {
				name = "file"
			}
			in.Text("filename", name)
			in.Text("file_data", p.Media.DataURL())
			o.Buf = in.End()
		}
		dst = o.End()
	}
	return list.End(dst)
}

func (w *writer) assistant(list *wire.List, t *dialect.Turn) {
	text, refusal, thought := dialect.JoinText(t.Parts, "\n\n"), "", ""
	var details wire.Value
	calls := 0
	for i := range t.Parts {
		switch p := &t.Parts[i]; p.Kind {
		case dialect.RefusalPart:
			refusal += p.Text
		case dialect.ReasoningPart:
			thought += p.Reasoning.Text
			if v := made(p.Reasoning, '['); v != nil && p.Reasoning.ID == "" {
				details = v
			}
		case dialect.CallPart:
			calls++
		}
	}
	if w.to.ReasoningField == "" {
		thought = ""
	}
	if text == "" && refusal == "" && calls == 0 {
		return
	}
	m := w.begin(list, "assistant", t.Name)
	if text != "" {
		m.Text("content", text)
	} else {
		m.Raw("content", "null")
	}
	if refusal != "" {
		m.Text("refusal", refusal)
	}
	switch {
	case details != nil && w.to.ReasoningField == "reasoning":
		m.Value("reasoning_details", details)
	case thought != "":
		m.Text(w.to.ReasoningField, thought)
	}
	if calls > 0 {
		m.Key("tool_calls")
		m.Buf = w.toolCalls(m.Buf, t.Parts)
	}
	w.Buf = m.End()
}

// made is what this dialect has made of a thought, if it is JSON of a kind.
func made(r *dialect.Reasoning, kind byte) wire.Value {
	if r.Origin != dialect.Chat {
		return nil
	}
	if v, off := wire.Parse([]byte(r.Opaque)); off < 0 && v.Kind() == kind {
		return v
	}
	return nil
}

func (w *writer) toolCalls(dst []byte, parts []dialect.Part) []byte {
	var extras map[string]wire.Value // by the id of the call
	for i := range parts {
		if r := parts[i].Reasoning; r != nil && r.ID != "" && w.to.CallExtras {
			if extras == nil {
				extras = map[string]wire.Value{}
			}
			extras[r.ID] = made(r, '{')
		}
	}
	var list wire.List
	for i := range parts {
		p := &parts[i]
		if p.Kind != dialect.CallPart {
			continue
		}
		o := wire.Begin(list.Next(dst))
		o.Text("id", p.Call.ID)
		o.Raw("type", `"function"`)
		o.Key("function")
		f := wire.Begin(o.Buf)
		f.Text("name", p.Call.Name)
		f.Text("arguments", p.Call.FunctionArguments())
		o.Buf = f.End()
		if extra := extras[p.Call.ID]; extra != nil {
			o.Value("extra_content", extra)
		}
		dst = o.End()
	}
	return list.End(dst)
}
