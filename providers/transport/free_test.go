package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tallygate/providers"
)

// A request that has not left costs nothing. Whether a request costs anything that has
// left, in part or whole, nobody can tell.
func TestFree(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		gone := func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}
		here := func(t *testing.T) context.Context { return t.Context() }
		answers := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			for take(in) != nil {
				io.WriteString(c, answered)
			}
		})
		closes := serve(t, nil, func(c net.Conn, in *bufio.Reader) { take(in) })
		closesEarly := serve(t, nil, func(c net.Conn, in *bufio.Reader) { in.ReadByte() })
		half := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			take(in)
			io.WriteString(c, ok+"Content-Le")
		})
		cut := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			take(in)
			io.WriteString(c, ok+"Content-Length: 10\r\n\r\nhello")
		})
		hangs := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			take(in)
			io.Copy(io.Discard, in)
		})
		silent := serve(t, nil, func(c net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) })
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		_, secured := secure(t, func(c net.Conn, in *bufio.Reader) { take(in) })
		stranger := secured
		stranger.TLS = nil
		at := func(l interface{ Addr() net.Addr }) Options { return Options{BaseURL: "http://" + l.Addr().String()} }
		short := post("hello")
		short.Wait = 30 * time.Millisecond
		odd := post("hello")
		odd.Fields = append(odd.Fields, Field{"X-Odd", "a\r\nb"})
		for name, x := range map[string]struct {
			to    Options
			r     *Request
			ctx   func(*testing.T) context.Context
			fault providers.Fault // "" is any
			free  bool
		}{
			"nobody listens":           {at(closed), post("hello"), here, providers.Unreachable, true},
			"a handshake that hangs":   {Options{BaseURL: "https://" + silent.Addr().String(), ConnectTimeout: 30 * time.Millisecond}, post("hello"), here, providers.TimedOut, true},
			"a handshake that fails":   {Options{BaseURL: "https://" + answers.Addr().String()}, post("hello"), here, providers.Unreachable, true},
			"a certificate of nobody":  {stranger, post("hello"), here, providers.Unreachable, true},
			"a caller that was gone":   {at(answers), post("hello"), gone, providers.Gone, true},
			"a field that cannot be":   {at(answers), odd, here, "", true},
			"closed without an answer": {at(closes), post("hello"), here, providers.Unreachable, false},
			"closed behind TLS":        {secured, post("hello"), here, providers.Unreachable, false},
			"closed while it was sent": {at(closesEarly), post(strings.Repeat("x", 32<<20)), here, providers.Unreachable, false},
			"closed in the head":       {at(half), post("hello"), here, "", false},
			"closed in the body":       {at(cut), post("hello"), here, providers.BadAnswer, false},
			"no head in time":          {at(hangs), short, here, providers.TimedOut, false},
		} {
			tr := open(x.to)
			res, err := tr.RoundTrip(x.ctx(t), x.r)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			up, isUpstream := errors.AsType[*providers.UpstreamError](err)
			if !isUpstream || x.fault != "" && up.Fault != x.fault || up.Free != x.free {
				t.Errorf("%s: %v, %+v; want %s, free %v", name, err, up, x.fault, x.free)
			}
		}

		// A caller that leaves while the answer is awaited has sent its request.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err = open(at(hangs)).RoundTrip(ctx, post("hello"))
		if up, _ := errors.AsType[*providers.UpstreamError](err); up == nil || up.Fault != providers.Gone || up.Free {
			t.Errorf("a caller that leaves: %v", err)
		}
		// A caller that had left before the call has sent nothing, even where a connection
		// waits.
		tr := open(at(answers))
		if _, _, err := ask(tr, post("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(gone(t), post("hello")); !isFree(err) {
			t.Errorf("a caller that was gone, on a connection that is there: %v", err)
		}
	})
}

func isFree(err error) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	return ok && up.Free
}
