package transport

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
)

// Every connection to an upstream counts until it is closed, however often it is closed. A
// connection that could not be made does not count. Where there are as many connections as
// there may be, an idle one makes room, whichever upstream it leads to. A connection in use
// does not.
func TestSockets(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) })
	k := newSockets()
	dial := func() *conn {
		t.Helper()
		c, err := k.dial(context.Background(), &net.Dialer{}, "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return newConn(c)
	}
	open := func(want int) {
		t.Helper()
		if n := k.Open(); n != want {
			t.Errorf("%d connections are open, want %d", n, want)
		}
	}
	one, other := pool{kept: true}, pool{kept: true}
	k.add(&one)
	k.add(&other)
	busy, idle := dial(), []*conn{dial(), dial()}
	for _, c := range idle {
		one.put(c)
	}
	if k.dial(context.Background(), &net.Dialer{}, "tcp", "127.0.0.1:0"); true {
		open(3)
	}
	k.Bound(3)
	open(3)
	other.put(dial())
	if open(3); len(one.idle) != 1 || one.idle[0] != idle[1] {
		t.Error("not the longest idle made room")
	}
	k.Bound(1)
	if open(1); len(one.idle)+len(other.idle) != 0 {
		t.Error("there are idle connections where there is no room")
	}
	dial()
	open(2) // nothing idle is left: who may ask is for others to say
	busy.abort()
	busy.abort()
	open(1)
}
