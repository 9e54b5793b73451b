package transport

import (
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
)

// Sockets are the connections of this process to all upstreams. Each takes a file,
// of which there may be few.
var Sockets = newSockets()

type sockets struct {
	open atomic.Int64
	most atomic.Int64

	mu      sync.Mutex // guards what follows
	holders map[holder]struct{}
}

// holder has idle connections.
type holder interface {
	// shed closes so many idle connections, the longest idle first.
	shed(n int)
}

func newSockets() *sockets {
	s := &sockets{holders: map[holder]struct{}{}}
	s.most.Store(math.MaxInt64)
	return s
}

// Open is how many connections there are, with the idle ones and those that are being
// made.
func (s *sockets) Open() int { return int(s.open.Load()) }

// Bound makes idle connections close where there would otherwise be more connections than
// most.
func (s *sockets) Bound(most int) {
	s.most.Store(int64(most))
	s.trim()
}

func (s *sockets) trim() {
	over := func() int { return int(s.open.Load() - s.most.Load()) }
	if over() <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.holders {
		if n := over(); n > 0 {
			h.shed(n)
		}
	}
}

func (s *sockets) add(h holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders[h] = struct{}{}
}

func (s *sockets) remove(h holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holders, h)
}

// dial makes a connection that is counted.
func (s *sockets) dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	s.open.Add(1) // counted before there is a file
	s.trim()
	c, err := d.DialContext(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		return &socket{TCPConn: tcp, of: s}, nil
	}
	s.open.Add(-1)
	return c, err
}

// socket is a connection that is counted until it is closed.
type socket struct {
	*net.TCPConn // not the interface, which would lose what a TCPConn does in one system call
	of           *sockets
	closed       atomic.Bool
}

func (c *socket) Close() error {
	err := c.TCPConn.Close()
	if !c.closed.Swap(true) {
		c.of.open.Add(-1)
	}
	return err
}
