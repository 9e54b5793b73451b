package lease

import (
	"context"
	"time"

	"tallygate/engine/tally"
)

// Run lends until ctx is done. Its error tells that another process acts for the node, or that
// the node was forgotten. It must then stop: it admits nothing more that is limited.
func (l *Lender) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var failing time.Time // since when the bank is out of reach
	for poll := true; ; {
		for pause := leastPause; ; pause = min(2*pause, mostPause) {
			err := l.round(ctx, poll)
			if err == nil {
				failing = time.Time{}
				l.reached()
				break
			}
			if l.standing() == fenced {
				return err
			}
			if failing.IsZero() {
				failing = time.Now()
			}
			if time.Since(failing) >= patience || ctx.Err() != nil {
				l.giveUp(err)
				break
			}
			time.Sleep(pause)
		}
		poll = false
		select {
		case <-ctx.Done():
			l.giveUp(context.Cause(ctx))
			return nil
		case <-l.wake:
		case <-tick.C:
			poll = true
		}
	}
}

// round does what there is to do at the bank.
func (l *Lender) round(ctx context.Context, poll bool) error {
	for {
		done, err := l.step(ctx, &poll)
		if done || err != nil {
			return err
		}
	}
}

// step is a trip to the bank; done is whether there is nothing more to do.
func (l *Lender) step(ctx context.Context, poll *bool) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch l.standing() {
	case fenced:
		return false, l.because()
	case apart:
		epoch, err := l.opt.Bank.Join(ctx, l.opt.Node, l.atLeast())
		if err == nil {
			l.join(epoch)
		}
		return false, err
	}
	if *poll {
		news, err := l.opt.Bank.Poll(ctx, l.opt.Node)
		if err == nil {
			l.heard(news)
			*poll = false
		}
		return false, err
	}
	if err := l.settleClaims(ctx); err != nil {
		return false, err
	}
	op := l.begin()
	if op == nil {
		return true, nil
	}
	l.count(func(s *Stats) { s.Exchanges++ })
	reply, err := l.opt.Bank.Exchange(ctx, op)
	l.finish(op, reply, err)
	return false, err
}

// settleClaims makes the claims that there are.
func (l *Lender) settleClaims(ctx context.Context) error {
	for {
		list := l.claiming()
		if len(list) == 0 {
			return nil
		}
		l.count(func(s *Stats) { s.Claims++ })
		answers, err := l.opt.Bank.Claim(ctx, l.opt.Node, list)
		if err != nil {
			return err
		}
		l.claimed(answers)
	}
}

func (l *Lender) count(what func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what(&l.stats)
}

// reached notes that the bank has answered all there was to ask.
func (l *Lender) reached() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = false
}

func (l *Lender) standing() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// because is why it is fenced.
func (l *Lender) because() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// giveUp refuses all callers, since the bank is out of reach. Why it is reaches those who
// sent the requests no more than where it is: the cause is in no message.
func (l *Lender) giveUp(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	is := tally.Errorf(tally.Unavailable, "what is left of the limits cannot be found out").
		WithHint("the nodes' database is out of reach; what this node was lent is used up")
	is.Err = err
	l.answer(&l.waiting, is)
	l.answer(&l.callers, is)
	l.unclaim()
	l.out = true
}

// atLeast is an epoch that neither this process has had nor, as far as clocks can tell, an
// earlier one: the bank may have forgotten the latest.
func (l *Lender) atLeast() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.epoch+1, l.opt.Now().UnixNano())
}
