package dialect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"tallygate/providers/dialect"
)

// sample is a request that uses one feature.
type sample struct {
	feature dialect.Feature
	from    dialect.Name
	field   string // what it is called there
	body    string // its fields, beside a model and a turn of the user where it has none
	// marks are what stands in the requests for other dialects that carry it; of those
	// that drop it, nothing of all may stand there.
	marks map[dialect.Name]string
}

type marks = map[dialect.Name]string

const (
	c = dialect.Chat
	r = dialect.Responses
	m = dialect.Messages
)

const aTool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`

var samples = []sample{
	{dialect.UnknownField, c, "zzz", `"zzz":5`, marks{c: "zzz"}},
	{dialect.UnknownField, m, "zzz", `"zzz":5`, marks{c: "zzz"}},
	{dialect.Temperature, c, "temperature", `"temperature":0.25`, marks{r: `"temperature":0.25`, m: `"temperature":0.25`}},
	{dialect.Temperature, m, "temperature", `"temperature":0.25`, marks{c: `"temperature":0.25`}},
	{dialect.TopP, r, "top_p", `"top_p":0.5`, marks{c: `"top_p":0.5`, m: `"top_p":0.5`}},
	{dialect.TopP, m, "top_p", `"top_p":0.5`, marks{c: `"top_p":0.5`, r: `"top_p":0.5`}},
	{dialect.TopK, m, "top_k", `"top_k":7`, marks{c: "top_k"}},
	{dialect.TopK, c, "top_k", `"top_k":7`, marks{m: `"top_k":7`}},
	{dialect.Penalties, c, "frequency_penalty", `"frequency_penalty":0.5`, marks{c: "penalty"}},
	{dialect.Penalties, dialect.Ollama, "options.frequency_penalty", `"options":{"frequency_penalty":0.5}`, marks{c: `"frequency_penalty":0.5`}},
	{dialect.LogitBias, c, "logit_bias", `"logit_bias":{"1":1}`, marks{c: "logit_bias"}},
	{dialect.Logprobs, c, "logprobs", `"logprobs":true`, marks{c: "logprobs"}},
	{dialect.Logprobs, r, "top_logprobs", `"top_logprobs":3`, marks{c: "logprobs"}},
	{dialect.Seed, c, "seed", `"seed":7`, marks{c: "seed"}},
	{dialect.Seed, dialect.Ollama, "options.seed", `"options":{"seed":7}`, marks{c: `"seed":7`}},
	{dialect.StopSequences, c, "stop", `"stop":"END"`, marks{m: `"stop_sequences":["END"]`}},
	{dialect.StopSequences, m, "stop_sequences", `"stop_sequences":["END"]`, marks{c: `"stop":["END"]`}},
	{dialect.Choices, c, "n", `"n":2`, nil},
	{dialect.Effort, c, "reasoning_effort", `"reasoning_effort":"low"`, marks{r: `"reasoning":{"effort":"low"}`, m: `"thinking":{"type":"enabled","budget_tokens":2048}`}},
	{dialect.Effort, r, "reasoning.effort", `"reasoning":{"effort":"high"}`, marks{c: `"reasoning_effort":"high"`, m: `"budget_tokens":10000`}},
	{dialect.ThinkingBudget, m, "thinking", `"thinking":{"type":"enabled","budget_tokens":3000}`, marks{c: `"reasoning_effort":"medium"`, r: `"effort":"medium"`}},
	{dialect.ThinkingBudget, c, "reasoning.max_tokens", `"reasoning":{"max_tokens":3000}`, marks{m: `"budget_tokens":3000`}},
	{dialect.JSONObjects, c, "response_format", `"response_format":{"type":"json_object"}`, marks{r: `"format":{"type":"json_object"}`, m: "one JSON object"}},
	{dialect.JSONObjects, r, "text.format", `"text":{"format":{"type":"json_object"}}`, marks{c: `"response_format":{"type":"json_object"}`}},
	{dialect.JSONSchemas, c, "response_format", `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}`,
		marks{r: `"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}`, m: `"format":{"type":"json_schema","schema":{"type":"object"}}`}},
	{dialect.JSONSchemas, m, "output_config.format", `"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`,
		marks{c: `"json_schema":{"name":"answer","schema":{"type":"object"},"strict":true}`}},
	{dialect.Verbosity, c, "verbosity", `"verbosity":"low"`, marks{r: `"verbosity":"low"`}},
	{dialect.Verbosity, r, "text.verbosity", `"text":{"verbosity":"low"}`, marks{c: `"verbosity":"low"`}},
	{dialect.Prediction, c, "prediction", `"prediction":{"type":"content","content":"x"}`, marks{c: "prediction"}},
	{dialect.SpokenAnswer, c, "modalities", `"modalities":["text","audio"]`, nil},

	{dialect.StrictTools, c, "tools[].function.strict", `"tools":[{"type":"function","function":{"name":"f","strict":true}}]`, marks{r: `"strict":true`}},
	{dialect.StrictTools, r, "tools[].strict", `"tools":[{"type":"function","name":"f","strict":true}]`, marks{c: `"strict":true`}},
	{dialect.CustomTools, r, "tools of type custom", `"tools":[{"type":"custom","name":"patch"}]`, marks{c: `"name":"patch","parameters":{"type":"object","properties":{"input"`, m: `"name":"patch","input_schema":{"type":"object","properties":{"input"`}},
	{dialect.CustomTools, c, "tools of type custom", `"tools":[{"type":"custom","custom":{"name":"patch"}}]`, marks{r: `{"type":"custom","name":"patch"}`}},
	{dialect.Namespaces, r, "tools of type namespace", `"tools":[{"type":"namespace","name":"ns","tools":[{"type":"function","name":"f"}]}]`, marks{c: `"ns__f"`, m: `"ns__f"`}},
	{dialect.ServerTools, r, "tools of type web_search", `"tools":[{"type":"web_search"}]`, marks{c: "web_search"}},
	{dialect.ServerTools, m, "tools of type bash_20250124", `"tools":[{"type":"bash_20250124","name":"bash"}]`, marks{c: "bash"}},
	{dialect.WebSearch, c, "web_search_options", `"web_search_options":{}`, nil},
	{dialect.AllowedTools, c, "tool_choice", aTool + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{}}`, nil},
	{dialect.AllowedTools, r, "tool_choice", `"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}`, nil},
	{dialect.Functions, c, "functions", `"functions":[{"name":"f"}]`, nil},
	{dialect.NoParallelCalls, c, "parallel_tool_calls", aTool + `,"parallel_tool_calls":false`, marks{r: `"parallel_tool_calls":false`, m: `"disable_parallel_tool_use":true`}},
	{dialect.NoParallelCalls, m, "tool_choice.disable_parallel_tool_use", `"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, marks{c: `"parallel_tool_calls":false`}},
	{dialect.ToolCallLimit, r, "max_tool_calls", `"max_tool_calls":3`, marks{c: "max_tool_calls"}},
	{dialect.ToolNotes, m, "tools[].defer_loading", `"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true}]`, marks{c: "defer_loading"}},

	{dialect.LaterSystem, c, "messages of role system", `"messages":[{"role":"user","content":"hi"},{"role":"system","content":"later"}]`, marks{r: `{"type":"message","role":"system","content":"later"}`, m: `"system":"later"`}},
	{dialect.LaterSystem, m, "messages of role system", `"messages":[{"role":"user","content":"hi"},{"role":"system","content":"later"}]`, marks{c: `{"role":"system","content":"later"}`}},
	{dialect.ParticipantNames, c, "messages[].name", `"messages":[{"role":"user","name":"ann","content":"hi"}]`, marks{c: "ann"}},
	{dialect.Images, c, "image_url", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]`,
		marks{r: `{"type":"input_image","image_url":"data:image/png;base64,AAAA"}`, m: `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}`}},
	{dialect.Images, m, "image.source", `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]`,
		marks{c: `{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`}},
	{dialect.ImageDetail, c, "image_url.detail", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a","detail":"low"}}]}]`, marks{r: `"detail":"low"`}},
	{dialect.ImageDetail, r, "input_image.detail", `"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a","detail":"low"}]}]`, marks{c: `"detail":"low"`}},
	{dialect.Sound, c, "input_audio", `"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]`, nil},
	{dialect.Sound, r, "input_audio", `"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]`, marks{c: `{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`}},
	{dialect.Files, c, "file.file_data", `"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}]`,
		marks{r: `{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}`, m: `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"},"title":"a.pdf"}`}},
	{dialect.Files, m, "document", `"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"plain"}}]}]`, marks{c: `"file_data":"data:text/plain;base64,cGxhaW4="`}},
	{dialect.FileAddresses, r, "input_file", `"input":[{"role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]`, marks{m: `"source":{"type":"url","url":"https://example.com/a.pdf"}`}},
	{dialect.FileAddresses, m, "document.source", `"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]`, marks{r: `"file_url":"https://example.com/a.pdf"`}},
	{dialect.FileReferences, r, "input_file.file_id", `"input":[{"role":"user","content":[{"type":"input_file","file_id":"file_1"}]}]`, nil},
	{dialect.FileReferences, c, "file.file_id", `"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file_1"}}]}]`, nil},
	{dialect.MediaOfTools, m, "tool_result.content", `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]`,
		marks{c: `{"type":"text","text":"From the tool call t1:"},{"type":"image_url"`, r: `"output":[{"type":"input_image"`}},
	{dialect.MediaOfTools, r, "function_call_output.output", `"input":[{"type":"function_call_output","call_id":"t1","output":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]`, marks{m: `"content":[{"type":"image"`}},
	{dialect.FailedTools, m, "tool_result.is_error", `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"boom","is_error":true}]}]`,
		marks{c: `"content":"Error: boom"`, r: `"output":"Error: boom"`}},
	{dialect.OldReasoning, m, "content of type thinking", `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"tallygate-1.responses.s.cnNfMQ..enc"},{"type":"text","text":"yes"}]}]`,
		marks{c: `"reasoning_content":"hm"`, r: `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"enc"}`}},
	{dialect.OldReasoning, r, "input items of type reasoning", `"input":[{"role":"user","content":"hi"},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"tallygate-1.messages.s...sig"},{"role":"assistant","content":"yes"}]`,
		marks{c: `"reasoning_content":"hm"`, m: `{"type":"thinking","thinking":"hm","signature":"sig"}`}},
	{dialect.CacheMarks, m, "cache_control", `"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]`, marks{c: "ephemeral"}},
	{dialect.CacheMarks, c, "cache_control", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]`, marks{m: `"cache_control":{"type":"ephemeral","ttl":"1h"}`}},
	{dialect.BillingBlock, m, "x-anthropic-billing-header", `"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2"},{"type":"text","text":"s"}]`, marks{c: "billing"}},

	{dialect.EndUser, c, "user", `"user":"ann"`, marks{r: `"user":"ann"`, m: `"metadata":{"user_id":"ann"}`}},
	{dialect.EndUser, m, "metadata.user_id", `"metadata":{"user_id":"ann"}`, marks{c: `"user":"ann"`}},
	{dialect.Metadata, c, "metadata", `"metadata":{"k":"v"}`, marks{r: `"metadata":{"k":"v"}`}},
	{dialect.Metadata, r, "metadata", `"metadata":{"k":"v"}`, marks{c: `"metadata"`}},
	{dialect.CacheKey, c, "prompt_cache_key", `"prompt_cache_key":"k"`, marks{r: `"prompt_cache_key":"k"`}},
	{dialect.CacheKey, r, "prompt_cache_key", `"prompt_cache_key":"k"`, marks{c: "prompt_cache_key"}},
	{dialect.ServiceTier, c, "service_tier", `"service_tier":"flex"`, marks{r: `"service_tier":"flex"`}},
	{dialect.ServiceTier, r, "service_tier", `"service_tier":"flex"`, marks{c: `"service_tier":"flex"`}},
	{dialect.Store, c, "store", `"store":true`, marks{c: `"store":true`}},
	{dialect.Store, r, "store", `"store":true`, marks{c: "store"}},
	{dialect.StoredInput, r, "previous_response_id", `"previous_response_id":"resp_1"`, nil},
	{dialect.Background, r, "background", `"background":true`, nil},
	{dialect.Threads, m, "thread", `"thread":{"type":"new"}`, nil},
	{dialect.Truncation, r, "truncation", `"truncation":"auto"`, marks{c: "truncation"}},
	{dialect.Includes, r, "include", `"include":["file_search_call.results"]`, marks{c: "include"}},
	{dialect.ContextEdits, m, "context_management", `"context_management":{"edits":[]}`, marks{c: "context_management"}},
	{dialect.Speed, m, "speed", `"speed":"fast"`, marks{c: "fast"}},
	{dialect.Containers, m, "mcp_servers", `"mcp_servers":[{"name":"x"}]`, nil},
	{dialect.ClientMetadata, r, "client_metadata", `"client_metadata":{"k":"v"}`, marks{c: "client_metadata"}},
}

// body is the sample as a request.
func (s *sample) whole() string {
	turns, turn := "messages", `"messages":[{"role":"user","content":"hi"}]`
	if s.from == r {
		turns, turn = "input", `"input":"hi"`
	}
	if strings.Contains(s.body, `"`+turns+`":[`) {
		turn = `"k0":null`
	}
	return `{"model":"asked",` + turn + `,` + s.body + `}`
}

// Each row of each table is what the writer does.
func TestTables(t *testing.T) {
	proved := map[[2]any]bool{}
	for i := range samples {
		s := &samples[i]
		from := byName(s.from)
		if from == nil {
			t.Errorf("no dialect is called %s", s.from)
			continue
		}
		req, err := from.Parse([]byte(s.whole()))
		if err != nil {
			t.Errorf("%s of %s: %v", s.feature, s.from, err)
			continue
		}
		if !slices.Contains(req.Uses, dialect.Use{Feature: s.feature, Field: s.field}) {
			t.Errorf("%s of %s is not noticed as %q: %v", s.feature, s.from, s.field, req.Uses)
		}
		for _, to := range upstreams {
			if to.Name() != s.from {
				s.check(t, req, to)
				proved[[2]any{to.Name(), s.feature}] = true
			}
		}
	}
	for _, to := range upstreams {
		for f := range dialect.NumFeatures {
			rule := to.Table().Rules[f]
			switch was := proved[[2]any{to.Name(), f}]; {
			case rule.Verdict == dialect.Undecided:
				t.Errorf("%s says nothing of %s", to.Name(), f)
			case rule.Verdict == dialect.OnlyHere && was:
				t.Errorf("%s: %s can be said elsewhere", to.Name(), f)
			case rule.Verdict != dialect.OnlyHere && !was:
				t.Errorf("%s: nothing proves the row of %s", to.Name(), f)
			}
			if f.String() == "" {
				t.Errorf("feature %d has no name", f)
			}
		}
	}
}

func (s *sample) check(t *testing.T, req *dialect.Request, to dialect.Upstream) {
	t.Helper()
	at := dialect.Target{Model: "up", MaxOutput: 20000, Reasons: true, ReasoningField: "reasoning_content"}
	out, dropped, err := to.Write(nil, req, at)
	body := string(out)
	told := slices.Contains(dropped, s.field)
	switch to.Table().Rules[s.feature].Verdict {
	case dialect.Carried:
		if mark := s.marks[to.Name()]; err != nil || told || mark != "" && !strings.Contains(body, mark) {
			t.Errorf("%s of %s to %s is not carried as %q: %v, dropped %v, %s", s.feature, s.from, to.Name(), mark, err, dropped, body)
		} else if mark == "" && s.marks[s.from] == "" && len(s.marks) == 0 {
			t.Errorf("%s of %s to %s: the sample proves nothing", s.feature, s.from, to.Name())
		}
	case dialect.DropTold:
		if err != nil || !told {
			t.Errorf("%s of %s to %s is not told: %v, dropped %v", s.feature, s.from, to.Name(), err, dropped)
		}
		for _, mark := range s.marks {
			if strings.Contains(body, mark) {
				t.Errorf("%s of %s to %s is not dropped: %s", s.feature, s.from, to.Name(), body)
			}
		}
	case dialect.Refuse:
		f, ok := errors.AsType[*dialect.Failure](err)
		if !ok || f.Status != 400 || f.Param != s.field || s.feature != dialect.Threads && !strings.Contains(f.Message, s.field) {
			t.Errorf("%s of %s to %s is not refused: %v", s.feature, s.from, to.Name(), err)
		}
	}
}

// A client that always declares tools of its provider is not refused.
func TestServerToolsDropped(t *testing.T) {
	req, err := byName(r).Parse([]byte(`{"model":"x","input":"hi","tools":[{"type":"web_search"},{"type":"function","name":"f"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	out, dropped, err := byName(c).(dialect.Upstream).Write(nil, req, dialect.Target{Model: "up", DropServerTools: true})
	if err != nil || dropped.Header() != "tools of type web_search" || strings.Contains(string(out), "web_search") {
		t.Errorf("%v %v %s", err, dropped, out)
	}
}

// The printed table has a line for every feature.
func TestPrintedTable(t *testing.T) {
	var tables []*dialect.Table
	for _, u := range upstreams {
		tables = append(tables, u.Table())
	}
	golden(t, "table.txt", []byte(dialect.Print(tables...)))
}
