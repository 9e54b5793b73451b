package chat

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// message is what stands in a message, before it is known whose it is.
type message struct {
	role, name, callID               string
	content, calls, details, refusal wire.Value
	reasoning                        string
	cache                            string
}

func (p *parser) message(v wire.Value) {
	var m message
	for key, f := range v.Members() {
		switch string(key) {
		case "role":
			m.role = f.Word()
		case "name":
			m.name = f.Text()
		case "content":
			m.content = f
		case "tool_calls":
			m.calls = f
		case "tool_call_id":
			m.callID = p.String("messages[].tool_call_id", f)
		case "refusal":
			m.refusal = f
		case "reasoning_content", "reasoning":
			m.reasoning = f.Text()
		case "reasoning_details":
			m.details = f
		case "cache_control":
			m.cache = p.Cache(f)
		case "function_call":
			p.If(dialect.Functions, "messages[].function_call", f)
		case "audio":
			p.If(dialect.FileReferences, "messages[].audio", f)
		case "annotations", "id", "index":
		default:
			p.Unknown("messages[]."+string(key), f)
		}
	}
	switch m.role {
	case "system", "developer":
		if len(p.Turns) > 0 && p.Turns[len(p.Turns)-1].Role != dialect.System {
			p.Use(dialect.LaterSystem, "messages of role "+m.role)
		}
		p.begin(dialect.System, &m)
		p.content(dialect.System, m.content)
	case "user":
		p.begin(dialect.User, &m)
		p.content(dialect.User, m.content)
	case "assistant":
		p.begin(dialect.Assistant, &m)
		p.assistant(&m)
	case "tool":
		p.result(&m)
	case "function":
		p.Use(dialect.Functions, "messages of role function")
	default:
		p.Fail(dialect.Invalid("messages", "the role %.40q is not known", m.role))
	}
	if m.cache != "" && len(p.Turns) > 0 {
		if parts := p.Turns[len(p.Turns)-1].Parts; len(parts) > 0 {
			parts[len(parts)-1].Cache = m.cache
		}
	}
}

func (p *parser) begin(role dialect.Role, m *message) {
	if p.Request.Begin(role).Name = m.name; m.name != "" {
		p.Use(dialect.ParticipantNames, "messages[].name")
	}
}

func (p *parser) assistant(m *message) {
	sealed := false
	for d := range m.details.Elements() {
		r := dialect.Reasoning{Text: d.Get("text").Text()}
		if r.Unseal(d.Get("data").Text(), dialect.Chat); r.Opaque != "" && r.Origin != dialect.Chat {
			p.Add(dialect.Assistant, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &r})
			sealed = true
		}
	}
	if m.reasoning != "" && !sealed {
		p.Add(dialect.Assistant, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &dialect.Reasoning{Text: m.reasoning}})
	}
	if m.reasoning != "" || sealed {
		p.Use(dialect.OldReasoning, "messages[].reasoning")
	}
	p.content(dialect.Assistant, m.content)
	if s := m.refusal.Text(); s != "" {
		p.Add(dialect.Assistant, dialect.Part{Kind: dialect.RefusalPart, Text: s})
	}
	for c := range m.calls.Elements() {
		if p.Item("messages[].tool_calls", c) {
			p.call(c)
		}
	}
}

func (p *parser) call(v wire.Value) {
	c := dialect.Call{ID: v.Get("id").Text()}
	name := ""
	for key, m := range v.Get("function").Members() {
		switch string(key) {
		case "name":
			name = m.Text()
		case "arguments":
			if c.Arguments = m.Text(); m.Kind() == '{' { // some write what is meant
				c.Arguments = string(m)
			}
		}
	}
	if custom := v.Get("custom"); custom.Said() {
		name, c.Arguments, c.Custom = custom.Get("name").Text(), custom.Get("input").Text(), true
	}
	if name == "" {
		p.Fail(dialect.Invalid("messages[].tool_calls", "a tool call has no name"))
	}
	c.Name = dialect.ToolName("", name)
	p.Add(dialect.Assistant, dialect.Part{Kind: dialect.CallPart, Call: &c})
}

func (p *parser) result(m *message) {
	parts := p.parts(m.content)
	for i := range parts {
		if parts[i].Kind != dialect.TextPart {
			p.Use(dialect.MediaOfTools, "messages of role tool")
		}
	}
	p.AddResult(&dialect.Result{CallID: m.callID, Parts: parts})
}

func (p *parser) content(role dialect.Role, v wire.Value) {
	last := &p.Turns[len(p.Turns)-1]
	for _, part := range p.parts(v) {
		if role != dialect.User && part.Kind != dialect.TextPart && part.Kind != dialect.RefusalPart {
			p.Fail(dialect.Invalid("messages[].content", "only messages of role user hold images, sound and files"))
		}
		last.Parts = append(last.Parts, part)
	}
}

// parts reads a content: a string, or a list of parts.
func (p *parser) parts(v wire.Value) []dialect.Part {
	switch v.Kind() {
	case '"':
		if len(v) == 2 {
			return nil
		}
		return []dialect.Part{{Text: v.Text()}}
	case '[':
		var parts []dialect.Part
		for e := range v.Elements() {
			if e.Kind() == '"' {
				parts = append(parts, dialect.Part{Text: e.Text()})
			} else if p.Item("messages[].content", e) {
				parts = append(parts, p.part(e))
			}
		}
		return parts
	}
	if v.Said() {
		p.Fail(dialect.WrongType("messages[].content", "a string or a list of parts"))
	}
	return nil
}

func (p *parser) part(v wire.Value) dialect.Part {
	var part dialect.Part
	var kind string
	var body wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Word()
		case "text":
			part.Text = p.String("messages[].content[].text", m)
		case "cache_control":
			part.Cache = p.Cache(m)
		default:
			body = m
		}
	}
	cache := part.Cache
	switch kind {
	case "text":
	case "refusal":
		part = dialect.Part{Kind: dialect.RefusalPart, Text: body.Text()}
	case "image_url":
		url := body.Text()
		if body.Kind() == '{' {
			url = body.Get("url").Text()
		}
		part = p.Media(dialect.ImagePart, "image_url", url)
		if d := body.Get("detail").Text(); d != "" {
			part.Media.Detail = d
			if d != "auto" {
				p.Use(dialect.ImageDetail, "image_url.detail")
			}
		}
	case "input_audio":
		part = dialect.Part{
			Kind:  dialect.AudioPart,
			Media: &dialect.Media{Data: body.Get("data").Text(), Type: "audio/" + body.Get("format").Text()},
		}
		p.Use(dialect.Sound, kind)
	case "file":
		if id := body.Get("file_id"); id.Said() {
			p.Use(dialect.FileReferences, "file.file_id")
			break
		}
		part = p.file(body)
	default:
		p.Fail(dialect.Unsupported("messages[].content", "a part of type %.60q cannot be translated for this model", kind))
	}
	part.Cache = cache
	return part
}

func (p *parser) file(v wire.Value) dialect.Part {
	data := v.Get("file_data").Text()
	if len(data) < 5 || data[:5] != "data:" {
		data = "data:application/pdf;base64," + data
	}
	part := p.Media(dialect.FilePart, "file.file_data", data)
	part.Media.Name = v.Get("filename").Text()
	return part
}
