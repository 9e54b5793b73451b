package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// visit is one connection.
type visit struct {
	net.Conn
	door   *Door
	peer   netip.Addr    // the zero address on a Unix socket
	local  bool          // it is one
	from   netip.Addr    // its network
	asked  atomic.Bool   // it has sent a request
	quiet  atomic.Int64  // since when it has said nothing, in Unix nanoseconds; 0 while a request is under way
	heard  atomic.Uint32 // how often something was read
	idleAt atomic.Uint32 // how often, when it was last answered
	ends   atomic.Uint32 // one more than how often, when it was found silent for too long
	left   atomic.Bool   // the other side, or we have closed it
	call   atomic.Pointer[call]
	closed bool      // to make room; guarded by the door's mu
	until  time.Time // of the write deadline in force
}

type visitKey struct{}

// busy notes that a request of a connection is under way, and returns the
// connection; nil if it did not come through a door.
func busy(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v != nil {
		v.quiet.Store(0)
		v.asked.Store(true)
	}
	return v
}

// visitOf is the visit below a connection, nil if there is none.
func visitOf(c net.Conn) *visit {
	if coded, is := c.(*tls.Conn); is {
		c = coded.NetConn()
	}
	v, _ := c.(*visit)
	return v
}

// keepVisit is what net/http calls with every new connection.
func keepVisit(ctx context.Context, c net.Conn) context.Context {
	if v := visitOf(c); v != nil {
		return context.WithValue(ctx, visitKey{}, v)
	}
	return ctx
}

// follow is what net/http calls when a connection changes its state.
func follow(c net.Conn, state http.ConnState) {
	v := visitOf(c)
	if v == nil {
		return
	}
	switch state {
	case http.StateIdle:
		v.idleAt.Store(v.heard.Load())
		v.quiet.Store(time.Now().UnixNano())
	case http.StateClosed, http.StateHijacked:
		v.door.leave(v)
	}
}

// watch tells a call once the other side has left. net/http reads on while a request
// is answered, and its context ends then as well; but to hang on to a context takes six
// allocations.
func (v *visit) watch(c *call) {
	c.visit = v
	v.call.Store(c)
	if v.left.Load() {
		c.leave()
	}
}

func (v *visit) leave() {
	v.left.Store(true)
	if c := v.call.Load(); c != nil {
		c.leave()
	}
}

// Read implements net.Conn. A deadline that has passed does not mean that the other side
// has left: net/http ends its own reads with one.
func (v *visit) Read(b []byte) (int, error) {
	n, err := v.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if heard := v.ends.Swap(0); heard > 0 {
			n, err = v.last(b, heard-1)
		}
	}
	if n > 0 {
		v.heard.Add(1)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		v.leave()
	}
	return n, err
}

// end ends the connection if it has been silent for long enough, and nothing comes just now.
// That is seen to by whoever reads from it: no request is read, or about to be, when it ends.
func (v *visit) end(now time.Time) {
	heard, patience := v.heard.Load(), lull
	switch {
	case heard != v.idleAt.Load(): // it is about to ask, or to agree on how to encrypt that
		patience = partPatience
	case v.door.heir.Take != nil:
		patience = 0
	}
	if quiet := v.quiet.Load(); quiet != 0 && now.UnixNano()-quiet >= int64(patience) {
		v.ends.Store(heard + 1)
		v.Conn.SetReadDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0)

// last reads what has come, and ends the connection if that is nothing: another process goes on
// with it, or it is closed.
func (v *visit) last(b []byte, heard uint32) (int, error) {
	v.Conn.SetReadDeadline(time.Time{})
	if v.heard.Load() != heard || v.quiet.Load() == 0 { // a request had come by the time that it was to end
		return v.Conn.Read(b)
	}
	heir := v.door.heir
	if n := heir.Arrived(v.Conn, b); n > 0 {
		return n, nil
	}
	if heir.Take != nil && heard == v.idleAt.Load() {
		heir.Take(v.Conn)
	}
	v.Conn.Close()
	return 0, io.EOF
}

// SetWriteDeadline does nothing: each write sets a deadline of its own, which net/http
// would take back behind every answer.
func (v *visit) SetWriteDeadline(time.Time) error { return nil }

// Write sends b, as long as the other side takes some of it now and then. Whatever
// is written to a caller goes through here.
func (v *visit) Write(b []byte) (sent int, err error) {
	for {
		if now := time.Now(); v.until.Sub(now) < writePatience/2 {
			v.until = now.Add(writePatience)
			v.Conn.SetWriteDeadline(v.until)
		}
		patch := b[sent:min(len(b), sent+patchSize)]
		n, err := v.Conn.Write(patch)
		if sent += n; err != nil {
			v.leave()
			return sent, err
		} else if sent == len(b) {
			return sent, nil
		}
	}
}
