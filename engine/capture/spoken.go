package capture

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Spoken is a part of a conversation as people read it.
type Spoken struct{ Who, Text string }

// Spoken reads an exchange as a conversation, whatever its dialect: what was sent, and the
// answer last. What it does not know it leaves out; the bodies have it.
func (x *Exchange) Spoken() (out []Spoken) {
	say := func(who, text string) {
		if text != "" {
			out = append(out, Spoken{who, text})
		}
	}
	var asked map[string]any
	if json.Unmarshal(x.Request, &asked) == nil {
		say("system", textOf(asked["instructions"]))
		say("system", textOf(asked["system"]))
		say("prompt", textOf(asked["prompt"]))
		for _, field := range [...]string{"messages", "input"} {
			list, ok := asked[field].([]any)
			if !ok {
				say("user", textOf(asked[field]))
			}
			for _, m := range list {
				who := "user"
				if m, ok := m.(map[string]any); ok {
					who = words(m["role"], m["type"])
				}
				say(who, textOf(m))
			}
		}
	}
	var answer, thought strings.Builder
	for _, doc := range documents(x.Answer) {
		text, more := answerOf(doc)
		answer.WriteString(text)
		thought.WriteString(more)
	}
	say("reasoning", thought.String())
	say("answer", answer.String())
	return out
}

// words is the first of some values that is a text.
func words(of ...any) string {
	for _, v := range of {
		if s, _ := v.(string); s != "" {
			return s
		}
	}
	return ""
}

// textOf is what a message says, or a part of one, or several.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, p := range v {
			if text := textOf(p); text != "" {
				parts = append(parts, text)
			}
		}
		return strings.Join(parts, "\n")
	case map[string]any:
		text := words(v["text"], v["thinking"], v["refusal"])
		for _, field := range [...]string{"content", "output"} {
			if inner := textOf(v[field]); inner != "" {
				text = strings.TrimPrefix(text+"\n"+inner, "\n")
			}
		}
		if calls, ok := v["tool_calls"].([]any); ok {
			for _, c := range calls {
				text = strings.TrimPrefix(text+"\n"+textOf(c), "\n")
			}
		}
		if f, ok := v["function"].(map[string]any); ok {
			v = f
		}
		if name := words(v["name"]); name != "" && (v["arguments"] != nil || v["input"] != nil) {
			return strings.TrimPrefix(text+"\n", "\n") + "calls " + name + " " + plain(v["arguments"], v["input"])
		}
		if kind := words(v["type"]); text == "" && kind != "" {
			return "[" + kind + "]"
		}
		return text
	}
	return ""
}

// plain is the first of some values that is there, as a text or else as JSON.
func plain(of ...any) string {
	for _, v := range of {
		if s, ok := v.(string); ok {
			return s
		}
		if v != nil {
			b, _ := json.Marshal(v) // it was JSON before
			return string(b)
		}
	}
	return ""
}

// documents are the objects that an answer is made of: one, or one for each event or line.
func documents(b []byte) (out []map[string]any) {
	var doc map[string]any
	if json.Unmarshal(b, &doc) == nil {
		return []map[string]any{doc}
	}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
		var doc map[string]any
		if len(line) > 0 && line[0] == '{' && json.Unmarshal(line, &doc) == nil {
			out = append(out, doc)
		}
	}
	return out
}

// answerOf is what one document of an answer adds to it, and to what the model thought.
func answerOf(doc map[string]any) (text, thought string) {
	if e, ok := doc["error"].(map[string]any); ok {
		text = "error: " + words(e["message"])
	}
	choices, _ := doc["choices"].([]any)
	for _, c := range choices {
		c, _ := c.(map[string]any)
		text += words(c["text"])
		for _, field := range [...]string{"message", "delta"} {
			if m, ok := c[field].(map[string]any); ok {
				text += textOf(map[string]any{"content": m["content"], "refusal": m["refusal"]}) + callsOf(m)
				thought += words(m["reasoning_content"], m["reasoning"])
			}
		}
	}
	kind := words(doc["type"])
	switch d := doc["delta"].(type) {
	case string: // responses
		if strings.HasPrefix(kind, "response.reasoning") {
			thought += d
		} else if kind != "response.function_call_arguments.delta" {
			text += d
		}
	case map[string]any: // messages
		text += words(d["text"], d["partial_json"])
		thought += words(d["thinking"])
	}
	switch {
	case kind == "content_block_start":
		if b, ok := doc["content_block"].(map[string]any); ok && words(b["name"]) != "" {
			text += "calls " + words(b["name"]) + " "
		}
	case kind == "response.output_item.done":
		if item, ok := doc["item"].(map[string]any); ok && words(item["type"]) == "function_call" {
			text += textOf(item)
		}
	case kind == "message" || words(doc["object"]) == "response":
		text += textOf(doc["content"]) + textOf(doc["output"])
	}
	if m, ok := doc["message"].(map[string]any); ok && kind == "" { // ollama
		text += textOf(m["content"])
		thought += words(m["thinking"])
	}
	return text, thought
}

// callsOf are the calls of a message, or of a piece of one.
func callsOf(m map[string]any) (out string) {
	calls, _ := m["tool_calls"].([]any)
	for _, c := range calls {
		c, _ := c.(map[string]any)
		if f, ok := c["function"].(map[string]any); ok {
			if name := words(f["name"]); name != "" {
				out += "\ncalls " + name + " "
			}
			out += plain(f["arguments"])
		}
	}
	return out
}
