package ledger

import "tallygate/engine/tally"

// Enter adds an entry of the book of money to the counters of the subjects that it names,
// and completes it. The counter of its client's balance must be alive, if it has a client.
// What it gives back is there for others only once it is durable. Entered or Unenter must
// follow, before anything else is settled. The error is NotFound for an expiry that has nothing to take back; then
// nothing has changed.
func (l *Ledger) Enter(r *tally.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Client == "" { // nobody's balance
		l.enter(r, func(n int64) int64 { return max(n, 0) })
		l.see(r.At)
		return nil
	}
	balance := r.BalanceCounter()
	k := l.account(balance.Subject).find(&balance)
	if k == nil {
		return tally.Errorf(tally.Internal, "the balance of entry %s is not counted", r.ID)
	}
	if r.Entry.Kind == tally.Expiry {
		if r.Entry.Funds = -min(-r.Entry.Funds, tally.NanoUSD(-k.taken())); r.Entry.Funds >= 0 {
			return tally.Errorf(tally.NotFound, "there is nothing left that could expire")
		}
	}
	l.enter(r, func(n int64) int64 { return max(n, 0) })
	amount := r.Amounts().Of(tally.Balance)
	r.Charges = []tally.Charged{{Subject: balance.Subject, Metric: tally.Balance, Window: balance.Period.Label,
		Amount: amount, Used: tally.AddSat(k.used, min(amount, 0))}}
	l.see(r.At)
	return nil
}

// Entered tells that an entry is durable.
func (l *Ledger) Entered(r *tally.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(r, func(n int64) int64 { return min(n, 0) })
	if l.waiting == 0 {
		return
	}
	sec := r.At.Unix()
	l.named(r, nil, func(a *account) {
		for _, k := range a.counters {
			if k.line != nil && k.contains(sec) {
				l.serveLine(standing{counter: k})
			}
		}
	})
}

// Unenter takes back an entry that could not be made durable.
func (l *Ledger) Unenter(r *tally.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(r, func(n int64) int64 { return -max(n, 0) })
}

// enter adds a part of what an entry amounts to. Nobody was admitted for it, so when its
// subjects were last admitted does not tell what they have used.
func (l *Ledger) enter(r *tally.Record, part func(int64) int64) {
	amounts, sec := r.Amounts(), r.At.Unix()
	l.named(r, nil, func(a *account) {
		if !a.stray {
			a.stray = true
			l.touch(a)
		}
		for _, k := range a.counters {
			if k.contains(sec) {
				k.used = tally.AddSat(k.used, part(amounts[k.metric]))
			}
		}
	})
}
