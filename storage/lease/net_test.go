package lease

import (
	"slices"

	"tallygate/storage/ledger"
)

// message is an exchange on its way to the bank, or a reply on its way back.
type message struct {
	from  *node
	by    *Lender // the process
	op    *Exchange
	row   []bool // whether the bank may begin a counter
	again bool   // it was sent before
	reply *Reply

	claims  []ledger.Claim
	answers []Claimed
}

// send has a node begin an operation, or send it again.
func (w *world) send(n *node) {
	before := map[key]int64{}
	for k, x := range n.lender.known {
		loan, _ := n.ledger.Loan(&x.counter, false)
		before[k] = loan.UpTo
	}
	op := n.lender.begin()
	if op == nil {
		return
	}
	m := message{from: n, by: n.lender, op: op, again: op == n.latest}
	n.call, n.latest = op, op
	for i := range op.Asks {
		a := &op.Asks[i]
		m.row = append(m.row, a.New && !(w.noRowOnRetry && m.again))
		switch {
		case w.raiseBeforeCommit:
			n.ledger.Lend(&a.Counter, ledger.Terms{UpTo: a.Want + a.Extra})
		case w.lowerAfterSend:
			n.ledger.Lend(&a.Counter, ledger.Terms{UpTo: max(before[keyOf(&a.Counter)], a.Have)})
		}
	}
	w.logf("%s sends %d/%d: %d asks", n.name, op.Epoch, op.Op, len(op.Asks))
	w.post(m)
}

// post puts a message on the net, which may lose or double it.
func (w *world) post(m message) {
	x := 9
	if w.faults {
		x = w.IntN(10)
	}
	if x < 2 {
		return
	}
	if w.net = append(w.net, m); x < 4 {
		w.net = append(w.net, m)
	}
}

// deliver lets any of the messages arrive.
func (w *world) deliver() {
	i := w.IntN(len(w.net))
	if !w.faults {
		i = 0
	}
	m := w.net[i]
	w.net = slices.Delete(w.net, i, i+1)
	switch {
	case m.claims != nil && m.answers == nil:
		if !w.down {
			w.claimsAt(m)
		}
	case m.claims != nil:
		if n := m.from; n.up && n.lender == m.by && n.claims == &m.claims[0] {
			m.by.claimed(m.answers)
			n.claims = nil
		}
	case m.reply == nil && !w.down:
		r := w.bank.exchange(m.op, m.row)
		w.logf("the bank is at %d/%d of %s, asked for %d/%d: %+v",
			r.Epoch, r.Op, m.op.Node, m.op.Epoch, m.op.Op, r.Leases)
		for i := range r.Leases {
			if a := &m.op.Asks[i]; w.retryAdds && m.again {
				r.Leases[i].Granted += max(0, r.Leases[i].Granted-a.Have)
			}
		}
		m.reply = &r
		w.post(m)
	case m.reply != nil && m.from.up && m.from.lender == m.by:
		w.logf("%s hears of %d/%d", m.from.name, m.op.Epoch, m.op.Op)
		m.by.finish(m.op, *m.reply, nil)
		if m.from.call == m.op {
			m.from.call = nil
		}
	}
}

// turn is what a node's process does at the bank: one thing at a time.
func (w *world) turn(n *node, poll bool) {
	switch {
	case n.call != nil:
		n.lender.finish(n.call, Reply{}, errLater) // it waits no longer
		n.call = nil
	case n.claims != nil:
		n.claims = nil
	case n.lender.standing() == apart:
		if w.down {
			return
		}
		epoch := w.bank.join(n.name, n.lender.atLeast())
		w.logf("%s joins: %d", n.name, epoch)
		if !w.faults || w.IntN(4) > 0 {
			n.lender.join(epoch)
			n.stale = false
		}
	case poll && !w.down:
		n.lender.heard(w.bank.poll(n.name))
		w.logf("%s has polled: %d", n.name, n.lender.standing())
	default:
		if w.IntN(2) == 0 || !w.askSessions(n) {
			w.send(n)
		}
	}
}
