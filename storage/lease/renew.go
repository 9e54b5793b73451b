package lease

import (
	"context"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
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
		d := l.next(x)
		d.yield, d.awaited = true, true
		x.dry = x.dry.Add(-dryFor)
		if answer == nil {
			answer = make(chan error, 1)
			l.callers = append(l.callers, answer)
		}
	}
	return answer
}

// Learn has counters known here that nothing has asked for yet: a former process may have been
// lent some of them, which this one then tells of at the next Renew or Leave.
func (l *Lender) Learn(counters []tally.Counter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []tally.Counter
	for i := range counters {
		if c := &counters[i]; l.known[keyOf(c)] == nil {
			l.lease(c)
			if c.Metric != ledger.InFlight {
				taken = append(taken, *c)
			}
		}
	}
	l.opt.Adopt(taken) // one by one, if all at once cannot be
}
