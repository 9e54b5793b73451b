package lease

import (
	"context"
	"time"

	"tallygate/storage/ledger"
)

const (
	// claimFor is how long a request waits to hear whether its session runs elsewhere.
	claimFor = time.Second
	// mostClaims is how many claims go with one trip.
	mostClaims = 500
)

// claim is a claim on its way.
type claim struct {
	ledger.Claim
	answer chan struct{} // closed once the ledger knows the answer; nil if nobody waits for it
}

// Claim implements [ledger.Lender]. It does not wait for a bank that is out of reach.
func (l *Lender) Claim(ctx context.Context, c ledger.Claim) {
	answer := l.claim(c)
	if answer == nil {
		return
	}
	l.stir()
	timer := time.NewTimer(claimFor)
	defer timer.Stop()
	select {
	case <-answer:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (l *Lender) claim(c ledger.Claim) (answer chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out || l.state == fenced {
		return nil
	}
	answer = make(chan struct{})
	l.claims = append(l.claims, claim{c, answer})
	return answer
}

// claiming returns the claims to make now. A claim whose outcome is not known is made again.
func (l *Lender) claiming() []ledger.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.opt.Ledger.Prolonged() {
		l.claims = append(l.claims, claim{Claim: c})
	}
	out := make([]ledger.Claim, min(len(l.claims), mostClaims))
	for i := range out {
		out[i] = l.claims[i].Claim
	}
	return out
}

// claimed takes the answers to the first claims.
func (l *Lender) claimed(answers []Claimed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range answers {
		c := &l.claims[i]
		l.opt.Ledger.Claimed(&c.Claim, answers[i].Begun, answers[i].Ends)
		if c.answer != nil {
			close(c.answer)
		}
	}
	l.claims = l.claims[len(answers):]
	if len(l.claims) == 0 {
		l.claims = nil
	}
}

// unclaim leaves the claims unanswered. What they tell is told when the sessions go on.
func (l *Lender) unclaim() {
	for i := range l.claims {
		if answer := l.claims[i].answer; answer != nil {
			close(answer)
		}
	}
	l.claims = nil
}
