package route

import (
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// A breaker is closed while all is well. It opens, and what it stands for is cooling, once
// as many attempts in a row have failed as its rule says, or the upstream has asked to be
// left alone. When that time is over it is half open: one attempt at a time tries. An
// answer closes it, and a failure opens it for twice as long.
type breaker struct {
	until  atomic.Int64 // Unix nanoseconds; 0 while it is closed
	failed atomic.Int64 // attempts in a row

	mu      sync.Mutex // guards the fields that follow, and writing those above
	opened  int        // times in a row
	probing bool
	since   time.Time
	last    trouble
}

// trouble is why an attempt has failed.
type trouble struct {
	fault  providers.Fault
	status int
	code   string
	asked  bool // the upstream has asked to be left alone
}

// rule says when a breaker opens, and for how long.
type rule struct {
	after          int           // failures in a row
	first, longest time.Duration // cooling
}

// open reports whether the breaker is not closed.
func (b *breaker) open() bool { return b.until.Load() != 0 }

// cooling reports whether the time of an open breaker is not over.
func (b *breaker) cooling(now time.Time) bool { return b.until.Load() > now.UnixNano() }

// claim lets one attempt through a half-open breaker. If it is neither reported nor
// released, another may try after probeTime.
func (b *breaker) claim(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	if until > now.UnixNano() {
		return false
	}
	if until != 0 {
		b.probing = true
		b.until.Store(now.Add(probeTime).UnixNano())
	}
	return true
}

// release ends an attempt that was let through and has told nothing: another may try.
func (b *breaker) release(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probing {
		b.probing = false
		b.until.Store(now.UnixNano())
	}
}

// probeTime is how long an attempt that tries a half-open breaker keeps others away.
const probeTime = 30 * time.Second

// well notes an attempt that went well. Most breakers have nothing to forget then, and all
// requests share them: those are not locked.
func (b *breaker) well() {
	if b.failed.Load() == 0 && !b.open() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened, b.probing, b.since, b.last = 0, false, time.Time{}, trouble{}
	b.failed.Store(0)
	b.until.Store(0)
}

// fail notes an attempt that failed. pause is how long the upstream asks to be left alone,
// 0 if it does not ask.
func (b *breaker) fail(r rule, why trouble, pause time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = why
	failed, until := b.failed.Add(1), b.until.Load()
	if pause == 0 && until == 0 && failed < int64(r.after) {
		return
	}
	if b.probing || until <= now.UnixNano() { // else it is one of several that fail together
		b.opened++
	}
	if b.probing {
		b.probing, until = false, 0 // which was to keep others away
	}
	cool := min(r.first<<min(b.opened-1, 16), r.longest)
	if pause > 0 {
		b.last.asked, cool = true, min(pause, longestQuiet)
	}
	if b.since.IsZero() {
		b.since = now
	}
	b.until.Store(max(until, now.Add(cool).UnixNano()))
}

// longestQuiet bounds how long an upstream that asks to be left alone is.
const longestQuiet = 5 * time.Minute

// State is how something is that attempts depend on.
type State string

// The states.
const (
	Closed   State = "closed"    // all is well
	Cooling  State = "cooling"   // it is asked only where nothing else is left
	HalfOpen State = "half-open" // the next attempt, or one under way, tries it
)

// Health is how a provider, one of its models or one of its API keys is, if its latest
// attempts have failed.
type Health struct {
	State State
	// Model is the model that it is about, Key the place of the key from 1 on; "" and 0 if
	// it is about the whole provider. Both are set if it is about a model with a key.
	Model  tally.ID
	Key    int
	Failed int       // attempts in a row
	Since  time.Time // when it has opened; zero while it is closed
	Until  time.Time // of cooling; zero otherwise
	Cause  providers.Fault
	Status int    // the upstream's; 0 without an answer
	Code   string // the upstream's own word for it
	Asked  bool   // the upstream has asked to be left alone
}

// health is how it is now; ok is false if its latest attempt went well.
func (b *breaker) health(now time.Time) (h Health, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	failed := int(b.failed.Load())
	if failed == 0 && until == 0 {
		return h, false
	}
	h = Health{
		State: Closed, Failed: failed, Cause: b.last.fault, Status: b.last.status, Code: b.last.code, Asked: b.last.asked,
	}
	if until != 0 {
		h.Since = b.since
		if h.State = HalfOpen; until > now.UnixNano() && !b.probing {
			h.State, h.Until = Cooling, time.Unix(0, until).UTC()
		}
	}
	return h, true
}
