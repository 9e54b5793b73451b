package control

import (
	"context"
	"net"
	"os"
	"sync"

	"tallygate/engine/tally"
)

// Memory returns a listener and the dialer that reaches it, in this process.
func Memory() (net.Listener, Dialer) {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	return l, l.dial
}

type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case l.conns <- knownConn{theirs, os.Geteuid()}:
		return ours, nil
	case <-l.closed:
		err = tally.Errorf(tally.Unavailable, "the engine has stopped")
	case <-ctx.Done():
		err = ctx.Err()
	}
	ours.Close()
	theirs.Close()
	return nil, err
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return hostName }
