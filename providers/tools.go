package providers

import (
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// readTools looks at the types of tools. Tools that the caller runs cost nothing.
func (e *Envelope) readTools(b []byte) {
	for _, s := range e.itemTools {
		e.readToolsIn(b, s)
	}
	if s := e.tools; s.present() && !s.null(b) {
		e.readToolsIn(b, s)
	}
}

// readToolsIn looks at the tools of a list.
func (e *Envelope) readToolsIn(b []byte, s span) {
	e.Preamble = true
	if b[s.From] != '[' {
		e.extra(Extra{Field: "tools", Count: -1, Fetches: true, Rounds: -1})
		return
	}
	elementsOf(b, s.From, func(s span) bool {
		e.tool(b, s)
		return true
	})
}

func (e *Envelope) tool(b []byte, s span) {
	if b[s.From] != '{' {
		e.extra(Extra{Field: "tools", Count: -1, Fetches: true, Rounds: -1})
		return
	}
	var kind []byte
	var within span // the tools of a namespace
	client := false
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
		case "tools":
			within = v
		case "execution":
			client = string(v.of(b)) == `"client"`
		case "description", "strict", "format", "input_examples", "defer_loading", "eager_input_streaming", "allowed_callers":
		case "cache_control":
			if b[v.From] == '{' {
				e.Content.cacheControl(b, v.From, 3)
			}
		default:
			if !plain(key) {
				odd = true
				e.Content.hidden(key, b, v.From, 3)
			}
			more = more || b[v.From] != 'n' && b[v.From] != 'f'
		}
		return true
	})
	if types == 1 && !odd {
		switch {
		case string(kind) == "namespace" && within.present() && !more:
			e.readToolsIn(b, within)
			return
		case string(kind) == "tool_search" && client, runsAtCaller(kind):
			e.BuiltIn++
			return
		}
	}
	more = more || within.present() || client
	callers := types == 1 && (string(kind) == "function" || string(kind) == "custom") || types == 0 && own
	switch {
	case callers && !odd && !more:
		return
	case callers:
		odd = true // a tool beside those that the caller runs may be run by the upstream
	}
	switch {
	case types != 1 || odd || !plain(kind):
		e.extra(Extra{Field: "tools of an unknown type", Count: -1, Fetches: true, Rounds: -1})
		return
	}
	x := Extra{Field: "tools of type " + string(kind), Count: -1, Fetches: true, Rounds: -1}
	switch {
	case isDated(kind, "web_search_"): // Anthropic's tool, whose bound counts for each tool
		x.Piece = tally.Search
		x.counted(b, s, "max_uses")
	case string(kind) == "web_search" || string(kind) == "web_search_preview" || isDated(kind, "web_search_preview_"): // OpenAI's: the bound counts all tools together
		x.Piece = tally.Search
		x.countedBy(b, e.maxToolCalls, span{From: e.open + 1, To: e.open + 1}, "max_tool_calls", e.empty)
	case e.Dialect == dialect.Responses: // whatever the tools are, the bound counts all of them
		x.countedBy(b, e.maxToolCalls, span{From: e.open + 1, To: e.open + 1}, "max_tool_calls", e.empty)
	}
	x.Rounds = x.Count // after each call of a tool the model reads the prompt again
	e.extra(x)
}

// runsAtCaller reports whether a tool of a type is run by the caller, though the upstream
// has the description of it.
func runsAtCaller(kind []byte) bool {
	switch string(kind) {
	case "local_shell", "apply_patch", "computer_use_preview":
		return true
	}
	for _, name := range [...]string{"bash_", "text_editor_", "computer_", "memory_"} {
		if isDated(kind, name) {
			return true
		}
	}
	return false
}

// isDated reports whether a type is a name with a date behind it.
func isDated(kind []byte, name string) bool {
	rest, ok := strings.CutPrefix(string(kind), name)
	if !ok || len(rest) < 8 {
		return false
	}
	return strings.Trim(rest, "0123456789_") == ""
}
