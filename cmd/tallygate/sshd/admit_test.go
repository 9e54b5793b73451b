package sshd

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// caller is a connection from an address.
type caller struct {
	net.Conn
	from string
}

func (c caller) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}
func (caller) Close() error { return nil }

func newServer(t *testing.T, log io.Writer) *Server {
	t.Helper()
	s, err := New(Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// An address that fails too often is hung up on, others are not, and the log has two lines
// of a thousand failures.
func TestStrangersAreBounded(t *testing.T) {
	var log strings.Builder
	s := newServer(t, &log)
	admitted := 0
	for range 1000 {
		if l, _ := s.admit(caller{from: "192.0.2.1:1000"}); l != nil {
			admitted++
			l.Close()
		}
	}
	if admitted < failuresFrom || admitted > failuresFrom+2 {
		t.Errorf("%d of 1000 were let try", admitted)
	}
	if l, _ := s.admit(caller{from: "192.0.2.2:1000"}); l == nil {
		t.Error("another address may not try")
	} else {
		s.known(l)
		l.Close() // which is no failure
	}
	open := 0
	for i := range 2 * pendingFrom {
		if l, _ := s.admit(caller{from: "[2001:db8::" + string(rune('1'+i%9)) + "]:1"}); l != nil { // of one customer
			open++
		}
	}
	if open != pendingFrom {
		t.Errorf("%d logins of one customer are open", open)
	}
	s.Close()
	if n := strings.Count(log.String(), "nobody was let in"); n != 2 ||
		!strings.Contains(log.String(), "last_from=192.0.2.1:1000") {
		t.Errorf("the log has %d lines:\n%s", n, log.String())
	}
}

// Many failures from everywhere slow each other down, and nobody else.
func TestFailuresFromEverywhere(t *testing.T) {
	s := newServer(t, io.Discard)
	paced := 0
	for i := range 2 * failures {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i / 200), byte(i % 200)}), 1)
		l, pace := s.admit(caller{from: from.String()})
		if l == nil {
			t.Fatal("not admitted")
		}
		if pace {
			paced++
		}
		l.Close()
	}
	if paced < failures/2 || paced > failures+1 {
		t.Errorf("%d were slowed down", paced)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != 0 || len(s.links) != 0 {
		t.Errorf("%d are pending, %d open", s.pending, len(s.links))
	}
}

func TestTokensComeBack(t *testing.T) {
	var k tokens
	now := time.Now()
	if got := k.left(now, 5, time.Second); got != 5 {
		t.Errorf("%d at first", got)
	}
	k.spent += 5
	if got := k.left(now, 5, time.Second); got != 0 {
		t.Errorf("%d are left", got)
	}
	if got := k.left(now.Add(2*time.Second), 5, time.Second); got != 2 {
		t.Errorf("%d have come back", got)
	}
	if got := k.left(now.Add(time.Hour), 5, time.Second); got != 5 {
		t.Errorf("%d after an hour", got)
	}
}

func TestSizesAreClamped(t *testing.T) {
	for in, want := range map[[2]int64]tea.WindowSizeMsg{
		{0, 0}: {Width: usualWidth, Height: usualHeight}, {100, 0}: {Width: usualWidth, Height: usualHeight}, {-1,
			9}: {Width: usualWidth, Height: usualHeight},
		{120, 36}: {Width: 120, Height: 36}, {65535, 65535}: {Width: maxWidth, Height: maxHeight}, {1 << 32,
			1}: {Width: maxWidth, Height: 1},
	} {
		if got := clamped(in[0], in[1]); got != want {
			t.Errorf("%v: %v, want %v", in, got, want)
		}
	}
}
