package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

var errAway error = tally.Errorf(tally.InUse, "process 7 does not answer").WithHint("wake it")

// patient is a client that minds silence, of what serves a listener until its test ends.
func patient(t *testing.T, serve func(context.Context, net.Listener)) *Client {
	ln, dial := Memory()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() { defer close(served); serve(ctx, ln) }()
	c := NewClient(dial)
	c.Silent = func() error { return errAway }
	t.Cleanup(func() {
		c.Close()
		cancel()
		<-served
	})
	return c
}

var (
	slowly  = Op[Named, Named]{"things.slowly", Read, "take an hour"}
	pouring = Stream[Named]{"things.pour", Read, "write now and then"}
)

// slowReader takes minutes for each piece.
type slowReader struct{ bytes.Buffer }

func (s *slowReader) Write(b []byte) (int, error) {
	time.Sleep(5 * time.Minute)
	return s.Buffer.Write(b)
}

// What takes long is waited for as long as the engine is at work, and a reader may take
// its time.
func TestLongCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := patient(t, func(ctx context.Context, ln net.Listener) {
			s := NewServer(nil)
			Handle(s, slowly, func(_ context.Context, in Named) (Named, error) { time.Sleep(time.Hour); return in, nil })
			HandleStream(s, pouring, func(_ context.Context, _ Named, w io.Writer) error {
				time.Sleep(time.Hour)
				for range 3 {
					if _, err := w.Write(make([]byte, 1<<20)); err != nil {
						return err
					}
					time.Sleep(streamPatience / 2)
				}
				return nil
			})
			s.Serve(ctx, ln, Read)
		})
		if out, err := slowly.Do(t.Context(), c, Named{Name: "x"}); err != nil || out.Name != "x" {
			t.Errorf("a call: %q, %v", out.Name, err)
		}
		var all slowReader
		if err := pouring.Do(t.Context(), c, Named{Name: "x"}, &all); err != nil || all.Len() != 3<<20 {
			t.Errorf("a stream: %d bytes, %v", all.Len(), err)
		}
	})
}

// An engine that gives no sign of life ends a call, wherever it was when it stopped.
func TestSilence(t *testing.T) {
	for name, serve := range map[string]func(context.Context, net.Listener){
		"it does not accept": func(ctx context.Context, _ net.Listener) { <-ctx.Done() },
		"it reads nothing": func(ctx context.Context, ln net.Listener) {
			conn, err := ln.Accept()
			if err == nil {
				defer conn.Close()
			}
			<-ctx.Done()
		},
		"it begins an answer": func(ctx context.Context, ln net.Listener) {
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Write([]byte(`{"name":`))
				w.(http.Flusher).Flush()
				<-ctx.Done()
			})}
			go func() { <-ctx.Done(); srv.Close(); ln.Close() }()
			srv.Serve(ln)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := patient(t, serve)
			for what, call := range map[string]func() error{
				"a call":   func() error { _, err := slowly.Do(t.Context(), c, Named{Name: "x"}); return err },
				"a stream": func() error { return pouring.Do(t.Context(), c, Named{Name: "x"}, io.Discard) },
				"events": func() (err error) {
					for _, err = range c.Events(t.Context(), 0) {
					}
					return err
				},
			} {
				began := time.Now()
				err := call()
				e := tally.AsError(err)
				if !errors.Is(err, ErrSilent) || e.Message != errAway.Error() || e.Hint != "wake it" || e.Code != tally.InUse {
					t.Errorf("%s, %s: %v", name, what, err)
				}
				if took := time.Since(began); took > 2*streamPatience {
					t.Errorf("%s, %s: it takes %s", name, what, took)
				}
				c.Close()
			}
		})
	}
}
