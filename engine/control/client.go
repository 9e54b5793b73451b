package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tallygate/engine/tally"
)

// hostName is the host that clients of ours ask for. It is no address: the
// dialer alone decides what is reached.
const hostName = "control"

// eventPatience is how long a client waits for a sign of life in a stream of
// events: two heartbeats.
const eventPatience = 2 * heartbeatEvery

// maxEventLine bounds a line of a stream of events.
const maxEventLine = 1 << 20

// ErrSilent ends a stream of events without heartbeats.
var ErrSilent error = tally.Errorf(tally.Unavailable, "the engine gives no sign of life").WithHint("see tallygate status")

// Dialer opens a connection to a control server.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client is the Caller over a byte stream.
type Client struct {
	// Program says what kind of program calls, like "command line", for the audit log.
	// It is set before the first call.
	Program string
	// Silent says it when the engine gives no sign of life, which ends a call. Without it
	// calls last for as long as their contexts, as is right within one process. It is set
	// before the first call.
	Silent func() error
	// Aside gets what the engine says beside an answer, a sentence for people. Without it no
	// answer is given that is wrong without one. It is set before the first call, and may be
	// called concurrently.
	Aside func(sentence string)

	http     *http.Client
	patience time.Duration // with streams of events
	calls    time.Duration // with other calls
}

// NewClient makes a client.
func NewClient(dial Dialer) *Client {
	return &Client{patience: eventPatience, calls: callPatience, http: &http.Client{
		Transport: &http.Transport{
			DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			DisableCompression: true,
			MaxIdleConns:       4,
			IdleConnTimeout:    time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// NewRemote makes a client of an engine that is far away: all its calls and events go over
// one connection, and one that says nothing any more is noticed.
func NewRemote(dial Dialer) *Client {
	c := NewClient(dial)
	t := c.http.Transport.(*http.Transport)
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter}
	return c
}

// pingAfter is how long nothing may come from an engine that is far away before it is asked
// for a sign of life, and then until it is given up.
const pingAfter = 10 * time.Second

// Close gives back idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call implements Caller.
func (c *Client) Call(ctx context.Context, op string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return tally.Errorf(tally.Internal, "write the input of %s: %w", op, err)
	}
	if len(body) > maxBody {
		return tooLarge() // the server would hang up on it
	}
	return c.roundTrip(ctx, http.MethodPost, op, bytes.NewReader(body), out)
}

// Operations asks what the engine can do.
func (c *Client) Operations(ctx context.Context) ([]OpInfo, error) {
	var out Operations
	err := c.roundTrip(ctx, http.MethodGet, "", http.NoBody, &out)
	return out.Operations, err
}

// May asks which right the connection has.
func (c *Client) May(ctx context.Context) (Need, error) {
	var out Operations
	err := c.roundTrip(ctx, http.MethodGet, "", http.NoBody, &out)
	return out.May, err
}

func (c *Client) roundTrip(ctx context.Context, method, path string, body io.Reader, out any) error {
	ctx, _, done := c.watched(ctx)
	defer done()
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		if silent := c.silence(ctx); silent != nil {
			return silent
		}
		if ctx.Err() != nil {
			return unreachable(ctx.Err())
		}
		return tally.Errorf(tally.Unavailable, "the engine's answer cannot be read: %w", err).WithHint("the running engine may be of another version; see tallygate status")
	}
	io.Copy(io.Discard, resp.Body) // lets the connection be used again
	return nil
}

// send returns an answer of success; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+hostName+Prefix+path, body)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "ask for %s: %w", path, err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Program != "" {
		req.Header.Set(programHeader, c.Program)
	}
	if c.Aside != nil {
		req.Header.Set(asideHeader, "yes")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if silent := c.silence(ctx); silent != nil {
			return nil, silent
		}
		return nil, unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		if aside := resp.Header.Get(asideHeader); aside != "" && c.Aside != nil {
			c.Aside(aside)
		}
		return resp, nil
	}
	defer resp.Body.Close()
	var e tally.Error
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&e) != nil || e.Code == "" {
		return nil, tally.Errorf(tally.Unavailable, "the engine answered with status %d", resp.StatusCode).WithHint("is something else listening there?")
	}
	return nil, &e
}

// unreachable turns a failure of the transport into an error for the owner. A
// dialer may have said already what is the matter.
func unreachable(err error) error {
	if made, ok := errors.AsType[*url.Error](err); ok { // without the made-up address
		err = made.Err
	}
	var e *tally.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return tally.Errorf(tally.Unavailable, "the engine was not waited for: %w", err)
	}
	return tally.Errorf(tally.Unavailable, "cannot reach the engine: %w", err).WithHint("is tallygate serve running? see tallygate status")
}

// Events implements Caller.
func (c *Client) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		stream, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watchdog := time.AfterFunc(c.patience, func() { cancel(ErrSilent) })
		defer watchdog.Stop()
		resp, err := c.send(stream, http.MethodGet, "events?after="+strconv.FormatUint(after, 10), http.NoBody)
		if err != nil {
			if ctx.Err() == nil {
				yield(Event{}, err)
			}
			return
		}
		defer resp.Body.Close()
		watchdog.Reset(c.patience)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, maxEventLine)
		for lines.Scan() {
			if len(lines.Bytes()) == 0 {
				watchdog.Reset(c.patience)
				continue
			}
			watchdog.Stop() // the reader's own time does not count
			var e Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				if context.Cause(stream) == ErrSilent { // in the middle of a line
					break
				}
				yield(Event{}, tally.Errorf(tally.Unavailable, "an event cannot be read: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
			watchdog.Reset(c.patience)
		}
		silent := c.silence(stream)
		switch err := lines.Err(); {
		case ctx.Err() != nil:
		case silent != nil:
			yield(Event{}, silent)
		case err != nil:
			yield(Event{}, tally.Errorf(tally.Unavailable, "the connection to the engine broke: %w", err))
		default:
			yield(Event{}, tally.Errorf(tally.Unavailable, "the engine ended the stream of events"))
		}
	}
}
