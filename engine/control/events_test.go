package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/feed"
	"tallygate/engine/tally"
)

// collect follows events until the returned function is called, which returns
// what came and why it ended.
func (p *plant) collect(after uint64) (stop func() ([]string, error)) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var got []string
	var last error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range p.client.Events(ctx, after) {
			if err != nil {
				last = err
				continue
			}
			word := string(e.Kind)
			if e.Request != nil {
				word = string(e.Request.ID)
			}
			got = append(got, word)
		}
	}()
	return func() ([]string, error) {
		synctest.Wait()
		cancel()
		<-done
		return got, last
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Read)
		p.publish("req_1")
		all, live := p.collect(0), p.collect(feed.Live)
		time.Sleep(time.Hour) // of heartbeats
		p.publish("req_2")
		p.feed.PublishConfig(3, time.Now())
		got, err := all()
		if want := "req_1 req_2 config"; strings.Join(got, " ") != want || err != nil {
			t.Errorf("from the beginning: %q, %v; want %s", got, err, want)
		}
		got, err = live()
		if want := "req_2 config"; strings.Join(got, " ") != want || err != nil {
			t.Errorf("live: %q, %v; want %s", got, err, want)
		}
	})
}

func TestEventsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Read)
		p.publish("req_1")
		p.publish("req_2")
		var seen uint64
		for e, err := range p.client.Events(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen = e.Seq
			break // which closes the stream
		}
		synctest.Wait()
		if n := p.readers.Load(); n != 0 {
			t.Errorf("%d streams go on after the loop was left", n)
		}
		resumed := p.collect(seen)
		if got, err := resumed(); strings.Join(got, " ") != "req_2" || err != nil {
			t.Errorf("resumed: %q, %v", got, err)
		}
		for range 100 { // the ring keeps 64
			p.publish("req_x")
		}
		late := p.collect(seen)
		if got, err := late(); len(got) != 65 || got[0] != "gap" || got[1] != "req_x" || err != nil {
			t.Errorf("come late: %d events, %v; want a gap and the 64 that are kept", len(got), err)
		}
	})
}

// A reader that takes nothing is cut, and nobody has waited for it.
func TestSlowReaderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Read)
		conn, err := p.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET "+Prefix+"events HTTP/1.1\r\nHost: control\r\n\r\n")
		if line, err := bufio.NewReaderSize(conn, 16).ReadSlice('\n'); err != bufio.ErrBufferFull || !strings.HasPrefix(string(line), "HTTP/1.1 200 OK") {
			t.Fatalf("the answer begins %q (%v)", line, err)
		}
		for range 1000 {
			p.publish("req_1")
		}
		synctest.Wait()
		if n := p.readers.Load(); n != 1 {
			t.Fatalf("%d readers, want the slow one", n)
		}
		time.Sleep(linePatience)
		synctest.Wait()
		if n := p.readers.Load(); n != 0 {
			t.Errorf("the slow reader is still served after %v", linePatience)
		}
	})
}

func TestGoneReaderIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Read)
		conn, err := p.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET "+Prefix+"events HTTP/1.1\r\nHost: control\r\n\r\n")
		io.ReadFull(conn, make([]byte, 16))
		conn.Close()
		synctest.Wait()
		if n := p.readers.Load(); n != 0 {
			t.Errorf("%d readers are served after they left", n)
		}
	})
}

// Streams do not hold up the end of the engine.
func TestStopEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Read)
		stop := p.collect(feed.Live)
		time.Sleep(time.Minute)
		began := time.Now()
		p.stop()
		p.served <- <-p.served
		if d := time.Since(began); d >= opPatience {
			t.Errorf("it took %v to stop", d)
		}
		if _, err := stop(); tally.CodeOf(err) != tally.Unavailable || err.Error() != "the engine ended the stream of events" {
			t.Errorf("the reader was told %v", err)
		}
	})
}

// An engine that says nothing, not even that it lives, is given up.
func TestSilentEngine(t *testing.T) {
	for name, says := range map[string]string{
		"no head":      "",
		"no heartbeat": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			listener, dial := Memory()
			defer listener.Close()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				http.ReadRequest(bufio.NewReader(conn))
				io.WriteString(conn, says)
			}()
			client := NewClient(dial)
			defer client.Close()
			began := time.Now()
			var last error
			for _, err := range client.Events(t.Context(), 0) {
				last = err
			}
			if tally.CodeOf(last) != tally.Unavailable || last.Error() != "the engine gives no sign of life" || time.Since(began) != eventPatience {
				t.Errorf("%s: after %v: %v", name, time.Since(began), last)
			}
		})
	}
}

// A reader's own time does not count as silence of the engine: the next event
// has long arrived.
func TestReaderMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, dial := Memory()
		defer listener.Close()
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{\"kind\":\"a\"}   \n{\"kind\":\"b\"}   \n")
		}()
		client := NewClient(dial)
		defer client.Close()
		var got []string
		for e, err := range client.Events(t.Context(), 0) {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, string(e.Kind))
			}
			time.Sleep(2 * eventPatience)
		}
		if want := "a, b, the engine ended the stream of events"; strings.Join(got, ", ") != want {
			t.Errorf("got %q, want %s", got, want)
		}
	})
}

// Whatever answers, the caller gets an error in words.
func TestStrangersBehindTheDialer(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		want       string
	}{
		{"another program", "SSH-2.0-OpenSSH_9.9\r\n", "cannot reach the engine"},
		{"a web server", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", "the engine answered with status 404"},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", "the engine answered with status 302"},
		{"an answer that is not JSON", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "the engine's answer cannot be read"},
		{"an answer cut short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"name\":", "the engine's answer cannot be read"},
		{"nothing", "", "cannot reach the engine"},
	} {
		client := NewClient(func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				bufio.NewReader(theirs).ReadString('}')
				io.WriteString(theirs, tc.says)
			}()
			return ours, nil
		})
		_, err := look.Do(t.Context(), client, Named{})
		if e := tally.AsError(err); e.Code != tally.Unavailable || !strings.HasPrefix(e.Message, tc.want) || strings.Contains(e.Message, "http://control") {
			t.Errorf("%s: %+v, want unavailable, %q", tc.name, e, tc.want)
		}
		client.Close()
	}
	refused := NewClient(func(context.Context) (net.Conn, error) { return nil, errors.New("no road") })
	if _, err := look.Do(t.Context(), refused, Named{}); tally.CodeOf(err) != tally.Unavailable || err.Error() != "cannot reach the engine: no road" {
		t.Errorf("without a road: %v", err)
	}
}

// Too large an input is refused by the caller's own side: the server would
// hang up on it.
func TestClientRefusesHugeInput(t *testing.T) {
	p := newPlant(t, Write)
	_, err := look.Do(t.Context(), p.client, Named{Name: strings.Repeat("x", maxBody)})
	if tally.CodeOf(err) != tally.Invalid || err.Error() != "the input is larger than 8 MiB" {
		t.Errorf("got %v", err)
	}
}
