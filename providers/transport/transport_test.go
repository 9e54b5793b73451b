package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/providers"
)

// server serves each connection to it by a script.
type server struct {
	net.Listener
	accepted atomic.Int32
	ended    atomic.Int32 // connections that it has closed
	serving  sync.WaitGroup
}

// left waits until so many connections were closed by the server, and then a
// moment for the news to be noticed.
func (s *server) left(n int32) {
	for s.ended.Load() < n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
}

// serve starts a server that the end of the test stops. A script returns to
// close its connection.
func serve(t testing.TB, l net.Listener, script func(net.Conn, *bufio.Reader)) *server {
	t.Helper()
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{Listener: l}
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			s.serving.Go(func() {
				script(c, bufio.NewReader(c))
				c.Close()
				s.ended.Add(1)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.serving.Wait()
	})
	return s
}

// take reads a request and its body; nil at the end of the connection.
func take(in *bufio.Reader) *http.Request {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

const answered = ok + "Content-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"

// both runs a test on both transports.
func both(t *testing.T, test func(t *testing.T, open func(Options) Transport)) {
	for name, by := range map[string]func(Options) (Transport, error){"Direct": New, "Standard": NewStandard} {
		t.Run(name, func(t *testing.T) {
			test(t, func(o Options) Transport {
				tr, err := by(o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(tr.Close)
				return tr
			})
		})
	}
}

// ask sends a request and reads its answer.
func ask(tr Transport, r *Request) (int, string, error) {
	res, err := tr.RoundTrip(context.Background(), r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close() // an error has shown before
	body, err := io.ReadAll(res.Body)
	return res.Status, string(body), err
}

func post(body string) *Request {
	return &Request{Method: "POST", Path: "/chat", Body: []byte(body), Wait: 10 * time.Second, Fields: []Field{{"Content-Type", "application/json"}, {"X-Request-Id", "rq_1"}}}
}

func faultOf(err error) providers.Fault {
	if up, ok := errors.AsType[*providers.UpstreamError](err); ok {
		return up.Fault
	}
	return providers.Fault(fmt.Sprint(err))
}

// The upstream sees our fields and no others, and the body as it is.
func TestSent(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		seen := make(chan *http.Request, 10)
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			for r := take(in); r != nil; r = take(in) {
				seen <- r
				io.WriteString(c, answered)
			}
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String() + "/a%20b/v1/"})
		for _, body := range []string{"hello", strings.Repeat("hello", joined), ""} {
			r := post(body)
			if body == "" {
				r = &Request{Method: "GET", Path: "/models"}
			}
			if status, got, err := ask(tr, r); status != 200 || got != "hello" || err != nil {
				t.Fatalf("%d %q %v", status, got, err)
			}
			q := <-seen
			if q.Method == "POST" {
				time.Sleep(settled) // until then the upstream is not known to keep connections
			}
			sent, _ := io.ReadAll(q.Body) // in memory
			if q.Method != r.Method || q.RequestURI != "/a%20b/v1"+r.Path || q.Host != s.Addr().String() || string(sent) != body {
				t.Errorf("%s %s at %s with %d bytes", q.Method, q.RequestURI, q.Host, len(sent))
			}
			want := []string{"Accept-Encoding: identity", "User-Agent: tallygate"}
			for _, f := range r.Fields {
				want = append(want, f.Name+": "+f.Value)
			}
			if body != "" {
				want = append(want, fmt.Sprintf("Content-Length: %d", len(body)))
			}
			var got []string
			for name, values := range q.Header {
				got = append(got, name+": "+strings.Join(values, ", "))
			}
			slices.Sort(want)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("fields %q, want %q", got, want)
			}
		}
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("three requests in a row took %d connections", n)
		}
	})
}

// A value with a line in it would add a field, or a request.
func TestInjection(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			if r := take(in); r != nil {
				t.Errorf("%v was sent", r.Header)
			}
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String()})
		for _, value := range []string{"a\r\nX-Evil: 1", "a\nb", "a\x00", "a\x7f"} {
			r := post("hello")
			r.Fields[1].Value = value
			if _, _, err := ask(tr, r); err == nil {
				t.Errorf("%q was sent", value)
			}
		}
	})
}

// A connection that was closed while it was idle is not used, and nobody
// notices.
func TestStale(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		requests := atomic.Int32{}
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			if take(in) != nil {
				requests.Add(1)
				io.WriteString(c, answered)
			}
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String()})
		for i := range int32(5) {
			if status, body, err := ask(tr, post("hello")); status != 200 || body != "hello" || err != nil {
				t.Fatalf("%d %q %v", status, body, err)
			}
			s.left(i + 1)
			if s.accepted.Load() != i+1 || requests.Load() != i+1 {
				t.Errorf("%d requests took %d connections and arrived %d times", i+1, s.accepted.Load(), requests.Load())
			}
		}
	})
}

// A request that was received is never sent again: it may have been charged.
func TestNeverSentTwice(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		requests := atomic.Int32{}
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			for r := take(in); r != nil; r = take(in) {
				if requests.Add(1)%2 == 0 {
					return
				}
				io.WriteString(c, answered)
			}
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String()})
		for i := range 3 {
			if status, _, err := ask(tr, post("hello")); status != 200 || err != nil {
				t.Fatalf("%d %v", status, err)
			}
			if _, _, err := ask(tr, post("hello")); faultOf(err) != providers.Unreachable {
				t.Errorf("%v, want %s", err, providers.Unreachable)
			}
			if n := requests.Load(); n != int32(2*i+2) {
				t.Errorf("%d requests arrived, want %d", n, 2*i+2)
			}
		}
	})
}

// An upstream that refuses a long request before it has read it is heard.
func TestEarlyRefusal(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\ntoo much")
		c.(*net.TCPConn).CloseWrite()
		time.Sleep(300 * time.Millisecond) // the request fills all buffers
	})
	tr, err := New(Options{BaseURL: "http://" + s.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	r := post(strings.Repeat("x", 32<<20))
	r.Wait = 200 * time.Millisecond
	if status, body, err := ask(tr, r); status != 413 || body != "too much" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
}

// What the heads of answers say.
func TestResponse(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			if take(in) != nil {
				io.WriteString(c, "HTTP/1.1 429 Slow\r\ncontent-type:  Text/X \r\nRETRY-AFTER: 7\r\ncf-ray: 8f\r\nX-REQUEST-ID:  up-7 \r\nRequest-Id: no\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc")
			}
		})
		res, err := open(Options{BaseURL: "http://" + s.Addr().String()}).RoundTrip(t.Context(), post("hello"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if want := (Response{Status: 429, ContentType: "Text/X", Encoding: "br", RetryAfter: "7", RequestID: "up-7", Length: 3}); (Response{res.Status, res.ContentType, res.Encoding, res.RetryAfter, res.RequestID, res.Length, nil}) != want {
			t.Errorf("got %+v, want %+v", res, want)
		}
		if _, err := res.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
		res.Body.Close()
	})
}

// Redirects are answers: following one could carry a key to another origin.
func TestRedirect(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			for n := 0; take(in) != nil; n++ {
				if n > 1 {
					t.Error("a redirect was followed")
				}
				io.WriteString(c, "HTTP/1.1 307 Elsewhere\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n")
			}
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String()})
		for _, r := range []*Request{post("hello"), {Method: "GET", Path: "/models"}} {
			if status, _, err := ask(tr, r); status != 307 || err != nil {
				t.Errorf("%d %v", status, err)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	for _, u := range []string{"", "ftp://x", "http://", "http://user:secret@x/v1", "http://x/v1?key=y", "x"} {
		if _, err := New(Options{BaseURL: u}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", u, err)
		}
	}
}
