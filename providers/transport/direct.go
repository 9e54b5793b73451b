package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"tallygate/providers"
)

// direct is a small HTTP/1.1 client for one origin. A request is written in one
// piece and its answer read in the goroutine that asks for it, with deadlines
// instead of timers: no goroutines, no channels and hardly an allocation for
// each request, which makes it about half as expensive as net/http.
//
// A connection that the upstream has closed while it was idle is found out before it is
// used. The upstream may also close it at the very moment that a request is on its way.
// That request is sent again if the upstream's system has refused all of it. Otherwise the
// request fails: whether it was read cannot be known, and a request that is sent twice may
// be charged twice.
type direct struct {
	address string // to dial
	host    string // for the Host field
	path    string // of the base URL
	connect time.Duration
	tls     *tls.Config // nil for http
	dialer  net.Dialer
	pool    pool
	writes  sync.Pool // of *[]byte: what is written
}

func newDirect(o Options, base *url.URL) *direct {
	port := base.Port()
	d := &direct{host: base.Host, path: base.EscapedPath(), connect: o.ConnectTimeout}
	d.writes.New = func() any { return new([]byte) }
	if base.Scheme == "https" {
		d.tls = &tls.Config{}
		if o.TLS != nil {
			d.tls = o.TLS.Clone()
		}
		d.tls.ServerName = base.Hostname()
		d.tls.NextProtos = []string{"http/1.1"}
		d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
		if port == "" {
			port = "443"
		}
	} else if port == "" {
		port = "80"
	}
	d.address = net.JoinHostPort(base.Hostname(), port)
	Sockets.add(&d.pool)
	return d
}

var (
	errField = errors.New("a field of the request cannot be written")
	errHTTP2 = errors.New("the upstream speaks HTTP/2 only")
)

// RoundTrip implements Transport.
func (d *direct) RoundTrip(ctx context.Context, r *Request) (*Response, error) {
	if ctx.Err() != nil {
		return nil, unsent(providers.Gone, ctx.Err())
	}
	buf := d.writes.Get().(*[]byte)
	defer d.writes.Put(buf)
	head, rest, err := d.write((*buf)[:0], r)
	if err != nil {
		return nil, unsent(providers.BadAnswer, err)
	}
	*buf = head
	c := d.pool.get()
	if c != nil {
		res, err := d.exchange(ctx, c, r, head, rest)
		if err != errUnsent {
			return res, err
		}
	}
	if c, err = d.dial(ctx); err != nil {
		return nil, err
	}
	res, err := d.exchange(ctx, c, r, head, rest)
	if err == errUnsent {
		err = unsent(reasonFor(ctx, io.ErrClosedPipe, providers.Unreachable))
	}
	return res, err
}

// errUnsent is the failure of a request of which nothing has left, or nothing has arrived.
// Such a request may be sent on another connection.
var errUnsent = errors.New("nothing was sent")

// exchange sends a request on a connection, and closes the connection unless there is an
// answer.
func (d *direct) exchange(ctx context.Context, c *conn, r *Request, head, rest []byte) (*Response, error) {
	wait := r.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	c.SetDeadline(time.Now().Add(wait)) // fails only if it is closed, which the next step finds
	stop := afterFunc(ctx, c.ended)
	a := &answer{from: d, conn: c, ctx: ctx, stop: stop}
	n, err := c.send(head, rest)
	if err != nil {
		if n == 0 {
			stop()
			c.abort()
			if ctx.Err() != nil {
				return nil, unsent(providers.Gone, ctx.Err())
			}
			return nil, errUnsent
		}
		// An upstream that refuses a long request early stops reading it. What it
		// says is on its way, if it says anything.
		c.SetReadDeadline(time.Now().Add(lastWords))
	}
	var h responseHead
	if readErr := c.readHead(ctx, &h); readErr != nil {
		stop()
		ended := isFault(readErr, providers.Unreachable)
		refused := ended && errors.Is(readErr, io.ErrUnexpectedEOF) && len(c.unread) == 0 && c.refused(n)
		if c.abort(); ended && c.served {
			d.pool.lost(true)
		}
		if refused {
			return nil, errUnsent
		}
		if err != nil {
			return nil, broken(ctx, err, providers.Unreachable)
		}
		return nil, readErr
	}
	c.SetReadDeadline(time.Time{}) // from here on the deadline is the reader's; a failure shows with the next read
	c.keepAlive = h.keepAlive
	a.Response = Response{Status: h.status, ContentType: h.contentType, Encoding: h.encoding, RetryAfter: h.retryAfter, RequestID: h.requestID, Length: h.length, Body: a}
	a.chunked, a.left, a.reuse = h.chunked, h.length, !h.close && err == nil
	return &a.Response, nil
}

// afterFunc is context.AfterFunc, but saves its memory where the context has a method of
// its own.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return own.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// lastWords is how long an upstream is listened to that has stopped reading a request.
const lastWords = time.Second

// joined is the longest body that is copied behind its head, to leave in one
// piece.
const joined = 16 << 10

// write writes the head of a request, and its body if that is short; rest is a
// longer one.
func (d *direct) write(b []byte, r *Request) (head, rest []byte, err error) {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, d.path...)
	b = append(b, r.Path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, d.host...)
	b = append(b, "\r\nUser-Agent: "+userAgent+"\r\nAccept-Encoding: identity\r\n"...)
	for _, f := range r.Fields {
		if strings.IndexFunc(f.Value, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
			return nil, nil, errField
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if r.Body != nil {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if len(r.Body) > joined {
		return b, r.Body, nil
	}
	return append(b, r.Body...), nil, nil
}

// dial makes a connection.
func (d *direct) dial(ctx context.Context) (*conn, error) {
	limited, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	tcp, err := Sockets.dial(limited, &d.dialer, "tcp", d.address)
	if err != nil {
		return nil, unconnected(ctx, limited, err, "connection", d.connect)
	}
	c := newConn(tcp)
	if d.tls != nil {
		secure := tls.Client(tcp, d.tls)
		if err := secure.HandshakeContext(limited); err != nil {
			tcp.Close()
			if strings.Contains(err.Error(), "no application protocol") { // the alert has no type of its own
				return nil, errHTTP2
			}
			return nil, unconnected(ctx, limited, err, "TLS handshake", d.connect)
		}
		c.Conn = secure
	}
	return c, nil
}

// unconnected says why there is no connection: what was tried did not come about.
func unconnected(ctx, limited context.Context, err error, what string, within time.Duration) error {
	switch {
	case ctx.Err() != nil:
		return unsent(providers.Gone, ctx.Err())
	case limited.Err() != nil:
		return unsent(providers.TimedOut, fmt.Errorf("no %s within %s", what, within))
	}
	f, err := reasonFor(ctx, causeOf(err), providers.Unreachable)
	return unsent(f, err)
}

// Close implements Transport.
func (d *direct) Close() {
	Sockets.remove(&d.pool)
	d.pool.close()
}
