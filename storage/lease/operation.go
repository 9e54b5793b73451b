package lease

import (
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// loan is the state of a counter in the ledger, which may have to adopt it first.
func (l *Lender) loan(c *tally.Counter, yield bool) (ledger.Loan, bool) {
	x, alive := l.opt.Ledger.Loan(c, yield)
	if !alive && c.Metric != ledger.InFlight && l.opt.Adopt([]tally.Counter{*c}) == nil {
		return l.opt.Ledger.Loan(c, yield)
	}
	return x, alive
}

// begin returns the operation to send now, nil if there is none.
func (l *Lender) begin() *Exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != joined {
		return nil
	}
	if l.sent != nil {
		return l.sent
	}
	for _, c := range l.opt.Ledger.Noted() {
		l.next(l.lease(&c))
	}
	op := &Exchange{Node: l.opt.Node, Epoch: l.epoch, Op: l.op + 1}
	lacked := false
	for _, k := range l.due() {
		x := l.known[k]
		if ask, ok := l.ask(x, l.demands[k], lacked); ok {
			op.Asks = append(op.Asks, ask)
			delete(l.demands, k)
			lacked = lacked || x.lacked
		}
	}
	if len(op.Asks) == 0 {
		l.answer(&l.callers, nil) // their counters could not be adopted: what there is decides
		return nil
	}
	l.sent = op
	l.stats.Asks += int64(len(op.Asks))
	l.waiting, l.callers = l.callers, nil
	return op
}

// due are the counters of the next exchange, in order: those that somebody waits for, and so many
// others.
func (l *Lender) due() (keys []key) {
	var others []key
	for k, d := range l.demands {
		if d.awaited {
			keys = append(keys, k)
		} else {
			others = append(others, k)
		}
	}
	most := mostAsks
	if len(keys) > 0 {
		most = mostBeside
	}
	if len(others) > most {
		slices.SortFunc(others, key.compare)
		others = others[:most]
	}
	keys = append(keys, others...)
	slices.SortFunc(keys, key.compare)
	return keys
}

// ask is what to tell the bank of a counter. A node that lacks one counter does not keep a
// later one that others want: two nodes that each have what the other lacks would wait for
// ever.
func (l *Lender) ask(x *lease, d *demand, lacked bool) (a Ask, ok bool) {
	lowered := x.max < x.under && x.counter.Metric != ledger.InFlight
	loan, alive := l.loan(&x.counter, d.yield || lowered)
	if !alive {
		return a, false
	}
	taken := loan.Taken()
	have := max(loan.UpTo, taken)
	a = Ask{Counter: x.counter, New: !x.row, Max: x.max, Have: have, Least: have, Want: have, Used: loan.Used}
	if d.yield && lacked || l.leaving {
		return a, true
	}
	if x.gave = loan.Spare; x.gave {
		return a, true
	}
	if loan.Want > 0 {
		d.want = tally.AddSat(d.want, loan.Want)
		if d.least == 0 || loan.Least < d.least {
			d.least = loan.Least
		}
	}
	if d.want > 0 {
		a.Want = max(have, min(tally.AddSat(taken, d.want), x.whole()))
		a.Least = min(max(have, tally.AddSat(taken, d.least)), a.Want)
	}
	if d.yield || x.one == 0 || l.within(x.tight, tightFor) {
		return a, true
	}
	switch {
	case l.within(x.at, growWithin):
		took := min(max(tally.AddSat(taken, -x.taken), 0)/x.one, mostChunk) // requests since then
		took = took * growWithin.Milliseconds() / max(l.opt.Now().Sub(x.at).Milliseconds(), 1)
		x.chunk = min(max(took, x.chunk), mostGrowth*x.chunk, mostChunk)
	case !l.within(x.at, shrinkAfter):
		x.chunk = max(x.chunk/2, leastChunk)
	}
	x.at, x.taken = l.opt.Now(), taken
	if a.Extra = x.whole() / mostOfLimit; x.one < a.Extra/x.chunk { // else the product is more
		a.Extra = x.one * x.chunk
	}
	return a, true
}

// finish takes the answer to an operation. An error leaves its outcome open, so that begin
// returns it again.
func (l *Lender) finish(op *Exchange, r Reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case op != l.sent || err != nil:
		return
	case r.Epoch > l.epoch || r.Epoch == l.epoch && r.Op > op.Op:
		l.fence(r.Epoch)
		return
	case r.Epoch < l.epoch || r.Op < op.Op-1:
		l.restart()
		return
	case r.Op != op.Op: // it was not carried out
		return
	}
	l.sent, l.op = nil, op.Op
	for i := range op.Asks {
		a, got := &op.Asks[i], &r.Leases[i]
		x := l.lease(&a.Counter)
		x.row, x.granted, x.elsewhere, x.reported, x.dry = true, got.Granted, got.Elsewhere, a.Used, time.Time{}
		x.under = a.Max
		x.lacked = got.Granted < a.Least
		delete(l.short, keyOf(&a.Counter))
		if got.Granted < a.Want || x.gave {
			x.dry = l.opt.Now()
			l.short[keyOf(&a.Counter)] = x
		}
		var low int64 // without an extra there is nothing to be had in advance
		if extra := got.Granted - a.Want; extra > 0 {
			low = extra / 2
		}
		l.opt.Ledger.Lend(&a.Counter, ledger.Terms{
			UpTo: got.Granted, Elsewhere: got.Elsewhere, Others: got.Others, Low: low, Max: a.Max})
	}
	l.answer(&l.waiting, nil)
}

// join begins an epoch.
func (l *Lender) join(epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch == Forgotten {
		l.fence(epoch)
		return
	}
	l.epoch, l.op, l.state = epoch, 0, joined
}

// restart begins again with a bank that has forgotten what it did: the node admits nothing
// until it has told the bank what is taken.
func (l *Lender) restart() {
	l.state, l.sent = apart, nil
	for _, x := range l.known {
		l.drop(x)
		x.row = false
		l.next(x).yield = true
	}
	l.answer(&l.waiting, nil) // they ask again
}

// drop takes a lease away from the ledger.
func (l *Lender) drop(x *lease) { l.opt.Ledger.Withdraw(&x.counter) }

// fence ends it: the node is in an epoch that is not this process's.
func (l *Lender) fence(epoch int64) {
	l.state, l.why, l.sent = fenced, fencedBy(epoch), nil
	for _, x := range l.known {
		l.drop(x)
	}
	l.answer(&l.waiting, l.why)
	l.answer(&l.callers, l.why)
	l.unclaim()
}

// answer tells callers what came of the exchange they waited for.
func (l *Lender) answer(callers *[]chan error, err error) {
	for _, c := range *callers {
		c <- err
	}
	*callers = nil
}

// heard takes a node's news. What others want and this node does not use is given back
// with the next exchange.
func (l *Lender) heard(n News) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state != joined:
		return
	case n.Epoch > l.epoch:
		l.fence(n.Epoch)
		return
	case n.Epoch < l.epoch || n.Op < l.op:
		l.restart()
		return
	}
	for i := range n.Wanted {
		x := l.lease(&n.Wanted[i])
		x.tight = l.opt.Now()
		loan, alive := l.loan(&x.counter, x.counter.Metric == ledger.InFlight)
		if alive && (!x.row || loan.UpTo > loan.Taken() || loan.Used != x.reported || x.granted > loan.Taken()) {
			l.next(x).yield = true
		}
	}
	for k, x := range l.short {
		if loan, _ := l.opt.Ledger.Loan(&x.counter, false); loan.Want > 0 { // somebody waits
			l.next(x)
		} else {
			delete(l.short, k)
		}
	}
	l.prepare()
	l.sweep()
}

// sweep forgets counters whose periods have been over for long. They may use nothing until
// they are asked for again: what is not known cannot be dropped when the bank has forgotten.
func (l *Lender) sweep() {
	now := l.opt.Now()
	if l.within(l.swept, time.Minute) {
		return
	}
	l.swept = now
	for k, x := range l.known {
		if k.end < now.Add(-time.Hour).Unix() && l.demands[k] == nil {
			l.drop(x)
			delete(l.known, k)
			delete(l.short, k)
		}
	}
}
