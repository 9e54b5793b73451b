package ledger

import (
	"context"
	"slices"

	"tallygate/engine/tally"
)

// Raise adds to an open hold what another attempt may use. The output is the largest from
// least to want that all counters of the hold have room for, beside what is held already.
// Raise never waits. The hold that it returns takes the place of the old one. The old one
// is what is written until the store has made the new one durable or has dropped it. The
// error is NotFound if the hold is not open, a *tally.LimitError if there is no room; then
// nothing has changed.
func (l *Ledger) Raise(ctx context.Context, id tally.ID, least, want int64, bounds tally.Bounds) (
	h *Hold, g tally.Grant, err error) {
	err = l.borrowing(ctx, func(borrow bool) (err error) {
		h, g, err = l.raise(id, least, want, bounds, borrow)
		return err
	})
	return h, g, err
}

// borrowing does something that may be short of what was lent, until it is not, or no more is
// to be had.
func (l *Ledger) borrowing(ctx context.Context, do func(borrow bool) error) error {
	borrows := 0
	if l.lender != nil {
		borrows = maxBorrows
	}
	for {
		err := do(borrows > 0)
		short, is := err.(shortage)
		if !is {
			return err
		}
		lent, err := l.lender.Borrow(ctx, short)
		if err != nil {
			return err
		}
		if borrows--; !lent {
			borrows = 0
		}
	}
}

func (l *Ledger) raise(id tally.ID, least, want int64, bounds tally.Bounds, borrow bool) (*Hold, tally.Grant, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.holds[id]
	if old == nil || !old.kept {
		return nil, tally.Grant{}, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	bounds = bounds.Whole()
	more := tally.Reservation{MinOutput: least, WantOutput: want, Bounds: bounds, Charges: old.Charges}
	more.Bounds[sessionsIndex] = tally.Bound{}
	if lacking := l.charge(&more); lacking != nil { // counters stay while a hold is on them
		return nil, tally.Grant{}, tally.Errorf(tally.Internal, "the counters of request %s are gone", id)
	}
	if borrow && !l.hopeless(&more) {
		if short := l.short(&more, least); short != nil {
			return nil, tally.Grant{}, short
		}
	}
	output := want
	for i, k := range l.charged {
		c := &more.Charges[i]
		if k.metric == sessionsIndex {
			continue
		}
		need := bounds[k.metric].At(least)
		taken := k.toward(c.Max)
		if tally.AddSat(taken, need) > c.Max {
			return nil, tally.Grant{}, k.refuse(c, need)
		}
		output = min(output, outputFor(&more, c, k.metric, taken))
	}
	h := &Hold{}
	*h = *old
	h.raised, h.kept, h.Output = old, false, tally.AddSat(old.Output, output)
	tokens := tally.TokensIO.Index()
	h.Bounds[tokens].Base = tally.AddSat(h.Bounds[tokens].Base, bounds[tokens].Base)
	for i := range h.Held {
		if i != sessionsIndex {
			h.Held[i] = tally.AddSat(old.Held[i], bounds[i].At(output))
		}
	}
	l.replace(old, h)
	return h, tally.Grant{Output: output}, nil
}

// replace puts a hold in the place of what it was before.
func (l *Ledger) replace(old, h *Hold) {
	l.release(old)
	l.reopen(h)
	if l.waiting > 0 {
		l.serve(h)
	}
}

// Join charges an open hold on more counters, and has it take more places. The counters must
// have room for all that it holds, sessions apart. Otherwise it is like Raise. Counters that
// are not alive are adopted first.
func (l *Ledger) Join(ctx context.Context, id tally.ID, charges []tally.Charge, places []tally.Place,
	adopt func([]tally.Counter) error) (h *Hold, err error) {
	err = l.borrowing(ctx, func(borrow bool) error {
		for {
			var lacking []tally.Counter
			if h, lacking, err = l.widen(id, charges, places, borrow); lacking == nil {
				return err
			}
			if err := adopt(lacking); err != nil {
				return err
			}
		}
	})
	return h, err
}

func (l *Ledger) widen(id tally.ID, charges []tally.Charge, places []tally.Place, borrow bool) (
	h *Hold, lacking []tally.Counter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.holds[id]
	if old == nil || !old.kept {
		return nil, nil, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	more := tally.Reservation{ID: id, At: old.At, Charges: charges, Places: places}
	if err := Check(&more); err != nil {
		return nil, nil, err
	}
	if lacking := l.charge(&more); lacking != nil {
		return nil, lacking, nil
	}
	holds := old.Holds()
	for i, n := range holds {
		if i != sessionsIndex {
			more.Bounds[i].Base = n
		}
	}
	if borrow && !l.hopeless(&more) {
		if short := l.short(&more, 0); short != nil {
			return nil, nil, short
		}
	}
	for i, k := range l.charged {
		if c := &charges[i]; k.metric != sessionsIndex && tally.AddSat(k.toward(c.Max), holds[k.metric]) > c.Max {
			return nil, nil, k.refuse(c, holds[k.metric])
		}
	}
	for _, p := range places {
		if at := l.place(p.Subject); p.Max > 0 && int64(at.taken) >= at.reach(p.Max) {
			return nil, nil, at.refuse(&p)
		}
	}
	h = &Hold{}
	*h = *old
	h.raised, h.kept = old, false
	h.Charges = slices.Concat(old.Charges, charges)
	h.Reservation.Places = slices.Concat(old.Reservation.Places, places)
	h.places = slices.Clone(old.places)
	for _, p := range places {
		h.places = append(h.places, l.place(p.Subject))
	}
	h.accounts, h.lastAt = slices.Clone(old.accounts), slices.Clone(old.lastAt)
	for i := range charges {
		a := l.account(charges[i].Subject)
		if h.on(a) {
			continue
		}
		h.accounts, h.lastAt = append(h.accounts, a), append(h.lastAt, a.lastAt)
		if h.At.After(a.lastAt) {
			a.lastAt = h.At
			l.touch(a)
		}
	}
	l.replace(old, h)
	return h, nil, nil
}
