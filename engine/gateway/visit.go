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
	"sync"
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
	begun  atomic.Int64  // when the first of that was read since then, in Unix nanoseconds
	most   int           // what can be read at once if nothing is kept that was read before
	left   atomic.Bool   // the other side, or we have closed it
	call   atomic.Pointer[call]
	closed bool      // to make room; guarded by the door's mu
	until  time.Time // of the write deadline in force

	reads  sync.Mutex    // guards the fields that follow, and the read deadline in force
	ends   uint32        // one more than how often something was read, when it was found silent for too long; or 0
	wanted time.Time     // the read deadline that net/http has set
	back   bool          // it was let in by the process before, and has not been answered since
	came   time.Time     // if so
	shift  time.Duration // and how long it was silent from then on
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
		v.answered()
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
func (v *visit) Read(b []byte) (n int, err error) {
	if v.most == 0 {
		v.most = len(b)
	}
	for again := true; again; {
		n, err = v.Conn.Read(b)
		again = false
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if heard, ours := v.goOn(); ours {
				n, err, again = v.last(b, heard)
			}
		}
	}
	if n > 0 {
		v.hear()
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		v.leave()
	}
	return n, err
}

// hear notes that something was read.
func (v *visit) hear() {
	heard := v.heard.Add(1)
	if heard != v.idleAt.Load()+1 {
		return
	}
	v.begun.Store(time.Now().UnixNano())
	if heard > 1 || !v.back { // that changes with an answer only, and none is under way
		return
	}
	v.reads.Lock()
	defer v.reads.Unlock()
	v.shift = time.Since(v.came)
	v.setReadDeadline(v.wanted)
}

// answered notes that what was asked is answered.
func (v *visit) answered() {
	v.idleAt.Store(v.heard.Load())
	v.reads.Lock()
	defer v.reads.Unlock()
	v.back = false
}

// SetReadDeadline implements net.Conn. To net/http one that has come back is new: it counts
// from then on how long the first request may take.
func (v *visit) SetReadDeadline(t time.Time) error {
	v.reads.Lock()
	defer v.reads.Unlock()
	v.ends, v.wanted = 0, t // if it is still silent, that is found again
	return v.setReadDeadline(t)
}

func (v *visit) setReadDeadline(t time.Time) error {
	switch {
	case t.IsZero() || !v.back || v.quiet.Load() == 0:
	case v.heard.Load() == 0:
		t = v.came.Add(idlePatience)
	default:
		t = t.Add(v.shift)
	}
	return v.Conn.SetReadDeadline(t)
}

// end ends the connection if it has been silent for long enough, and nothing comes just now.
// That is seen to by whoever reads from it: no request is read, or about to be, when it ends.
func (v *visit) end(now time.Time) {
	heard, since, patience := v.heard.Load(), v.quiet.Load(), lull
	if since == 0 {
		return
	}
	switch {
	case heard != v.idleAt.Load(): // it is about to ask, or to agree on how to encrypt that
		since, patience = v.begun.Load(), partPatience
	case v.door.heir.Take != nil:
		patience = 0
	}
	if now.UnixNano()-since >= int64(patience) {
		v.reads.Lock()
		defer v.reads.Unlock()
		v.ends = heard + 1
		v.Conn.SetReadDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0)

// goOn reports whether a read was broken off by end, when so much had been heard, and has
// the deadline in force again that was then. net/http may break off the same read, at any time
// before or after: that must not be taken for ours, or it would wait for the read.
func (v *visit) goOn() (heard uint32, ours bool) {
	v.reads.Lock()
	defer v.reads.Unlock()
	if v.ends == 0 {
		return 0, false
	}
	heard, v.ends = v.ends-1, 0
	v.setReadDeadline(v.wanted)
	return heard, true
}

// last reads what has come, and ends the connection if that is nothing: another process goes on
// with it, or it is closed. It is to be read again if it does not end.
func (v *visit) last(b []byte, heard uint32) (n int, err error, again bool) {
	if v.heard.Load() != heard || v.quiet.Load() == 0 { // a request had come by the time that it was to end
		return 0, nil, true
	}
	heir := v.door.heir
	if n := heir.Arrived(v.Conn, b); n > 0 {
		return n, nil, false
	}
	silent := heard == v.idleAt.Load()
	if silent && len(b) < v.most { // of the next request some came together with the one before
		v.hear()
		return 0, nil, true
	}
	if heir.Take != nil && silent {
		heir.Take(v.Conn)
	}
	v.Conn.Close()
	return 0, io.EOF, false
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
