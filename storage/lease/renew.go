package lease

import (
	"context"

	"tallygate/engine/tally"
)

// Renew gives back what is not taken of counters, and waits until the bank has told what
// others have used of them. It is for what the bank was told by somebody else than a node:
// until then, nodes may spend more than is left, or less. The error is Unavailable if the
// bank is out of reach or ctx is done.
func (l *Lender) Renew(ctx context.Context, of func(*tally.Counter) bool) error {
	answer := l.renew(of)
	if answer == nil {
		return nil // of others it will learn at their first use
	}
	l.stir()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return tally.Errorf(tally.Unavailable, "the answer of the nodes' database was not waited for: %w", context.Cause(ctx))
	}
}

func (l *Lender) renew(of func(*tally.Counter) bool) (answer chan error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() != nil {
		return nil
	}
	for _, x := range l.known {
		if !of(&x.counter) {
			continue
		}
		l.next(x).yield = true
		x.dry = x.dry.Add(-dryFor)
		if answer == nil {
			answer = make(chan error, 1)
			l.callers = append(l.callers, answer)
		}
	}
	return answer
}
