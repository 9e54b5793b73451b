package gateway

import (
	"context"
	"sync"
	"time"

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
type call struct {
	ctx    context.Context
	cancel context.CancelFunc
	unhook func() bool // from the caller
	server *Server
	// closes is whether to close a stream as soon as its caller leaves.
	closes bool

	mu       sync.Mutex // guards the fields that follow
	left     bool
	finished bool // the answer is complete; its usage may still come
	timer    *time.Timer
}

// newCall begins the life of a call.
func (x *exchange) newCall(kind *providers.Kind) *call {
	c := &call{server: x.Server}
	c.ctx, c.cancel = context.WithCancel(x.life)
	if x.stream {
		switch x.cat.Settings.OnLeave {
		case tally.LeaveCancel:
			c.closes = true
		case tally.LeaveAuto:
			c.closes = kind.StopsBilling
		}
	}
	c.unhook = context.AfterFunc(x.ctx, c.leave)
	return c
}

// leave is called once the caller has left.
func (c *call) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.ctx.Err() != nil {
		return
	}
	c.left = true
	c.server.leftBehind.Add(1)
	c.patience()
}

// patience sets how long the answer is still read.
func (c *call) patience() {
	wait := leftPatience
	switch {
	case c.finished:
		wait = usagePatience
	case c.closes:
		c.cancel()
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
	c.unhook()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.left {
		c.server.leftBehind.Add(-1)
		c.left = false
	}
	c.cancel()
}

// waiting makes the context that a wait for room ends with.
func (x *exchange) waiting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(x.ctx)
	stops := []func() bool{context.AfterFunc(x.stopping, func() { cancel(context.Cause(x.stopping)) })}
	if x.Revision != nil {
		revision := x.Revision()
		stops = append(stops, context.AfterFunc(revision, func() { cancel(context.Cause(revision)) }))
		if x.Catalog() != x.cat { // it changed before we looked
			cancel(errChanged)
		}
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}
