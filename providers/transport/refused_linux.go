package transport

import "golang.org/x/sys/unix"

// refusal is how long, in milliseconds, the upstream's system may take to say that
// nobody is there to read what was sent.
const refusal = 1000

// refused reports whether the upstream's system has refused all of a request of so many
// bytes. It has if the connection had been closed before any of the bytes arrived: then
// none was acknowledged, and the bytes are answered with a reset. A reset alone proves
// nothing, since what was received and read may not have been acknowledged yet. The caller
// has seen the connection's end before that.
func (c *conn) refused(bytes int64) (is bool) {
	if c.fd == nil {
		return false
	}
	c.fd.Control(func(fd uintptr) { // the system knows nothing of a connection that we have closed
		if waiting, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil || int64(waiting) < bytes {
			return
		}
		poll := []unix.PollFd{{Fd: int32(fd)}} // errors are always told
		if n, err := unix.Poll(poll, refusal); err != nil || n == 0 {
			return
		}
		waiting, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		is = err == nil && int64(waiting) >= bytes
	})
	return is
}
