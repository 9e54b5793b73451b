// Package live keeps one picture of the engine for all screens and all
// sessions: who there is, how it stands, what just happened.
//
// A [Source] follows the engine's events and asks for lists when they may have
// changed; screens read the latest [Snapshot], which nobody changes. So the
// number of requests per second costs the screens nothing, and a slow terminal
// slows nobody else.
package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Snapshot is the engine at an instant. It and what it points to are never
// changed.
type Snapshot struct {
	// Loaded is whether the lists have been read at all.
	Loaded bool
	// Lost says why the engine cannot be reached, nil if it can. What else is in
	// the snapshot is then the last that was known.
	Lost error
	At   time.Time
	// Read is when the lists were read, which is later than what they say at most by the
	// time that reading takes.
	Read time.Time

	Status    control.Status
	Settings  tally.Settings
	Gateways  []control.GatewayView
	Clients   []control.ClientView
	Keys      []control.KeyView
	Providers []control.ProviderView
	Models    []control.ModelView
	Hours     control.Usage       // the last 24 hours, by hour
	Days      control.Usage       // the month under way, by day
	Forecast  control.Forecast    // of that month
	ByModel   control.Usage       // the last 24 hours, by model
	Tokens    []control.TokenView // access tokens of the last 30 days

	Seconds []tally.Second         // the latest 15 minutes, the oldest first
	Tail    []*control.RequestView // the latest requests, the newest first
	Seen    uint64                 // how many requests have been seen since the start
}

const (
	kept        = 2000 // requests of the tail
	keptSeconds = 15 * 60
	freshFor    = 100 * time.Millisecond // a snapshot
	busyEvery   = 2 * time.Second        // lists, while requests come in
	idleEvery   = 15 * time.Second       // lists, otherwise
	stale       = 2 * idleEvery          // lists that are older than this are said to be
	usageEvery  = 30 * time.Second       // sums over hours
	lostEvery   = 500 * time.Millisecond // lists, while the engine cannot be reached
	retryEvery  = time.Second
	readsApart  = 100 * time.Millisecond // at least, however often something changes
	longestRead = 10 * time.Second
)

// Stale reports whether the lists are older than they should be, because the engine is
// away or slow.
func (s *Snapshot) Stale() bool { return s.Loaded && (s.Lost != nil || s.At.Sub(s.Read) > stale) }

// Source follows one engine. Its methods may be called concurrently.
type Source struct {
	caller control.Caller
	clock  func() time.Time
	latest atomic.Pointer[Snapshot]
	now    chan struct{} // asks for the lists at once
	moved  chan struct{} // says that changed is set

	mu      sync.Mutex             // guards the fields that follow
	tail    []*control.RequestView // a ring; request n is at n % kept
	seen    uint64
	seconds []tally.Second
	caught  time.Time // seconds up to here are there: events may tell of them again
	changed bool      // since the lists were read
	stale   bool      // the tail is to be copied, though nothing came in
	base    *Snapshot // the lists as they were read last
}

// New makes a source that has seen nothing yet.
func New(caller control.Caller, clock func() time.Time) *Source {
	s := &Source{caller: caller, clock: clock, now: make(chan struct{}, 1), moved: make(chan struct{}, 1), tail: make([]*control.RequestView, kept), changed: true, base: &Snapshot{}}
	s.latest.Store(&Snapshot{})
	return s
}

// Snapshot is the latest picture, never nil. It is made when somebody looks, however long
// the lists take, but not more often than ten times a second.
func (s *Source) Snapshot() *Snapshot {
	latest := s.latest.Load()
	if s.clock().Sub(latest.At) < freshFor {
		return latest
	}
	return s.publish()
}

// Refresh asks for the lists soon, after the owner has changed something.
func (s *Source) Refresh() {
	select {
	case s.now <- struct{}{}:
	default:
	}
}

// Run follows the engine until ctx ends.
func (s *Source) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { s.follow(ctx) })
	loops.Go(func() { s.list(ctx) })
	loops.Wait()
}

// follow reads events. A stream that breaks is opened again.
func (s *Source) follow(ctx context.Context) {
	var after uint64
	for ctx.Err() == nil {
		s.catchUp(ctx)
		for e, err := range s.caller.Events(ctx, after) {
			if err != nil {
				s.broke(ctx, err)
				break
			}
			after = e.Seq
			s.take(e)
		}
		sleep(ctx, retryEvery)
	}
}

// broke is told that the stream of events has broken: whether the engine is still there,
// and which one, the lists say, unless it is silent, and they would wait for it.
func (s *Source) broke(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	if s.change(); errors.Is(err, control.ErrSilent) {
		next := *s.base
		next.Lost = lostOf(&next, err)
		s.base = &next
	}
	s.mu.Unlock()
	s.publish()
	s.Refresh()
}

// lostOf says of an engine that cannot be reached what has become of it.
func lostOf(old *Snapshot, err error) error {
	pid := old.Status.PID
	if pid == 0 || tally.CodeOf(err) != tally.Unavailable {
		return err
	}
	if errors.Is(err, control.ErrSilent) || errors.Is(err, context.DeadlineExceeded) {
		return tally.Errorf(tally.Unavailable, "process %d gives no sign of life", pid).WithHint("it may be stopped, or the machine too busy")
	}
	return tally.Errorf(tally.Unavailable, "process %d has ended", pid).WithHint("%s", tally.AsError(err).Hint)
}

// catchUp takes the seconds of before; if that fails, so will the events.
func (s *Source) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	if seconds, err := control.EngineSeconds.Do(ctx, s.caller, control.None{}); err == nil {
		s.mu.Lock()
		s.seconds, s.caught = seconds, time.Time{}
		if n := len(seconds); n > 0 {
			s.caught = seconds[n-1].At
		}
		s.mu.Unlock()
	}
}

func (s *Source) take(e control.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case tally.RecordEvent:
		if e.Request != nil {
			s.tail[s.seen%kept] = e.Request
			s.seen++
			s.change()
		}
	case tally.TickEvent:
		if e.Second != nil && e.Second.At.After(s.caught) {
			s.seconds = append(s.seconds, *e.Second)
			if n := len(s.seconds) - keptSeconds; n > 0 {
				s.seconds = append([]tally.Second(nil), s.seconds[n:]...)
			}
		}
	case tally.ConfigEvent:
		s.change()
		s.Refresh()
	case tally.GapEvent:
		s.change()
	}
}

// change notes that the lists may have changed. It is called under the lock.
func (s *Source) change() {
	s.changed = true
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// publish puts what is live beside the lists.
func (s *Source) publish() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.base
	next.At = s.clock()
	next.Seen, next.Seconds = s.seen, s.seconds[:len(s.seconds):len(s.seconds)]
	old := s.latest.Load()
	if next.Tail = old.Tail; old.Seen != s.seen || s.stale {
		next.Tail, s.stale = s.latestTail(), false
	}
	s.latest.Store(&next)
	return &next
}

// latestTail copies the ring, the newest first. It is called under the lock.
func (s *Source) latestTail() []*control.RequestView {
	n := min(s.seen, kept)
	out := make([]*control.RequestView, 0, n)
	for i := range n {
		out = append(out, s.tail[(s.seen-1-i)%kept])
	}
	return out
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
