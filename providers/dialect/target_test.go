package dialect_test

import (
	"strings"
	"testing"

	"tallygate/providers/dialect"
)

// What a request becomes depends on the model and the upstream that it is for.
func TestTargets(t *testing.T) {
	const turn = `"messages":[{"role":"user","content":"hi"}]`
	const tool = `"tools":[{"type":"function","function":{"name":"f"}}]`
	loop := func(thought string) string {
		return `"input":[{"role":"user","content":"hi"},` + thought + `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"}],"reasoning":{"effort":"low"}`
	}
	const mine = `{"type":"reasoning","summary":[],"encrypted_content":"tallygate-1.messages.s...sig"},`
	reasons := dialect.Target{MaxOutput: 9000, Reasons: true}
	adaptive := dialect.Target{MaxOutput: 9000, Reasons: true, Adaptive: true}
	for _, tc := range []struct {
		name           string
		from, to       dialect.Name
		body           string
		target         dialect.Target
		want, not      string
		dropped, keeps string
	}{
		{"a model that does not reason", c, m, turn + `,"reasoning_effort":"low"`, dialect.Target{}, "", "thinking", "reasoning_effort", ""},
		{"a budget", c, m, turn + `,"reasoning_effort":"low"`, reasons, `"thinking":{"type":"enabled","budget_tokens":2048}`, "output_config", "", "reasoning_effort"},
		{"half of the output at most", c, m, turn + `,"reasoning_effort":"high"`, reasons, `"budget_tokens":4500`, "", "", "reasoning_effort"},
		{"no room to think", c, m, turn + `,"reasoning_effort":"high"`, dialect.Target{MaxOutput: 1500, Reasons: true}, "", "thinking", "reasoning_effort", ""},
		{"an effort", c, m, turn + `,"reasoning_effort":"xhigh"`, adaptive, `"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}`, "budget", "", "reasoning_effort"},
		{"no effort", c, m, turn + `,"reasoning_effort":"none"`, adaptive, "", "thinking", "", ""},
		{"a forced tool", c, m, turn + `,"reasoning_effort":"low","tool_choice":"required",` + tool, reasons, `"tool_choice":{"type":"any"}`, "thinking", "reasoning_effort", ""},
		{"a temperature beside thinking", c, m, turn + `,"reasoning_effort":"low","temperature":0.5`, reasons, "", "temperature", "temperature", ""},
		{"a temperature that is too high", c, m, turn + `,"temperature":1.5`, reasons, `"temperature":1`, "1.5", "temperature", ""},
		{"a temperature and top_p", c, m, turn + `,"temperature":0.5,"top_p":0.9`, reasons, `"temperature":0.5`, "top_p", "top_p", "temperature"},
		{"calls without a thought", r, m, loop(""), reasons, `"tool_use"`, "thinking", "reasoning.effort", ""},
		{"calls with a thought", r, m, loop(mine), reasons, `"budget_tokens":2048`, "", "", "reasoning.effort"},
		{"calls without a thought, as the model sees fit", r, m, loop(""), adaptive, `"effort":"low"`, "", "", ""},
		{"a bound where nobody says one", c, m, turn, dialect.Target{}, `"max_tokens":4096`, "", "", ""},
		{"the request's own bound", c, m, turn + `,"max_tokens":70`, dialect.Target{}, `"max_tokens":70`, "", "", ""},
		{"what is granted", c, m, turn + `,"max_tokens":70`, dialect.Target{MaxOutput: 50}, `"max_tokens":50`, "70", "", ""},
		{"the field for it", m, c, turn + `,"max_tokens":70`, dialect.Target{MaxField: "max_tokens"}, `"max_tokens":70`, "completion", "", ""},
		{"a cached prompt", c, m, turn, dialect.Target{Cache: "1h"}, `"cache_control":{"type":"ephemeral","ttl":"1h"}`, "", "", ""},
		{"instructions first", m, c, `"messages":[{"role":"user","content":"hi"},{"role":"system","content":"later"}]`, dialect.Target{SystemFirst: true}, `"messages":[{"role":"system","content":"later"},{"role":"user"`, "", "", ""},
		{"a long name of a user", m, c, turn + `,"metadata":{"user_id":"` + strings.Repeat("x", 65) + `"}`, dialect.Target{}, "", "xxx", "metadata.user_id", ""},
		{"a schema without a type", c, m, turn + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}]`, dialect.Target{}, `"input_schema":{"type":"object","properties":{}}`, "", "", ""},
		{"an id with other letters", c, m, `"messages":[{"role":"assistant","tool_calls":[{"id":"functions.f:0","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":"x"}]`, dialect.Target{}, `"tool_use_id":"functions_f_0"`, "f:0", "", ""},
		{"arguments that are no object", c, m, `"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{oops"}}]}]`, dialect.Target{}, `"input":{"input":"{oops"}`, "", "", ""},
		{"empty texts", c, m, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":" "},{"role":"user","content":"there"}]`, dialect.Target{}, `"messages":[{"role":"user","content":"hi"},{"role":"user","content":"there"}]`, "assistant", "", ""},
		{"an answer to go on with", c, m, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"It is \n"}]`, dialect.Target{}, `{"role":"assistant","content":"It is"}`, "", "", ""},
		{"thoughts are asked for", c, r, turn, reasons, `"include":["reasoning.encrypted_content"]`, "", "", ""},
		{"a strict tool is not made of one that is not", c, r, turn + "," + tool, dialect.Target{}, `"strict":false`, "", "", ""},
		{"usage is asked for", m, c, turn, dialect.Target{Stream: true}, `"stream":true,"stream_options":{"include_usage":true}`, "", "", ""},
		{"nothing is stored", c, r, turn, dialect.Target{}, `"store":false`, "", "", ""},
	} {
		req, err := byName(tc.from).Parse([]byte(`{"model":"asked",` + tc.body + `}`))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		tc.target.Model = "up"
		out, dropped, err := byName(tc.to).(dialect.Upstream).Write(nil, req, tc.target)
		body := string(out)
		if err != nil || !strings.Contains(body, tc.want) || tc.not != "" && strings.Contains(body, tc.not) || !strings.Contains(body, `"model":"up"`) {
			t.Errorf("%s: %v: %s", tc.name, err, body)
		}
		if told := dropped.Header(); !strings.Contains(told, tc.dropped) || tc.keeps != "" && strings.Contains(told, tc.keeps) {
			t.Errorf("%s: dropped %q", tc.name, told)
		}
	}
}
