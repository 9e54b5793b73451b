package transport

import (
	"bufio"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// piped is an idle connection, and what tells that it was closed.
func piped() (*conn, func() bool) {
	near, far := net.Pipe()
	return newConn(near), func() bool {
		far.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := far.Read(make([]byte, 1))
		return err == io.EOF
	}
}

// Connections that nobody uses are closed, without a request that would find
// them.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		first, firstClosed := piped()
		p.put(first)
		time.Sleep(idleTimeout / 2)
		second, secondClosed := piped()
		p.put(second)
		time.Sleep(idleTimeout/2 + time.Second)
		if !firstClosed() || secondClosed() {
			t.Errorf("after %v: closed %v, %v", idleTimeout, firstClosed(), secondClosed())
		}
		time.Sleep(idleTimeout / 2)
		if !secondClosed() {
			t.Error("the second was not closed")
		}
		third, thirdClosed := piped()
		p.put(third)
		time.Sleep(idleTimeout + time.Second)
		if !thirdClosed() {
			t.Error("after a pause nobody looks any more")
		}
		p.close()
	})
}

func TestPoolIsBounded(t *testing.T) {
	p := pool{kept: true}
	for range maxIdle {
		c, _ := piped()
		p.put(c)
	}
	one, closed := piped()
	if p.put(one); !closed() || len(p.idle) != maxIdle {
		t.Errorf("%d connections are kept", len(p.idle))
	}
	kept := p.idle[0]
	p.close()
	if _, err := kept.Write(nil); err == nil {
		t.Error("close left a connection open")
	}
	late, closed := piped()
	if p.put(late); !closed() {
		t.Error("a connection that came back after close was kept")
	}
}

// The connection that was used last is used next, unless it has ended or
// something has come on it.
func TestPoolGivesTheLast(t *testing.T) {
	far := make(chan net.Conn, 3)
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
		far <- c
		io.Copy(io.Discard, in)
	})
	p := pool{kept: true}
	defer p.close()
	var conns []*conn
	var ends []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, newConn(c))
		ends = append(ends, <-far)
		p.put(conns[len(conns)-1])
	}
	if c := p.get(); c != conns[2] {
		t.Fatal("not the last one")
	}
	p.put(conns[2])
	ends[2].Close()
	io.WriteString(ends[1], "unasked")
	time.Sleep(20 * time.Millisecond)
	conns[0].idleSince = conns[0].idleSince.Add(-settled)
	if c := p.get(); c != conns[0] {
		t.Error("a connection of no use was given")
	}
	if c := p.get(); c != nil {
		t.Error("there is another one")
	}
	conns[0].abort()
	if p.kept || !p.wary.After(time.Now()) {
		t.Error("nothing was learned of connections that ended early")
	}
}

// Until an upstream has shown that it keeps connections, and after it has closed one early,
// a connection is used again only when the news of its end would have come by now.
func TestPoolDoubts(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) })
	var p pool
	defer p.close()
	dial := func() *conn {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return newConn(c)
	}
	first, second := dial(), dial()
	p.put(first)
	p.put(second)
	third := dial()
	if p.put(third); len(p.idle) != inDoubt || third.alive(time.Now()) {
		t.Errorf("a burst has left %d connections that are in doubt", len(p.idle))
	}
	if p.get() != nil {
		t.Error("a connection was used again at once by an upstream that nothing is known of")
	}
	first.idleSince = first.idleSince.Add(-settled)
	if p.get() != first || p.get() != nil {
		t.Error("not the one that has been idle for a while")
	}
	p.put(first)
	if !p.kept || p.get() != first {
		t.Error("an upstream that keeps connections is doubted")
	}
	p.lost(true)
	if p.put(first); p.get() != nil {
		t.Error("an upstream that closes early is believed")
	}
	p.wary = time.Now()
	if p.get() != first {
		t.Error("it is never believed again")
	}
	first.abort()
}

// An upstream that says how long it keeps connections is believed.
func TestExpired(t *testing.T) {
	now := time.Now()
	for _, x := range []struct {
		says, idle time.Duration
		want       bool
	}{
		{0, time.Second, false}, {0, idleTimeout + 1, true}, {5 * time.Second, 3900 * time.Millisecond, false},
		{5 * time.Second, 4100 * time.Millisecond, true}, {time.Second, 400 * time.Millisecond, false}, {time.Second, 600 * time.Millisecond, true}, {time.Hour, idleTimeout + 1, true},
	} {
		c := &conn{keepAlive: x.says, idleSince: now.Add(-x.idle)}
		if got := c.expired(now); got != x.want {
			t.Errorf("idle for %v of %v: %v", x.idle, x.says, got)
		}
	}
	var h responseHead
	if err := h.read([]byte(ok + "Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n\r\n")); err != nil || h.keepAlive != 5*time.Second {
		t.Errorf("%v, %v", h.keepAlive, err)
	}
}
