package providers

import (
	"bytes"

	"tallygate/providers/dialect"
)

// What the members of an answer stand for, in each dialect, where costs are hidden.

// name gives an event the name that goes with its type, where the dialect has names.
func (h *hider) name(ev event) {
	at := ev.data + space(h.b[ev.data:ev.dataEnd], 0)
	if h.isChat() || at == ev.dataEnd || h.b[at] != '{' || skipValue(h.b[:ev.dataEnd], at, 0) < 0 {
		return
	}
	kind := member(h.b, at, "type")
	if !kind.present() || h.b[kind.From] != '"' || kind.To-kind.From > longestName {
		return
	}
	word := h.b[kind.From+1 : kind.To-1]
	if bytes.IndexFunc(word, func(r rune) bool { return r != '.' && r != '_' && (r < 'a' || r > 'z') }) < 0 &&
		!hasMoneyWord(word) {
		h.dst = append(append(append(h.dst, "event: "...), word...), '\n')
	}
}

// longestName bounds the names of events.
const longestName = 80

// isChat reports whether the answer is one of chat completions, or of embeddings.
func (h *hider) isChat() bool { return h.view.Dialect == dialect.Chat || h.view.Dialect == "" }

// scopeOf is where the value of a member stands; owned is whether the value is an object of
// the model's own making. Sources hold words of others, and vectors hold numbers.
func (h *hider) scopeOf(key []byte, depth int, in scope) (within scope, owned bool) {
	is := itsOutput
	if in == inTheAnswer {
		is = meaningOf(key)
	}
	switch {
	case is == itsData || is == itsTokens:
		return in, true
	case string(key) == "usage":
		return inTheUsage, false
	case string(key) == "error":
		return besideAnswer, false
	case !h.isChat():
		if depth > 1 && in != wrapped {
			return in, false
		}
		switch string(key) {
		case "message", "response":
			return wrapped, false
		case "tools", "instructions", "metadata", "tool_choice", "prompt", "user", "prompt_cache_key", "reasoning": // of the caller's own making
			return in, true
		case "content", "content_block", "delta", "output", "output_text", "item", "part", "text", "arguments", "annotation", "refusal", "input", "code":
			return inTheAnswer, false
		}
		return besideAnswer, false
	case depth == 1:
		switch string(key) {
		case "choices", "data", "citations", "search_results", "related_questions", "images", "videos":
			return inTheAnswer, false
		}
	}
	return in, false
}

// isKnown reports whether visitors may see a member of an answer.
func (h *hider) isKnown(key []byte) bool {
	switch h.view.Dialect {
	case dialect.Messages:
		switch string(key) {
		case "type", "id", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "container", "usage",
			"message", "index", "content_block", "delta":
			return true
		}
		return false
	case dialect.Responses:
		switch string(key) {
		case "type", "sequence_number", "response", "item", "item_id", "output_index", "content_index", "summary_index", "annotation_index", "annotation",
			"delta", "text", "part", "arguments", "input", "name", "call_id", "logprobs", "refusal", "code", "id", "object", "created_at", "completed_at",
			"status", "background", "incomplete_details", "instructions", "max_output_tokens", "max_tool_calls", "model", "output", "output_text",
			"parallel_tool_calls", "previous_response_id", "prompt_cache_key", "reasoning", "service_tier", "store", "temperature", "tool_choice", "tools",
			"top_p", "top_logprobs", "truncation", "usage", "user", "metadata", "conversation", "prompt":
			return true
		}
		return false
	}
	switch string(key) {
	case "id", "object", "created", "model", "choices", "data", "usage", "service_tier", "system_fingerprint",
		"citations", "search_results", "related_questions", "images", "videos":
		return true
	}
	return false
}
