package responses

import (
	"strings"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// given is what an item of the input may hold, before its kind is known.
type given struct {
	kind, role, id, callID, name, namespace, text, sealed string
	content, summary, tools                               wire.Value
}

func (p *parser) item(v wire.Value) {
	var it given
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			it.kind = m.Word()
		case "role":
			it.role = m.Word()
		case "id":
			it.id = m.Text()
		case "call_id":
			it.callID = p.String("input[].call_id", m)
		case "name":
			it.name = p.String("input[].name", m)
		case "namespace":
			it.namespace = m.Text()
		case "arguments", "input":
			if it.text = m.Text(); m.Kind() == '{' {
				it.text = string(m)
			}
		case "encrypted_content":
			it.sealed = m.Text()
		case "content", "output":
			it.content = m
		case "summary":
			it.summary = m
		case "tools":
			it.tools = m
		case "status", "phase": // of an answer that is given back
		default:
			p.Unknown("input[]."+string(key), m)
		}
	}
	switch it.kind {
	case "", "message":
		p.message(&it)
	case "reasoning":
		p.thought(&it)
	case "function_call", "custom_tool_call":
		if it.name == "" {
			p.Fail(dialect.Invalid("input", "an item of type %s has no name", it.kind))
		}
		p.Add(dialect.Assistant, dialect.Part{Kind: dialect.CallPart, Call: &dialect.Call{
			ID: it.callID, Name: dialect.ToolName(it.namespace, it.name), Arguments: it.text,
			Custom: it.kind != "function_call"}})
	case "function_call_output", "custom_tool_call_output":
		r := &dialect.Result{CallID: it.callID, Parts: p.parts(it.content), Custom: it.kind != "function_call_output"}
		for i := range r.Parts {
			if r.Parts[i].Kind != dialect.TextPart {
				p.Use(dialect.MediaOfTools, it.kind+".output")
			}
		}
		p.AddResult(r)
	case "additional_tools": // Codex's, for some models
		p.tools("input[].tools", it.tools)
	case "item_reference":
		p.Use(dialect.StoredInput, "input items of type item_reference")
	default:
		if strings.HasSuffix(it.kind, "_call") || strings.HasSuffix(it.kind, "_call_output") ||
			strings.HasPrefix(it.kind, "tool_search_") || strings.HasPrefix(it.kind, "mcp_") {
			p.Use(dialect.ServerTools, "input items of type "+it.kind)
			return
		}
		p.Fail(dialect.Unsupported("input", "an item of type %.60q cannot be translated for this model", it.kind))
	}
}

func (p *parser) message(it *given) {
	switch it.role {
	case "system", "developer":
		if n := len(p.Turns); n > 0 && p.Turns[n-1].Role != dialect.System {
			p.Use(dialect.LaterSystem, "input items of role "+it.role)
		}
		p.Request.Begin(dialect.System).Parts = p.parts(it.content)
	case "user":
		p.Request.Begin(dialect.User).Parts = p.parts(it.content)
		return
	case "assistant":
		for _, part := range p.parts(it.content) {
			p.Add(dialect.Assistant, part)
		}
	default:
		p.Fail(dialect.Invalid("input", "the role %.40q is not known", it.role))
		return
	}
	for _, part := range p.Turns[max(0, len(p.Turns)-1):] {
		for i := range part.Parts {
			switch part.Parts[i].Kind {
			case dialect.ImagePart, dialect.AudioPart, dialect.FilePart:
				p.Fail(dialect.Invalid("input", "only items of role user hold images and files"))
			}
		}
	}
}

func (p *parser) thought(it *given) {
	r := dialect.Reasoning{ID: it.id}
	var texts []string
	for _, list := range [...]wire.Value{it.summary, it.content} {
		for s := range list.Elements() {
			if text := s.Get("text").Text(); text != "" {
				texts = append(texts, text)
			}
		}
	}
	r.Text = strings.Join(texts, "\n\n")
	r.Unseal(it.sealed, dialect.Responses)
	p.Use(dialect.OldReasoning, "input items of type reasoning")
	p.Add(dialect.Assistant, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &r})
}

// parts reads a content: a string, or a list of parts.
func (p *parser) parts(v wire.Value) []dialect.Part {
	switch v.Kind() {
	case '"':
		return []dialect.Part{{Text: v.Text()}}
	case '[':
		var parts []dialect.Part
		for e := range v.Elements() {
			if p.Item("input[].content", e) {
				parts = append(parts, p.part(e))
			}
		}
		return parts
	}
	if v.Said() {
		p.Fail(dialect.WrongType("input[].content", "a string or a list of parts"))
	}
	return nil
}

func (p *parser) part(v wire.Value) dialect.Part {
	var kind, text, image, detail, data, name, url string
	var sound wire.Value
	stored := false
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Word()
		case "text", "refusal":
			text = p.String("input[].content[]."+string(key), m)
		case "image_url":
			if image = m.Text(); m.Kind() == '{' { // as chat has it
				image = m.Get("url").Text()
			}
		case "detail":
			detail = m.Text()
		case "file_data":
			data = m.Text()
		case "filename":
			name = m.Text()
		case "file_url":
			url = m.Text()
		case "file_id":
			stored = m.Said()
		case "input_audio":
			sound = m
		case "annotations", "logprobs": // of an answer that is given back
		default:
			p.Unknown("content[]."+string(key), m)
		}
	}
	switch kind {
	case "input_text", "output_text", "text", "summary_text":
		return dialect.Part{Text: text}
	case "refusal":
		return dialect.Part{Kind: dialect.RefusalPart, Text: text}
	case "input_image", "input_file":
		if stored {
			p.Use(dialect.FileReferences, kind+".file_id")
			return dialect.Part{}
		}
	case "input_audio":
		p.Use(dialect.Sound, kind)
		return dialect.Part{
			Kind:  dialect.AudioPart,
			Media: &dialect.Media{Data: sound.Get("data").Text(), Type: "audio/" + sound.Get("format").Text()},
		}
	default:
		p.Fail(dialect.Unsupported("input[].content", "a part of type %.60q cannot be translated for this model", kind))
		return dialect.Part{}
	}
	if kind == "input_image" {
		part := p.Media(dialect.ImagePart, kind, image)
		if part.Media.Detail = detail; detail != "" && detail != "auto" {
			p.Use(dialect.ImageDetail, "input_image.detail")
		}
		return part
	}
	if url == "" {
		if url = data; !strings.HasPrefix(data, "data:") {
			url = "data:application/pdf;base64," + data
		}
	}
	part := p.Media(dialect.FilePart, kind, url)
	part.Media.Name = name
	return part
}
