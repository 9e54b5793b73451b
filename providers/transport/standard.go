package transport

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
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
}

func newStandard(o Options, base *url.URL) *standard {
	dialer := &net.Dialer{Timeout: o.ConnectTimeout}
	return &standard{
		base: base, connect: o.ConnectTimeout,
		http: &http.Transport{
			Proxy:                  o.Proxy,
			TLSClientConfig:        o.TLS,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    o.ConnectTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHead,
		},
	}
}

var errSlow = errors.New("the upstream took too long")

// RoundTrip implements Transport. The body is copied: net/http may go on
// reading it after it has returned.
func (t *standard) RoundTrip(ctx context.Context, r *Request) (*Response, error) {
	b := &standardBody{caller: ctx}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	b.timer = time.AfterFunc(t.connect, func() { b.cancel(errSlow) })
	traced := httptrace.WithClientTrace(b.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		b.connected.Store(true)
		b.timer.Reset(cmp.Or(r.Wait, defaultWait))
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
	res, err := t.http.RoundTrip(req)
	if err != nil {
		err = b.headFault(err)
		b.end()
		return nil, err
	}
	b.timer.Stop()
	b.body = res.Body
	return &Response{
		Status: res.StatusCode, Length: res.ContentLength, Body: b,
		ContentType: res.Header.Get("Content-Type"), Encoding: res.Header.Get("Content-Encoding"), RetryAfter: res.Header.Get("Retry-After"),
	}, nil
}

// Close implements Transport.
func (t *standard) Close() { t.http.CloseIdleConnections() }

// standardBody is an answer on its way through net/http. Its one timer cancels
// the request, whichever wait it is for at the time.
type standardBody struct {
	caller    context.Context
	ctx       context.Context
	cancel    context.CancelCauseFunc
	timer     *time.Timer
	connected atomic.Bool
	body      io.ReadCloser
}

// headFault tells why there is no head. What net/http finds wrong in one has no
// type; what breaks on the way to it has.
func (b *standardBody) headFault(err error) error {
	var onWire net.Error
	f := providers.BadAnswer
	switch {
	case b.caller.Err() != nil:
		f = providers.Gone
	case b.ctx.Err() != nil:
		f = providers.TimedOut
	case errors.As(err, &onWire) && onWire.Timeout():
		f = providers.TimedOut
	case !b.connected.Load(), errors.As(err, &onWire), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		strings.Contains(err.Error(), "server closed idle connection"):
		f = providers.Unreachable
	}
	if !b.connected.Load() {
		return unsent(f, err)
	}
	return fault(f, err)
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
		err = fault(providers.TimedOut, errSlow)
	default:
		err = fault(providers.BadAnswer, err)
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
	return err
}

func (b *standardBody) end() {
	b.timer.Stop()
	b.cancel(nil)
}
