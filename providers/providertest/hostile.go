package providertest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// MaxAlloc bounds what all of one scenario allocates, at both ends, in bytes.
const MaxAlloc = 192 << 20

// RunHostile checks a provider of OpenAI's dialect against an [Upstream]. open
// makes the provider from a configuration that names the upstream; the suite
// closes it. Tests must not run beside it: it counts goroutines and bytes.
func RunHostile(t *testing.T, open func(testing.TB, providers.Config) providers.Provider) {
	hostile(t, Scenarios(), open)
	for name, check := range map[string]func(*testing.T, *Upstream, providers.Provider){
		"Sent": sent, "Reused": reused, "GoneEarly": goneEarly, "LetGo": letGo,
	} {
		t.Run(name, func(t *testing.T) {
			u := Start(t)
			leaks := NoLeaks(t)
			p := open(t, Scenario{}.Config(u))
			check(t, u, p)
			u.Idle(t)
			p.Close() // checked above
			leaks()
		})
	}
	t.Run("NobodyThere", func(t *testing.T) { nobodyThere(t, open) })
}

// RunHostileIn is RunHostile for what concerns the answers of another dialect.
func RunHostileIn(t *testing.T, in dialect.Name, open func(testing.TB, providers.Config) providers.Provider) {
	hostile(t, ScenariosIn(in), open)
}

func hostile(t *testing.T, all []Scenario, open func(testing.TB, providers.Config) providers.Provider) {
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			u := Start(t)
			leaks, allocated := NoLeaks(t), Allocated()
			p := open(t, s.Config(u))
			s.check(t, p)
			u.Idle(t)
			time.Sleep(s.Pause)
			afterwards(t, p, s.Dialect)
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			leaks()
			if n := allocated(); n > MaxAlloc {
				t.Errorf("%d MB were allocated, want %d at most", n>>20, MaxAlloc>>20)
			}
			for _, stray := range u.Strays() {
				t.Errorf("another origin was asked: %s %s %v", stray.Method, stray.Path, stray.Header)
			}
		})
	}
}

// check plays a scenario and compares what became of it.
func (s Scenario) check(t *testing.T, p providers.Provider) {
	t.Helper()
	c := callIn(t, s.Dialect, s.Endpoint, s.Name, string(s.Request()))
	c.KeepUsage = true
	if c.MaxOutput > 0 {
		c.MaxOutput = cmp.Or(s.Output, 16)
	}
	// A call that would never end is canceled, so that it ends as a failed test.
	ctx, stop := context.WithCancel(t.Context())
	defer time.AfterFunc(patience, stop).Stop()
	r, err := p.Do(ctx, c)
	a := new(answer)
	if err == nil {
		a = read(t, r, -1)
		err = a.err
	}
	if s.Fault != "" {
		s.checkFault(t, a, err)
	} else if err != nil {
		t.Fatalf("%v, want an answer", err)
	}
	switch {
	case s.Text == Unbounded:
	case a.text.String() != s.Text && !(s.hasty() && strings.HasPrefix(s.Text, a.text.String())):
		t.Errorf("the client reads %q, want %q", a.text.String(), s.Text)
	case (a.reported || s.Tokens != tally.Tokens{}) && a.tokens != s.Tokens:
		t.Errorf("counted %+v, want %+v", a.tokens, s.Tokens)
	case s.Report != nil && a.report != *s.Report:
		t.Errorf("reported %+v, want %+v", a.report, *s.Report)
	}
	if s.Endpoint == providers.Embeddings && s.Fault == "" {
		s.checkVectors(t, a.body.String())
	}
}

func (s Scenario) checkFault(t *testing.T, a *answer, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("answered %.200q, want %s", a.body.String(), s.Fault)
	}
	up := upstreamError(t, err)
	if up.Fault != s.Fault && (s.Or == "" || up.Fault != s.Or) {
		t.Errorf("%v, want %s", err, s.Fault)
		return
	}
	if up.Fault != s.Fault {
		return
	}
	if s.Status != 0 && up.Status != s.Status {
		t.Errorf("%v: status %d, want %d", err, up.Status, s.Status)
	}
	if up.RetryAfter != s.RetryAfter || up.Told != s.Told {
		t.Errorf("%v: retry after %v, told %v; want %v, %v", err, up.RetryAfter, up.Told, s.RetryAfter, s.Told)
	}
	if up.Free != s.Free {
		t.Errorf("%v: free %v, want %v", err, up.Free, s.Free)
	}
	if s.Words != (providers.Words{}) && up.Words != s.Words {
		t.Errorf("the upstream's words are %+v, want %+v", up.Words, s.Words)
	}
	if s.Cause != "" && (up.Err == nil || !strings.Contains(up.Err.Error(), s.Cause)) {
		t.Errorf("the cause is %v, want %q", up.Err, s.Cause)
	}
	if said := up.Words.Message + up.Words.Type + up.Words.Code + up.Words.Param; len(said) > 4<<10 || tally.Unprintable(said) {
		t.Errorf("words of %d bytes were kept: %.200q", len(said), said)
	}
	if up.RequestID != s.RequestID {
		t.Errorf("the request is called %q, want %q", up.RequestID, s.RequestID)
	}
}

// afterwards checks that a good answer follows, and that it is the answer to this request.
func afterwards(t *testing.T, p providers.Provider, in dialect.Name) {
	t.Helper()
	for _, more := range []string{`"n":1`, `"stream":true`} {
		body := `{"model":"x","messages":[{"role":"user","content":"afterwards come roses"}],` + more + `}`
		if in == dialect.Responses {
			body = strings.Replace(body, `"messages"`, `"input"`, 1)
		}
		r, err := p.Do(t.Context(), callIn(t, in, providers.Chat, "healthy", body))
		if err != nil {
			t.Fatalf("the next request: %v", err)
		}
		if a := read(t, r, -1); a.err != nil || !strings.HasPrefix(a.text.String(), "afterwards w1 ") {
			t.Errorf("the next request: %q, %v", a.text.String(), a.err)
		}
	}
}

// sent checks what reaches the upstream.
func sent(t *testing.T, u *Upstream, p providers.Provider) {
	const odd = `"x_odd" : {"b":[1.0, 2.50,1e2, 12345678901234567890],"s":"\u00e9 \ud83c\udf0d","n":null}`
	for _, more := range []string{`"seed":7`, `"stream":true`, `"stream":true,"stream_options":{"include_usage":false,"x":1}`} {
		c := call(t, providers.Chat, "sent/model \"7\"", with(chatBody, odd+","+more))
		do(t, p, c)
		got, ok := u.Last(c.Model)
		if !ok {
			t.Fatalf("no request for %s", c.Model)
		}
		if got.Method != "POST" || got.Path != "/v1/chat/completions" || got.Header.Get("Authorization") != "Bearer "+Key || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", got.Method, got.Path, got.Header)
		}
		if !bytes.Contains(got.Body, []byte(odd)) || !bytes.Contains(got.Body, []byte(`"messages":[{"role":"user","content":"hello there"}]`)) {
			t.Errorf("unknown fields were touched: %s", got.Body)
		}
		var a asked
		if err := json.Unmarshal(got.Body, &a); err != nil {
			t.Fatalf("%v in %s", err, got.Body)
		}
		if a.Stream != c.Stream || a.Options.Usage != c.Stream || a.MaxTokens == nil && a.MaxCompletion == nil {
			t.Errorf("%s", got.Body)
		}
	}
}

// reused: connections serve one request after another, streams as well, even
// if nobody reads behind the end marker.
func reused(t *testing.T, u *Upstream, p providers.Provider) {
	afterwards(t, p, dialect.Chat)
	time.Sleep(Short) // a client may want to see first whether this upstream keeps connections
	for range 8 {
		for _, s := range Scenarios()[:2] {
			c := call(t, s.Endpoint, s.Name, string(s.Request()))
			r, err := p.Do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := r.Body.Next(); err != nil {
					t.Fatal(err)
				}
				if !s.Stream || r.Body.Final() >= 0 {
					break
				}
			}
			r.Body.Close()
		}
	}
	if n := u.Accepted(); n > 3 {
		t.Errorf("18 requests in a row took %d connections", n)
	}
}

// goneEarly: a caller that goes away ends a call that hangs, wherever it hangs.
func goneEarly(t *testing.T, u *Upstream, p providers.Provider) {
	for _, s := range Scenarios() {
		if s.Fault != providers.TimedOut || s.Status != 0 {
			continue
		}
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			eventually(func() bool { _, ok := u.Last(s.Name); return ok })
			stop()
		}()
		r, err := p.Do(ctx, call(t, s.Endpoint, s.Name, string(s.Request())))
		if err == nil {
			err = read(t, r, -1).err
		}
		<-stopped
		if err == nil || upstreamError(t, err).Fault != providers.Gone {
			t.Errorf("%s: %v, want %s", s.Name, err, providers.Gone)
		}
	}
}

// letGo: an answer that is closed early is canceled at the upstream.
func letGo(t *testing.T, u *Upstream, p providers.Provider) {
	for _, s := range Scenarios() {
		if !s.Stream || s.Text == "" {
			continue
		}
		r, err := p.Do(t.Context(), call(t, s.Endpoint, s.Name, string(s.Request())))
		if err != nil {
			continue // it was reset
		}
		r.Body.Next() // whatever comes
		r.Body.Close()
		u.Idle(t)
	}
	afterwards(t, p, dialect.Chat)
}

// nobodyThere checks calls to addresses at which nobody answers.
func nobodyThere(t *testing.T, open func(testing.TB, providers.Config) providers.Provider) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for url, want := range map[string]providers.Fault{
		"http://" + closed.Addr().String() + "/v1":  providers.Unreachable,
		"https://" + silent.Addr().String() + "/v1": providers.TimedOut,
	} {
		cfg := Scenario{}.Config(&Upstream{URL: url})
		cfg.Provider.ConnectTimeout = Short
		leaks := NoLeaks(t)
		p := open(t, cfg)
		_, err := p.Do(t.Context(), call(t, providers.Chat, "healthy", chatBody))
		if err == nil || upstreamError(t, err).Fault != want || !upstreamError(t, err).Free {
			t.Errorf("%s: %v, want %s at no cost", url, err, want)
		}
		if _, err := p.Models(t.Context()); err == nil || upstreamError(t, err).Fault != want {
			t.Errorf("models of %s: %v, want %s", url, err, want)
		}
		p.Close() // nothing is open
		leaks()
	}
}
