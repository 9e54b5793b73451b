package lease

import (
	"context"

	"tallygate/engine/tally"
)

// Leave gives back all that the node was lent, by a former process as well, and that nothing is
// used or held of, and waits until the bank knows. From then on Borrow answers Unavailable, and
// what is still held is all that is admitted. Run must be running. The error is Unavailable if
// the bank is out of reach or ctx is done; Leave may then be called again.
func (l *Lender) Leave(ctx context.Context) error {
	lent, err := l.opt.Bank.Lent(ctx, l.opt.Node)
	if err != nil {
		return tally.Errorf(tally.Unavailable, "what this node was lent is not given back: %w", err)
	}
	l.Learn(lent)
	for {
		answer, err := l.leave()
		if answer == nil {
			return err
		}
		l.stir()
		select {
		case err := <-answer:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return tally.Errorf(tally.Unavailable, "what this node was lent is not given back: %w", context.Cause(ctx))
		}
	}
}

// leave has the next exchange give back what is not taken. answer is nil if there is nothing
// to be given back.
func (l *Lender) leave() (answer chan error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == fenced {
		return nil, l.why
	}
	l.leaving = true
	back := l.sent != nil
	for _, x := range l.known {
		if loan, alive := l.loan(&x.counter, true); alive && (!x.row || x.granted != loan.Taken()) {
			l.next(x).yield, back = true, true
		}
	}
	if !back {
		return nil, nil
	}
	answer = make(chan error, 1)
	l.callers = append(l.callers, answer)
	return answer, nil
}

// Refresh learns anew what others have used of counters, as soon as the bank answers.
func (l *Lender) Refresh(counters []tally.Counter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range counters {
		if x := l.known[keyOf(&counters[i])]; x != nil { // of others it will learn at their first use
			l.next(x)
		}
	}
	l.stir()
}

// Stats returns what the lender has done.
func (l *Lender) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
