package messages

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

func (p *parser) message(v wire.Value) {
	var role string
	var content wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "role":
			role = m.Word()
		case "content":
			content = m
		case "output_config": // of the turns that follow
			p.effort(m.Get("effort"))
		case "id", "type", "model", "stop_reason", "stop_sequence", "usage": // of an answer that is given back whole
		default:
			p.Unknown("messages[]."+string(key), m)
		}
	}
	switch role {
	case "user":
		p.turn(dialect.User, content)
	case "assistant":
		p.turn(dialect.Assistant, content)
	case "system":
		p.Use(dialect.LaterSystem, "messages of role system")
		p.turn(dialect.System, content)
	default:
		p.Fail(dialect.Invalid("messages", "the role %.40q is not known", role))
	}
}

func (p *parser) turn(role dialect.Role, content wire.Value) {
	if content.Kind() == '"' {
		p.Request.Begin(role).Parts = []dialect.Part{{Text: content.Text()}}
		return
	}
	p.List("messages[].content", content)
	parts := p.blocks("messages[].content", content)
	for i := range parts {
		kind := parts[i].Kind
		of := dialect.User
		switch kind {
		case dialect.TextPart:
			continue
		case dialect.CallPart, dialect.ReasoningPart:
			of = dialect.Assistant
		}
		if role != of {
			p.Fail(dialect.Invalid("messages[].content", "a block stands in a message of the wrong role"))
		}
	}
	p.Request.Begin(role).Parts = parts
}

// deepestBlocks bounds how far blocks stand within others: a document in a result of a tool
// has blocks of its own.
const deepestBlocks = 4

// blocks reads a list of blocks.
func (p *parser) blocks(field string, v wire.Value) []dialect.Part {
	if p.depth++; p.depth > deepestBlocks {
		p.Fail(dialect.Invalid(field, "blocks stand too deep within others"))
		return nil
	}
	defer func() { p.depth-- }()
	var parts []dialect.Part
	for b := range v.Elements() {
		if b.Kind() == '"' {
			parts = append(parts, dialect.Part{Text: b.Text()})
		} else if p.Item(field, b) {
			if part, ok := p.block(field, b); ok {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// block is what a block may hold, before its kind is known.
type block struct {
	kind, text, id, name, signature, data string
	source, content, input, title         wire.Value
	failed                                bool
	cache                                 string
}

func (p *parser) block(field string, v wire.Value) (part dialect.Part, ok bool) {
	var b block
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			b.kind = m.Word()
		case "text", "thinking":
			b.text = p.String(field+"[]."+string(key), m)
		case "id", "tool_use_id":
			b.id = p.String(field+"[]."+string(key), m)
		case "name", "tool_name":
			b.name = p.String(field+"[]."+string(key), m)
		case "signature":
			b.signature = m.Text()
		case "data":
			b.data = m.Text()
		case "source":
			b.source = m
		case "content":
			b.content = m
		case "input":
			b.input = m
		case "title":
			b.title = m
		case "is_error":
			b.failed = m.True()
		case "cache_control":
			b.cache = p.Cache(m)
		case "citations", "caller": // of an answer that is given back
		default:
			p.Unknown("content[]."+string(key), m)
		}
	}
	part, ok = p.made(field, &b)
	part.Cache = b.cache
	return part, ok
}

// made makes a part of a block. It is not ok if the block stands for nothing.
func (p *parser) made(field string, b *block) (part dialect.Part, ok bool) {
	switch b.kind {
	case "text":
		return dialect.Part{Text: b.text}, true
	case "image":
		return p.source(dialect.ImagePart, b)
	case "document":
		part, ok = p.source(dialect.FilePart, b)
		part.Media.Name = b.title.Text()
		return part, ok
	case "thinking":
		r := dialect.Reasoning{Text: b.text}
		r.Unseal(b.signature, dialect.Messages)
		p.Use(dialect.OldReasoning, "content of type thinking")
		return dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &r}, true
	case "redacted_thinking":
		r := dialect.Reasoning{Hidden: true}
		r.Unseal(b.data, dialect.Messages)
		p.Use(dialect.OldReasoning, "content of type redacted_thinking")
		return dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &r}, true
	case "tool_use":
		c := dialect.Call{ID: b.id, Name: dialect.ToolName("", b.name), Arguments: string(b.input)}
		if b.name == "" || b.input.Kind() != '{' {
			p.Fail(dialect.Invalid(field, "a block of type tool_use has no name or no input"))
		}
		return dialect.Part{Kind: dialect.CallPart, Call: &c}, true
	case "tool_result":
		return dialect.Part{Kind: dialect.ResultPart, Result: p.result(b)}, true
	case "tool_reference":
		return dialect.Part{Text: "The tool " + b.name + " can be called now."}, true
	case "search_result":
		head := b.title.Text() + "\n" + b.source.Text() + "\n"
		return dialect.Part{Text: head + dialect.JoinText(p.blocks(field, b.content), "\n")}, true
	case "container_upload":
		p.Use(dialect.FileReferences, "content of type container_upload")
	case "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result", "mcp_tool_use", "mcp_tool_result":
		p.Use(dialect.ServerTools, "content of type "+b.kind)
	default:
		p.Fail(dialect.Unsupported(field, "a block of type %.60q cannot be translated for this model", b.kind))
	}
	return part, false
}

func (p *parser) result(b *block) *dialect.Result {
	r := &dialect.Result{CallID: b.id, Failed: b.failed}
	if b.content.Kind() == '"' {
		r.Parts = []dialect.Part{{Text: b.content.Text()}}
	} else {
		p.List("tool_result.content", b.content)
		r.Parts = p.blocks("tool_result.content", b.content)
	}
	for i := range r.Parts {
		switch r.Parts[i].Kind {
		case dialect.TextPart:
		case dialect.ImagePart, dialect.FilePart:
			p.Use(dialect.MediaOfTools, "tool_result.content")
		default:
			p.Fail(dialect.Invalid("tool_result.content", "a result of a tool holds text, images and documents only"))
		}
	}
	if b.failed {
		p.Use(dialect.FailedTools, "tool_result.is_error")
	}
	return r
}

// source reads an image or a document.
func (p *parser) source(kind dialect.PartKind, b *block) (dialect.Part, bool) {
	var m dialect.Media
	s := b.source
	switch of := s.Get("type").Text(); of {
	case "base64":
		m.Type, m.Data = s.Get("media_type").Text(), s.Get("data").Text()
	case "url":
		return p.Media(kind, b.kind+".source", s.Get("url").Text()), true
	case "text":
		m.Type, m.Text = "text/plain", s.Get("data").Text()
	case "content":
		content := s.Get("content")
		parts := p.blocks(b.kind+".source.content", content)
		for i := range parts {
			if parts[i].Kind != dialect.TextPart {
				p.Fail(dialect.Unsupported(b.kind+".source", "images inside of documents cannot be translated for this model"))
			}
		}
		m.Type, m.Text = "text/plain", content.Text()+dialect.JoinText(parts, "")
	case "file":
		p.Use(dialect.FileReferences, b.kind+".source of type file")
		return dialect.Part{}, false
	default:
		p.Fail(dialect.Unsupported(b.kind+".source", "a source of type %.60q is not known", of))
	}
	p.NoteMedia(kind, &m, b.kind)
	return dialect.Part{Kind: kind, Media: &m}, true
}
