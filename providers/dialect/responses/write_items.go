package responses

import (
	"strings"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

func (w *writer) input() {
	w.Key("input")
	var list wire.List
	for i := range w.r.Turns {
		t := &w.r.Turns[i]
		switch t.Role {
		case dialect.System:
			w.message(&list, "system", t.Parts)
		case dialect.User:
			w.user(&list, t.Parts)
		case dialect.Assistant:
			w.assistant(&list, t.Parts)
		}
	}
	w.Buf = list.End(w.Buf)
}

// message writes what is said: one text alone as a string.
func (w *writer) message(list *wire.List, role string, parts []dialect.Part) {
	if len(parts) == 0 {
		return
	}
	o := wire.Begin(list.Next(w.Buf))
	o.Raw("type", `"message"`)
	o.Text("role", role)
	o.Key("content")
	if len(parts) == 1 && parts[0].Kind == dialect.TextPart {
		o.Buf = wire.Quote(o.Buf, parts[0].Text)
	} else {
		o.Buf = content(o.Buf, parts, role == "assistant")
	}
	w.Buf = o.End()
}

func content(dst []byte, parts []dialect.Part, own bool) []byte {
	var list wire.List
	for i := range parts {
		p := &parts[i]
		o := wire.Begin(list.Next(dst))
		switch p.Kind {
		case dialect.TextPart:
			if own {
				o.Raw("type", `"output_text"`)
			} else {
				o.Raw("type", `"input_text"`)
			}
			o.Text("text", p.Text)
		case dialect.RefusalPart:
			o.Raw("type", `"refusal"`)
			o.Text("refusal", p.Text)
		case dialect.ImagePart:
			o.Raw("type", `"input_image"`)
			o.Text("image_url", p.Media.DataURL())
			if p.Media.Detail != "" {
				o.Text("detail", p.Media.Detail)
			}
		case dialect.FilePart:
			o.Raw("type", `"input_file"`)
			if p.Media.URL != "" {
				o.Text("file_url", p.Media.URL)
				break
			}
			name := p.Media.Name
			if name == "" {
				name = "file"
			}
			o.Text("filename", name)
			o.Text("file_data", p.Media.DataURL())
		}
		dst = o.End()
	}
	return list.End(dst)
}

func (w *writer) user(list *wire.List, parts []dialect.Part) {
	var said []dialect.Part
	for i := range parts {
		p := &parts[i]
		if p.Kind != dialect.ResultPart {
			said = append(said, *p)
			continue
		}
		o := wire.Begin(list.Next(w.Buf))
		if w.custom[p.Result.CallID] || p.Result.Custom {
			o.Raw("type", `"custom_tool_call_output"`)
		} else {
			o.Raw("type", `"function_call_output"`)
		}
		o.Text("call_id", p.Result.CallID)
		o.Key("output")
		o.Buf = output(o.Buf, p.Result)
		w.Buf = o.End()
	}
	w.message(list, "user", said)
}

// output writes what a tool answered: texts alone as a string.
func output(dst []byte, r *dialect.Result) []byte {
	parts := r.Parts
	mark := ""
	if text := dialect.JoinText(parts, "\n"); r.Failed && !strings.HasPrefix(text, "Error") {
		mark = "Error: "
	}
	for i := range parts {
		if parts[i].Kind != dialect.TextPart {
			if mark != "" {
				parts = append([]dialect.Part{{Text: mark}}, parts...)
			}
			return content(dst, parts, false)
		}
	}
	return wire.Quote(dst, mark+dialect.JoinText(parts, "\n"))
}

func (w *writer) assistant(list *wire.List, parts []dialect.Part) {
	for i := 0; i < len(parts); i++ {
		switch p := &parts[i]; p.Kind {
		case dialect.ReasoningPart:
			w.thought(list, p.Reasoning)
		case dialect.CallPart:
			w.call(list, p.Call)
		default:
			from := i
			for i+1 < len(parts) && (parts[i+1].Kind == dialect.TextPart || parts[i+1].Kind == dialect.RefusalPart) {
				i++
			}
			w.message(list, "assistant", parts[from:i+1])
		}
	}
}

func (w *writer) thought(list *wire.List, r *dialect.Reasoning) {
	if r.Opaque == "" || r.Origin != dialect.Responses || !w.to.Reasons {
		w.lost = true
		return
	}
	o := wire.Begin(list.Next(w.Buf))
	o.Raw("type", `"reasoning"`)
	if r.ID != "" {
		o.Text("id", r.ID)
	}
	o.Key("summary")
	o.Buf = summary(o.Buf, r.Text)
	o.Text("encrypted_content", r.Opaque)
	w.Buf = o.End()
}

func (w *writer) call(list *wire.List, c *dialect.Call) {
	o := wire.Begin(list.Next(w.Buf))
	field := "arguments"
	if c.Custom {
		o.Raw("type", `"custom_tool_call"`)
		field = "input"
		if w.custom == nil {
			w.custom = map[string]bool{}
		}
		w.custom[c.ID] = true
	} else {
		o.Raw("type", `"function_call"`)
	}
	o.Text("call_id", c.ID)
	o.Text("name", c.Name)
	o.Text(field, c.Arguments)
	w.Buf = o.End()
}

// summary writes a list of one text, empty if there is none.
func summary(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "[]"...)
	}
	o := wire.Begin(append(dst, '['))
	o.Raw("type", `"summary_text"`)
	o.Text("text", text)
	return append(o.End(), ']')
}
