package ledger

import (
	"time"

	"tallygate/engine/tally"
)

// Span is a span of time: [From, To].
type Span struct{ From, To time.Time }

// Meets reports whether a part of a span lies in [from, until).
func (s Span) Meets(from, until time.Time) bool {
	return s.From.Before(until) && !s.To.Before(from)
}

// Quiet is a Conflict while requests are held or wait.
func (l *Ledger) Quiet() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quiet()
}

func (l *Ledger) quiet() error {
	if n := len(l.holds) + l.waiting; n > 0 {
		return tally.Errorf(tally.Conflict, "%d requests are under way", n).WithHint("try again when they have been answered, or once the gateway is stopped")
	}
	return nil
}

// Accept takes the time back to one before the latest admission: the clock was ahead. What
// was admitted meanwhile counts at the time it names. ahead names the spans of the future
// in which there may be such admissions. A period that meets such a span is adopted, and
// never taken for unused. All sessions end, since a session that was begun ahead would run
// on for free; a user who goes on begins a new one. The error is Conflict while requests
// are held or wait, and then nothing changes.
func (l *Ledger) Accept(now time.Time, ahead []Span) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.quiet(); err != nil {
		return err
	}
	l.seen, l.ahead = now, ahead
	for _, a := range l.accounts {
		if a.lastAt.After(now) {
			a.lastAt = now
			l.touch(a)
		}
	}
	l.sessions.endAll()
	return nil
}

// Ahead puts back the spans of the future with admissions that a store has kept.
func (l *Ledger) Ahead(spans []Span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead = spans
}
