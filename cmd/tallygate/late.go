package main

import (
	"context"
	"iter"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// lateCaller is a caller whose engine is still coming up: calls wait for it, so
// that whoever makes them need not know.
type lateCaller struct {
	ready  chan struct{} // closed once caller is there
	caller control.Caller
}

func newLateCaller() *lateCaller { return &lateCaller{ready: make(chan struct{})} }

// set gives the engine. It is called once.
func (l *lateCaller) set(c control.Caller) {
	l.caller = c
	close(l.ready)
}

// wait returns once there is an engine, or when ctx ends.
func (l *lateCaller) wait(ctx context.Context) error {
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return tally.Errorf(tally.Unavailable, "the engine is still opening the store").WithHint("a moment, please")
	}
}

// Call implements control.Caller.
func (l *lateCaller) Call(ctx context.Context, op string, in, out any) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	return l.caller.Call(ctx, op, in, out)
}

// Events implements control.Caller.
func (l *lateCaller) Events(ctx context.Context, after uint64) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		if err := l.wait(ctx); err != nil {
			yield(control.Event{}, err)
			return
		}
		l.caller.Events(ctx, after)(yield)
	}
}
