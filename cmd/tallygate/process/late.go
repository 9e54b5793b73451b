package process

import (
	"context"
	"io"
	"iter"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Late is a caller whose engine is still coming up: calls wait for it, so
// that whoever makes them need not know.
type Late struct {
	ready  chan struct{} // closed once caller is there
	caller control.Caller
}

// NewLate makes a caller whose engine is given by Set.
func NewLate() *Late { return &Late{ready: make(chan struct{})} }

// Set gives the engine. It is called once.
func (l *Late) Set(c control.Caller) {
	l.caller = c
	close(l.ready)
}

// wait returns once there is an engine, or when ctx ends.
func (l *Late) wait(ctx context.Context) error {
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return tally.Errorf(tally.Unavailable, "the engine is still opening the store").WithHint("a moment, please")
	}
}

// Call implements control.Caller.
func (l *Late) Call(ctx context.Context, op string, in, out any) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	return l.caller.Call(ctx, op, in, out)
}

// Stream implements control.Caller.
func (l *Late) Stream(ctx context.Context, op string, in any, w io.Writer) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	return l.caller.Stream(ctx, op, in, w)
}

// Events implements control.Caller.
func (l *Late) Events(ctx context.Context, after uint64) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		if err := l.wait(ctx); err != nil {
			yield(control.Event{}, err)
			return
		}
		l.caller.Events(ctx, after)(yield)
	}
}
