package route

import (
	"net/http"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

const (
	// silentAfter is how many attempts in a row an upstream may leave without an answer.
	silentAfter = 3
	// restTime is how long one that did is asked last, before a request tries it again.
	restTime = 30 * time.Second
	// longestQuiet bounds how long one that asks to be left alone is asked last.
	longestQuiet = 5 * time.Minute
)

// health is what the latest attempts say of an upstream. What it answers decides
// nothing, only whether it answers at all.
type health struct {
	mu     sync.Mutex // guards the fields that follow
	failed int        // attempts in a row that had no answer
	wrong  int        // attempts in a row that failed, for whatever cause of its own
	until  time.Time  // it is asked last; moved on by each request that tries it
	quiet  time.Time  // until when it has asked to be left alone
}

func (h *health) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed >= silentAfter
}

// rests reports whether the upstream is asked last now; first is whether no other would
// be asked before it. Each time that the rest of a silent one is over one caller is told
// that it is not, and is to try it: not one that would ask another first.
func (h *health) rests(now time.Time, first bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case now.Before(h.quiet):
		return true
	case h.failed < silentAfter:
		return false
	case !first || now.Before(h.until):
		return true
	}
	h.until = now.Add(restTime)
	return false
}

// Report notes how an attempt has ended; err is nil if it was answered. One that its
// caller ended, or that found no descriptor here, says nothing.
func (u *Upstream) Report(err *providers.UpstreamError, now time.Time) {
	if err != nil && (err.Fault == providers.Gone || err.Fault == providers.NoFiles) {
		return
	}
	h := &u.health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quiet = time.Time{}
	if err != nil && err.RetryAfter > 0 && !ofRequest(err.Fault) {
		h.quiet = now.Add(min(err.RetryAfter, longestQuiet))
	}
	switch {
	case err == nil:
		h.wrong = 0
	case !ofRequest(err.Fault):
		h.wrong++
	}
	if err == nil || !unanswered(err) {
		h.failed = 0
		return
	}
	if h.failed++; h.failed >= silentAfter {
		h.until = now.Add(restTime)
	}
}

// ofRequest reports whether a failure is about what was asked for: others may ask for
// something else meanwhile.
func ofRequest(f providers.Fault) bool {
	return f == providers.Refused || f == providers.NotHere || f == providers.TooLarge
}

// unanswered reports whether an attempt has timed out, or found no connection.
func unanswered(err *providers.UpstreamError) bool {
	if err.Status != 0 && err.Status != http.StatusOK { // it has said so itself
		return false
	}
	return err.Fault == providers.TimedOut || err.Fault == providers.Unreachable && err.Free
}

// Silent reports whether the latest attempts with a provider had no answer. It can be
// asked all the same, and is healthy again with the first that has one.
func (r *Router) Silent(id tally.ID) bool {
	u := (*r.live.Load())[id]
	return u != nil && u.health.silent()
}

// Failing is how many of the latest attempts with a provider have failed in a row, for
// whatever cause but the requests' own.
func (r *Router) Failing(id tally.ID) int {
	u := (*r.live.Load())[id]
	if u == nil {
		return 0
	}
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	return u.health.wrong
}

// Quiet is until when a provider has asked to be left alone, and is asked last; zero if
// it has not, or that is over.
func (r *Router) Quiet(id tally.ID, now time.Time) time.Time {
	u := (*r.live.Load())[id]
	if u == nil {
		return time.Time{}
	}
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	if !now.Before(u.health.quiet) {
		return time.Time{}
	}
	return u.health.quiet
}

// Order moves the upstreams that are to be asked last behind the others.
func Order(targets []Target, now time.Time) {
	if len(targets) < 2 {
		return
	}
	var last []Target
	kept := targets[:0]
	for _, t := range targets {
		if t.Upstream.health.rests(now, len(kept) == 0) {
			last = append(last, t)
		} else {
			kept = append(kept, t)
		}
	}
	copy(targets[len(kept):], last)
}
