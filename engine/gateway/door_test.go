package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
)

// street is where callers of several addresses come from to a world's door.
type street struct {
	w     *world
	pipes *pipes
	door  *Door
	out   *outgoing
}

// outgoing are the connections to upstreams of a test.
type outgoing struct{ open, most int }

func (o *outgoing) Open() int   { return o.open }
func (o *outgoing) Bound(n int) { o.most, o.open = n, min(o.open, n) }

// from is a connection of an address.
type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.addr)) }

// openStreet serves a world whose process may have so many files open, 20 of which
// the store has. It must be called in a bubble.
func openStreet(t *testing.T, w *world, limit int) *street {
	w.assemble()
	s := &street{w: w, pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, out: &outgoing{}}
	s.door = w.server.Listen(s.pipes, func() (int, int) {
		open := 20 + s.out.open
		if s.door != nil {
			open += len(s.door.visits) // asked with its mu held
		}
		return limit, open
	}, s.out, 0)
	server := w.server.HTTPServer()
	go server.Serve(s.door)
	t.Cleanup(func() {
		server.Close()
		synctest.Wait()
		if n := s.door.Open(); n != 0 || len(s.door.guests) != 0 || s.door.calling != 0 {
			t.Errorf("%d connections of %d guests with %d calls are left", n, len(s.door.guests), s.door.calling)
		}
	})
	return s
}

func (s *street) come(addr string) net.Conn {
	ours, theirs := net.Pipe()
	s.pipes.conns <- from{theirs, addr + ":4711"}
	s.w.t.Cleanup(func() { ours.Close() })
	return ours
}

// ask sends a request and returns its answer's first line and body; the line is "" if
// the connection was closed.
func (s *street) ask(c net.Conn, method, path, body string) (line, text string) {
	go fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", method, path, s.w.token, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", ""
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.Status, string(b)
}

const hello = `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`

// Connections that say nothing neither use up the files of the process nor keep
// others out, nor do they cost those a connection that have asked something.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStreet(t, newWorld(t), 84)
		most, _ := s.door.Room()
		client := s.come("198.51.100.7")
		if line, _ := s.ask(client, "GET", "/health", ""); line != "200 OK" {
			t.Fatal(line)
		}
		silent := make([]net.Conn, most+3)
		for i := range silent {
			silent[i] = s.come("203.0.113.9")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * lull)
		if n := s.door.Open(); n > most {
			t.Errorf("%d connections are open, of %d", n, most)
		}
		other := s.come("192.0.2.1")
		if line, _ := s.ask(other, "GET", "/health", ""); line != "200 OK" {
			t.Errorf("another address: %q", line)
		}
		if line, _ := s.ask(client, "GET", "/health", ""); line != "200 OK" {
			t.Errorf("a connection that has asked before: %q", line)
		}
		silent[0].SetReadDeadline(time.Now().Add(time.Second))
		if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the longest silent was not closed: %v", err)
		}
		if line, _ := s.ask(silent[len(silent)-1], "GET", "/health", ""); line != "200 OK" {
			t.Errorf("the latest: %q", line)
		}
	})
}

// Idle connections to upstreams take no file that a caller, or another upstream, could
// have: with each connection that comes fewer of them may be kept.
func TestIdleUpstreamsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStreet(t, newWorld(t), 84)
		most, _ := s.door.Room()
		s.out.open = most
		conns := make([]net.Conn, most/2)
		for i := range conns {
			conns[i] = s.come("127.0.0.1")
			if line, _ := s.ask(conns[i], "GET", "/healthz", ""); line != "200 OK" {
				t.Fatalf("connection %d: %q", i, line)
			}
			if now := s.door.Open(); now+s.out.open > most {
				t.Fatalf("%d connections and %d to upstreams, of %d", now, s.out.open, most)
			}
			time.Sleep(countEvery) // however often the files are counted
		}
		for _, c := range conns {
			c.Close()
		}
		synctest.Wait()
		if n, _ := s.door.Room(); s.out.most != most || n != most {
			t.Errorf("room for %d, %d of them for upstreams, when all have gone; want %d", n, s.out.most, most)
		}
	})
}

// Requests that ask an upstream are refused before the store runs out of files; one
// address does not take the places of all, but a proxy does; what needs no upstream
// is answered still.
func TestRequestsAreRefusedBeforeFilesRunOut(t *testing.T) {
	for _, tc := range []struct {
		name, addr string
		proxies    []string
		share      int // of the places, so many parts of two
	}{
		{"an address", "203.0.113.9", nil, 1},
		{"a network", "[2001:db8::9]", nil, 1},
		{"a proxy", "203.0.113.9", []string{"203.0.113.0/24"}, 2},
		{"this machine", "127.0.0.1", nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.TrustedProxies = tc.proxies
				w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
					return sim.Open(sim.Options{FirstByte: time.Minute}), nil
				}
				s := openStreet(t, w, 84)
				most, calls := s.door.Room()
				if most != 40 || calls != 20 {
					t.Fatalf("room for %d connections and %d requests, want 40 and 20", most, calls)
				}
				want := calls * tc.share / 2
				answers := make(chan string, calls)
				for range want {
					c := s.come(tc.addr)
					go func() { line, _ := s.ask(c, "POST", "/v1/chat/completions", hello); answers <- line }()
				}
				synctest.Wait()
				if tc.share == 1 {
					line, body := s.ask(s.come(tc.addr), "POST", "/v1/chat/completions", hello)
					if line != "503 Service Unavailable" || !strings.Contains(body, tally.CodeCrowded) {
						t.Errorf("one more: %s %s", line, body)
					}
					if line, _ := s.ask(s.come(tc.addr), "GET", "/healthz", ""); line != "200 OK" {
						t.Errorf("health: %s", line)
					}
					go func() {
						line, _ := s.ask(s.come("192.0.2.1"), "POST", "/v1/chat/completions", hello)
						answers <- line
					}()
					want++
				}
				for range want {
					if line := <-answers; line != "200 OK" {
						t.Errorf("admitted, and then %s", line)
					}
				}
			})
		})
	}
}

// A caller that does not read its answer is left after a while, whatever the answer
// is; the provider's place is free long before.
func TestCallersThatNeverRead(t *testing.T) {
	for name, request := range map[string]string{
		"file":    "GET /sdk/webllm.js HTTP/1.1\r\nHost: x\r\n\r\n",
		"list":    "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n\r\n",
		"refusal": "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
		"answer":  "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: " + strconv.Itoa(len(hello)) + "\r\n\r\n" + hello,
		"no HTTP": "hello\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.provider.MaxInFlight = 1
				s := openStreet(t, w, 0)
				c := s.come("203.0.113.9")
				io.WriteString(c, strings.ReplaceAll(request, "KEY", w.token))
				synctest.Wait()
				if line, body := s.ask(s.come("192.0.2.1"), "POST", "/v1/chat/completions", hello); line != "200 OK" {
					t.Errorf("another's request: %s %s", line, body)
				}
				time.Sleep(writePatience + time.Second)
				synctest.Wait()
				if n := s.door.Open(); n > 1 { // the other one's
					t.Errorf("%d connections are open", n)
				}
			})
		})
	}
}

// Parting waits for callers who ask again soon: their next answer ends the connection. Who has
// long been silent is not waited for.
func TestPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := openStreet(t, w, 1000)
		silent, busy := s.come("203.0.113.1"), s.come("203.0.113.2")
		s.ask(silent, "GET", "/readyz", "")
		time.Sleep(2 * lull)
		s.ask(busy, "GET", "/readyz", "")
		synctest.Wait()
		began := time.Now()
		parted := make(chan time.Duration)
		go func() {
			if left := w.server.Part(began.Add(time.Minute), nobody); left > 0 {
				t.Errorf("%d connections are left", left)
			}
			parted <- time.Since(began)
		}()
		time.Sleep(lull / 2)
		if n := s.door.Open(); n != 1 {
			t.Errorf("%d connections are open, want that of the busy one", n)
		}
		if line, _ := s.ask(busy, "GET", "/readyz", ""); !strings.Contains(line, "200") {
			t.Errorf("who asks again is told %q", line)
		}
		if took := <-parted; took >= partPatience || took < lull/2 {
			t.Errorf("parting took %v", took)
		}
	})
}

// nobody comes after the server.
var nobody = Heir{Arrived: func(net.Conn, []byte) int { return 0 }}

// Where another process takes them, connections are handed on as they fall silent, and none is
// told to end.
func TestPartForAnHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
			return sim.Open(sim.Options{FirstByte: 10 * time.Second}), nil
		}
		s := openStreet(t, w, 1000)
		silent, busy := s.come("203.0.113.1"), s.come("203.0.113.2")
		s.ask(silent, "GET", "/readyz", "")
		answered := make(chan string)
		go func() { line, _ := s.ask(busy, "POST", "/v1/chat/completions", hello); answered <- line }()
		io.WriteString(s.come("203.0.113.3"), "GET /readyz HTT")
		synctest.Wait()
		began := time.Now()
		var taken []time.Duration
		heir := nobody
		heir.Take = func(net.Conn) { taken = append(taken, time.Since(began)) }
		left := make(chan int)
		go func() { left <- w.server.Part(began.Add(time.Minute), heir) }()
		if line := <-answered; line != "200 OK" {
			t.Errorf("the request under way: %s", line)
		}
		if n := <-left; n != 0 || len(taken) != 2 || taken[0] > partEvery || taken[1] < 10*time.Second {
			t.Errorf("%d connections are left, and were taken after %v", n, taken)
		}
	})
}

// Who has begun to say something is waited for, but not for ever.
func TestPartInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := openStreet(t, w, 1000)
		io.WriteString(s.come("203.0.113.1"), "GET /readyz HTT")
		began := time.Now()
		left := w.server.Part(began.Add(time.Minute), nobody)
		if took := time.Since(began); left != 0 || took < partPatience || took > 2*partPatience {
			t.Errorf("%d connections are left after %v", left, took)
		}
	})
}

// What has come on a connection that is to end is read, though nobody had read it by then.
func TestLastWords(t *testing.T) {
	ear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close()
	client, err := net.Dial("tcp", ear.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ear.Accept()
	if err != nil {
		t.Fatal(err)
	}
	came := ""
	v := &visit{Conn: c, door: &Door{heir: Heir{Arrived: func(_ net.Conn, b []byte) int { return copy(b, came) }}}}
	b := make([]byte, 10)
	read := func(when, want string, wantErr error) {
		t.Helper()
		if n, err := v.Read(b); string(b[:n]) != want || err != wantErr {
			t.Errorf("%s: %q, %v", when, b[:n], err)
		}
	}
	now := time.Now()
	v.quiet.Store(now.Add(-lull).UnixNano())
	v.end(now)
	came = "GET"
	read("it came just now", "GET", nil)
	v.end(time.Now()) // what it has said may be all of a request, however long it was silent before
	io.WriteString(client, " /")
	read("it has begun to ask", " /", nil)
	v.quiet.Store(0)
	v.end(now.Add(time.Hour))
	io.WriteString(client, "x")
	read("its request is under way", "x", nil)
	v.idleAt.Store(v.heard.Load())
	v.quiet.Store(now.Add(-lull).UnixNano())
	v.ends = v.heard.Load() // something came between the look and the end
	c.SetReadDeadline(longAgo)
	io.WriteString(client, "y")
	read("it is read already", "y", nil)
	v.idleAt.Store(v.heard.Load())
	came = ""
	v.end(now)
	read("nothing came", "", io.EOF)
	if n, err := client.Read(b); n > 0 || err != io.EOF {
		t.Errorf("the other side reads %q, %v", b[:n], err)
	}
}

// What net/http breaks off is broken off, though the connection was to end just before: it waits
// for that.
func TestBrokenOff(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		ours, theirs := net.Pipe()
		defer ours.Close()
		v := &visit{Conn: theirs, door: &Door{heir: nobody}}
		v.quiet.Store(time.Now().Add(-lull).UnixNano())
		v.end(time.Now())
		v.quiet.Store(0) // a request was read just then
		v.reads.Lock()
		ended := make(chan error)
		go func() { _, err := v.Read(make([]byte, 1)); ended <- err }()
		if when == "after" {
			v.reads.Unlock()
			time.Sleep(10 * time.Millisecond)
		} else {
			time.Sleep(10 * time.Millisecond) // it is about to go on reading
			v.reads.Unlock()
		}
		v.SetReadDeadline(longAgo)
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", when, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: it reads on", when)
		}
	}
}

// Of a request that has begun to come nothing is lost: neither when it came with the one before,
// nor when the connection was silent for long before that.
func TestPartInTheMiddleForAnHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := openStreet(t, w, 1000)
		late := s.come("203.0.113.1")
		s.ask(late, "GET", "/readyz", "")
		time.Sleep(time.Minute)
		both := s.come("203.0.113.2")
		answers := bufio.NewReader(both)
		go io.WriteString(both, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTT")
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		go io.WriteString(late, "GET /readyz HTT")
		synctest.Wait()
		var taken atomic.Int32
		heir := nobody
		heir.Take = func(net.Conn) { taken.Add(1) }
		left := make(chan int)
		go func() { left <- w.server.Part(time.Now().Add(time.Minute), heir) }()
		time.Sleep(partPatience / 2)
		if n := taken.Load(); n > 0 {
			t.Errorf("%d were taken in the middle of a request", n)
		}
		for i, from := range []*bufio.Reader{answers, bufio.NewReader(late)} {
			go io.WriteString([]net.Conn{both, late}[i], "P/1.1\r\nHost: x\r\n\r\n")
			if resp, err := http.ReadResponse(from, nil); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("caller %d is answered %v, %v", i, resp, err)
			} else {
				io.Copy(io.Discard, resp.Body)
			}
		}
		if n := <-left; n != 0 || taken.Load() != 2 {
			t.Errorf("%d connections are left, and %d were taken", n, taken.Load())
		}
	})
}

// Those who come back have what they had: as long to ask the next, as long to say it, and their
// places, as many as there are of them.
func TestReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.assemble()
		const callers, limit = 50, 110
		back := &backStreet{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, left: callers}
		var clients []net.Conn
		for range callers {
			ours, theirs := net.Pipe()
			clients, back.callers = append(clients, ours), append(back.callers, theirs)
			defer ours.Close()
		}
		open := 20 + callers
		door := w.server.Listen(back, func() (int, int) { return limit, open }, &outgoing{}, 0)
		server := w.server.HTTPServer()
		defer server.Close()
		go server.Serve(door)
		synctest.Wait()
		s := &street{w: w}
		if n := door.Open(); n != callers {
			t.Errorf("%d of %d are back at once", n, callers)
		}
		ask := func(i int, after time.Duration) {
			t.Helper()
			time.Sleep(after)
			go func() {
				io.WriteString(clients[i], "GET /readyz HTT")
				time.Sleep(headPatience / 2)
				io.WriteString(clients[i], "P/1.1\r\nHost: x\r\n\r\n")
			}()
			if resp, err := http.ReadResponse(bufio.NewReader(clients[i]), nil); err != nil {
				t.Errorf("caller %d: %v", i, err)
			} else {
				io.Copy(io.Discard, resp.Body)
			}
		}
		ask(0, 2*headPatience)
		ask(1, bodyPatience)
		if line, _ := s.ask(clients[0], "GET", "/readyz", ""); line != "200 OK" {
			t.Errorf("the next request: %q", line)
		}
		go io.WriteString(clients[2], "GET /readyz HTT")
		began := time.Now()
		io.Copy(io.Discard, clients[2])
		if took := time.Since(began); took != headPatience {
			t.Errorf("one that does not go on is closed after %v", took)
		}
		time.Sleep(idlePatience)
		synctest.Wait()
		if n := door.Open(); n != 0 {
			t.Errorf("%d are there for ever", n)
		}
	})
}

// backStreet is where callers of the process before come back from.
type backStreet struct {
	*pipes
	callers []net.Conn
	left    int
}

func (b *backStreet) Waiting() int { return b.left }

func (b *backStreet) Accept() (net.Conn, error) {
	if b.left == 0 {
		return b.pipes.Accept()
	}
	b.left--
	return Returned{from{b.callers[b.left], "203.0.113.1:4711"}}, nil
}
