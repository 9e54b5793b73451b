package dialect_test

import (
	"errors"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// Failures and lists have the shapes that the clients of each dialect were seen to take.
func TestShapes(t *testing.T) {
	f := &dialect.Failure{Status: 429, Type: "insufficient_quota", Code: "cost_limit", Message: `Client "Hotel Aurora" has used $50.00`, RequestID: "req_x"}
	models := []dialect.Model{{ID: "gpt-4o-mini", Owner: "up", Created: 1735689600}, {ID: "claude-x", Owner: "up", Created: 1735689600}}
	openAI := `{"error":{"message":"Client \"Hotel Aurora\" has used $50.00","type":"insufficient_quota","param":null,"code":"cost_limit"}}`
	list := `{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1735689600,"owned_by":"up"},{"id":"claude-x","object":"model","created":1735689600,"owned_by":"up"}]}`
	for _, tc := range []struct {
		of                     dialect.Name
		failure, models, count string
	}{
		{dialect.Chat, openAI, list, `{"object":"response.input_tokens","input_tokens":42}`},
		{dialect.Responses, openAI, list, `{"object":"response.input_tokens","input_tokens":42}`},
		{dialect.Messages,
			`{"type":"error","error":{"type":"rate_limit_error","message":"Client \"Hotel Aurora\" has used $50.00","details":{"error_code":"cost_limit"}},"request_id":"req_x"}`,
			`{"data":[{"type":"model","id":"gpt-4o-mini","display_name":"gpt-4o-mini","created_at":"2025-01-01T00:00:00Z"},{"type":"model","id":"claude-x","display_name":"claude-x","created_at":"2025-01-01T00:00:00Z"}],"has_more":false,"first_id":"gpt-4o-mini","last_id":"claude-x"}`,
			`{"input_tokens":42}`},
		{dialect.Ollama, `{"error":"Client \"Hotel Aurora\" has used $50.00"}`, "", ""},
	} {
		d := byName(tc.of)
		if got := string(d.AppendFailure(nil, f)); got != tc.failure {
			t.Errorf("%s: %s", tc.of, got)
		}
		if got := string(d.AppendModels(nil, models)); tc.models != "" && got != tc.models {
			t.Errorf("%s: %s", tc.of, got)
		}
		if got := string(d.AppendCount(nil, 42)); tc.count != "" && got != tc.count {
			t.Errorf("%s: %s", tc.of, got)
		}
	}
	for status, want := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error", 405: "invalid_request_error",
		413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "api_error", 529: "overloaded_error"} {
		if got := string(byName(dialect.Messages).AppendFailure(nil, &dialect.Failure{Status: status})); !strings.Contains(got, `"type":"`+want+`"`) {
			t.Errorf("%d: %s", status, got)
		}
	}
}

// A client that offers a thread is told so that it goes on without one.
func TestThreadRefused(t *testing.T) {
	req, err := byName(dialect.Messages).Parse([]byte(`{"model":"m","max_tokens":1,"messages":[],"thread":{"type":"new"}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = byName(dialect.Chat).(dialect.Upstream).Write(nil, req, dialect.Target{Model: "m"})
	f, _ := errors.AsType[*dialect.Failure](err)
	want := `{"type":"error","error":{"type":"invalid_request_error","message":"This gateway does not keep message threads; send the whole history.","details":{"error_code":"thread_unsupported_request","unsupported":["thread"]}}}`
	if got := string(byName(dialect.Messages).AppendFailure(nil, f)); got != want {
		t.Errorf("%s", got)
	}
}

// What a caller has done wrong is told by the field.
func TestBadRequests(t *testing.T) {
	for _, tc := range []struct {
		of          dialect.Name
		body, param string
	}{
		{dialect.Chat, ``, ""}, {dialect.Chat, `[]`, ""}, {dialect.Chat, `{"model":"m"} x`, ""},
		{dialect.Chat, `{"model":5}`, "model"}, {dialect.Chat, `{"model":"a","model":"b"}`, "model"}, {dialect.Chat, `{"model":"a","\u006dodel":"b"}`, "model"},
		{dialect.Chat, `{"messages":{}}`, "messages"}, {dialect.Chat, `{"messages":["x"]}`, "messages"}, {dialect.Chat, `{"messages":[{"role":"x"}]}`, "messages"},
		{dialect.Chat, `{"messages":[{"role":"user","content":5}]}`, "messages[].content"}, {dialect.Chat, `{"messages":[{"role":"user","content":[{"type":"hologram"}]}]}`, "messages[].content"},
		{dialect.Chat, `{"messages":[{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]}`, "messages[].content"},
		{dialect.Chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}`, "image_url"},
		{dialect.Chat, `{"max_tokens":-1}`, "max_tokens"}, {dialect.Chat, `{"max_tokens":1e300}`, "max_tokens"}, {dialect.Chat, `{"temperature":"hot"}`, "temperature"},
		{dialect.Chat, `{"stream":"yes"}`, "stream"}, {dialect.Chat, `{"tools":[{"type":"function","function":{}}]}`, "tools"}, {dialect.Chat, `{"response_format":{"type":"xml"}}`, "response_format"},
		{dialect.Responses, `{"input":[{"type":"hologram"}]}`, "input"}, {dialect.Responses, `{"input":5}`, "input"}, {dialect.Responses, `{"input":[{"role":"x","content":"y"}]}`, "input"},
		{dialect.Responses, `{"input":[{"type":"function_call","call_id":"c"}]}`, "input"},
		{dialect.Messages, `{"messages":[{"role":"user","content":[{"type":"hologram"}]}]}`, "messages[].content"}, {dialect.Messages, `{"messages":[{"role":"user","content":[{"type":"tool_use","name":"f","input":{}}]}]}`, "messages[].content"},
		{dialect.Messages, `{"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"f","input":"x"}]}]}`, "messages[].content"}, {dialect.Messages, `{"thinking":{"type":"enabled"},"max_tokens":0}`, "max_tokens"},
		{dialect.Messages, `{"messages":[{"role":"user","content":[` + strings.Repeat(`{"type":"search_result","content":[`, 9) + strings.Repeat(`]}`, 9) + `]}]}`, "messages[].content"},
		{dialect.Ollama, `{"format":5}`, "format"}, {dialect.Ollama, `{"options":[]}`, "options"},
		{dialect.Messages, `{"x":` + strings.Repeat("[", 1<<16) + strings.Repeat("]", 1<<16) + `}`, ""},
	} {
		_, err := byName(tc.of).Parse([]byte(tc.body))
		f, ok := errors.AsType[*dialect.Failure](err)
		if !ok || f.Status != 400 || f.Param != tc.param || f.Type != "invalid_request_error" || tally.CodeOf(err) != tally.Invalid {
			t.Errorf("%s: %.80s: %+v", tc.of, tc.body, err)
		}
	}
}

// However many fields nobody knows, few are remembered, and each feature is.
func TestManyUnknownFields(t *testing.T) {
	var body strings.Builder
	for i := range 1000 {
		body.WriteString(`"k` + strings.Repeat("k", i) + `":1,`)
	}
	req, err := byName(dialect.Chat).Parse([]byte("{" + body.String() + `"web_search_options":{}}`))
	if err != nil || len(req.Uses) > 100 || !req.Used(dialect.WebSearch) {
		t.Errorf("%v, %d", err, len(req.Uses))
	}
}

// The header that tells of what was dropped holds any field's name.
func TestDroppedHeader(t *testing.T) {
	var d dialect.Dropped
	for range 30 {
		d.Add("seed")
		d.Add("a,b\r\nX: y\x00é")
	}
	if got := d.Header(); got != "seed, a?b??X: y???" {
		t.Errorf("%q", got)
	}
	for i := range 100 {
		d.Add(strings.Repeat("x", i))
	}
	if got := d.Header(); len(got) > 2000 || !strings.HasSuffix(got, ", ...") {
		t.Errorf("%q", got)
	}
}
