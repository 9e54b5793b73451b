package tuitest

import (
	"context"
	"io"
	"iter"
	"math"
	"sync"
	"testing"
	"time"

	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/demo"
	"tallygate/engine/tally"
	"tallygate/storage/memory"
)

// World is an engine that runs, and the way to it that an interface takes: a
// control.Caller that can fail, hang or be lost, and remembers what it was asked.
type World struct {
	Engine *engine.Engine
	// Elsewhere is another way to the engine, as of somebody at another terminal: it does
	// not fail, and what it is asked is not remembered.
	Elsewhere *control.Client

	tb       testing.TB
	store    *memory.Store
	agency   *demo.Agency // nil for an empty world
	clock    func() time.Time
	upstream *upstream
	needs    map[string]control.Need

	mu     sync.Mutex // guards the fields that follow
	asked  []Asked
	faults map[string]fault // by operation
	lost   error
	gap    bool
	nodes  []control.NodeView // that share the store, as the engine would say
	apart  bool               // from their database
	cut    context.Context    // ends the streams of events
	cuts   context.CancelFunc
}

// Asked is one call that reached the engine.
type Asked struct {
	Op   string
	Need control.Need
	In   any // of the operation's input type
}

type fault struct {
	err  error
	hang chan struct{} // closed when it may go on; nil if it does not hang
}

// ErrLost is what a lost connection says.
var ErrLost error = tally.Errorf(tally.Unavailable, "cannot reach the engine: connection refused").WithHint("is tallygate serve running? see tallygate status")

// Call implements control.Caller.
func (w *World) Call(ctx context.Context, op string, in, out any) error {
	w.mu.Lock()
	fault, lost := w.faults[op], w.lost
	if lost == nil {
		w.asked = append(w.asked, Asked{op, w.needs[op], in})
	}
	w.mu.Unlock()
	if lost == nil && fault.hang != nil {
		select {
		case <-fault.hang:
		case <-ctx.Done():
			return tally.Errorf(tally.Unavailable, "the engine was not waited for: %w", ctx.Err())
		}
	}
	switch {
	case lost != nil:
		return lost
	case fault.err != nil:
		return fault.err
	}
	err := w.Elsewhere.Call(ctx, op, in, out)
	if status, ok := out.(*control.Status); ok {
		status.PID = 4711 // the same in every run
		w.mu.Lock()
		status.Nodes = w.nodes
		if w.apart {
			status.Warnings = append(status.Warnings, control.Warning{Kind: control.WarnReach, Gravity: control.Bad,
				Sentence: "The nodes' database is out of reach"})
		}
		w.mu.Unlock()
	}
	return err
}

// Stream implements control.Caller.
func (w *World) Stream(ctx context.Context, op string, in any, to io.Writer) error {
	return w.Elsewhere.Stream(ctx, op, in, to)
}

// Events implements control.Caller.
func (w *World) Events(ctx context.Context, after uint64) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		for ctx.Err() == nil {
			w.mu.Lock()
			lost, cut := w.lost, w.cut
			if w.gap {
				w.gap, after = false, math.MaxUint64-1 // a number of no run of the engine
			}
			w.mu.Unlock()
			if lost != nil {
				yield(control.Event{}, lost)
				return
			}
			stream, stop := context.WithCancel(ctx)
			context.AfterFunc(cut, stop)
			for e, err := range w.Elsewhere.Events(stream, after) {
				if !yield(e, err) || err != nil {
					stop()
					return
				}
				after = e.Seq
			}
			stop()
		}
	}
}

// cutStreams ends the streams of events. It is called under the lock.
func (w *World) cutStreams() {
	w.cuts()
	w.cut, w.cuts = context.WithCancel(context.Background())
}

// Lose cuts the connection: every call and every stream fails with err.
func (w *World) Lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = err
	w.cutStreams()
}

// Return mends the connection.
func (w *World) Return() { w.Lose(nil) }

// Tell has the engine alert its owner.
func (w *World) Tell(sentence, detail string) {
	w.tb.Helper()
	if err := w.Engine.Alert(w.tb.Context(), engine.Told{Kind: tally.AlertReconcile, About: sentence, Gravity: control.Warn, Sentence: sentence, Detail: detail}); err != nil {
		w.tb.Fatal(err)
	}
}

// Share has the engine say that these nodes share its store.
func (w *World) Share(nodes ...control.NodeView) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes = nodes
}

// Part has the engine say that it does not reach the nodes' database, or does again.
func (w *World) Part(apart bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apart = apart
}

// Gap makes whoever follows the events miss some: the engine says so.
func (w *World) Gap() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gap = true
	w.cutStreams()
}

// Fail makes an operation fail until it is told nil, and calls that hang go on.
func (w *World) Fail(op string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hang := w.faults[op].hang; hang != nil {
		close(hang)
	}
	w.faults[op] = fault{err: err}
}

// Hang makes an operation answer only when Fail tells it to go on.
func (w *World) Hang(op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[op] = fault{hang: make(chan struct{})}
}

// Asked lists the calls of writes, the oldest first.
func (w *World) Asked() []Asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Asked
	for _, a := range w.asked {
		if a.Need == control.Write {
			out = append(out, a)
		}
	}
	return out
}

// Forget forgets what was asked so far.
func (w *World) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = nil
}

// Sent lists the inputs that an operation was called with, the oldest first.
func Sent[In, Out any](w *World, op control.Op[In, Out]) []In {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []In
	for _, a := range w.asked {
		if a.Op == op.Name {
			out = append(out, a.In.(In))
		}
	}
	return out
}

// Do calls an operation as somebody else would, which must succeed.
func Do[In, Out any](tb testing.TB, w *World, op control.Op[In, Out], in In) Out {
	tb.Helper()
	out, err := op.Do(context.Background(), w.Elsewhere, in) // tb may be of outside a bubble
	if err != nil {
		tb.Fatalf("%s: %v", op.Name, err)
	}
	return out
}
