package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/providers"
)

const (
	// leftPatience bounds how long an answer is read that nobody waits for.
	leftPatience = 10 * time.Minute
	// usagePatience is how long a stream whose answer is complete is read on for
	// its usage.
	usagePatience = 5 * time.Second
)

// call is the life of one call to an upstream. It is not the caller's: what was
// sent is paid for, so an answer in one piece is read to its end, and a stream as
// long as that is what its usage takes. The caller's leaving only sets its end.
//
// It is a context of its own making: every request has one, and the standard
// library's would cost several allocations and a lock that all share.
type call struct {
	calls  *calls
	visit  *visit      // of the caller; nil without a door
	unhook func() bool // from the caller then
	// closes is whether to close a stream as soon as its caller leaves.
	closes bool
	stream bool
	holder // whose it is, of a stream

	before, behind *call // of those under way; guarded by the mu of calls

	mu       sync.Mutex // guards the fields that follow
	left     bool
	finished bool // the answer is complete; its usage may still come
	timer    *time.Timer
	cut      *tally.Refusal // why it ends before its answer does, if that is our doing
	cutter   *time.Timer    // closes the connection of one that was
	err      error          // once it is over
	done     chan struct{}  // nil until somebody asks for it
	after    []func()       // to call when it is over; nil for those that were taken back
	room     [2]func()
}

// calls are those under way.
type calls struct {
	left atomic.Int64 // those whose caller has left

	mu      sync.Mutex // guards the fields that follow
	latest  *call      // and those before it
	givenUp bool
}

// add adds a call, and reports whether all were given up.
func (s *calls) add(c *call) (givenUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.before = s.latest; c.before != nil {
		c.before.behind = c
	}
	s.latest = c
	return s.givenUp
}

func (s *calls) remove(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.behind != nil:
		c.behind.before = c.before
	case s.latest == c:
		s.latest = c.before
	}
	if c.before != nil {
		c.before.behind = c.behind
	}
	c.before, c.behind = nil, nil
}

// open are the calls under way, with mu held.
func (s *calls) open() (all []*call) {
	for c := s.latest; c != nil; c = c.before {
		all = append(all, c)
	}
	return all
}

// giveUp ends all calls, those to come as well. Callers who wait are told why.
func (s *calls) giveUp() {
	s.mu.Lock()
	s.givenUp = true
	open := s.open()
	s.mu.Unlock()
	for _, c := range open {
		c.giveUp()
	}
}

// newCall begins the life of a call.
func (x *exchange) newCall(kind *providers.Kind) *call {
	c := &call{calls: &x.server.calls, stream: x.stream}
	if x.stream {
		c.holder = x.holder()
		switch x.cat.Settings.OnLeave {
		case tally.LeaveCancel:
			c.closes = true
		case tally.LeaveAuto:
			c.closes = kind.StopsBilling
		}
	}
	if x.server.calls.add(c) {
		c.giveUp()
	}
	if cat := x.server.Catalog(); x.stream && cat != x.cat { // it changed before the call could be found
		if refusal := x.server.refusedNow(cat, &c.holder); refusal != nil {
			c.cutOff(refusal)
		}
	}
	if x.line == nil {
		c.unhook = context.AfterFunc(x.ctx, c.leave)
	} else if x.line.watch(c); x.ctx.Err() != nil {
		c.leave()
	}
	return c
}

// Deadline implements context.Context.
func (c *call) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Value implements context.Context.
func (c *call) Value(any) any { return nil }

// Err implements context.Context.
func (c *call) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done implements context.Context.
func (c *call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		if c.done = make(chan struct{}); c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc is what the context package's function of that name looks for, so that
// contexts made from this one need no goroutine.
func (c *call) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = c.room[:0]
	}
	i := len(c.after)
	c.after = append(c.after, f)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err != nil || c.after[i] == nil {
			return false
		}
		c.after[i] = nil
		return true
	}
}

// cancel ends the call, and what was made from it.
func (c *call) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over()
}

// giveUp ends the call because the gateway stops.
func (c *call) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut == nil && c.err == nil && !c.left {
		c.cut = stopping()
	}
	c.over()
}

// over is cancel with mu held.
func (c *call) over() {
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		if f != nil {
			go f()
		}
	}
	c.after = nil
}

// leave is called once the caller has left.
func (c *call) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.depart()
}

// depart is leave with mu held.
func (c *call) depart() {
	if c.left || c.err != nil {
		return
	}
	c.left = true
	c.calls.left.Add(1)
	c.patience()
}

// patience sets how long the answer is still read.
func (c *call) patience() {
	wait := leftPatience
	switch {
	case c.finished:
		wait = usagePatience
	case c.closes:
		c.over()
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(wait, c.cancel)
}

// finish notes that the answer is complete.
func (c *call) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return
	}
	if c.finished = true; c.left {
		c.patience()
	}
}

// gone reports whether the caller has left.
func (c *call) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// end ends the life of the call.
func (c *call) end() {
	if c.visit != nil {
		c.visit.call.Store(nil)
	} else {
		c.unhook()
	}
	c.calls.remove(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.cutter != nil {
		c.cutter.Stop()
	}
	if c.left {
		c.calls.left.Add(-1)
		c.left = false
	}
	c.over()
}

// waiting makes the context that a wait for room ends with.
func (x *exchange) waiting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(x.ctx)
	stops := []func() bool{context.AfterFunc(x.server.stopping, func() { cancel(context.Cause(x.server.stopping)) })}
	if x.server.Revision != nil {
		revision := x.server.Revision()
		stops = append(stops, context.AfterFunc(revision, func() { cancel(context.Cause(revision)) }))
		if x.server.Catalog() != x.cat { // it changed before we looked
			cancel(meter.ErrChanged)
		}
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}
