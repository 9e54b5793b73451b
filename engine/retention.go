package engine

import (
	"context"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	pruneEvery = time.Hour // looks; prunes once per UTC day
	// pruneRest is how many times as long as requests wait for it the pruning rests then. A
	// request writes twice, and still fewer than one in a hundred meets it.
	pruneRest = 1000
)

// pruner returns the step that deletes old records, once a day, and makes old sums coarse. Of
// several nodes each does so: it has records of its own.
func (e *Engine) pruner() func(context.Context) error {
	var forgotten time.Time // the day that was forgotten up to
	retain := e.retainer()
	return func(ctx context.Context) error {
		today := e.clock().Truncate(24 * time.Hour)
		if before := today.Add(-tally.KeptDetails); !before.Equal(forgotten) {
			if err := e.store.Forget(ctx, before); err != nil {
				return err
			}
			forgotten = before
		}
		return retain(ctx)
	}
}

// retainer returns the step that does what the owner's retention asks for.
func (e *Engine) retainer() func(context.Context) error {
	var done storage.Horizons // what was pruned
	return func(ctx context.Context) error {
		today := e.clock().Truncate(24 * time.Hour)
		cat := e.catalog.Load()
		kept := keptOf(&cat.Settings)
		before := kept.before(today)
		if before == (storage.Horizons{}) || before == done {
			return nil
		}
		whole, err := e.whileKept(ctx, kept, func(ctx context.Context) error {
			if err := e.prune(ctx, before); err != nil || kept.all == 0 {
				return err
			}
			fine := today.AddDate(0, 0, -max(kept.all, tally.FineDays))
			_, err := e.store.Coarsen(ctx, fine, func(day time.Time) []time.Time { return midnights(cat, day) }, pruneRest)
			return err
		})
		if whole && err == nil {
			done = before
		}
		return err
	}
}

// kept is for how many days records are kept, all of them and those of a kind; 0 for good.
type kept struct {
	all int
	of  [tally.NumRecordKinds]int
}

func keptOf(s *tally.Settings) kept {
	return kept{s.RetentionDays, [tally.NumRecordKinds]int{tally.RefusalRecords: s.RefusedDays, tally.VisitorRecords: s.VisitorDays}}
}

// before is up to when records go on a day.
func (k kept) before(today time.Time) (h storage.Horizons) {
	if k.all > 0 {
		h.All = today.AddDate(0, 0, -k.all)
	}
	for kind, days := range k.of {
		if days > 0 {
			h.Of[kind] = today.AddDate(0, 0, -days)
		}
	}
	return h
}

// prune deletes the records before horizons, and tells of it.
func (e *Engine) prune(ctx context.Context, before storage.Horizons) error {
	latest := before.All
	for _, at := range before.Of {
		if at.After(latest) {
			latest = at
		}
	}
	last, began := e.pruned.Load(), time.Now()
	e.pruned.Store(&control.Pruned{Before: latest, At: e.clock(), Going: true})
	n, err := e.store.Prune(ctx, before, pruneRest)
	if n == 0 {
		e.pruned.Store(last)
		return err
	}
	e.pruned.Store(&control.Pruned{Before: latest, At: e.clock(), Records: n})
	e.log.Info("records past their retention were deleted", "records", n, "before", latest.Format(time.DateOnly), "took", time.Since(began).Round(time.Millisecond))
	return err
}

// whileKept does what a retention asks for, which may take hours, as long as nobody changes
// it: an owner who has mistyped it is in time. It reports whether it came to its end.
func (e *Engine) whileKept(ctx context.Context, kept kept, do func(context.Context) error) (whole bool, err error) {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	var watch sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-inner.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if keptOf(&e.catalog.Load().Settings) != kept {
				stop()
			}
		}
	})
	err = do(inner)
	whole = inner.Err() == nil
	stop()
	watch.Wait()
	if !whole && ctx.Err() == nil { // the next step goes by what is wanted now
		e.log.Info("the retention was changed; deleting has stopped")
		return false, nil
	}
	return whole, err
}

// midnights are when civil days of the gateways' zones begin within a UTC day.
func midnights(cat *tally.Catalog, day time.Time) (out []time.Time) {
	for _, zone := range cat.Zones() {
		edges, _ := civilEdges(tally.Day, day, day.AddDate(0, 0, 1), zone, 9)
		out = append(out, edges...)
	}
	return out
}
