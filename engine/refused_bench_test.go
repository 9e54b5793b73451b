package engine

import (
	"context"
	"fmt"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// BenchmarkClientsList lists ten thousand clients with three limits each, of whom a
// hundred are refused.
func BenchmarkClientsList(b *testing.B) {
	w := newWorld(b)
	w.setUp()
	gw := w.engine.catalog.Load().Gateways[0]
	limits := []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: 50e9}, {Metric: tally.Requests, Window: tally.Window{Unit: tally.Month}, Max: 10_000},
		{Metric: tally.Requests, Window: tally.Window{Unit: tally.Minute}, Max: 60}}
	var changes []tally.Change
	for i := range 10_000 {
		cl := &tally.Client{Meta: tally.Meta{ID: tally.NewID("cl", noon)}, Gateway: gw.ID, Slug: fmt.Sprintf("client-%d", i), Name: fmt.Sprint(i), Status: tally.Active, Limits: limits}
		if i%100 == 0 {
			cl.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}}}
		}
		changes = append(changes, tally.Put(cl, noon))
	}
	if _, err := w.store.Apply(context.Background(), tally.Act{At: noon}, changes...); err != nil {
		b.Fatal(err)
	}
	entities, rev, err := w.store.Load(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	w.engine.use(tally.NewCatalog(rev, entities))
	ctx := context.Background()
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.engine.listClients(ctx, control.Listing{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			w.engine.limitWatch.at = noon.AddDate(-1, 0, 0)
			if _, _, err := w.engine.watchLimits(ctx, w.engine.catalog.Load(), noon); err != nil {
				b.Fatal(err)
			}
		}
	})
}
