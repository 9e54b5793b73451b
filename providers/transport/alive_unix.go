//go:build unix

package transport

import (
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

// look reads a byte, of which there must be none.
func (c *conn) look(fd uintptr) {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	c.closed = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
}
