package openai

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// upstream answers as its handler does, and keeps what it was sent.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex // guards the fields that follow
	keys []string
	body []byte
}

func startUpstream(t testing.TB, handle http.HandlerFunc) *upstream {
	t.Helper()
	u := new(upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		u.mu.Lock()
		u.keys, u.body = append(u.keys, r.Header.Get("Authorization")), body
		u.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		handle(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// sent returns the keys that the upstream was asked with since the last time, and the last
// body.
func (u *upstream) sent() ([]string, []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	keys := u.keys
	u.keys = nil
	return keys, u.body
}

// provider makes a provider for an upstream.
func (u *upstream) provider(t testing.TB, kind tally.ProviderKind, keys ...string) providers.Provider {
	t.Helper()
	p, err := New(providers.Config{APIKeys: keys, Provider: &tally.Provider{ProviderKind: kind, BaseURL: u.URL + "/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func callOf(t testing.TB, at providers.Endpoint, body string) providers.Call {
	t.Helper()
	e, err := providers.Peek([]byte(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return providers.Call{Endpoint: at, Envelope: e, Model: "m", MaxOutput: 10, Stream: e.Stream, KeepUsage: e.IncludeUsage, RequestID: "rq_1"}
}

// ask makes a call, reads the answer and returns it.
func ask(t testing.TB, p providers.Provider, c providers.Call) (string, error) {
	t.Helper()
	r, err := p.Do(t.Context(), c)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	var all strings.Builder
	for {
		b, err := r.Body.Next()
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
		all.Write(b)
	}
}

const hello = `{"choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`

func TestKeys(t *testing.T) {
	refused := map[string]int{} // by key
	u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if status := refused[r.Header.Get("Authorization")]; status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, map[bool]string{true: `{"error":{"code":"insufficient_quota"}}`, false: `{"error":{"code":"x"}}`}[status == 429])
			return
		}
		io.WriteString(w, hello)
	})
	p := u.provider(t, "openai", "k1", " k2\n", "k3", "")
	check := func(name string, err error, wantErr providers.Fault, want ...string) {
		t.Helper()
		keys, _ := u.sent()
		for i := range want {
			want[i] = "Bearer " + want[i]
		}
		if up, _ := err.(*providers.UpstreamError); !slices.Equal(keys, want) || (err != nil) != (wantErr != "") || up != nil && up.Fault != wantErr {
			t.Errorf("%s: asked with %q, want %q; %v, want %q", name, keys, want, err, wantErr)
		}
	}
	refused["Bearer k2"] = 401
	for key, want := range []string{"k1", "k2", "k3"} {
		c := callOf(t, providers.Chat, `{}`)
		c.Key = key
		_, err := ask(t, p, c)
		check("the key that the call names is used, and no other", err, map[string]providers.Fault{"k2": providers.BadKey}[want], want)
	}
	models := func() error { _, err := p.Models(t.Context()); return err }
	refused["Bearer k1"] = 429
	check("a list is asked for with each key in turn", models(), providers.BadAnswer, "k1", "k2", "k3")
	refused["Bearer k3"] = 402
	check("when all fail, the last one's failure counts", models(), providers.OutOfQuota, "k1", "k2", "k3")
	refused["Bearer k1"] = 503
	check("what is not about the key is not tried with another", models(), providers.Busy, "k1")
}

func TestNoKey(t *testing.T) {
	u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if _, there := r.Header["Authorization"]; there {
			t.Error("there is an Authorization field")
		}
		io.WriteString(w, hello)
	})
	if _, err := ask(t, u.provider(t, "ollama"), callOf(t, providers.Chat, `{}`)); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]providers.Config{
		"an unknown kind":      {Provider: &tally.Provider{ProviderKind: "nobody"}},
		"no base URL":          {Provider: &tally.Provider{ProviderKind: "custom"}},
		"a base URL of no use": {Provider: &tally.Provider{ProviderKind: "openai", BaseURL: "ftp://x"}},
		"a key with a line":    {Provider: &tally.Provider{ProviderKind: "openai"}, APIKeys: []string{"sk-canary\r\nX-Evil: 1"}},
		"a key with a space":   {Provider: &tally.Provider{ProviderKind: "openai"}, APIKeys: []string{"sk-canary 2"}},
		"a key in Greek":       {Provider: &tally.Provider{ProviderKind: "openai"}, APIKeys: []string{"sk-canaryα"}},
	} {
		_, err := New(cfg)
		if err == nil || tally.CodeOf(err) != tally.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, k := range Kinds() {
		p, err := k.New(providers.Config{Provider: &tally.Provider{ProviderKind: k.Name, BaseURL: map[bool]string{true: "http://localhost:1"}[k.BaseURL == ""]}})
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		p.Close()
	}
}

// Habits: what each kind of upstream is sent for the same request.
func TestHabits(t *testing.T) {
	u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			io.WriteString(w, `{"data":[{"embedding":[0.5]}]}`)
		default:
			io.WriteString(w, hello)
		}
	})
	sent := func(kind tally.ProviderKind, at providers.Endpoint, body string) string {
		c := callOf(t, at, body)
		if at == providers.Embeddings {
			c.MaxOutput = 0
		}
		if _, err := ask(t, u.provider(t, kind), c); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		_, got := u.sent()
		return string(got)
	}
	const bare, old, recent = `{"model":"m"}`, `{"model":"m","max_tokens":99}`, `{"model":"m","max_completion_tokens":99}`
	for kind, want := range map[tally.ProviderKind][3]string{
		"openai":     {`{"max_completion_tokens":10,"model":"m"}`, `{"model":"m","max_tokens":10}`, `{"model":"m","max_completion_tokens":10}`},
		"openrouter": {`{"max_tokens":10,"model":"m"}`, `{"model":"m","max_tokens":10}`, `{"model":"m","max_completion_tokens":10}`},
		"deepseek":   {`{"max_tokens":10,"model":"m"}`, `{"model":"m","max_tokens":10}`, `{"model":"m","max_tokens":10}`}, // ignores the other
		"mistral":    {`{"max_tokens":10,"model":"m"}`, `{"model":"m","max_tokens":10}`, `{"model":"m","max_tokens":10}`}, // refuses the other
		"custom":     {`{"max_tokens":10,"model":"m"}`, `{"model":"m","max_tokens":10}`, `{"model":"m","max_tokens":10}`},
	} {
		for i, body := range []string{bare, old, recent} {
			if got := sent(kind, providers.Chat, body); got != want[i] {
				t.Errorf("%s, %s: sent %s, want %s", kind, body, got, want[i])
			}
		}
	}
	if got, want := sent("openai", providers.Completions, bare), `{"max_tokens":10,"model":"m"}`; got != want {
		t.Errorf("legacy completions: sent %s, want %s", got, want)
	}
	const stream = `{"model":"m","max_tokens":9,"stream":true,"stream_options":{"x":1}}`
	if got, want := sent("custom", providers.Chat, stream), `{"model":"m","max_tokens":9,"stream":true,"stream_options":{"include_usage":true,"x":1}}`; got != want {
		t.Errorf("a stream: sent %s, want %s", got, want)
	}
	if got, want := sent("mistral", providers.Chat, stream), `{"model":"m","max_tokens":9,"stream":true}`; got != want {
		t.Errorf("a stream of Mistral's: sent %s, want %s", got, want)
	}
	const embed = `{"model":"m","input":"x","encoding_format":"base64"}`
	if got := sent("openai", providers.Embeddings, embed); got != embed {
		t.Errorf("embeddings: sent %s", got)
	}
	if got, want := sent("ollama", providers.Embeddings, embed), strings.Replace(embed, "base64", "float", 1); got != want {
		t.Errorf("embeddings of Ollama: sent %s, want %s", got, want)
	}
}

// A stream is cut off once it is far longer than what was asked for. The bound leaves room
// for honest streams.
func TestLongest(t *testing.T) {
	for _, x := range []struct {
		body string
		at   providers.Endpoint
		want int64
	}{
		{`{"n":3}`, providers.Chat, bytesBesides + 30*bytesPerToken},
		{`{"n":2,"best_of":4,"prompt":["a","b"]}`, providers.Completions, bytesBesides + 80*bytesPerToken},
		{`{}`, providers.Embeddings, bytesBesides + 10*bytesPerToken},
	} {
		if got := longest(callOf(t, x.at, x.body)); got != x.want {
			t.Errorf("%s: %d, want %d", x.body, got, x.want)
		}
	}
	free := callOf(t, providers.Chat, `{}`)
	if free.MaxOutput = 0; longest(free) != 0 {
		t.Errorf("a stream without a bound of its output ends after %d bytes", longest(free))
	}
}

// How long the head of an answer may take. An answer in one piece comes with its head, so
// the time of a stream's first byte would cut it off. A default for that time would cut off
// a model that thinks.
func TestWait(t *testing.T) {
	for _, x := range []struct {
		firstByte, total time.Duration
		stream           bool
		want             time.Duration
	}{
		{0, defaultTimeout, true, defaultTimeout},
		{0, defaultTimeout, false, defaultTimeout},
		{time.Second, defaultTimeout, true, time.Second},
		{time.Second, defaultTimeout, false, defaultTimeout},
		{time.Hour, time.Minute, false, time.Minute},
	} {
		p := &Provider{firstByte: x.firstByte, timeout: x.total}
		if got := p.wait(x.stream); got != x.want {
			t.Errorf("%+v: %v", x, got)
		}
	}
}

// BenchmarkDo is a call with all that belongs to it but the gateway.
func BenchmarkDo(b *testing.B) {
	u := startUpstream(b, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, hello) })
	p := u.provider(b, "openai", "k")
	c := callOf(b, providers.Chat, `{"model":"gpt","messages":[{"role":"user","content":"`+strings.Repeat("x", 400)+`"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ask(b, p, c); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEmbeddingsAreConverted(t *testing.T) {
	u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"data":[{"embedding":"AAAAPw=="},{"embedding":[0.5]}],"usage":{"prompt_tokens":2}}`)
	})
	p := u.provider(t, "openai")
	for format, want := range map[string]string{"float": `[0.5]`, "base64": `"AAAAPw=="`} {
		c := callOf(t, providers.Embeddings, fmt.Sprintf(`{"input":["a","b"],"encoding_format":%q}`, format))
		c.MaxOutput = 0
		got, err := ask(t, p, c)
		var list struct {
			Data []struct{ Embedding json.RawMessage }
		}
		if json.Unmarshal([]byte(got), &list) != nil || err != nil || len(list.Data) != 2 || string(list.Data[0].Embedding) != want || string(list.Data[1].Embedding) != want {
			t.Errorf("%s: %s, %v", format, got, err)
		}
	}
}
