package transport

import (
	"context"
	"errors"
	"io"
	"time"

	"tallygate/providers"
)

// answer is a response and its body on a connection.
type answer struct {
	Response
	from *direct
	conn *conn // nil once the body was closed
	ctx  context.Context
	stop func() bool // stops watching ctx

	chunked bool
	chunks  chunks
	left    int64 // of a body with a length; -1: until the connection ends
	reuse   bool  // the connection, after the end
	err     error // that every further Read returns
}

var (
	errClosed       = errors.New("the answer was closed")
	errReadOfClosed = fault(providers.Gone, errClosed)
)

// Read implements providers.Source.
func (a *answer) Read(p []byte) (int, error) {
	if a.err != nil || len(p) == 0 {
		return 0, a.err
	}
	n, err := 0, error(nil)
	switch {
	case a.chunked:
		n, err = a.readChunks(p)
	case a.left == 0:
		err = io.EOF
	case a.left > 0:
		n, err = a.readSome(p[:min(int64(len(p)), a.left)])
		a.left -= int64(n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	default:
		n, err = a.readSome(p)
	}
	a.ended(err)
	return n, a.err
}

// ended keeps what an error means, for every further Read.
func (a *answer) ended(err error) {
	if err != nil && err != io.EOF {
		if _, ok := err.(*providers.UpstreamError); !ok {
			err = broken(a.ctx, err, providers.BadAnswer)
		}
	}
	a.err = err
}

// Wait waits until something can be read, if only an error. It holds no memory for that
// meanwhile.
func (a *answer) Wait() {
	if a.err != nil || len(a.conn.unread) > 0 || !a.chunked && a.left == 0 {
		return
	}
	if err := a.conn.fill(); a.chunked || a.left > 0 {
		a.ended(unexpected(err))
	} else {
		a.ended(err)
	}
}

// readSome reads from what the connection has read already, or else straight
// from it.
func (a *answer) readSome(p []byte) (int, error) {
	if c := a.conn; len(c.unread) == 0 {
		return c.Read(p)
	} else {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
}

// readChunks gives as much data as has arrived, and waits only if there is
// none. It tells the end of the body together with the last data if both have
// arrived.
func (a *answer) readChunks(p []byte) (int, error) {
	c, n := a.conn, 0
	for {
		framing, data, err := a.chunks.next(c.unread)
		if err != nil {
			return n, fault(providers.BadAnswer, err)
		}
		c.unread = c.unread[framing:]
		if a.chunks.state == chunksDone {
			return n, io.EOF
		}
		if data > 0 {
			if n == len(p) {
				return n, nil
			}
			k := copy(p[n:], c.unread[:data])
			c.unread = c.unread[k:]
			a.chunks.take(k)
			n += k
			continue
		}
		if n > 0 {
			return n, nil
		}
		if a.chunks.state == chunkData && len(c.unread) == 0 && a.chunks.left >= readSize {
			k, err := c.Read(p[:min(int64(len(p)), a.chunks.left)])
			a.chunks.take(k)
			return k, unexpected(err)
		}
		if err := c.fill(); err != nil {
			return 0, unexpected(err)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// SetReadDeadline implements providers.Source.
func (a *answer) SetReadDeadline(t time.Time) error {
	if a.conn == nil {
		return errClosed
	}
	return a.conn.SetReadDeadline(t)
}

// Close implements providers.Source. The connection serves another request if
// the body was read to its end and nothing came behind it.
func (a *answer) Close() error {
	c := a.conn
	if c == nil {
		return nil
	}
	a.conn = nil
	unwatched := a.stop()
	if a.err == io.EOF && a.reuse && unwatched && len(c.unread) == 0 {
		c.rest()
		a.from.pool.put(c)
	} else {
		c.abort()
	}
	if a.err == nil || a.err == io.EOF {
		a.err = errReadOfClosed
	}
	return nil
}
