package engine

import (
	"context"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// expiryEvery is how often the engine looks for funds whose time is over.
const expiryEvery = time.Minute

// fund is what is left of an amount that was paid or given in advance.
type fund struct {
	of      *tally.Record // nil for what was refunded otherwise
	left    tally.NanoUSD
	expires time.Time // zero: never
}

// funds tells what is left of each amount that a client has paid in advance. What expires
// first is used first. Entries say what the balance came to by each of them, so what was
// used between two of them is known.
type funds struct {
	list    []fund
	debt    tally.NanoUSD // used beyond all funds
	balance int64         // by the latest entry
}

// fundsOf follows a client's entries, and what it has used since the latest of them.
func fundsOf(entries []tally.Record, balance int64) (f funds) {
	for i := range entries {
		r := &entries[i]
		change := r.Amounts().Of(tally.Balance)
		after := f.balance + change
		if len(r.Charges) > 0 {
			after = r.Charges[0].Used
		}
		f.use(tally.NanoUSD(after - change - f.balance))
		f.balance = after
		f.enter(r)
	}
	f.use(tally.NanoUSD(balance - f.balance))
	f.balance = balance
	return f
}

// enter adds an entry.
func (f *funds) enter(r *tally.Record) {
	x := r.Entry
	switch {
	case x.Funds > 0 && x.Reverses == "":
		f.add(fund{r, x.Funds, x.Expires})
	case x.Funds > 0: // what was taken back comes back
		f.add(fund{nil, x.Funds, time.Time{}})
	case x.Funds < 0:
		f.takeFrom(x.Reverses, -x.Funds)
	}
	switch {
	case r.Credits > 0:
		f.use(r.Credits)
	case r.Credits < 0:
		f.add(fund{nil, -r.Credits, time.Time{}})
	}
}

// add adds funds. They pay first what was used beyond those there were.
func (f *funds) add(x fund) {
	paid := min(f.debt, x.left)
	f.debt -= paid
	x.left -= paid
	f.list = append(f.list, x)
	tally.OrderStable(f.list, func(a, b fund) int {
		switch {
		case a.expires.IsZero() && b.expires.IsZero():
			return 0
		case a.expires.IsZero():
			return 1
		case b.expires.IsZero():
			return -1
		}
		return a.expires.Compare(b.expires)
	})
}

// use takes what was used from what expires first.
func (f *funds) use(n tally.NanoUSD) {
	if n < 0 { // an upstream has taken back what it had charged
		f.add(fund{nil, -n, time.Time{}})
		return
	}
	for i := range f.list {
		part := min(n, f.list[i].left)
		f.list[i].left -= part
		n -= part
	}
	f.debt += n
}

// takeFrom takes an amount back, from the entry that it was of as far as that goes.
func (f *funds) takeFrom(of tally.ID, n tally.NanoUSD) {
	for i := range f.list {
		if x := &f.list[i]; x.of != nil && x.of.ID == of {
			part := min(n, x.left)
			x.left -= part
			n -= part
		}
	}
	f.use(n)
}

// left is what is left of all funds, and what of that will be taken back next, and when.
func (f *funds) left() (all, next tally.NanoUSD, expires time.Time) {
	all = -f.debt
	for _, x := range f.list {
		all += x.left
		if x.left > 0 && !x.expires.IsZero() && (expires.IsZero() || x.expires.Equal(expires)) {
			next, expires = next+x.left, x.expires
		}
	}
	return all, next, expires
}

// expireFunds takes back what is left of funds whose time is over. What requests in flight
// hold of it stays until they have been answered.
func (e *Engine) expireFunds(ctx context.Context) error {
	now := e.clock()
	all, err := e.store.Entries(ctx, storage.EntryQuery{})
	if err != nil {
		return err
	}
	due := map[tally.ID]bool{}
	for i := range all {
		if x := all[i].Entry; x.Funds > 0 && !x.Expires.IsZero() && !x.Expires.After(now) {
			due[all[i].Client] = true
		}
	}
	for client := range due {
		if err := e.expireFundsOf(ctx, client, now); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) expireFundsOf(ctx context.Context, client tally.ID, now time.Time) error {
	unlock, err := e.openBook(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := e.funds(ctx, client)
	if err != nil {
		return err
	}
	expired := false
	for _, x := range f.list {
		if x.of == nil || x.left == 0 || x.expires.IsZero() || x.expires.After(now) {
			continue
		}
		r := tally.Record{ID: tally.NewID("en", now), At: now, Gateway: x.of.Gateway, Client: x.of.Client, Outcome: tally.Booked,
			Entry: &tally.Entry{Kind: tally.Expiry, Funds: -x.left, Reference: x.of.Entry.Reference, Reverses: x.of.ID, By: "tallygate"}}
		switch made, err := e.store.Enter(ctx, r); {
		case tally.CodeOf(err) == tally.NotFound: // requests in flight hold the rest
			return nil
		case err != nil:
			return err
		default:
			expired = true
			e.log.Info("what was paid in advance has expired", "client", clientSlug(e.catalog.Load(), r.Client), "amount", (-made.Entry.Funds).String(), "entry", made.ID)
		}
	}
	if expired {
		e.feed.PublishConfig(e.catalog.Load().Rev, now)
	}
	return nil
}

// funds tells what is left of what a client has paid in advance.
func (e *Engine) funds(ctx context.Context, client tally.ID) (funds, error) {
	entries, err := e.store.Entries(ctx, storage.EntryQuery{Client: client})
	if err != nil || len(entries) == 0 {
		return funds{}, err
	}
	usage, err := e.store.Usage(ctx, entries[0].BalanceCounter())
	if err != nil {
		return funds{}, err
	}
	return fundsOf(entries, usage[0].Used), nil
}
