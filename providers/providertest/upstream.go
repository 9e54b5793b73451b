package providertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Key is the API key that an [Upstream] wants, in X-Api-Key, Api-Key or behind the Bearer of
// Authorization. No error and no log may hold it.
const Key = "sk-up-canary-7gPz2LwXq9Rt4Vn8"

// Upstream is a scripted upstream. All methods may be called concurrently.
type Upstream struct {
	URL string // base URL, "http://127.0.0.1:PORT/v1"

	listener  net.Listener
	elsewhere net.Listener // another origin, to which no request may go
	scripts   map[string]Scenario
	serving   sync.WaitGroup

	mu       sync.Mutex // guards the fields that follow
	requests []Request
	strays   []Request
	conns    map[net.Conn]bool // that are open
	accepted int
	playing  int // scripts under way
	closed   bool
}

// Request is a request as an upstream got it.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
	Model        string // as named in the body
}

// Start starts an upstream that the end of the test stops.
func Start(t testing.TB) *Upstream {
	t.Helper()
	u := &Upstream{scripts: map[string]Scenario{}, conns: map[net.Conn]bool{}}
	for _, s := range Scenarios() {
		u.scripts[s.Name] = s
	}
	for _, l := range []*net.Listener{&u.listener, &u.elsewhere} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*l = listener
	}
	u.URL = "http://" + u.listener.Addr().String() + "/v1"
	u.serving.Go(func() { u.accept(u.listener, u.serve) })
	u.serving.Go(func() { u.accept(u.elsewhere, u.stray) })
	t.Cleanup(u.stop)
	return u
}

// Elsewhere is a base URL of another origin, at which requests are strays.
func (u *Upstream) Elsewhere() string { return "http://" + u.elsewhere.Addr().String() + "/v1" }

// Requests returns what has come so far, in order.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Request(nil), u.requests...)
}

// Last returns the last request for a model, and false if there was none.
func (u *Upstream) Last(model string) (Request, bool) {
	all := u.Requests()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Model == model {
			return all[i], true
		}
	}
	return Request{}, false
}

// Strays returns the requests that came to [Upstream.Elsewhere].
func (u *Upstream) Strays() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Request(nil), u.strays...)
}

// Accepted is how many connections have been made so far.
func (u *Upstream) Accepted() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.accepted
}

// Idle waits until no script is playing any more: every answer was read to its
// end or canceled. It fails the test if that takes unreasonably long.
func (u *Upstream) Idle(t testing.TB) {
	t.Helper()
	if !eventually(func() bool { u.mu.Lock(); defer u.mu.Unlock(); return u.playing == 0 }) {
		t.Error("an answer that nobody reads was not canceled at the upstream")
	}
}

// patience is how long tests wait for what must come. Only a test that fails waits for all
// of it.
const patience = 10 * time.Second

func eventually(what func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if what() {
			return true
		}
	}
	return what()
}

func (u *Upstream) stop() {
	u.mu.Lock()
	u.closed = true
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.listener.Close()
	u.elsewhere.Close()
	u.serving.Wait()
}

// accept serves each connection in a goroutine of its own until the listener
// is closed.
func (u *Upstream) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			c.Close()
			return
		}
		u.conns[c] = true
		u.accepted++
		u.mu.Unlock()
		u.serving.Go(func() {
			serve(c)
			c.Close()
			u.mu.Lock()
			delete(u.conns, c)
			u.mu.Unlock()
		})
	}
}

// serve answers the requests of one connection.
func (u *Upstream) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := readRequest(in)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.requests = append(u.requests, r)
		u.playing++
		u.mu.Unlock()
		x := &exchange{Request: r, upstream: u, conn: c, in: in}
		u.play(x)
		u.mu.Lock()
		u.playing--
		u.mu.Unlock()
		if x.err != nil || !x.kept {
			return
		}
	}
}

// play answers one request.
func (u *Upstream) play(x *exchange) {
	if x.Header.Get("Authorization") != "Bearer "+Key && x.Header.Get("X-Api-Key") != Key &&
		x.Header.Get("Api-Key") != Key {
		x.status(http.StatusUnauthorized, `{"error":{"message":"wrong key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
		return
	}
	if x.Method == http.MethodGet {
		x.kept = true
		x.json(`{"object":"list","data":[{"id":"up-small","object":"model","created":1,"owned_by":"up"},{"id":"up-large","object":"model","created":1,"owned_by":"up"}]}`)
		return
	}
	if s, ok := u.scripts[x.Model]; ok {
		s.play(x)
		return
	}
	x.healthy()
}

// stray writes down a request that must not have come.
func (u *Upstream) stray(c net.Conn) {
	r, err := readRequest(bufio.NewReader(c))
	if err != nil {
		r = Request{Method: "CONNECTED"}
	}
	u.mu.Lock()
	u.strays = append(u.strays, r)
	u.mu.Unlock()
	io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
}

func readRequest(in *bufio.Reader) (Request, error) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return Request{}, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return Request{}, err
	}
	out := Request{Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: body}
	var named struct{ Model string }
	if len(bytes.TrimSpace(body)) > 0 && json.Unmarshal(body, &named) == nil {
		out.Model = named.Model
	}
	return out, nil
}
