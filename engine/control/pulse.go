package control

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// An operation may take minutes, as a replay of many records does. So that its caller can
// tell one that is at work from an engine that hangs, the server says that it is there:
// with the status 102 before the answer, as often as in a stream of events. Between the
// bytes of an answer there is no room for that, so those may be further apart.
const (
	callPatience   = 10 * time.Second // for a sign of life
	streamPatience = time.Minute      // for more bytes of an answer that has begun
	looks          = 20               // in each patience: how often a caller looks
)

// beat tells the caller that the operation is at work, until stop is called. Nothing else
// may write to the answer before that.
func (p plane) beat(w http.ResponseWriter) (stop func()) {
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(cmp.Or(p.heartbeat, heartbeatEvery))
		defer tick.Stop()
		rc := http.NewResponseController(w)
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			rc.SetWriteDeadline(time.Now().Add(linePatience)) // best effort: a recorder has none
			w.WriteHeader(http.StatusProcessing)
			rc.SetWriteDeadline(time.Time{})
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		beating.Wait()
	})
}

// watch ends a call to an engine that gives no sign of life. It counts looks, and not time:
// a caller that was stopped itself has not waited.
type watch struct {
	idle   atomic.Int64 // looks since the last sign
	most   atomic.Int64 // that the caller waits for
	paused atomic.Bool  // the caller is busy with what it has got
}

// watched returns a context that ends with [ErrSilent] when the engine gives no sign of
// life, if the client is to mind; done ends the watch.
func (c *Client) watched(ctx context.Context) (_ context.Context, w *watch, done func()) {
	w = &watch{}
	w.most.Store(looks)
	if c.Silent == nil {
		return ctx, w, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(c.calls / looks)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !w.paused.Load() && w.idle.Add(1) > w.most.Load() {
				cancel(ErrSilent)
				return
			}
		}
	}()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { w.sign(); return nil },
	}), w, func() { cancel(nil); <-ended }
}

// sign notes a sign of life.
func (w *watch) sign() { w.idle.Store(0) }

// silence is the error of a call that has ended for want of a sign of life, nil if it was
// something else. It is [ErrSilent], in the words of whoever knows the engine.
func (c *Client) silence(ctx context.Context) error {
	switch {
	case context.Cause(ctx) != ErrSilent:
		return nil
	case c.Silent == nil:
		return ErrSilent
	}
	e := *tally.AsError(c.Silent())
	e.Err = ErrSilent
	return &e
}
