package providers

import (
	"bytes"

	"tallygate/providers/dialect"
)

// What bounds the prompt where the dialect is messages, whose blocks hold other blocks, or
// responses, whose input is a list of items.

// inBlock walks over a member that the blocks of messages have and parts of a chat do not.
func (c *Content) inBlock(key, b []byte, i, depth int, in string) (end int, is bool) {
	switch kind := kindAt(b, i); string(key) {
	case "id", "tool_use_id", "name", "is_error", "title", "context", "tool_name":
		return skipValue(b, i, depth), kind != '{' && kind != '['
	case "input": // whatever the model wrote
		return skipValue(b, i, depth), true
	case "caller", "citations":
		return skipValue(b, i, depth), true
	case "content":
		if kind == '[' {
			return c.parts(b, i, depth+1, in), true
		}
		return c.hidden(key, b, i, depth), kind == '"'
	}
	return 0, false
}

// isBlock reports whether a part is a block of messages that its bytes bound. What a tool
// of the provider's has found is none: it may have been made smaller.
func (p *part) isBlock() bool {
	switch string(p.kind) {
	case "tool_use", "tool_result":
		return true
	case "document":
		return p.text
	}
	return false
}

// isTextSource reports whether a source is one of plain text that the body carries.
func isTextSource(b []byte, i int) bool {
	kinds, data, odd := 0, 0, false
	members(b, i, func(key []byte, s span) bool {
		switch string(key) {
		case "type":
			kinds++
			odd = odd || string(s.of(b)) != `"text"`
		case "data":
			data++
			odd = odd || b[s.From] != '"'
		case "media_type":
			odd = odd || !bytes.HasPrefix(s.of(b), []byte(`"text/`))
		default:
			odd = true
		}
		return !odd
	})
	return kinds == 1 && data == 1 && !odd
}

// items walks over the input: of responses a text or a list of items, of embeddings
// anything.
func (e *Envelope) items(b []byte, i int) int {
	kind := kindAt(b, i)
	if e.Dialect != dialect.Responses {
		return skipValue(b, i, 1)
	}
	if kind != '[' {
		if kind == '{' {
			e.Content.refers(nil, "input")
		}
		return skipValue(b, i, 1)
	}
	return eachElement(b, i, 2, func(i int) int {
		switch kindAt(b, i) {
		case '{':
			return e.item(b, i)
		case '[':
			e.Content.refers(nil, "input")
		}
		return skipValue(b, i, 2)
	})
}

// item walks over one item of the input.
func (e *Envelope) item(b []byte, i int) int {
	c := &e.Content
	var kind, other []byte
	types := 0
	var tools span
	end := eachMember(b, i, 3, func(key []byte, i int) int {
		is := kindAt(b, i)
		switch string(key) {
		case "type":
			end := skipValue(b, i, 3)
			if types++; end > 0 && is == '"' {
				kind = b[i+1 : end-1]
			}
			return end
		case "content", "output", "summary":
			if is == '[' {
				return c.parts(b, i, 4, "input")
			}
			if is == '{' {
				other = key
			}
		case "tools":
			end := skipValue(b, i, 3)
			tools = span{From: i, To: end}
			return end
		case "id", "role", "status", "phase", "name", "namespace", "arguments", "call_id", "encrypted_content", "input", "execution", "action", "operation":
		default:
			if is != 'n' || !plain(key) {
				other = key
			}
			return c.hidden(key, b, i, 3)
		}
		return skipValue(b, i, 3)
	})
	if end < 0 {
		return end
	}
	if tools.present() {
		e.itemTools = append(e.itemTools, tools)
	}
	if types > 1 || other != nil || !isItem(kind) {
		if len(kind) == 0 {
			kind = other
		}
		c.refers(kind, "input")
	}
	return end
}

// isItem reports whether an item of a type is bounded by its bytes, as those are that the
// caller has the whole of.
func isItem(kind []byte) bool {
	switch string(kind) {
	case "", "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
		"local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output",
		"tool_search_call", "tool_search_output", "additional_tools":
		return true
	}
	return false
}
