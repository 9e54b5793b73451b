package transport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/providers"
)

// standard is the transport over net/http: for proxies and for upstreams that
// speak HTTP/2 only.
type standard struct {
	base    *url.URL
	connect time.Duration
	http    *http.Transport
	habit   habit
}

// habit is what is known of how an upstream treats idle connections. A [pool] of our own
// finds out the same.
type habit struct {
	mu   sync.Mutex // guards the fields that follow
	kept bool
	wary time.Time
	idle int       // idle connections
	last time.Time // when a connection may last have become idle
}

// ask says what to do about a request that might be sent on an idle connection. once is to
// let its connection serve no other request. wait is how long it takes until the news of an
// idle connection's end must have come.
func (h *habit) ask() (once bool, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if once = now.Before(h.wary); once || !h.kept {
		wait = settled - now.Sub(h.last)
	}
	return once, wait
}

// got notes on what connection a request goes out; waited is whether the request has waited
// for an idle connection to prove itself.
func (h *habit) got(reused, waited bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !reused && waited && h.idle > 0 {
		h.wary = time.Now().Add(waryFor) // the idle connection is gone
	}
	if h.idle = max(h.idle-1, 0); !reused {
		h.idle = 0 // as a rule, a new connection is made when none is idle
	}
}

func (h *habit) put() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle++
}

// rest notes that an answer is done with: its connection becomes idle about now.
func (h *habit) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
}

// end notes how a request on a connection that had served before has ended.
func (h *habit) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.kept = true
	case isFault(err, providers.Unreachable):
		h.kept, h.wary = false, time.Now().Add(waryFor)
	}
}

func newStandard(o Options, base *url.URL) *standard {
	dialer := &net.Dialer{Timeout: o.ConnectTimeout}
	t := &standard{
		base: base, connect: o.ConnectTimeout,
		http: &http.Transport{
			Proxy:           o.Proxy,
			TLSClientConfig: o.TLS,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return Sockets.dial(ctx, dialer, network, address)
			},
			TLSHandshakeTimeout:    o.ConnectTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHead,
		},
	}
	Sockets.add(t)
	return t
}

// shed implements holder. Only net/http knows which connection has been idle for longest,
// so all idle ones are closed.
func (t *standard) shed(int) { t.http.CloseIdleConnections() }

// RoundTrip implements Transport. The body is copied: net/http may go on
// reading it after it has returned.
func (t *standard) RoundTrip(ctx context.Context, r *Request) (*Response, error) {
	b := &standardBody{caller: ctx, habit: &t.habit, connect: t.connect}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	b.timer = time.AfterFunc(t.connect, func() { b.cancel(errSlow) })
	once, wait := t.habit.ask()
	traced := httptrace.WithClientTrace(b.ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if secure, ok := got.Conn.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol == "h2" {
			t.habit.end(nil) // the upstream says before it ends which requests it has not read
		} else {
			t.habit.got(got.Reused, wait > 0)
			b.reused.Store(got.Reused)
		}
		b.connected.Store(true)
		b.timer.Reset(cmp.Or(r.Wait, defaultWait))
	}, PutIdleConn: func(err error) {
		if err == nil {
			t.habit.put()
		}
	}})
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(bytes.Clone(r.Body))
	}
	req, err := http.NewRequestWithContext(traced, r.Method, t.base.String()+r.Path, body)
	if err != nil {
		b.end()
		return nil, unsent(providers.Unreachable, err)
	}
	for _, f := range r.Fields {
		req.Header.Set(f.Name, f.Value)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	b.once, req.Close = once, once
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-b.ctx.Done(): // the next step finds that
		}
	}
	res, err := t.http.RoundTrip(req)
	if err != nil {
		err = b.headFault(err)
	}
	if b.reused.Load() {
		t.habit.end(err)
	}
	if err != nil {
		b.end()
		return nil, err
	}
	b.timer.Stop()
	b.body = res.Body
	return &Response{
		Status: res.StatusCode, Length: res.ContentLength, Body: b,
		ContentType: res.Header.Get("Content-Type"), Encoding: res.Header.Get("Content-Encoding"), RetryAfter: res.Header.Get("Retry-After"),
		RequestID: requestIDIn(res.Header),
	}, nil
}

// requestIDIn is how the upstream calls the request.
func requestIDIn(h http.Header) string {
	for _, name := range requestIDs {
		if id := h.Get(name); usableID([]byte(id)) {
			return id
		}
	}
	return ""
}

// Close implements Transport.
func (t *standard) Close() {
	Sockets.remove(t)
	t.http.CloseIdleConnections()
}

// standardBody is an answer on its way through net/http. Its one timer cancels
// the request, whichever wait it is for at the time.
type standardBody struct {
	caller    context.Context
	habit     *habit
	connect   time.Duration
	once      bool // the connection serves no other request
	ctx       context.Context
	cancel    context.CancelCauseFunc
	timer     *time.Timer
	connected atomic.Bool
	reused    atomic.Bool // the connection
	body      io.ReadCloser
}

// headFault tells why there is no head. What net/http finds wrong in one has no
// type; what breaks on the way to it has.
func (b *standardBody) headFault(err error) error {
	var onWire net.Error
	f, connected := providers.BadAnswer, b.connected.Load()
	cause := onWay(err, errHead)
	switch {
	case b.caller.Err() != nil:
		f, cause = providers.Gone, b.caller.Err()
	case b.ctx.Err() != nil, errors.As(err, &onWire) && onWire.Timeout():
		f, cause = providers.TimedOut, errSlow
		if !connected {
			cause = fmt.Errorf("no connection within %s", b.connect)
		}
	case cause == errNoFiles, cause == errNoFilesHere:
		f = providers.NoFiles
	case !connected, errors.As(err, &onWire), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		strings.Contains(err.Error(), "server closed idle connection"):
		f = providers.Unreachable
		if cause == errHead {
			cause = io.ErrUnexpectedEOF
		}
	}
	if !connected {
		return unsent(f, cause)
	}
	return fault(f, cause)
}

// Read implements providers.Source.
func (b *standardBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	switch {
	case b.caller.Err() != nil:
		err = fault(providers.Gone, err)
	case b.ctx.Err() != nil:
		err = fault(providers.TimedOut, errPaused)
	default:
		err = fault(providers.BadAnswer, onWay(err, errBody))
	}
	return n, err
}

// SetReadDeadline implements providers.Source.
func (b *standardBody) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		b.timer.Stop()
		return nil
	}
	b.timer.Reset(time.Until(t))
	return nil
}

// Close implements providers.Source. The connection serves other requests if
// the answer was read to its end.
func (b *standardBody) Close() error {
	err := b.body.Close()
	b.end()
	if !b.once {
		b.habit.rest()
	}
	return err
}

func (b *standardBody) end() {
	b.timer.Stop()
	b.cancel(nil)
}
