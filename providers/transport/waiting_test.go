package transport

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"tallygate/providers"
)

func TestCancel(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		at := make(chan string, 10)
		silent := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			in.ReadByte() // of the TLS handshake
			at <- "handshake"
			io.Copy(io.Discard, in)
		})
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			if r := take(in); r != nil && r.Method == "POST" {
				io.WriteString(c, ok+"Content-Length: 10\r\n\r\nhello")
			}
			at <- "answer"
			io.Copy(io.Discard, in)
		})
		for name, x := range map[string]struct {
			url string
			r   *Request
		}{
			"handshake": {"https://" + silent.Addr().String(), post("hello")},
			"head":      {"http://" + s.Addr().String(), &Request{Method: "GET", Path: "/x"}},
			"body":      {"http://" + s.Addr().String(), post("hello")},
		} {
			tr := open(Options{BaseURL: x.url})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-at
				cancel()
			}()
			res, err := tr.RoundTrip(ctx, x.r)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if faultOf(err) != providers.Gone {
				t.Errorf("%s: %v, want %s", name, err, providers.Gone)
			}
			if _, err := tr.RoundTrip(ctx, x.r); faultOf(err) != providers.Gone {
				t.Errorf("%s: for a caller that is gone: %v", name, err)
			}
		}
	})
}

func TestDeadlines(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			if r := take(in); r != nil && r.Method == "POST" {
				io.WriteString(c, ok+"Content-Length: 10\r\n\r\nhello")
			}
			io.Copy(io.Discard, in)
		})
		tr := open(Options{BaseURL: "http://" + s.Addr().String()})
		if _, err := tr.RoundTrip(t.Context(), &Request{Method: "GET", Wait: 30 * time.Millisecond}); faultOf(err) != providers.TimedOut {
			t.Errorf("no head: %v", err)
		}
		res, err := tr.RoundTrip(t.Context(), post("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		res.Body.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		if body, err := io.ReadAll(res.Body); string(body) != "hello" || faultOf(err) != providers.TimedOut {
			t.Errorf("half a body: %q %v", body, err)
		}
	})
}
