package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"tallygate/providers"
)

// maxAnswers bounds the choices of one request: prompts × n.
const maxAnswers = 2048

// request is what the pretend model reads of a body.
type request struct {
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"` // text, or a list of parts
	} `json:"messages"`
	Prompt         json.RawMessage `json:"prompt"`
	Input          json.RawMessage `json:"input"`
	Dimensions     int             `json:"dimensions"`
	Tools          []tool          `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat struct {
		Type   string `json:"type"`
		Schema struct {
			Schema any `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

// tool is a function that the model may call.
type tool struct {
	Function struct {
		Name       string `json:"name"`
		Parameters any    `json:"parameters"`
	} `json:"function"`
}

// decode reads the body and refuses one of the wrong shape.
func decode(c providers.Call) (*request, error) {
	var r request
	if err := json.Unmarshal(c.Envelope.Raw, &r); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			field, _, _ := strings.Cut(wrong.Field, ".")
			return nil, refuse(field, "'"+field+"' has the wrong type: it cannot be a JSON "+wrong.Value)
		}
		return nil, refuse("", "the body is not valid JSON")
	}
	switch {
	case c.Endpoint == providers.Chat && len(r.Messages) == 0:
		return nil, refuse("messages", "'messages' must hold at least one message")
	case c.Endpoint == providers.Completions && blank(r.Prompt):
		return nil, refuse("prompt", "'prompt' must hold a text")
	case c.Endpoint == providers.Embeddings && blank(r.Input):
		return nil, refuse("input", "'input' must hold a text")
	}
	return &r, nil
}

func blank(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }

// lastUser is what the user said last; fresh is whether the model is to answer
// that, and not the result of a tool it called.
func (r *request) lastUser() (text string, fresh bool) {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if r.Messages[i].Role == "user" {
			return textOf(r.Messages[i].Content), i == len(r.Messages)-1
		}
	}
	return "", true
}

// textOf takes the text of a message, whose content may be a list of parts.
func textOf(content json.RawMessage) string {
	if len(content) == 0 {
		return ""
	}
	if content[0] == '[' {
		var parts []struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal(content, &parts) // parts of another shape have no text
		texts := make([]string, len(parts))
		for i := range parts {
			texts[i] = parts[i].Text
		}
		return strings.TrimSpace(strings.Join(texts, " "))
	}
	return decoded(content)
}

// decoded returns a JSON string's text, and any other value as it is written.
func decoded(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// several splits a prompt or an input, which may be a text, the tokens of a text, or a list
// of either.
func several(raw json.RawMessage) []json.RawMessage {
	one := []json.RawMessage{raw}
	if raw[0] != '[' {
		return one
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return one
	}
	if c := list[0][0]; c != '"' && c != '[' {
		return one
	}
	return list
}

// promptTokens is what the prompt counts: a token for each four bytes, and a
// few for the frame of each message.
func (r *request) promptTokens() int64 {
	n := int64(3)
	for i := range r.Messages {
		n += 4 + quarter(len(r.Messages[i].Content))
	}
	return n
}

// quarter is the tokens in so many bytes.
func quarter(bytes int) int64 { return int64(bytes+3) / 4 }

// chosen returns the tool that the answer is to call, nil for an answer in words. It is the
// tool that tool_choice names, or the first tool if one is required, or else the first tool
// that the user seems to ask for.
func (r *request) chosen() *tool {
	if len(r.Tools) == 0 {
		return nil
	}
	choice := bytes.TrimSpace(r.ToolChoice)
	if len(choice) > 0 && choice[0] == '{' {
		var named tool
		_ = json.Unmarshal(choice, &named) // another shape names none
		for i := range r.Tools {
			if r.Tools[i].Function.Name == named.Function.Name {
				return &r.Tools[i]
			}
		}
		return &r.Tools[0]
	}
	switch string(choice) {
	case `"none"`:
		return nil
	case `"required"`:
		return &r.Tools[0]
	}
	text, fresh := r.lastUser()
	if !fresh {
		return nil
	}
	text = strings.ToLower(text)
	for i := range r.Tools {
		if asksFor(text, r.Tools[i].Function.Name) {
			return &r.Tools[i]
		}
	}
	if contains(text, "tool", "function") {
		return &r.Tools[0]
	}
	return nil
}

// asksFor reports whether a text holds a longer word of a tool's name, as
// "weather" of get_weather.
func asksFor(text, name string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' || r == '.' }) {
		if len(word) >= 4 && strings.Contains(text, word) {
			return true
		}
	}
	return false
}
