// Package transport carries a provider's requests to its upstream and the
// answers back.
//
// It knows HTTP and nothing of dialects. A provider hands it a path, a few header fields
// and a body, and gets back the head of an answer and a [providers.Source] to read the rest
// from. It follows no redirects and keeps no cookies. It asks for answers that are not
// compressed, and decodes none that are compressed all the same. Every failure is an
// *[providers.UpstreamError], which is free if the request has not left.
//
// There are two transports. direct.go is a small HTTP/1.1 client of our own: it
// takes a connection that the pool (pool.go) keeps and that is still alive
// (alive_unix.go), writes the request, reads the head (head.go) and leaves the
// body (body.go, chunks.go) to be read. It is strict, since a byte that is taken
// for the wrong side of an answer's end becomes part of somebody else's answer.
// standard.go is net/http, for proxies and for HTTP/2. Both pass the same tests.
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Transport reaches one upstream. Its methods may be called concurrently.
type Transport interface {
	// RoundTrip sends a request and returns once the head of the answer is
	// there. The caller must close the response's body. Canceling ctx ends the
	// body as well.
	//
	// A request reaches the upstream at most once: what may have been received
	// is never sent again, since the upstream may charge for it.
	RoundTrip(ctx context.Context, r *Request) (*Response, error)
	// Close gives back idle connections. Requests under way go on.
	Close()
}

// Request is what to send. It is not kept after RoundTrip has returned.
type Request struct {
	Method string
	Path   string // appended to the path of the base URL, with its slash
	Fields []Field
	Body   []byte // nil for none
	// Wait is the time from having a connection to the answer's head; default
	// two minutes.
	Wait time.Duration
}

// Field is a line of a request's head. Host, Content-Length, User-Agent and
// Accept-Encoding are the transport's own.
type Field struct{ Name, Value string }

// Response is the head of an answer, with those of its fields that matter.
type Response struct {
	Status      int
	ContentType string
	// Encoding is the content encoding; "" for none. It was not asked for.
	Encoding   string
	RetryAfter string
	// RequestID is how the upstream calls the request; "" if it does not say.
	RequestID string
	Length    int64 // of the body in bytes; -1 if the upstream does not say
	Body      providers.Source
}

// Options say where the upstream is.
type Options struct {
	BaseURL        string        // http or https, without a query
	ConnectTimeout time.Duration // for a connection, TLS included; default 10 s
	// Proxy says which proxy leads to a URL; default is the environment's.
	Proxy func(*http.Request) (*url.URL, error)
	TLS   *tls.Config // what to start from; default is the system's trust
}

// The defaults, and what an upstream's head may come to.
const (
	defaultConnect = 10 * time.Second
	defaultWait    = 2 * time.Minute
	maxHead        = 64 << 10 // bytes
	maxInterim     = 8        // answers of status 1xx before the real one
	idleTimeout    = 90 * time.Second
	maxIdle        = 256
	userAgent      = "tallygate"
)

// New makes a transport: a small HTTP/1.1 client of our own where that reaches the
// upstream, and net/http where a proxy is on the way or the upstream insists on HTTP/2. Our
// own client is about half as expensive.
func New(o Options) (Transport, error) {
	o, base, err := o.complete()
	if err != nil {
		return nil, err
	}
	if proxy, err := o.Proxy(&http.Request{URL: base}); proxy != nil || err != nil || !ascii(base.Host) {
		return newStandard(o, base), nil
	}
	return &either{direct: newDirect(o, base), standard: newStandard(o, base)}, nil
}

// NewStandard makes a transport over net/http.
func NewStandard(o Options) (Transport, error) {
	o, base, err := o.complete()
	if err != nil {
		return nil, err
	}
	return newStandard(o, base), nil
}

// complete checks the options and fills in what is missing.
func (o Options) complete() (Options, *url.URL, error) {
	if err := tally.CheckBaseURL(o.BaseURL); err != nil {
		return o, nil, err
	}
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	if err != nil {
		return o, nil, err // cannot be: the URL was checked
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = defaultConnect
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	return o, base, nil
}

// ascii reports whether a host can be dialed as it is written.
func ascii(host string) bool {
	return strings.IndexFunc(host, func(c rune) bool { return c >= 0x80 }) < 0
}

// either is direct, until the upstream turns out to speak HTTP/2 only.
type either struct {
	direct   *direct
	standard *standard
	http2    atomic.Bool
}

// RoundTrip implements Transport.
func (t *either) RoundTrip(ctx context.Context, r *Request) (*Response, error) {
	if !t.http2.Load() {
		res, err := t.direct.RoundTrip(ctx, r)
		if err != errHTTP2 {
			return res, err
		}
		t.http2.Store(true) // found in the handshake: nothing was sent
	}
	return t.standard.RoundTrip(ctx, r)
}

// Close implements Transport.
func (t *either) Close() {
	t.direct.Close()
	t.standard.Close()
}

// isFault reports whether an error is one of the upstream's, and which.
func isFault(err error, f providers.Fault) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	return ok && up.Fault == f
}

// fault makes an error of the upstream.
func fault(f providers.Fault, err error) *providers.UpstreamError {
	return &providers.UpstreamError{Fault: f, Err: err}
}

// unsent makes an error of a request of which the upstream has got nothing.
func unsent(f providers.Fault, err error) *providers.UpstreamError {
	return &providers.UpstreamError{Fault: f, Free: true, Err: err}
}
