package engine

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// reconciliations are what the last bill of each provider came to.
type reconciliations struct {
	mu sync.Mutex // guards of; held over what is written of it
	of map[tally.ID]*tally.Reconciled
}

// takeOverReconciled reads what was found before the start.
func (e *Engine) takeOverReconciled(entities []tally.Entity) {
	e.reconciled.of = map[tally.ID]*tally.Reconciled{}
	for _, x := range entities {
		if x, ok := x.(*tally.Reconciled); ok {
			e.reconciled.of[x.ID] = x
		}
	}
}

// billReference is what entries have that book a provider's bills.
func billReference(p *tally.Provider) string { return "bill of " + string(p.ID) }

// book books what differs, so that the ledger has what was billed. What was booked of earlier
// bills is a part of ours, so that only the rest is booked.
func (b *bill) book(ctx context.Context, out *control.Reconciled) error {
	unlock, err := b.e.openBook(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var last time.Time
	defer func() {
		if !last.IsZero() {
			b.e.feed.PublishConfig(b.c.Rev, last) // whoever shows money looks again
		}
	}()
	for _, r := range b.rows {
		if r.Difference == 0 || r.open {
			continue
		}
		if err := ctx.Err(); err != nil { // between two entries it may end
			return err
		}
		gateway, err := b.gateway(r)
		if err != nil {
			return err
		}
		now := b.e.clock()
		x := tally.Record{ID: tally.NewID("en", now), At: now, Gateway: gateway, Model: r.Model, Outcome: tally.Booked,
			Cost: r.Difference,
			Entry: &tally.Entry{Kind: tally.Adjustment, Day: r.Day, Reference: billReference(b.provider),
				Reason: fmt.Sprintf("%s billed %s for %s", b.provider.Name, r.Theirs.Display(), cmp.Or(r.Model, "all models"))}}
		if len(x.Entry.Reason) > tally.MaxNote {
			x.Entry.Reason = b.provider.Name + " billed " + r.Theirs.Display()
		}
		x.Entry.By, _, _ = control.Acting(ctx)
		made, err := b.e.store.Enter(context.WithoutCancel(ctx), x)
		if err != nil {
			return err
		}
		r.Entry, last = made.ID, made.At
		out.Booked += r.Difference
	}
	return nil
}

// gateway is the one that most of a row was used by; where nobody here used it, the oldest.
func (b *bill) gateway(r *billed) (id tally.ID, err error) {
	for x, n := range r.is.gateways {
		if is := r.is.gateways[id]; b.c.Gateway(x) != nil && (id == "" || n > is || n == is && x < id) {
			id = x
		}
	}
	if id == "" && len(b.c.Gateways) > 0 {
		id = b.c.Gateways[0].ID // they are in the order of their creation
	}
	if id == "" {
		return "", tally.Errorf(tally.Conflict, "there is no gateway that it could be booked for").
			WithHint("tallygate gateways create --name main")
	}
	return id, nil
}

// remember keeps what a bill came to. If it is far from the ledger, the owner is told, and
// status warns of it until the next one of the provider is not, or was booked.
func (b *bill) remember(ctx context.Context, out *control.Reconciled) error {
	e, p := b.e, b.provider
	x := &tally.Reconciled{Meta: tally.Meta{ID: p.ID}, First: out.First, Last: out.Last, Ours: out.Ours + out.Booked,
		Theirs: out.Theirs,
		Off:    out.Off, Days: out.DaysOff}
	if most := b.largest(); most != nil && x.Off {
		x.Next, _, _ = strings.Cut(most.Next, ", then ") // a warning leads to one command
		x.Why = fmt.Sprintf("most on %s, %s: %s", most.Day, cmp.Or(most.Model, "all models"),
			cmp.Or(most.Why, "nothing here explains it"))
	}
	for try := 0; ; try++ {
		err := b.keep(ctx, x)
		if err == nil {
			break
		}
		if !e.again(ctx, err, try) {
			return err
		}
	}
	if !x.Off {
		return e.reconciledWell(ctx, p.ID, b.now)
	}
	w := offBill(b.c, x)
	return e.Alert(ctx, Told{Kind: tally.AlertReconcile, About: fmt.Sprintf("%s %s %s", p.ID, x.First, x.Last),
		Gravity: w.Gravity, Thing: w.Thing, Sentence: w.Sentence, Detail: w.Detail, Next: w.Next})
}

// keep stores what a bill came to, in the place of the one before, and forgets those of
// providers that are gone.
func (b *bill) keep(ctx context.Context, x *tally.Reconciled) error {
	e := b.e
	e.reconciled.mu.Lock()
	defer e.reconciled.mu.Unlock()
	changes := []tally.Change{{}}
	x.Meta = tally.Meta{ID: x.ID}
	for id, old := range e.reconciled.of {
		if b.c.Provider(id) == nil {
			changes = append(changes, tally.Delete(old))
		} else if id == x.ID {
			x.Meta = old.Meta
		}
	}
	changes[0] = tally.Put(x, b.now)
	by := tally.Act{At: b.now, Actor: "engine", Op: "reconcile"}
	rev, err := e.store.Apply(context.WithoutCancel(ctx), by, changes...)
	if err != nil {
		return err
	}
	e.applied(rev)
	for id := range e.reconciled.of {
		if b.c.Provider(id) == nil {
			delete(e.reconciled.of, id)
		}
	}
	e.reconciled.of[x.ID] = x
	return nil
}

// largest is the row with the largest difference of the cause and the model that come to most
// together; nil if nothing differs.
func (b *bill) largest() (most *billed) {
	type group struct {
		cause control.BillCause
		model string
	}
	of := func(r *billed) group { return group{r.Cause, r.Model} }
	size := func(r *billed) tally.NanoUSD { return max(r.Difference, -r.Difference) }
	sums := map[group]tally.NanoUSD{}
	less := func(a, b *billed) bool {
		return sums[of(a)] < sums[of(b)] || sums[of(a)] == sums[of(b)] && size(a) < size(b)
	}
	for _, r := range b.rows {
		if !r.open {
			sums[of(r)] += size(r)
		}
	}
	for _, r := range b.rows {
		if !r.open && size(r) > 0 && (most == nil || less(most, r)) {
			most = r
		}
	}
	return most
}

// reconciledWell ends what was told of a provider's bills.
func (e *Engine) reconciledWell(ctx context.Context, provider tally.ID, now time.Time) error {
	return e.keepAlerts(ctx, now, func(a *alerts) (run alertRun, _ error) {
		a.supersede(&run, now, func(x *tally.Alert) bool {
			return x.Alert == tally.AlertReconcile && x.Thing.ID == provider
		})
		return run, nil
	})
}

// offBills warns of providers whose last bill is far from the ledger.
func (e *Engine) offBills(c *tally.Catalog) (out []control.Warning) {
	e.reconciled.mu.Lock()
	defer e.reconciled.mu.Unlock()
	for _, p := range c.Providers {
		if x := e.reconciled.of[p.ID]; x != nil && x.Off {
			out = append(out, offBill(c, x))
		}
	}
	return out[:min(len(out), maxWarned)]
}

func offBill(c *tally.Catalog, x *tally.Reconciled) control.Warning {
	of := providerThing(c, x.ID)
	return control.Warning{
		Kind: control.WarnReconcile, Gravity: control.Warn, Thing: of, Since: x.UpdatedAt,
		Sentence: fmt.Sprintf("%s billed %s from %s to %s, and %s is booked", of.Name, x.Theirs.Display(), x.First, x.Last,
			x.Ours.Display()),
		Detail: x.Why, Next: cmp.Or(x.Next, "tallygate usage --by model --since "+x.First),
	}
}
