package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"tallygate/providers"
)

// readSize is what a connection reads at once while it looks for the structure
// of an answer. Longer pieces of a body go straight to their reader.
const readSize = 4 << 10

var reads = sync.Pool{New: func() any { return new([readSize]byte) }}

// conn is a connection to the upstream. It belongs to one request at a time,
// or to the pool.
type conn struct {
	net.Conn          // TLS, or the TCP connection itself
	tcp      net.Conn // below it
	fd       syscall.RawConn
	looked   func(uintptr)      // c.look, made once, as are the others
	received func(uintptr) bool // c.receive
	ended    func()             // c.abort
	closed   bool               // found by look: the other side has closed, or talks unasked

	room   *[readSize]byte // of the pool; nil if there is none
	buf    []byte          // room, or a longer buffer
	unread []byte          // of buf
	err    error           // of receive

	served    bool          // whether it has served a request
	keepAlive time.Duration // 0: the upstream does not say
	idleSince time.Time
}

func newConn(tcp net.Conn) *conn {
	c := &conn{Conn: tcp, tcp: tcp}
	if s, ok := tcp.(syscall.Conn); ok {
		c.fd, _ = s.SyscallConn() // without one, only its age tells whether it can be used
	}
	c.looked, c.received, c.ended = c.look, c.receive, c.abort
	return c
}

// abort ends the connection at once. Any goroutine may call it. It sends no TLS farewell,
// since that could block.
func (c *conn) abort() { c.tcp.Close() }

// expired reports whether the upstream has probably closed an idle connection
// by now, or is about to.
func (c *conn) expired(now time.Time) bool {
	idle := now.Sub(c.idleSince)
	return idle > idleTimeout || c.keepAlive > 0 && idle > c.keepAlive-min(time.Second, c.keepAlive/2)
}

// silent reports whether TLS has nothing more to say. Bytes behind the end of the last
// answer can have been decrypted already.
func (c *conn) silent() bool {
	if c.Conn == c.tcp {
		return true
	}
	var b [1]byte
	c.SetReadDeadline(time.Unix(1, 0)) // what comes next says if it failed
	n, err := c.Read(b[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// send writes a request. n is how much of the request left our hands: if n is 0, the
// upstream cannot have seen a whole request.
func (c *conn) send(head, body []byte) (n int64, err error) {
	if len(body) == 0 {
		written, err := c.Write(head)
		return int64(written), err
	}
	both := net.Buffers{head, body}
	return both.WriteTo(c.Conn)
}

// take takes a buffer, unless the connection has one.
func (c *conn) take() {
	if c.buf == nil {
		c.room = reads.Get().(*[readSize]byte)
		c.buf = c.room[:]
	}
}

// rest gives the buffer back. Nothing in the buffer may be unread.
func (c *conn) rest() {
	if c.room != nil {
		reads.Put(c.room)
	}
	c.room, c.buf, c.unread = nil, nil, nil
}

// fill reads more into the buffer, behind what is unread. If nothing is unread, the wait
// for more needs no buffer.
func (c *conn) fill() error {
	if len(c.unread) == 0 && c.fd != nil && c.Conn == c.tcp && canReceive {
		c.rest()
		if err := c.fd.Read(c.received); err != nil {
			return err
		}
		return c.err
	}
	c.take()
	if len(c.unread) == 0 {
		c.unread = c.buf[:0]
	} else if cap(c.unread)-len(c.unread) == 0 {
		if len(c.unread) == len(c.buf) {
			c.buf = make([]byte, 2*len(c.buf)) // heads and lines are bounded, and so is this
		}
		c.unread = c.buf[:copy(c.buf, c.unread)]
	}
	n, err := c.Read(c.unread[len(c.unread):cap(c.unread)])
	c.unread = c.unread[:len(c.unread)+n]
	if n > 0 {
		return nil // an error comes again with the next read
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// readHead reads the head of the answer, and those of interim answers before
// it, which say nothing of interest.
func (c *conn) readHead(ctx context.Context, h *responseHead) error {
	for interim := 0; ; interim++ {
		if interim > maxInterim {
			return fault(providers.BadAnswer, errInterim)
		}
		*h = responseHead{}
		for {
			if len(c.unread) > 0 {
				if err := h.read(c.unread); err != nil {
					return fault(providers.BadAnswer, err)
				}
				if h.done {
					break
				}
			}
			if err := c.fill(); err != nil {
				return broken(ctx, err, providers.Unreachable)
			}
		}
		c.unread = c.unread[h.at:]
		if h.status >= 200 || h.status == 101 {
			return nil
		}
	}
}

// broken sorts an error of a connection on which a request has gone out.
func broken(ctx context.Context, err error, f providers.Fault) error {
	f, err = reasonFor(ctx, err, f)
	return fault(f, err)
}

// reasonFor is what an error of a connection means; f if only the upstream is to blame.
func reasonFor(ctx context.Context, err error, f providers.Fault) (providers.Fault, error) {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return providers.Gone, ctx.Err()
	case errors.Is(err, errNoFiles), errors.Is(err, errNoFilesHere):
		return providers.NoFiles, err
	case errors.As(err, &timeout) && timeout.Timeout():
		if f == providers.Unreachable {
			return providers.TimedOut, errSlow
		}
		return providers.TimedOut, errPaused
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return f, err
}
