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
)

// health is what the latest attempts say of an upstream: nothing of what it answers,
// only whether it answers at all.
type health struct {
	mu     sync.Mutex // guards the fields that follow
	failed int        // attempts in a row that had no answer
	until  time.Time  // it is asked last; moved on by each request that tries it
}

func (h *health) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed >= silentAfter
}

// rests reports whether the upstream is asked last now. Each time that its rest is over
// one caller is told that it is not, and is to try it.
func (h *health) rests(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.failed < silentAfter:
		return false
	case now.Before(h.until):
		return true
	}
	h.until = now.Add(restTime)
	return false
}

// Report notes how an attempt has ended; err is nil if it was answered. One that its
// caller ended says nothing.
func (u *Upstream) Report(err *providers.UpstreamError, now time.Time) {
	if err != nil && err.Fault == providers.Gone {
		return
	}
	h := &u.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || !unanswered(err) {
		h.failed = 0
		return
	}
	if h.failed++; h.failed >= silentAfter {
		h.until = now.Add(restTime)
	}
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

// Order moves the upstreams that are to be asked last behind the others.
func Order(targets []Target, now time.Time) {
	if len(targets) < 2 {
		return
	}
	var last []Target
	kept := targets[:0]
	for _, t := range targets {
		// One behind others is not asked as a rule, so it is not the one to try.
		if h := &t.Upstream.health; h.silent() && (len(kept) > 0 || h.rests(now)) {
			last = append(last, t)
		} else {
			kept = append(kept, t)
		}
	}
	copy(targets[len(kept):], last)
}
