package engine

import (
	"cmp"
	"context"
	"slices"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// The book of money: what changes it without a request. Entries are records, so they count
// like requests; they are never changed, only reversed.

// openBook lets one caller make entries at a time, on whichever node.
func (e *Engine) openBook(ctx context.Context) (unlock func(), err error) {
	return e.booked.lock(ctx, e, "book")
}

// openCosts lets one caller book what days have cost at a time. It comes before [openBook].
func (e *Engine) openCosts(ctx context.Context) (unlock func(), err error) {
	return e.recosted.lock(ctx, e, "costs")
}

// booking is an entry that is to be made. Only one is made at a time, so that what was
// looked at still holds.
func (e *Engine) booking(ctx context.Context, client string,
	make func(c *tally.Catalog, cl *tally.Client, r *tally.Record) error) (control.EntryView, error) {
	unlock, err := e.openBook(ctx)
	if err != nil {
		return control.EntryView{}, err
	}
	defer unlock()
	c := e.catalog.Load()
	cl, err := findClient(c, client)
	if err != nil {
		return control.EntryView{}, err
	}
	now := e.clock()
	r := tally.Record{ID: tally.NewID("en", now), At: now, Gateway: cl.Gateway, Client: cl.ID, Outcome: tally.Booked, Entry: &tally.Entry{}}
	r.Entry.By, _, _ = control.Acting(ctx)
	if err := make(c, cl, &r); err != nil {
		return control.EntryView{}, err
	}
	return e.makeEntry(ctx, c, &r)
}

// makeEntry makes an entry and shows it.
func (e *Engine) makeEntry(ctx context.Context, c *tally.Catalog, r *tally.Record) (control.EntryView, error) {
	// A caller that leaves now must not be left in doubt by half of an act.
	made, err := e.store.Enter(context.WithoutCancel(ctx), *r)
	if err != nil {
		return control.EntryView{}, err
	}
	e.feed.PublishConfig(c.Rev, r.At) // whoever shows money looks again
	return viewEntry(c, &made), nil
}

func viewEntry(c *tally.Catalog, r *tally.Record) control.EntryView {
	v := control.EntryView{ID: r.ID, Seq: r.Seq, At: r.At, Client: r.Client, ClientSlug: clientSlug(c, r.Client),
		Gateway: gatewaySlug(c, r.Gateway), Model: r.Model, Credits: r.Credits, Cost: r.Cost, Entry: *r.Entry}
	v.Document = "" // statements.show has it
	if len(r.Charges) > 0 {
		v.Balance = -tally.NanoUSD(r.Charges[0].Used)
	}
	return v
}

// funder makes the operation that adds to what a client may spend in advance.
func (e *Engine) funder(kind tally.EntryKind) func(context.Context, control.AddFunds) (control.EntryView, error) {
	return func(ctx context.Context, in control.AddFunds) (control.EntryView, error) {
		return e.booking(ctx, in.Client, func(c *tally.Catalog, cl *tally.Client, r *tally.Record) error {
			if in.Funds <= 0 {
				return tally.Errorf(tally.Invalid, "an amount to add is above 0").
					WithHint("to take one back: tallygate entries list --client %s, then tallygate entries reverse ID", tally.ShellWord(cl.Slug))
			}
			r.Entry.Kind, r.Entry.Funds = kind, in.Funds
			if err := annotate(r.Entry, in.Reason, in.Reference); err != nil {
				return err
			}
			var err error
			r.Entry.Expires, err = in.Expires.At(calendarOf(c, cl.Gateway, r.At))
			return err
		})
	}
}

// annotate sets the owner's words of an entry.
func annotate(x *tally.Entry, reason, reference string) error {
	return firstError(
		set(&x.Reason, &reason, optional("reason", tally.MaxNote, false)),
		set(&x.Reference, &reference, optional("reference", tally.MaxNote, false)),
	)
}

func (e *Engine) adjustClient(ctx context.Context, in control.AdjustClient) (control.EntryView, error) {
	return e.booking(ctx, in.Client, func(_ *tally.Catalog, _ *tally.Client, r *tally.Record) error {
		r.Entry.Kind = cmp.Or(in.As, tally.Adjustment)
		r.Credits, r.Cost = tally.NanoUSD(in.Credits), tally.NanoUSD(in.Cost)
		switch {
		case r.Credits == 0 && r.Cost == 0:
			return tally.Errorf(tally.Invalid, "say how much is charged more or less").
				WithHint("--credits -5 takes five dollars off what the client was charged")
		case !slices.Contains([]tally.EntryKind{tally.Adjustment, tally.Fee, tally.Discount}, r.Entry.Kind):
			return tally.Errorf(tally.Invalid, "%q is not what an adjustment can be", r.Entry.Kind).
				WithHint("one of adjustment, fee, discount")
		case r.Entry.Kind == tally.Fee && r.Credits < 0, r.Entry.Kind == tally.Discount && r.Credits > 0:
			return tally.Errorf(tally.Invalid, "a fee is charged more, a discount less").
				WithHint("leave out --as, or turn the sign of --credits")
		case in.Reason == "":
			return tally.Errorf(tally.Invalid, "say why: it stands on the client's statement").
				WithHint("--reason \"outage of 3 November\"")
		}
		return annotate(r.Entry, in.Reason, in.Reference)
	})
}

// reverseEntry takes an entry back. An expiry is a fact, and what has expired or was
// reversed is gone already.
func (e *Engine) reverseEntry(ctx context.Context, in control.ReverseEntry) (control.EntryView, error) {
	unlock, err := e.openBook(ctx)
	if err != nil {
		return control.EntryView{}, err
	}
	defer unlock()
	c := e.catalog.Load()
	of, all, err := e.entry(ctx, in.Entry)
	if err != nil {
		return control.EntryView{}, err
	}
	name := "CLIENT"
	if of.Client != "" {
		name = tally.ShellWord(clientSlug(c, of.Client))
	}
	if of.Entry.Reverses != "" {
		return control.EntryView{}, tally.Errorf(tally.Invalid, "%s takes %s back itself", of.ID, of.Entry.Reverses).
			WithHint("make it anew: tallygate clients adjust %s, or topup", name)
	}
	if by := takenBack(all, of); by != nil {
		return control.EntryView{}, tally.Errorf(tally.Conflict, "%s was taken back already, by %s on %s", of.ID, by.ID, tally.Civil(by.At, c.Zone(by.Gateway))).
			WithHint("see: tallygate entries list --client %s", name)
	}
	now := e.clock()
	r := tally.Record{ID: tally.NewID("en", now), At: now, Gateway: of.Gateway, Client: of.Client, Model: of.Model, Outcome: tally.Booked,
		Cost: -of.Cost, Credits: -of.Credits}
	r.Entry = &tally.Entry{Kind: of.Entry.Kind, Funds: -of.Entry.Funds, Reference: of.Entry.Reference, Reverses: of.ID, Day: of.Entry.Day}
	r.Entry.By, _, _ = control.Acting(ctx)
	if err := annotate(r.Entry, in.Reason, r.Entry.Reference); err != nil {
		return control.EntryView{}, err
	}
	return e.makeEntry(ctx, c, &r)
}

// takenBack finds the entry that takes another one back, be it that its time was over; nil
// if there is none.
func takenBack(all []tally.Record, of *tally.Record) *tally.Record {
	for i := range all {
		if all[i].Client == of.Client && all[i].Entry.Reverses == of.ID {
			return &all[i]
		}
	}
	return nil
}

// entry finds an entry by its ID, among all of its client's.
func (e *Engine) entry(ctx context.Context, id string) (*tally.Record, []tally.Record, error) {
	found, err := e.store.Entries(ctx, storage.EntryQuery{ID: tally.ID(id)})
	if err != nil {
		return nil, nil, err
	}
	if id == "" || len(found) == 0 {
		return nil, nil, tally.Errorf(tally.NotFound, "there is no entry %q", shown(id)).
			WithHint("see: tallygate entries list")
	}
	all, err := e.store.Entries(ctx, storage.EntryQuery{Client: found[0].Client})
	return &found[0], all, err
}

func (e *Engine) showEntry(ctx context.Context, in control.PickEntry) (control.EntryView, error) {
	of, all, err := e.entry(ctx, in.ID)
	if err != nil {
		return control.EntryView{}, err
	}
	v := viewEntry(e.catalog.Load(), of)
	if by := takenBack(all, of); by != nil && by.Entry.Kind != tally.Expiry {
		v.ReversedBy = by.ID
	}
	return v, nil
}

func (e *Engine) listEntries(ctx context.Context, in control.ListEntries) ([]control.EntryView, error) {
	c, now := e.catalog.Load(), e.clock()
	cal := commonCalendar(c, now)
	var q storage.EntryQuery
	if in.Client != "" {
		var err error
		if q.Client, err = clientID(c, in.Client); err != nil {
			return nil, err
		}
		if cl := c.Client(q.Client); cl != nil {
			cal = calendarOf(c, cl.Gateway, now)
		}
	}
	since, until, err := spanOf(cal, in.Month, in.Since, in.Until, longAgo)
	if err != nil {
		return nil, err
	}
	all, err := e.store.Entries(ctx, q)
	if err != nil {
		return nil, err
	}
	reversed := map[tally.ID]tally.ID{}
	for i := range all {
		if x := all[i].Entry; x.Reverses != "" && x.Kind != tally.Expiry {
			reversed[x.Reverses] = all[i].ID
		}
	}
	var out []control.EntryView
	for i := range slices.Backward(all) {
		r := &all[i]
		if in.Kind != "" && r.Entry.Kind != in.Kind || r.At.Before(since) || !until.IsZero() && !r.At.Before(until) {
			continue
		}
		v := viewEntry(c, r)
		v.ReversedBy = reversed[r.ID]
		out = append(out, v)
	}
	return control.Select(control.EntryTable, out, in.Rows, cal)
}
