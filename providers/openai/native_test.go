package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// anthropic is an upstream that speaks messages: it remembers what it was sent, and
// answers with events, in pieces, or with one body.
type anthropic struct {
	status int
	events []string
	body   string
	got    *http.Request
	sent   map[string]any
	raw    string
}

// events is a stream of events as this upstream writes them.
func events(list []string) string {
	var all strings.Builder
	for _, e := range list {
		kind, data, _ := strings.Cut(e, " ")
		all.WriteString("event: " + kind + "\ndata: " + data + "\n\n")
	}
	return all.String()
}

func (a *anthropic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.got, a.sent = r, nil
	body, _ := io.ReadAll(r.Body)
	a.raw = string(body)
	json.Unmarshal(body, &a.sent)
	w.Header().Set("Content-Type", "application/json")
	if a.status == 0 && len(a.events) > 0 && a.sent["stream"] == true {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range a.events {
			text := events(a.events[i : i+1])
			io.WriteString(w, text[:len(text)/2])
			http.NewResponseController(w).Flush()
			io.WriteString(w, text[len(text)/2:])
		}
		return
	}
	w.WriteHeader(max(a.status, 200))
	io.WriteString(w, a.body)
}

func (a *anthropic) open(t *testing.T) *Provider {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	p, err := New(providers.Config{Provider: &tally.Provider{ProviderKind: "anthropic", BaseURL: s.URL + "/v1"}, APIKeys: []string{"sk-ant-1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p.(*Provider)
}

// ask sends messages and reads the answer.
func (a *anthropic) ask(t *testing.T, body string) (answer string, said providers.Report, err error) {
	t.Helper()
	e := new(providers.Envelope)
	if err := e.Peek(dialect.Messages, []byte(body)); err != nil {
		t.Fatal(err)
	}
	reply, err := a.open(t).Do(context.Background(), providers.Call{Endpoint: providers.Chat, Envelope: e, Model: "claude-sonnet-4-5", MaxOutput: 100, Stream: e.Stream, KeepUsage: true, RequestID: "req_1"})
	if err != nil {
		return "", said, err
	}
	defer reply.Body.Close()
	var out strings.Builder
	for {
		b, err := reply.Body.Next()
		out.Write(b)
		if err == io.EOF {
			return out.String(), reply.Body.Report(), nil
		}
		if err != nil {
			return out.String(), reply.Body.Report(), err
		}
	}
}

var claude = []string{
	`message_start {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":7,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}`,
	`content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
	`content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`,
	`content_block_stop {"type":"content_block_stop","index":0}`,
	`message_delta {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`,
	`message_stop {"type":"message_stop"}`,
}

const claudeWhole = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn",` +
	`"usage":{"input_tokens":7,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":5}}`

// Messages reach Anthropic as they were written, but for the model and the maximum, with its
// key in its header, and every class of tokens that it bills is in the report. The answer
// passes as it came.
func TestAnthropicIsAskedInItsDialect(t *testing.T) {
	want := tally.Tokens{Input: 7, CachedInput: 20, CacheWrite: 10, CacheWriteLong: 20, Output: 5}
	for _, stream := range []string{"false", "true"} {
		a := &anthropic{events: claude, body: claudeWhole}
		answer, said, err := a.ask(t, `{"model":"x","stream":`+stream+`,"max_tokens":500,"system":"short","x_beta":{"a":[1]},"messages":[{"role":"user","content":"hi"}]}`)
		if err != nil || said.Tokens != want || said.Model != "claude-sonnet-4-5" || said.Finish == providers.Unfinished {
			t.Errorf("stream %s: %v, %+v, %s", stream, err, said, answer)
		}
		if came := map[string]string{"false": claudeWhole, "true": events(claude)}[stream]; answer != came {
			t.Errorf("stream %s: the answer became %s", stream, answer)
		}
		h := a.got.Header
		if a.got.URL.Path != "/v1/messages" || h.Get("X-Api-Key") != "sk-ant-1" || h.Get("Anthropic-Version") == "" || h.Get("Authorization") != "" {
			t.Errorf("it was asked at %s with %v", a.got.URL, h)
		}
		if want := `{"model":"claude-sonnet-4-5","stream":` + stream + `,"max_tokens":100,"system":"short","x_beta":{"a":[1]},"messages":[{"role":"user","content":"hi"}]}`; a.raw != want {
			t.Errorf("it was sent %s", a.raw)
		}
	}
}

// What goes wrong is sorted as with any upstream.
func TestAnthropicsFaults(t *testing.T) {
	for _, x := range []struct {
		status int
		body   string
		fault  providers.Fault
	}{
		{401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, providers.BadKey},
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}`, providers.Refused},
		{529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, providers.ServerError},
		{429, `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit"}}`, providers.Busy},
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, providers.OutOfQuota},
		{200, `{"hello":1}`, providers.BadAnswer},
	} {
		_, _, err := (&anthropic{status: x.status, body: x.body}).ask(t, `{"model":"x","messages":[{"role":"user","content":"hi"}]}`)
		up, ok := errors.AsType[*providers.UpstreamError](err)
		if !ok || up.Fault != x.fault {
			t.Errorf("%d %s is %v, want %v", x.status, x.body, err, x.fault)
		}
	}
	a := &anthropic{events: append(claude[:3:3], `error {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)}
	answer, _, err := a.ask(t, `{"model":"x","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	if up, ok := errors.AsType[*providers.UpstreamError](err); !ok || !up.Told || !strings.Contains(answer, "Hello") {
		t.Errorf("an error inside: %v after %s", err, answer)
	}
	a = &anthropic{events: claude[:4]}
	if _, _, err = a.ask(t, `{"model":"x","stream":true,"messages":[{"role":"user","content":"hi"}]}`); err == nil {
		t.Error("a stream that is cut looks whole")
	}
}

func TestAnthropicsModels(t *testing.T) {
	a := &anthropic{body: `{"data":[{"type":"model","id":"claude-sonnet-4-5","display_name":"Claude Sonnet 4.5","created_at":"2025-09-29T00:00:00Z"}],"has_more":false}`}
	models, err := a.open(t).Models(context.Background())
	if err != nil || len(models) != 1 || models[0].Name != "claude-sonnet-4-5" || a.got.URL.RawQuery != "limit=1000" || a.got.Header.Get("X-Api-Key") != "sk-ant-1" {
		t.Errorf("%v %+v %v", err, models, a.got)
	}
}
