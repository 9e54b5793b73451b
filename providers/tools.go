package providers

import (
	"strings"

	"tallygate/engine/tally"
)

// readTools looks at the types of tools: those that the caller runs cost nothing.
func (e *Envelope) readTools(b []byte) {
	s := e.tools
	if !s.present() || s.null(b) {
		return
	}
	e.Preamble = true
	if b[s.From] != '[' {
		e.extra(Extra{Field: "tools", Count: -1, Fetches: true})
		return
	}
	elementsOf(b, s.From, func(s span) bool {
		e.tool(b, s)
		return true
	})
}

func (e *Envelope) tool(b []byte, s span) {
	if b[s.From] != '{' {
		e.extra(Extra{Field: "tools", Count: -1, Fetches: true})
		return
	}
	var kind []byte
	own, types, odd, more := false, 0, false, false
	members(b, s.From, func(key []byte, v span) bool {
		switch string(key) {
		case "type":
			types++
			if b[v.From] == '"' {
				kind = b[v.From+1 : v.To-1]
			}
		case "function", "custom":
			own = true
			if b[v.From] == '{' {
				e.Content.cached(b, v.From, 3)
			}
		case "name", "parameters", "input_schema":
			own = true
		case "description", "strict", "format", "input_examples", "defer_loading", "eager_input_streaming", "allowed_callers":
		case "cache_control":
			if b[v.From] == '{' {
				e.Content.cacheControl(b, v.From, 3)
			}
		default:
			odd = odd || !plain(key)
			more = more || b[v.From] != 'n' && b[v.From] != 'f'
		}
		return true
	})
	callers := types == 1 && (string(kind) == "function" || string(kind) == "custom") || types == 0 && own
	switch {
	case callers && !odd && !more:
		return
	case callers:
		odd = true // what stands beside what the caller runs may be run by the upstream
	}
	switch {
	case types != 1 || odd || !plain(kind):
		e.extra(Extra{Field: "tools of an unknown type", Count: -1, Fetches: true})
		return
	}
	x := Extra{Field: "tools of type " + string(kind), Count: -1, Fetches: true}
	switch {
	case isDated(kind, "web_search_"): // Anthropic's, which counts for each tool
		x.Piece = tally.Search
		x.counted(b, s, "max_uses")
	case string(kind) == "web_search" || string(kind) == "web_search_preview" || isDated(kind, "web_search_preview_"): // OpenAI's, which counts all tools together
		x.Piece = tally.Search
		x.countedBy(b, e.maxToolCalls, span{From: e.open + 1, To: e.open + 1}, "max_tool_calls", e.empty)
	}
	e.extra(x)
}

// isDated reports whether a type is a name with a date behind it.
func isDated(kind []byte, name string) bool {
	rest, ok := strings.CutPrefix(string(kind), name)
	if !ok || len(rest) < 8 {
		return false
	}
	return strings.Trim(rest, "0123456789_") == ""
}
