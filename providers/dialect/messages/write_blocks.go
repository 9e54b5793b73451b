package messages

import (
	"encoding/base64"
	"strings"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// messages writes the turns. Those of one side that follow each other are one message, in
// which results of tools stand first.
func (w *writer) messages() {
	w.Key("messages")
	var list wire.List
	turns := w.r.Turns
	for i := 0; i < len(turns); {
		role, parts := turns[i].Role, turns[i].Parts
		parts = parts[:len(parts):len(parts)] // the request stays as it is
		for i++; i < len(turns) && (turns[i].Role == role || turns[i].Role == dialect.System); i++ {
			if turns[i].Role == role {
				parts = append(parts, turns[i].Parts...)
			}
		}
		if role == dialect.System {
			continue
		}
		if role == dialect.User {
			parts = resultsFirst(parts)
		} else {
			parts = w.mine(parts, i == len(turns))
		}
		if parts = spoken(parts); len(parts) == 0 {
			continue
		}
		m := wire.Begin(list.Next(w.Buf))
		if role == dialect.User {
			m.Raw("role", `"user"`)
		} else {
			m.Raw("role", `"assistant"`)
		}
		m.Key("content")
		m.Buf = blocks(m.Buf, parts)
		w.Buf = m.End()
	}
	w.Buf = list.End(w.Buf)
	if w.lost {
		w.dropped.DropUsed(w.r, dialect.OldReasoning)
	}
}

// spoken leaves out texts that say nothing, which the dialect refuses.
func spoken(parts []dialect.Part) []dialect.Part {
	return without(parts, func(p *dialect.Part) bool {
		return (p.Kind == dialect.TextPart || p.Kind == dialect.RefusalPart) && strings.TrimSpace(p.Text) == ""
	})
}

// without leaves parts out. It copies only if there are some.
func without(parts []dialect.Part, out func(*dialect.Part) bool) []dialect.Part {
	for i := range parts {
		if !out(&parts[i]) {
			continue
		}
		kept := append([]dialect.Part(nil), parts[:i]...)
		for j := i + 1; j < len(parts); j++ {
			if !out(&parts[j]) {
				kept = append(kept, parts[j])
			}
		}
		return kept
	}
	return parts
}

func resultsFirst(parts []dialect.Part) []dialect.Part {
	is := func(p *dialect.Part) bool { return p.Kind == dialect.ResultPart }
	others := without(parts, is)
	if len(others) == 0 || len(others) == len(parts) {
		return parts
	}
	results := without(parts, func(p *dialect.Part) bool { return !is(p) })
	return append(results[:len(results):len(results)], others...)
}

// mine is what the assistant said, without thoughts that are not of this dialect. The last
// text of a conversation, which the model is to go on with, ends without white space.
func (w *writer) mine(parts []dialect.Part, last bool) []dialect.Part {
	kept := without(parts, func(p *dialect.Part) bool { return p.Kind == dialect.ReasoningPart && !proved(p.Reasoning) })
	w.lost = w.lost || len(kept) < len(parts)
	if n := len(kept); last && n > 0 {
		kept = append([]dialect.Part(nil), kept...)
		kept[n-1].Text = strings.TrimRight(kept[n-1].Text, " \t\r\n")
	}
	return kept
}

// blocks writes parts as content: one text alone as a string.
func blocks(dst []byte, parts []dialect.Part) []byte {
	if len(parts) == 1 && parts[0].Kind == dialect.TextPart && parts[0].Cache == "" {
		return wire.Quote(dst, parts[0].Text)
	}
	var list wire.List
	for i := range parts {
		p := &parts[i]
		o := wire.Begin(list.Next(dst))
		switch p.Kind {
		case dialect.TextPart, dialect.RefusalPart:
			o.Raw("type", `"text"`)
			o.Text("text", p.Text)
		case dialect.ImagePart:
			o.Raw("type", `"image"`)
			source(&o, p.Media)
		case dialect.FilePart:
			o.Raw("type", `"document"`)
			source(&o, p.Media)
			if p.Media.Name != "" {
				o.Text("title", p.Media.Name)
			}
		case dialect.CallPart:
			o.Raw("type", `"tool_use"`)
			o.Text("id", callID(p.Call.ID))
			o.Text("name", p.Call.Name)
			o.Value("input", p.Call.ObjectArguments())
		case dialect.ResultPart:
			o.Raw("type", `"tool_result"`)
			o.Text("tool_use_id", callID(p.Result.CallID))
			if parts := spoken(p.Result.Parts); len(parts) > 0 {
				o.Key("content")
				o.Buf = blocks(o.Buf, parts)
			}
			if p.Result.Failed {
				o.Raw("is_error", "true")
			}
		case dialect.ReasoningPart:
			thought(&o, p.Reasoning)
		}
		mark(&o, p.Cache)
		dst = o.End()
	}
	return list.End(dst)
}

func thought(o *wire.Object, r *dialect.Reasoning) {
	if r.Hidden {
		o.Raw("type", `"redacted_thinking"`)
		o.Text("data", r.Opaque)
		return
	}
	o.Raw("type", `"thinking"`)
	o.Text("thinking", r.Text)
	o.Text("signature", r.Opaque)
}

func source(o *wire.Object, m *dialect.Media) {
	o.Key("source")
	s := wire.Begin(o.Buf)
	switch {
	case m.URL != "":
		s.Raw("type", `"url"`)
		s.Text("url", m.URL)
	case m.Data == "" && m.Text != "":
		plainText(&s, m.Text)
	default:
		if strings.HasPrefix(m.Type, "text/") {
			if text, err := base64.StdEncoding.DecodeString(m.Data); err == nil {
				plainText(&s, string(text))
				break
			}
		}
		s.Raw("type", `"base64"`)
		s.Text("media_type", m.Type)
		s.Text("data", m.Data)
	}
	o.Buf = s.End()
}

func plainText(s *wire.Object, text string) {
	s.Raw("type", `"text"`)
	s.Raw("media_type", `"text/plain"`)
	s.Text("data", text)
}

// callID is the id of a call in the letters that the dialect allows.
func callID(id string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || r == '-' || byte(r)-'0' <= 9 || byte(r)|0x20-'a' < 26) {
			return r
		}
		return '_'
	}, id)
}
