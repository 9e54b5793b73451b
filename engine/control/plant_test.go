package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/feed"
	"tallygate/engine/tally"
)

// Operations to test with.
var (
	look    = Op[Named, Named]{"things.show", Read, "show a thing"}
	change  = Op[Named, Named]{"things.update", Write, "change a thing"}
	listing = Op[None, shelf]{"things.list", Read, "list things"}
	fail    = Op[Named, None]{"things.fail", Read, "fail with a code"}
	panics  = Op[Named, None]{"things.panic", Read, "panic"}
	wait    = Op[waiting, None]{"things.wait", Read, "take a while"}
)

type shelf struct {
	Names []string       `json:"names"`
	Boxes []box          `json:"boxes"`
	Sizes map[string]int `json:"sizes"`
	Maybe []string       `json:"maybe,omitempty"`
}

type box struct {
	Lids []string `json:"lids"`
}

type waiting struct {
	For      time.Duration `json:"for_ns"`
	Stubborn bool          `json:"stubborn,omitempty"`
}

// plant is a control server with a real feed behind it, a client, and what it
// takes to see that nothing is left running.
type plant struct {
	t       *testing.T
	server  *Server
	feed    *feed.Feed
	readers atomic.Int64 // of the feed at this moment
	log     strings.Builder
	dial    Dialer
	client  *Client
	stop    context.CancelFunc
	served  chan error
}

// newPlant serves in memory with a right. In a synctest bubble its clean-up
// proves that no goroutine is left: the bubble would not end.
func newPlant(t *testing.T, have Need) *plant {
	p := &plant{t: t, feed: feed.New(64), served: make(chan error, 1)}
	p.server = NewServer(p.events)
	p.server.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	Handle(p.server, look, func(_ context.Context, in Named) (Named, error) { return in, nil })
	Handle(p.server, change, func(_ context.Context, in Named) (Named, error) { return in, nil })
	Handle(p.server, listing, func(context.Context, None) (shelf, error) { return shelf{Boxes: make([]box, 1)}, nil })
	Handle(p.server, fail, func(_ context.Context, in Named) (None, error) {
		if in.Name == "plain" {
			return None{}, errors.New("something broke")
		}
		return None{}, tally.Errorf(tally.Code(in.Name), "it is %s", in.Name).WithHint("a hint")
	})
	Handle(p.server, panics, func(_ context.Context, in Named) (None, error) { panic(in.Name) })
	Handle(p.server, wait, func(ctx context.Context, in waiting) (None, error) {
		done := ctx.Done()
		if in.Stubborn {
			done = nil
		}
		select {
		case <-time.After(in.For):
			return None{}, nil
		case <-done:
			return None{}, tally.Errorf(tally.Unavailable, "stopped")
		}
	})
	listener, dial := Memory()
	p.dial, p.client = dial, NewClient(dial)
	ctx, stop := context.WithCancel(t.Context())
	p.stop = stop
	go func() { p.served <- p.server.Serve(ctx, listener, have) }()
	t.Cleanup(func() {
		p.client.Close()
		stop()
		if err := <-p.served; err != nil {
			t.Errorf("Serve = %v", err)
		}
		if n := p.readers.Load(); n != 0 {
			t.Errorf("%d readers of events are left", n)
		}
	})
	return p
}

func (p *plant) events(ctx context.Context, after uint64) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		p.readers.Add(1)
		defer p.readers.Add(-1)
		for e := range p.feed.Events(ctx, after) {
			out := Event{Seq: e.Seq, Kind: e.Kind, At: e.At, Rev: e.Rev, Second: e.Second}
			if e.Record != nil {
				out.Request = &RequestView{ID: e.Record.ID}
			}
			if !yield(out) {
				return
			}
		}
	}
}

// send writes a request as it stands and returns the answer's status and body.
func (p *plant) send(raw string) (int, http.Header, string) {
	p.t.Helper()
	conn, err := p.dial(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, raw) // the answer may come before the end
	return p.answer(conn)
}

func (p *plant) answer(conn net.Conn) (int, http.Header, string) {
	p.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// publish tells of a record.
func (p *plant) publish(id tally.ID) {
	p.feed.Publish([]tally.Record{{ID: id, Outcome: tally.OK, Count: 1}})
}
