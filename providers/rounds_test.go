package providers

import (
	"testing"

	"tallygate/providers/dialect"
)

// How often the model may read the prompt again, and whether a cache for long is asked for,
// however it is spelled.
func TestRounds(t *testing.T) {
	for _, x := range []struct {
		in     dialect.Name
		body   string
		rounds int64 // -1: no bound
	}{
		{dialect.Messages, `{"tools":[{"name":"f","input_schema":{}}]}`, 0},
		{dialect.Messages, `{"tools":[{"type":"bash_20250124","name":"bash"}]}`, 0},
		{dialect.Messages, `{"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]}`, 3},
		{dialect.Messages, `{"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, unsaidCount},
		{dialect.Messages, `{"tools":[{"type":"web_search_20250305","max_uses":3,"max_uses":90}]}`, -1},
		{dialect.Messages, `{"tools":[{"type":"web_fetch_20250910","name":"web_fetch","max_uses":3}]}`, -1},
		{dialect.Messages, `{"tools":[{"type":"code_execution_20250825","name":"code_execution"}]}`, -1},
		{dialect.Messages, `{"mcp_servers":[{"url":"https://x"}]}`, -1},
		{dialect.Messages, `{"mcp_server\u0073":[{"url":"https://x"}]}`, -1},
		{dialect.Messages, `{"context_management":null}`, 0},
		{dialect.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"},{"type":"clear_tool_uses_20250919","trigger":{"type":"input_tokens","value":9}}]}}`, 0},
		{dialect.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"compact_20260112"}]}}`, -1},
		{dialect.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015","type":"compact_20260112"}]}}`, -1},
		{dialect.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015","t\u0079pe":"compact_20260112"}]}}`, -1},
		{dialect.Messages, `{"context_management":{"edits":[],"edits":[{"type":"compact_20260112"}]}}`, -1},
		{dialect.Messages, `{"c\u006fntext_management":{"edits":[{"type":"compact_20260112"}]}}`, -1},
		{dialect.Responses, `{"context_management":[{"type":"compaction","compact_threshold":1000}]}`, -1},
		{dialect.Responses, `{"prompt":{"id":"pmpt_1"}}`, -1},
		{dialect.Responses, `{"prompt":null,"tools":[{"type":"function","name":"f"}]}`, 0},
		{dialect.Responses, `{"max_tool_calls":2,"tools":[{"type":"web_search"},{"type":"code_interpreter","container":{"type":"auto"}}]}`, 2},
		{dialect.Responses, `{"tools":[{"type":"file_search"},{"type":"mcp","server_url":"https://x"}]}`, unsaidCount},
		{dialect.Responses, `{"max_tool_calls":1e9,"tools":[{"type":"file_search"}]}`, -1},
		{dialect.Chat, `{"web_search_options":{}}`, 0},
		{dialect.Chat, `{"tools":[{"type":"code_interpreter"}]}`, -1},
	} {
		var e Envelope
		if err := e.Peek(x.in, []byte(x.body)); err != nil {
			t.Errorf("%s: %v", x.body, err)
		}
		n, bounded := e.Rounds()
		if !bounded {
			n = -1
		}
		if n != x.rounds {
			t.Errorf("%s: %d rounds, want %d", x.body, n, x.rounds)
		}
	}
	const long = `{"type":"ephemeral","ttl":"1h"}`
	for body, want := range map[string]bool{
		`{"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_\u0063ontrol":` + long + `}]}]}`:                                                                true,
		`{"messages":[{"role":"user","c\u006fntent":[{"type":"text","text":"x","cache_control":` + long + `}]}]}`:                                                                true,
		`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x","cache_control":` + long + `}]}}]}]}`:         true,
		`{"messages":[{"role":"user","content":[{"type":"search_result","source":"https://x","content":[{"type":"text","text":"x","cache_control":` + long + `}]}]}]}`:           true,
		`{"tools":[{"name":"f","input_schema":{},"cache_\u0063ontrol":` + long + `}]}`:                                                                                           true,
		`{"system":[{"type":"text","text":"x","Cache_Control":` + long + `}]}`:                                                                                                   true,
		`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"dns","input":{"cache_control":{"ttl":"1h"}}}]}]}`:                                       false,
		`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}}]}]}`: false,
	} {
		var e Envelope
		if err := e.Peek(dialect.Messages, []byte(body)); err != nil || e.Content.LongCache != want {
			t.Errorf("%s: %v, kept long: %v", body, err, e.Content.LongCache)
		}
	}
}
