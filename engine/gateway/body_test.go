package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers"
	"tallygate/providers/sim"
)

// long is a chat request of so many bytes and a few.
func long(n int) string {
	return `{"model":"sim-small","max_tokens":5,"messages":[{"role":"user","content":"` + strings.Repeat("x", n) + `"}]}`
}

// wantGivenBack fails if memory for bodies is still counted.
func (w *world) wantGivenBack() {
	w.t.Helper()
	for range 1000 {
		if w.server.bodies.taken.Load() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Errorf("%d bytes of bodies are still held", w.server.bodies.taken.Load())
}

// Whoever has used its limit up sends as much as it likes: nothing of that is kept,
// and every one of them reads why it is refused.
func TestSpentLimitsRefuseBeforeTheBody(t *testing.T) {
	for _, name := range []string{"client", "visitor"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.bodies = 4 << 20
			w.client.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 1}}
			header := "X-Nothing: 1"
			if name == "visitor" {
				header = w.mint(token.Options{IPQuota: "1/day"})
			}
			w.open()
			if a := w.chat("", header); a.status != 200 {
				t.Fatal(a.body)
			}
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					a := w.send("POST", "/v1/chat/completions", long(8<<20), header)
					if _, _, message := a.refusal(t); a.status != 429 || !strings.Contains(message, "1 of 1 requests today") {
						t.Errorf("%d %s", a.status, message)
					}
				})
			}
			callers.Wait()
			w.wantGivenBack()
		})
	}
}

// A caller that asks first whether it may send a large body is told no, and sends
// nothing.
func TestExpectIsNotAnsweredWithContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := dialed(t, w)
		go fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 401 {
			t.Errorf("%v %v", resp, err)
		}
	})
}

func TestBodyLimits(t *testing.T) {
	for _, tc := range []struct {
		name    string
		set     func(*world)
		visitor bool
		bytes   int
		status  int
		says    string
	}{
		{"a client's default", nil, false, 3 << 20, 200, ""},
		{"a client's", func(w *world) { w.client.MaxBodyBytes = 5000 }, false, 6000, 413, "larger than 5,000 bytes"},
		{"its gateway's", func(w *world) { w.gw.MaxBodyBytes = 1 << 20 }, false, 2 << 20, 413, "larger than 1 MiB"},
		{"a client's before its gateway's", func(w *world) { w.gw.MaxBodyBytes, w.client.MaxBodyBytes = 1<<20, 3<<20 }, false, 2 << 20, 200, ""},
		{"a visitor's default", nil, true, 2 << 20, 413, "larger than 1 MiB"},
		{"visitors'", func(w *world) { w.gw.VisitorMaxBodyBytes = 3 << 20 }, true, 2 << 20, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.set != nil {
				tc.set(w)
			}
			header := "X-Nothing: 1"
			if tc.visitor {
				header = w.mint(token.Options{})
			}
			w.open()
			for _, how := range []string{"with its length", "in chunks"} {
				body := io.Reader(strings.NewReader(long(tc.bytes)))
				if how == "in chunks" {
					body = io.MultiReader(body)
				}
				a := w.sendFrom("POST", "/v1/chat/completions", body, header)
				if a.status != tc.status || !strings.Contains(a.body, tc.says) {
					t.Errorf("%s: %d %.300s", how, a.status, a.body)
				}
			}
			w.wantGivenBack()
		})
	}
}

// gated is an upstream that answers nobody before a gate is open.
type gated struct {
	providers.Provider
	gate chan struct{}
}

func (g *gated) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	<-g.gate
	return g.Provider.Do(ctx, c)
}

// Large requests under way share a budget, in which there is always room for small
// ones; a refused one may come again when others are done.
func TestBodiesShareABudget(t *testing.T) {
	w := newWorld(t)
	w.bodies = 11 << 20
	hold := make(chan struct{})
	upstream := sim.Open(sim.Options{})
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return &gated{upstream, hold}, nil }
	w.open()
	large := long(2 << 20)
	answers := make(chan int, 2)
	for n := range 2 { // a client may have half of the 11 MiB
		go func() { answers <- w.send("POST", "/v1/chat/completions", large).status }()
		w.waitFor(n + 1)
	}
	a := w.send("POST", "/v1/chat/completions", large)
	if _, code, _ := a.refusal(t); a.status != 503 || code != tally.CodeCrowded || a.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", a.status, a.body)
	}
	small := make(chan int)
	go func() { small <- w.chat("").status }()
	w.waitFor(3)
	close(hold)
	if status := <-small; status != 200 {
		t.Errorf("a small one: %d", status)
	}
	for range 2 {
		if status := <-answers; status != 200 {
			t.Errorf("one that was let in: %d", status)
		}
	}
	if status := w.send("POST", "/v1/chat/completions", large).status; status != 200 {
		t.Errorf("later: %d", status)
	}
	w.wantGivenBack()
}

// Nobody takes the memory of others: neither a client that of other clients, nor a page
// that of other pages, nor a visitor that of its page's other ones. One request alone
// is let in whatever its size, and small ones always.
func TestBodiesAreShared(t *testing.T) {
	w := newWorld(t)
	w.bodies = 64 << 20
	w.open()
	s := w.server
	client := func(id tally.ID) *tally.Principal {
		return &tally.Principal{Client: &tally.Client{Meta: tally.Meta{ID: id}}}
	}
	visitor := func(token, ip string) *tally.Principal {
		p := &tally.Principal{Visitor: true, IP: netip.MustParseAddr(ip)}
		if token != "" {
			p.Token = &tally.AccessToken{ID: token}
		}
		return p
	}
	var all []*exchange
	send := func(p *tally.Principal, mib int, want bool) *exchange {
		t.Helper()
		x := &exchange{server: s, principal: p}
		if got := x.hold(mib<<20) == nil; got != want {
			t.Errorf("%d MiB are let in: %v", mib, got)
		}
		all = append(all, x)
		return x
	}
	done := func() {
		t.Helper()
		for _, x := range all {
			x.release(x.held)
		}
		if all = nil; s.bodies.taken.Load() != 0 || len(s.bodies.shares) != 0 {
			t.Errorf("%d bytes are held, in %d shares", s.bodies.taken.Load(), len(s.bodies.shares))
		}
	}
	send(client("a"), 20, true)
	first := send(client("a"), 12, true)
	send(client("a"), 1, false)
	send(client("b"), 12, true)
	send(client("b"), 5, false) // that is all for large ones
	if small := (&exchange{server: s, principal: client("a")}); small.hold(firstRead) != nil {
		t.Error("a small request is refused")
	} else {
		small.release(small.held)
	}
	first.release(first.held - 1<<20) // grown, and shrunk again
	send(client("a"), 11, true)
	send(client("a"), 1, false)
	done()
	send(client("a"), 45, true) // alone
	done()
	send(visitor("one", "192.0.2.1"), 3, true)
	send(visitor("one", "192.0.2.1"), 2, false)
	for i := range 3 {
		send(visitor("one", fmt.Sprintf("192.0.2.%d", i+2)), 4, true)
	}
	send(visitor("one", "192.0.2.9"), 2, false)
	send(visitor("two", "192.0.2.9"), 4, true)
	send(visitor("", "192.0.2.10"), 4, true)
	send(visitor("", "192.0.2.10"), 1, false)
	done()
}

// What a caller is told of its own words is short.
func TestMessagesDoNotRepeatLongTexts(t *testing.T) {
	w := newWorld(t).open()
	text := strings.Repeat("\x7f", 1<<20)
	for _, more := range []string{`,"service_tier":"` + text + `"`, `,"` + text + `":1,"n":0`, `,"n":"` + text + `"`, `,"stream_options":{"` + text + `":1},"n":0`} {
		if a := w.chat(more); a.status != 400 || len(a.body) > 4096 {
			t.Errorf("%d, %d bytes: %.200s", a.status, len(a.body), a.body)
		}
	}
	if a := w.send("GET", "/v1/models/"+strings.Repeat("%7f", 9000), ""); a.status != 404 || len(a.body) > 16<<10 {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
}

// What a credential may read stays in no cache on the way.
func TestAnswersAreNotStored(t *testing.T) {
	w := newWorld(t).open()
	for _, path := range []string{"/v1/models", "/v1/models/sim-small", "/v1/models/none", "/v1/usage"} {
		if got := w.send("GET", path, "").header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, more := range []string{"", `,"stream":true`, `,"n":0`} {
		if got := w.chat(more).header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: %q", more, got)
		}
	}
}
