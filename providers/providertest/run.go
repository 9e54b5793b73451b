package providertest

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tallygate/providers"
	"tallygate/providers/dialect"
)

// Subject is a provider that the suite is run on.
type Subject struct {
	// Open makes the provider, over a well-behaved upstream if it needs one. The
	// suite closes it.
	Open func(t testing.TB) providers.Provider
	// Chat is the name of a model that answers chats and completions, with at
	// least three tokens; Embedding of one that makes embeddings.
	Chat, Embedding string
}

// Run checks a provider against the contract of package providers. Tests must
// not run beside it: it counts goroutines.
func Run(t *testing.T, s Subject) {
	for name, check := range map[string]func(*testing.T, Subject, providers.Provider){
		"Plain":      plain,
		"Stream":     stream,
		"Same":       same,
		"Bound":      bound,
		"Choices":    choices,
		"Embeddings": embeddings,
		"Models":     models,
		"Close":      closing,
		"Cancel":     cancel,
		"Concurrent": concurrent,
	} {
		t.Run(name, func(t *testing.T) {
			p := s.Open(t)
			leaks := NoLeaks(t)
			check(t, s, p)
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			leaks()
		})
	}
}

// call makes a call of a body whose model is another name than the upstream's.
func call(t testing.TB, at providers.Endpoint, model, body string) providers.Call {
	t.Helper()
	return callIn(t, dialect.Chat, at, model, body)
}

// callIn makes a call in a dialect; "" is chat completions.
func callIn(t testing.TB, in dialect.Name, at providers.Endpoint, model, body string) providers.Call {
	t.Helper()
	e := new(providers.Envelope)
	if err := e.Peek(cmp.Or(in, dialect.Chat), []byte(body)); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	c := providers.Call{Endpoint: at, Envelope: e, Model: model, Stream: e.Stream, KeepUsage: e.IncludeUsage, RequestID: "rq_1"}
	if at != providers.Embeddings {
		c.MaxOutput = 64
	}
	return c
}

const (
	chatBody   = `{"model":"a-name-of-ours","messages":[{"role":"user","content":"hello there"}]}`
	promptBody = `{"model":"a-name-of-ours","prompt":"hello there"}`
)

// with adds members to a body.
func with(body, more string) string { return body[:len(body)-1] + "," + more + "}" }

// do asks, expects an answer and reads it.
func do(t testing.TB, p providers.Provider, c providers.Call) *answer {
	t.Helper()
	before := string(c.Envelope.Raw)
	r, err := p.Do(t.Context(), c)
	if err != nil {
		t.Fatalf("Do: %v", upstreamError(t, err))
	}
	if r.Status != http.StatusOK || r.Stream != c.Stream {
		t.Errorf("status %d, stream %v; want 200, %v", r.Status, r.Stream, c.Stream)
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, map[bool]string{false: "application/json", true: "text/event-stream"}[c.Stream]) {
		t.Errorf("Content-Type %q", kind)
	}
	if said := r.Body.Report(); said != (providers.Report{}) && !c.Stream || r.Body.Final() >= 0 {
		t.Error("a body reports what Next has not returned yet")
	}
	a := read(t, r, -1)
	if a.err != nil {
		t.Fatalf("Next: %v", upstreamError(t, a.err))
	}
	if string(c.Envelope.Raw) != before {
		t.Error("the client's request was changed")
	}
	if !a.reported || a.tokens.Prompt() == 0 {
		t.Errorf("reported %+v, %v", a.tokens, a.reported)
	}
	return a
}

func plain(t *testing.T, s Subject, p providers.Provider) {
	for at, body := range map[providers.Endpoint]string{providers.Chat: chatBody, providers.Completions: promptBody} {
		a := do(t, p, call(t, at, s.Chat, body))
		if a.text.Len() == 0 || len(a.finish) != 1 || a.usage == nil || a.tokens.Completion() == 0 {
			t.Errorf("%s: %s", at, a.body.String())
		}
		var usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
		}
		if err := json.Unmarshal(a.usage, &usage); err != nil || usage.Prompt != a.tokens.Prompt() || usage.Completion != a.tokens.Completion() {
			t.Errorf("%s: counted %+v of %s", at, a.tokens, a.usage)
		}
	}
}

func stream(t *testing.T, s Subject, p providers.Provider) {
	for at, body := range map[providers.Endpoint]string{providers.Chat: chatBody, providers.Completions: promptBody} {
		for more, kept := range map[string]bool{
			`"stream":true`: false,
			`"stream":true,"stream_options":{"include_usage":false}`: false,
			`"stream":true,"stream_options":{"include_usage":true}`:  true,
		} {
			a := do(t, p, call(t, at, s.Chat, with(body, more)))
			if a.events < 2 || len(a.finish) != 1 || (a.usage != nil) != kept {
				t.Errorf("%s with %s: %s", at, more, a.body.String())
			}
			if !kept && strings.Contains(a.body.String(), `"choices":[]`) {
				t.Errorf("%s with %s: an event without a choice, though usage was not asked for", at, more)
			}
		}
	}
}

// same: a stream says and counts what a plain answer does.
func same(t *testing.T, s Subject, p providers.Provider) {
	a := do(t, p, call(t, providers.Chat, s.Chat, chatBody))
	b := do(t, p, call(t, providers.Chat, s.Chat, with(chatBody, `"stream":true`)))
	if a.text.String() != b.text.String() || a.tokens != b.tokens {
		t.Errorf("plain %q %+v, streamed %q %+v", a.text.String(), a.tokens, b.text.String(), b.tokens)
	}
	if a.model != s.Chat || b.model != s.Chat {
		t.Errorf("asked for %q; %q and %q answered", s.Chat, a.model, b.model)
	}
}

// bound: the granted output bounds the answer, whatever the client asked for.
func bound(t *testing.T, s Subject, p providers.Provider) {
	for _, own := range []string{`"top_p":1`, `"max_tokens":1000`, `"max_completion_tokens":1000`, `"max_tokens":1000,"max_completion_tokens":900`, `"max_tokens":null`} {
		for _, more := range []string{own, own + `,"stream":true`} {
			c := call(t, providers.Chat, s.Chat, with(chatBody, more))
			c.MaxOutput = 2
			a := do(t, p, c)
			if a.tokens.Completion() > 2 || a.delivered > 2 || len(a.finish) != 1 || a.finish[0] != "length" {
				t.Errorf("%s, granted 2: %d tokens, %d delivered, ended with %v", more, a.tokens.Completion(), a.delivered, a.finish)
			}
		}
	}
	c := call(t, providers.Chat, s.Chat, with(chatBody, `"max_tokens":1`))
	if a := do(t, p, c); a.tokens.Completion() != 1 {
		t.Errorf("asked for 1, granted 64: %d tokens", a.tokens.Completion())
	}
}

func choices(t *testing.T, s Subject, p providers.Provider) {
	for body, at := range map[string]providers.Endpoint{
		with(chatBody, `"n":3`):            providers.Chat,
		`{"prompt":["one","two","three"]}`: providers.Completions,
	} {
		for _, body := range []string{body, with(body, `"stream":true`)} {
			c := call(t, at, s.Chat, body)
			c.MaxOutput = 2
			a := do(t, p, c)
			if len(a.finish) != 3 || a.tokens.Completion() > 6 {
				t.Errorf("%s: %d choices, %d tokens", body, len(a.finish), a.tokens.Completion())
			}
		}
	}
}

func models(t *testing.T, s Subject, p providers.Provider) {
	list, err := p.Models(t.Context())
	if err != nil || len(list) == 0 {
		t.Fatalf("%d models, %v", len(list), err)
	}
	seen := map[string]bool{}
	for _, m := range list {
		if m.Name == "" || seen[m.Name] || m.ContextTokens < 0 || m.MaxOutputTokens < 0 {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := p.Models(ctx); err == nil || upstreamError(t, err).Fault != providers.Gone {
		t.Errorf("models for a caller that is gone: %v", err)
	}
}

// closing: an answer can be let go of at any moment.
func closing(t *testing.T, s Subject, p providers.Provider) {
	for _, body := range []string{chatBody, with(chatBody, `"stream":true`)} {
		for blocks := range 3 {
			r, err := p.Do(t.Context(), call(t, providers.Chat, s.Chat, body))
			if err != nil {
				t.Fatal(err)
			}
			read(t, r, blocks)
		}
	}
	do(t, p, call(t, providers.Chat, s.Chat, chatBody)) // it still works
}

// cancel: a caller that went away ends a call and its answer.
func cancel(t *testing.T, s Subject, p providers.Provider) {
	for _, body := range []string{chatBody, with(chatBody, `"stream":true`)} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := p.Do(ctx, call(t, providers.Chat, s.Chat, body)); err == nil || upstreamError(t, err).Fault != providers.Gone || !upstreamError(t, err).Free {
			t.Errorf("a call by a caller that is gone: %v, which costs nothing", err)
		}
		ctx, stop = context.WithCancel(t.Context())
		r, err := p.Do(ctx, call(t, providers.Chat, s.Chat, body))
		if err != nil {
			t.Fatal(err)
		}
		stop()
		a := read(t, r, -1) // the rest of a short answer may be here already
		if a.err != nil && upstreamError(t, a.err).Fault != providers.Gone {
			t.Errorf("an answer to a caller that is gone: %v", a.err)
		}
	}
	do(t, p, call(t, providers.Chat, s.Chat, chatBody))
}

func concurrent(t *testing.T, s Subject, p providers.Provider) {
	want := do(t, p, call(t, providers.Chat, s.Chat, chatBody))
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 5 {
				body := chatBody
				if (i+j)%2 == 0 {
					body = with(chatBody, `"stream":true`)
				}
				r, err := p.Do(t.Context(), call(t, providers.Chat, s.Chat, body))
				if err != nil {
					t.Error(err)
					return
				}
				if a := read(t, r, -1); a.err != nil || a.text.String() != want.text.String() || a.tokens != want.tokens {
					t.Errorf("%v, %q, %+v; want %q, %+v", a.err, a.text.String(), a.tokens, want.text.String(), want.tokens)
				}
			}
		})
	}
	all.Wait()
}
