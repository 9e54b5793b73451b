//go:build unix

package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
	"tallygate/storage/badgerdb"
)

// The benchmark compares CPU time per request, user and system, deferred work
// included, of the gateway with everything on (key, exact reservation in seven
// windows, usage, records on disk) and of floor, a bare tuned
// httputil.ReverseProxy. Each is a process of its own; load and upstream are in
// this one. Rounds alternate, since a machine's speed drifts: only the ratio
// within one run counts.
//
//	go test -run '^$' -bench Forward -benchtime 7x ./engine/gateway
//
// engine/doc.go keeps the figures.
func BenchmarkForward(b *testing.B) {
	up := startMock(b)
	floor, gateway := startChild(b, "floor", up), startChild(b, "gateway", up)
	for _, sc := range []struct {
		name     string
		conns, n int
		prompt   int    // bytes
		events   int    // of a stream; 0 for a plain answer
		in       string // the dialect; "" is chat
	}{
		{name: "c1", conns: 1, n: 2000, prompt: 400},
		{name: "c16", conns: 16, n: 8000, prompt: 400},
		{name: "c16-responses", conns: 16, n: 8000, prompt: 400, in: "responses"},
		{name: "c16-messages", conns: 16, n: 8000, prompt: 400, in: "messages"},
		{name: "c64", conns: 64, n: 8000, prompt: 400},
		{name: "c16-32KB", conns: 16, n: 4000, prompt: 32 << 10},
		{name: "c16-32KB-responses", conns: 16, n: 4000, prompt: 32 << 10, in: "responses"},
		{name: "c16-32KB-messages", conns: 16, n: 4000, prompt: 32 << 10, in: "messages"},
		{name: "c8-200events", conns: 8, n: 64, prompt: 400, events: 200},
		{name: "c8-200events-responses", conns: 8, n: 64, prompt: 400, events: 200, in: "responses"},
		{name: "c8-200events-messages", conns: 8, n: 64, prompt: 400, events: 200, in: "messages"},
	} {
		b.Run(sc.name, func(b *testing.B) {
			measure := func(c *child) float64 {
				c.in = cmp.Or(sc.in, "chat")
				if sc.events == 0 {
					up.events.Store(0)
					return c.cpuOf(b, sc.conns, sc.n, sc.prompt, 0) / float64(sc.n)
				}
				// What an event costs is what longer streams cost more than short ones.
				up.events.Store(10)
				short := c.cpuOf(b, sc.conns, sc.n, sc.prompt, 10)
				up.events.Store(int64(10 + sc.events))
				return (c.cpuOf(b, sc.conns, sc.n, sc.prompt, 10+sc.events) - short) / float64(sc.n*sc.events)
			}
			var ratios, ours, theirs []float64
			for b.Loop() {
				f, g := measure(floor), measure(gateway)
				ratios, ours, theirs = append(ratios, g/f), append(ours, g), append(theirs, f)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ratios), "×floor")
			b.ReportMetric(median(ours), "gateway-µs")
			b.ReportMetric(median(theirs), "floor-µs")
		})
	}
}

// A stream that is open costs memory for as long as the model takes. The benchmark
// opens a thousand, of an event a second, and tells what each adds to the process and
// to what the collector finds alive.
//
//	go test -run '^$' -bench Streams -benchtime 1x ./engine/gateway
func BenchmarkStreams(b *testing.B) {
	const streams = 1000
	up := startMock(b)
	up.pause.Store(int64(time.Second))
	var rss, live []float64
	for b.Loop() {
		c := startChild(b, "gateway", up)
		up.events.Store(0)
		c.cpuOf(b, 16, 2000, 400, 0) // what it needs at all
		up.events.Store(1 << 20)
		rssBefore, liveBefore := c.memory(b)
		open := make([]io.Closer, streams)
		for i := range open {
			resp := c.post(b, `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`)
			if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
				b.Fatal(err)
			}
			go io.Copy(io.Discard, resp.Body)
			open[i] = resp.Body
		}
		time.Sleep(3 * time.Second)
		rssAfter, liveAfter := c.memory(b)
		rss, live = append(rss, (rssAfter-rssBefore)/streams), append(live, (liveAfter-liveBefore)/streams)
		for _, o := range open {
			o.Close()
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rss)/1000, "resident-kB/stream")
	b.ReportMetric(median(live)/1000, "live-kB/stream")
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// child is a process under load.
type child struct {
	url, self, key string
	client         *http.Client
	in             string // the dialect that it is asked in
}

// benched are requests of a prompt in each dialect, and what the upstream answers. The
// answers of a dialect are as long as those of the others.
var benched = map[string]struct{ path, body string }{
	"chat":      {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"%s"}],"max_tokens":400,"stream":%t}`},
	"responses": {"/v1/responses", `{"model":"m","input":[{"role":"user","content":"%s"}],"max_output_tokens":400,"stream":%t}`},
	"messages":  {"/v1/messages", `{"model":"m","messages":[{"role":"user","content":"%s"}],"max_tokens":400,"stream":%t}`},
}

// childEnv tells a process started from the test binary what to be.
const childEnv = "TALLYGATE_BENCH_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		runChild(what, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

func startChild(b *testing.B, what string, up *mock) *child {
	b.Helper()
	cmd := exec.Command(os.Args[0], up.url)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	c := &child{in: "chat", client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	if _, err := fmt.Fscanln(bufio.NewReader(out), &c.url, &c.self, &c.key); err != nil {
		b.Fatalf("%s did not start: %v", what, err)
	}
	return c
}

// cpuOf sends n requests over so many connections and returns the child's CPU
// time in µs.
func (c *child) cpuOf(b *testing.B, conns, n, prompt, events int) float64 {
	ask := benched[c.in]
	body := fmt.Sprintf(ask.body, strings.Repeat("word ", prompt/5), events > 0)
	before := c.time(b)
	var left atomic.Int64
	left.Store(int64(n))
	var callers sync.WaitGroup
	for range conns {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				r, _ := http.NewRequest("POST", c.url+ask.path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+c.key)
				resp, err := c.client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				size, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || size < int64(max(800, events*200)) {
					b.Errorf("status %d, %d bytes, %v", resp.StatusCode, size, err)
					return
				}
			}
		})
	}
	callers.Wait()
	time.Sleep(1200 * time.Millisecond) // what is written down later is part of the price
	return float64(c.time(b)-before) / 1000
}

func (c *child) time(b *testing.B) (n int64) {
	c.ask(b, "/cpu", &n)
	return n
}

// memory is what the child has in memory, and what of it is alive, in bytes.
func (c *child) memory(b *testing.B) (resident, live float64) {
	c.ask(b, "/memory", &resident, &live)
	return resident, live
}

// ask asks the child about itself.
func (c *child) ask(b *testing.B, path string, answer ...any) {
	resp, err := http.Get(c.self + path)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := fmt.Fscan(resp.Body, answer...); err != nil {
		b.Fatal(err)
	}
}

func (c *child) post(b *testing.B, body string) *http.Response {
	r, _ := http.NewRequest("POST", c.url+"/v1/chat/completions", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	return resp
}

func runChild(what, upstream string) {
	server, key := &http.Server{Handler: floorHandler(upstream)}, "none"
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		return ln
	}
	public, self := listen(), listen()
	url := "http://" + public.Addr().String()
	if what == "gateway" {
		gateway, token, done := openGateway(upstream)
		defer done()
		server, key = gateway.HTTPServer(), token
		public = gateway.Listen(public, plenty, &outgoing{}, 0)
	}
	go server.Serve(public)
	go http.Serve(self, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/memory" {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			text, _ := os.ReadFile("/proc/self/statm") // there is none but on Linux
			var size, resident int
			fmt.Sscan(string(text), &size, &resident)
			fmt.Fprint(w, resident*os.Getpagesize(), m.HeapAlloc+m.StackInuse)
			return
		}
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
	}))
	fmt.Println(url, "http://"+self.Addr().String(), key)
	io.Copy(io.Discard, os.Stdin)
}

// floorHandler reads the body whole, as any gateway must, and lets the standard
// library do the rest.
func floorHandler(upstream string) http.Handler {
	to, _ := url.Parse(upstream)
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		BufferPool: &bufferPool{},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
}

type bufferPool struct{ sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.Pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}
func (p *bufferPool) Put(b []byte) { p.Pool.Put(&b) }

// openGateway is the world of the tests over the real store, with the real
// provider and seven limits.
func openGateway(upstream string) (s *Server, key string, done func()) {
	dir, err := os.MkdirTemp("", "tallygate-bench-")
	if err != nil {
		panic(err)
	}
	store, err := badgerdb.Open(context.Background(), badgerdb.Options{Dir: dir + "/store"})
	if err != nil {
		panic(err)
	}
	w := newWorld(quietTB{dir: dir})
	w.store = store
	w.kinds = openai.Kinds()
	w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "mock", "litellm", upstream+"/v1"
	w.models = w.models[:1]
	w.models[0].Name = "m"
	limit := func(m tally.Metric, u tally.Unit) tally.Limit {
		return tally.Limit{Metric: m, Window: tally.Window{Unit: u}, Max: tally.MaxCount}
	}
	w.gw.Limits = []tally.Limit{limit(tally.Requests, tally.Day), limit(tally.Cost, tally.Month)}
	w.client.Limits = []tally.Limit{limit(tally.Requests, tally.Minute), limit(tally.TokensIO, tally.Month), limit(tally.Credits, tally.Month)}
	w.key.Limits = []tally.Limit{limit(tally.Requests, tally.Total), limit(tally.Cost, tally.Day)}
	w.assemble()
	return w.server, w.token, func() {
		store.Close()
		os.RemoveAll(dir)
	}
}

// quietTB lets a world live outside of a test, with its files in a folder.
type quietTB struct {
	testing.TB
	dir string
}

func (quietTB) Helper()            {}
func (quietTB) Cleanup(func())     {}
func (tb quietTB) TempDir() string { return tb.dir }

// The benchmark's gateway must start and serve where no test runs it.
func TestGatewayOfTheBenchmark(t *testing.T) {
	m := startMock(t)
	gateway, key, done := openGateway(m.url)
	defer done()
	r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	if gateway.ServeHTTP(rec, r); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "answer") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// mock is an upstream that answers from bytes made in advance.
type mock struct {
	url    string
	events atomic.Int64
	pause  atomic.Int64 // between two events, in nanoseconds
}

func startMock(b testing.TB) *mock {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	m := &mock{url: "http://" + ln.Addr().String()}
	m.pause.Store(int64(2 * time.Millisecond))
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go m.serve(c)
		}
	}()
	return m
}

var (
	mockAnswer = fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":57,"completion_tokens":96,"total_tokens":153}}`, strings.Repeat("answer ", 80))
	mockHead   = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	mockIn     = map[string]*mocked{
		"/v1/chat/completions": {plainly(mockAnswer), mockEvent, mockEnd},
		"/v1/responses": {
			plainly(fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"%s","annotations":[]}]}],"usage":{"input_tokens":57,"output_tokens":96,"total_tokens":153}}`, strings.Repeat("answer ", 80))),
			chunked("event: response.output_text.delta\ndata: " + `{"type":"response.output_text.delta","item_id":"msg_0123456789","output_index":0,"content_index":0,"sequence_number":5,"delta":" a word and some more","logprobs":[],"padding":"` + strings.Repeat("x", 80) + "\"}\n\n"),
			chunked("event: response.completed\ndata: " + `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":57,"output_tokens":200,"total_tokens":257}}}` + "\n\n"),
		},
		"/v1/messages": {
			plainly(fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"%s"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":57,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":96}}`, strings.Repeat("answer ", 80))),
			chunked("event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a word and some more"},"padding":"` + strings.Repeat("x", 120) + "\"}\n\n"),
			chunked("event: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":200,"input_tokens":57}}` + "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
		},
	}
	mockEvent = chunked(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" a word and some more"},"logprobs":null,"finish_reason":null}],"usage":null,"padding":"` + strings.Repeat("x", 40) + "\"}\n\n")
	mockEnd   = chunked(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":57,"completion_tokens":200,"total_tokens":257}}` + "\n\ndata: [DONE]\n\n")
)

// mocked are the bytes of one dialect.
type mocked struct{ plain, event, end []byte }

func plainly(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func chunked(s string) []byte { return []byte(fmt.Sprintf("%x\r\n%s\r\n", len(s), s)) }

func (m *mock) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		n, say := m.events.Load(), mockIn[r.URL.Path]
		if n == 0 {
			c.Write(say.plain)
			continue
		}
		c.Write(mockHead)
		for range n {
			if _, err := c.Write(say.event); err != nil {
				return
			}
			time.Sleep(time.Duration(m.pause.Load()))
		}
		c.Write(say.end)
		c.Write([]byte("0\r\n\r\n"))
	}
}
