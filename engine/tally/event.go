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

// catchUp is the part of elapsed time that a clock which is ahead of the wall clock
// leaves out, until it is not any more.
const catchUp = 32

// Monotonic returns a clock that never runs behind floor or behind itself, so that no
// window opens twice. While the wall clock is behind, as after it was ahead by mistake
// and was set right, time goes on by what elapses, a little slower, so that the wall
// clock catches up: minutes still end after a minute.
func Monotonic(wall Clock, floor time.Time) Clock {
	var mu sync.Mutex // guards the fields that follow
	var asked time.Time
	return func() time.Time {
		now := wall()
		mu.Lock()
		defer mu.Unlock()
		if passed := now.Sub(asked); !asked.IsZero() && passed > 0 { // by the monotonic clock, where it is in both
			floor = floor.Add(passed - passed/catchUp)
		}
		asked = now
		if now = now.Round(0); now.After(floor) { // by what it shows
			floor = now
		}
		return floor
	}
}
