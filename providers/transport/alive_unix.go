//go:build unix

package transport

import (
	"io"
	"os"
	"syscall"
	"time"
)

// alive reports whether an idle connection can be used: nothing has come on it,
// neither its end nor bytes that nobody asked for. It costs one system call,
// which does not wait.
func (c *conn) alive(now time.Time) bool {
	if c.expired(now) || c.fd == nil {
		return false
	}
	c.closed = true
	return c.fd.Control(c.looked) == nil && !c.closed && c.silent()
}

// look reads a byte. If there is one, the connection cannot be used.
func (c *conn) look(fd uintptr) {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	c.closed = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
}

const canReceive = true

// receive reads what has come; it returns false if nothing has. While the connection waits
// for bytes, it has no buffer.
func (c *conn) receive(fd uintptr) bool {
	c.take()
	n, err := syscall.Read(int(fd), c.buf)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), c.buf)
	}
	switch {
	case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
		c.rest()
		return false
	case err != nil:
		c.err = os.NewSyscallError("read", err)
	case n == 0:
		c.err = io.EOF
	default:
		c.err, c.unread = nil, c.buf[:n]
	}
	return true
}
