package transport

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/providers"
)

// An upstream that closes its connections behind an answer, without having said so,
// answers all requests however fast they follow each other; one that does so now and
// then costs one request at most before that is known.
func TestClosedBehindAnswers(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		for name, x := range map[string]struct{ answers, lost int }{"each": {1, 0}, "every third": {3, 1}} {
			t.Run(name, func(t *testing.T) {
				var received atomic.Int32
				s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
					for range x.answers {
						if take(in) == nil {
							return
						}
						received.Add(1)
						io.WriteString(c, answered)
					}
					time.Sleep(2 * time.Millisecond) // it takes its time, and the next request is there
				})
				tr := open(Options{BaseURL: "http://" + s.Addr().String()})
				defer tr.Close()
				lost := 0
				for range 30 {
					if _, _, err := ask(tr, post("hello")); err != nil {
						lost++
					}
				}
				if lost > x.lost || int(received.Load()) != 30-lost {
					t.Errorf("%d of 30 were lost, want %d at most; %d were received", lost, x.lost, received.Load())
				}
			})
		}
	})
}

// A request that has met a closed connection is sent again where the upstream's system has
// refused all of it. Where the upstream may still read the request, or has read it, the
// request is not sent again.
func TestRefusedIsSentAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing can be proven here")
	}
	ended := make(chan bool)
	for name, x := range map[string]struct {
		end  func(net.Conn, *bufio.Reader)
		sent bool // again
	}{
		"closed":                  {func(c net.Conn, _ *bufio.Reader) { c.Close(); ended <- true }, true},
		"closed, but for reading": {func(c net.Conn, in *bufio.Reader) { c.(*net.TCPConn).CloseWrite(); ended <- true; take(in) }, false},
		"closed once it was read": {func(c net.Conn, in *bufio.Reader) { ended <- true; take(in) }, false},
		"reset once it was read":  {func(c net.Conn, in *bufio.Reader) { ended <- true; take(in); c.(*net.TCPConn).SetLinger(0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
				if take(in) != nil {
					io.WriteString(c, answered)
					x.end(c, in)
				}
			})
			tr, err := New(Options{BaseURL: "http://" + s.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			d := tr.(*either).direct
			if _, _, err := ask(tr, post("hello")); err != nil {
				t.Fatal(err)
			}
			<-ended
			time.Sleep(20 * time.Millisecond) // the news has come
			c := d.pool.idle[0]               // and is not looked at
			head, rest, _ := d.write(nil, post("hello"))
			_, err = d.exchange(context.Background(), c, post("hello"), head, rest)
			if (err == errUnsent) != x.sent || err != errUnsent && !isFault(err, providers.Unreachable) {
				t.Errorf("%v", err)
			}
			if !d.pool.wary.After(time.Now()) {
				t.Error("nothing was learned")
			}
			d.pool.idle = nil
		})
	}
}
