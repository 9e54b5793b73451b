package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/providers"
	"tallygate/providers/sim"
)

// pipes is a listener in memory, whose connections keep the time of a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// dialed serves a world in memory and returns a connection to it.
func dialed(t *testing.T, w *world) net.Conn {
	w.assemble()
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := w.server.HTTPServer()
	go server.Serve(w.server.Listen(ln, plenty, &outgoing{}, 0))
	c := ln.dial()
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c
}

// A caller that sends a byte now and then does not keep a connection, and an
// answer that takes long is not cut short by the bound on its request.
func TestSlowCallers(t *testing.T) {
	const trickle = time.Second
	for _, tc := range []struct {
		name, head, dribble string
		within              time.Duration // of fake time
		want                string        // the answer's start
		records             int
	}{
		{"head", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a", headPatience, "", 0},
		{"body", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: 10000\r\n\r\n", "{", bodyPatience, "HTTP/1.1 408", 1},
		{"body of a stranger", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n", "{", bodyPatience, "HTTP/1.1 401", 0},
		{"body of a terabyte", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: 1000000000000\r\n\r\n", "{", spillPatience, "HTTP/1.1 413", 1},
		{"nothing after an answer", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "", idlePatience, "HTTP/1.1 200", 0},
		{"a head without end", "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 64<<10), "", trickle, "HTTP/1.1 431", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := dialed(t, w)
				began := time.Now()
				var caller sync.WaitGroup
				caller.Go(func() {
					_, err := io.WriteString(c, strings.ReplaceAll(tc.head, "KEY", w.token))
					for err == nil && tc.dribble != "" {
						time.Sleep(trickle)
						_, err = io.WriteString(c, tc.dribble)
					}
				})
				answer, _ := io.ReadAll(c) // a reset is an end as well
				took := time.Since(began)
				c.Close()
				caller.Wait()
				if took > tc.within+2*trickle {
					t.Errorf("the connection was open for %s, want at most %s", took, tc.within)
				}
				if !strings.HasPrefix(string(answer), tc.want) || tc.want == "" && len(answer) > 0 {
					t.Errorf("answer %q, want %s", answer, tc.want)
				}
				if got := len(w.records()); got != tc.records {
					t.Errorf("%d records, want %d", got, tc.records)
				}
			})
		})
	}
}

// An upload takes as long as bytes keep coming.
func TestLongUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := dialed(t, w)
		body := `{"model":"sim-small","messages":[{"role":"user","content":"` + strings.Repeat("hello ", 100_000) + `"}]}`
		go func() {
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", w.token, len(body))
			for rest := body; rest != ""; { // for ten minutes, with pauses of three quarters of one
				time.Sleep(45 * time.Second)
				n := min(len(rest), 50<<10)
				io.WriteString(c, rest[:n]) // the answer says if it failed
				rest = rest[n:]
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", resp, err)
		}
		io.Copy(io.Discard, resp.Body) // its end is tested elsewhere
	})
}

// No request can carry another one inside: where its length can be taken for two
// things it is refused, or its connection closed behind the answer.
func TestLengths(t *testing.T) {
	const request = `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(request), request)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(request))
	for name, tc := range map[string]struct {
		lines, body string
		status      int
		closed      bool
	}{
		"one length":                 {length, request, 200, false},
		"two lengths":                {length + "Content-Length: 5\r\n", request, 400, true},
		"two in a list":              {fmt.Sprintf("Content-Length: %d, 5\r\n", len(request)), request, 400, true},
		"the same twice":             {length + length, request, 200, false}, // it is one
		"chunks":                     {"Transfer-Encoding: chunked\r\n", chunked, 200, true},
		"a length beside chunks":     {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked, 200, true},
		"chunks beside a length":     {length + "Transfer-Encoding: chunked\r\n", chunked, 200, true},
		"chunks twice":               {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked, 501, true},
		"something before chunks":    {"Transfer-Encoding: gzip, chunked\r\n", chunked, 501, true},
		"chunks by an odd name":      {"Transfer-Encoding: xchunked\r\n" + length, request, 501, true},
		"a space before the colon":   {"Content-Length : 5\r\n", request, 400, true},
		"a length with a sign":       {"Content-Length: +5\r\n", request, 400, true},
		"chunks behind a line break": {"X: y\r\n Transfer-Encoding: chunked\r\n" + length, request, 200, false}, // a folded line is part of X
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).open()
			c, err := net.Dial("tcp", w.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n%s", w.token, tc.lines, tc.body)
			fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n") // what may have been hidden
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			if err != nil || resp.StatusCode != tc.status {
				t.Fatalf("%v %v", resp, err)
			}
			io.Copy(io.Discard, resp.Body) // what it says is of no interest here
			next, err := http.ReadResponse(in, nil)
			if (err != nil) != tc.closed {
				t.Errorf("another answer follows: %v, %v", next, err)
			}
		})
	}
}

// The bound on a request's arrival does not cut short an answer that takes
// longer.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
			return sim.Open(sim.Options{FirstByte: 5 * bodyPatience}), nil
		}
		c := dialed(t, w)
		body := `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`
		go fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", w.token, len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", resp, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
	})
}
