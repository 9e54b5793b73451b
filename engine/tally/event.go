package tally

import (
	"sync"
	"time"
)

// EventKind says what an event tells.
type EventKind string

// The kinds of events.
const (
	RecordEvent EventKind = "record" // a request was settled or refused
	ConfigEvent EventKind = "config" // the catalog has a new revision
	TickEvent   EventKind = "tick"   // a second of traffic was summed up
	GapEvent    EventKind = "gap"    // events were dropped for this reader; resync
)

// Event is one thing that happened in the engine.
type Event struct {
	Seq    uint64    `json:"seq"` // ascends by one, and jumps ahead when the engine starts
	Kind   EventKind `json:"kind"`
	At     time.Time `json:"at"`
	Record *Record   `json:"record,omitempty"`
	Rev    int64     `json:"rev,omitempty"`
	Second *Second   `json:"second,omitempty"`
}

// Second is the traffic of one second.
type Second struct {
	At       time.Time     `json:"at"`
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused"`
	Errors   int64         `json:"errors"`
	Tokens   int64         `json:"tokens"`
	Cost     NanoUSD       `json:"cost_nano_usd"`
	Total    time.Duration `json:"total_ns"` // summed latency of the requests
}

// Clock tells the time. Everything that decides a window or an expiry is given
// one, so that tests can move it.
type Clock func() time.Time

// catchUp says how much slower a clock goes that is ahead of the wall clock: of the time
// that passes it leaves out one part in catchUp, until the wall clock has caught up.
const catchUp = 32

// Steady is a clock that never runs behind the time it was made with or behind itself,
// so that no window opens twice. While the wall clock is behind, as after it was ahead
// by mistake and was set right, time goes on by what elapses, a little slower, so that
// the wall clock catches up: minutes still end after a minute.
type Steady struct {
	wall Clock

	mu    sync.Mutex // guards the fields that follow
	floor time.Time
	asked time.Time // the wall clock, the last time
}

// NewSteady returns a clock that is not behind floor.
func NewSteady(wall Clock, floor time.Time) *Steady { return &Steady{wall: wall, floor: floor} }

// Now is what time it is.
func (s *Steady) Now() time.Time {
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	if passed := now.Sub(s.asked); !s.asked.IsZero() && passed > 0 { // by the monotonic clock, where it is in both
		s.floor = s.floor.Add(passed - passed/catchUp)
	}
	s.asked = now
	if now = now.Round(0); now.After(s.floor) { // by what it shows
		s.floor = now
	}
	return s.floor
}

// Accept takes the time back to what the wall clock says. Its owner must see to it that
// no window opens twice. The function returned undoes that: then the time goes on from
// where it was.
func (s *Steady) Accept() (now time.Time, undo func()) {
	was := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floor = s.asked.Round(0)
	return s.floor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if was.After(s.floor) {
			s.floor = was
		}
	}
}
