package gateway

import (
	"cmp"
	"errors"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Bounds on what is kept of why an attempt failed, in bytes.
const (
	maxWords  = 300 // of the upstream's; they may quote a prompt
	maxCause  = 200 // of ours
	maxCode   = 64
	maxReason = 300 // of the sentence that a caller is refused with
)

// failedEvery is how often the log tells of attempts that fail in the same way.
const failedEvery = time.Minute

// failures tells the owner of attempts that fail, whatever became of their requests.
type failures struct {
	mu   sync.Mutex // guards the fields that follow
	told map[failureKind]*failureLine
	last map[tally.ID]tally.Failure // of each provider
}

// failureKind is what makes failures alike.
type failureKind struct {
	provider tally.ID
	cause    string
	status   int
}

// failureLine is when the log told of a kind, and of how many since it did not.
type failureLine struct {
	at   time.Time
	more int
}

// failed writes down why the latest attempt failed.
func (x *exchange) failed(a *tally.Attempt, err error) {
	a.Took = time.Since(x.asking)
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok {
		up = &providers.UpstreamError{Err: err}
	}
	a.Cause, a.Status, a.Request = cmp.Or(string(up.Fault), "unknown"), up.Status, cmp.Or(up.RequestID, a.Request)
	a.Code = clipped(cmp.Or(up.Words.Code, up.Words.Type), maxCode)
	reason := ""
	if up.Err != nil {
		reason = clipped(up.Err.Error(), maxCause)
	}
	a.Detail = reason
	if words := up.Words.Message; words != "" && !x.server.Catalog().Settings.DropWords {
		if reason != "" {
			a.Detail += ": "
		}
		a.Detail += strconv.Quote(clipped(words, maxWords))
	}
	if up.Fault != providers.Gone {
		x.tellFailure(a, reason)
	}
}

// tellFailure logs a failure, unless it has just logged one like it. The upstream's
// words are not for the log, which is kept and passed around.
func (x *exchange) tellFailure(a *tally.Attempt, reason string) {
	f, now := &x.server.failures, x.server.Clock()
	kind := failureKind{a.Provider, a.Cause, a.Status}
	f.mu.Lock()
	f.last[a.Provider] = tally.Failure{At: now, Request: x.id, Attempt: *a}
	line := f.told[kind]
	if line != nil && now.Sub(line.at) < failedEvery && !now.Before(line.at) {
		line.more++
		f.mu.Unlock()
		return
	}
	more := 0
	if line != nil {
		more = line.more
	}
	f.told[kind] = &failureLine{at: now}
	f.mu.Unlock()
	args := []any{"provider", x.target.Upstream.Config.Name, "cause", a.Cause, "request", x.id}
	if a.Status != 0 {
		args = append(args, "status", a.Status)
	}
	if a.Code != "" {
		args = append(args, "code", a.Code)
	}
	if reason != "" {
		args = append(args, "reason", reason)
	}
	if more > 0 {
		args = append(args, "more_since", more)
	}
	x.server.Logger.Warn("a provider failed", args...)
}

// LastFailure is the latest failure of a provider since the start, and whether there
// was one.
func (s *Server) LastFailure(provider tally.ID) (tally.Failure, bool) {
	s.failures.mu.Lock()
	defer s.failures.mu.Unlock()
	f, ok := s.failures.last[provider]
	return f, ok
}

// ForgetWords removes what went wrong from the latest failures.
func (s *Server) ForgetWords() {
	s.failures.mu.Lock()
	defer s.failures.mu.Unlock()
	for id, f := range s.failures.last {
		f.Attempt.Detail = ""
		s.failures.last[id] = f
	}
}

// clipped is the beginning of a text, without what a terminal would obey.
func clipped(s string, most int) string {
	if s = tally.Printable(s); len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
