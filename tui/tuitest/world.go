package tuitest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// World is a pretend engine. It implements control.Caller.
type World struct {
	clock func() time.Time
	ops   map[string]operation

	mu        sync.Mutex // guards the fields that follow
	random    *rand.Rand
	ids       int
	gateways  []*control.GatewayView
	tokens    []*control.TokenView
	clients   []*control.ClientView
	keys      []*control.KeyView
	providers []*control.ProviderView
	models    []*control.ModelView
	settings  tally.Settings
	status    control.Status
	events    []tally.Event
	records   []tally.Record // the oldest first
	traffic   []float64      // requests per second around the clock, by hour
	asked     []Asked
	faults    map[string]fault // by operation
	lost      error
	changed   chan struct{} // closed, and made again, when something happens
}

// Asked is one call that reached the engine.
type Asked struct {
	Op   string
	Need control.Need
	In   any // of the operation's input type
}

type operation struct {
	need control.Need
	run  func(in any) (any, error)
}

type fault struct {
	err  error
	hang chan struct{} // closed when it may go on; nil if it does not hang
}

func newWorld(clock func() time.Time) *World {
	w := &World{clock: clock, random: rand.New(rand.NewPCG(2026, 11)), ops: map[string]operation{}, faults: map[string]fault{}, changed: make(chan struct{})}
	w.settings = tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}, Unpriced: tally.RefuseUnpriced, OnLeave: tally.LeaveAuto, RetentionDays: 90,
		HoldWait: new(tally.DefaultHoldWait), VisitorWait: new(tally.DefaultVisitorWait), VisitorMaxOutput: tally.DefaultVisitorMaxOutput, VisitorInFlight: tally.DefaultVisitorInFlight}
	w.status = control.Status{Serving: true, BaseURL: "http://127.0.0.1:8080/v1", PID: 4711, Version: "1.0.0", Data: "/home/ana/.local/share/tallygate",
		StartedAt: clock().Add(-53 * time.Hour), DiskBytes: 412 << 20, FreeBytes: 91 << 30}
	w.answerClients()
	w.answerKeys()
	w.answerUpstream()
	w.answerGateways()
	w.answerTokens()
	w.answerHistory()
	w.answerEngine()
	return w
}

// answer says what an operation does in a world. It is called under the lock,
// and may return anything that is written as Out is.
func answer[In, Out, Like any](w *World, op control.Op[In, Out], do func(In) (Like, error)) {
	w.ops[op.Name] = operation{op.Need, func(in any) (any, error) { return do(in.(In)) }}
}

// Call implements control.Caller. What it answers is a copy, as it would be
// over a connection.
func (w *World) Call(ctx context.Context, name string, in, out any) error {
	w.mu.Lock()
	op, known := w.ops[name]
	fault, lost := w.faults[name], w.lost
	if lost == nil {
		w.asked = append(w.asked, Asked{name, op.need, in})
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
	case !known:
		return tally.Errorf(tally.NotFound, "there is no operation %q", name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	answer, err := op.run(in)
	if err != nil {
		return err
	}
	if op.need == control.Write {
		w.happened(tally.Event{Kind: tally.ConfigEvent})
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// Events implements control.Caller.
func (w *World) Events(ctx context.Context, after uint64) iter.Seq2[tally.Event, error] {
	return func(yield func(tally.Event, error) bool) {
		for ctx.Err() == nil {
			w.mu.Lock()
			lost, changed, next := w.lost, w.changed, w.events[min(after, uint64(len(w.events))):len(w.events):len(w.events)]
			w.mu.Unlock()
			if lost != nil {
				yield(tally.Event{}, lost)
				return
			}
			for _, e := range next {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// happened adds events and wakes who waits for them.
func (w *World) happened(events ...tally.Event) {
	for _, e := range events {
		e.Seq = uint64(len(w.events) + 1)
		if e.At.IsZero() {
			e.At = w.clock()
		}
		w.events = append(w.events, e)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// Lose cuts the connection: every call and every stream fails with err.
func (w *World) Lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = err
	w.happened()
}

// Return mends the connection.
func (w *World) Return() { w.Lose(nil) }

// ErrLost is what a lost connection says.
var ErrLost error = tally.Errorf(tally.Unavailable, "cannot reach the engine: connection refused").WithHint("is tallygate serve running? see tallygate status")

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

// Gap tells every reader of events that it has missed some.
func (w *World) Gap() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happened(tally.Event{Kind: tally.GapEvent})
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

// Clients are the clients as they stand, and so the methods below.
func (w *World) Clients() []control.ClientView     { return copies(w, &w.clients) }
func (w *World) Keys() []control.KeyView           { return copies(w, &w.keys) }
func (w *World) Providers() []control.ProviderView { return copies(w, &w.providers) }
func (w *World) Models() []control.ModelView       { return copies(w, &w.models) }
func (w *World) Gateways() []control.GatewayView   { return copies(w, &w.gateways) }

func copies[T any](w *World, from *[]*T) []T {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]T, 0, len(*from))
	for _, x := range *from {
		out = append(out, *x)
	}
	return out
}

// id makes an ID that is the same in every run.
func (w *World) id(prefix string) tally.ID {
	w.ids++
	return tally.ID(fmt.Sprintf("%s_01kazy%020d", prefix, w.ids))
}

func (w *World) meta(prefix string, age time.Duration) tally.Meta {
	at := w.clock().Add(-age).UTC()
	return tally.Meta{ID: w.id(prefix), Rev: int64(w.ids), CreatedAt: at, UpdatedAt: at}
}

// find returns what is called by a name, by its ID or by any of its names.
func find[T any](all []*T, what, name string, names func(*T) []string) (*T, error) {
	var known []string
	for _, x := range all {
		for _, n := range names(x) {
			if strings.EqualFold(n, name) {
				return x, nil
			}
			known = append(known, n)
		}
	}
	err := tally.Errorf(tally.NotFound, "there is no %s %q", what, name)
	if near := control.Nearest(name, known); near != "" {
		return nil, err.WithHint("did you mean %q?", near)
	}
	return nil, err
}

// set lays a field of a change over what there was, if it is set.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
