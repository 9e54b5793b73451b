package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// priceFrom gives a model a price from an instant on.
func (w *world) priceFrom(model string, from time.Time, input, output tally.NanoUSD) {
	w.Helper()
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: model}, ModelFields: control.ModelFields{
		Prices: []control.PriceField{{Class: "input", Amount: input}, {Class: "output", Amount: output}}, PriceFrom: control.Date(from.Format(time.RFC3339))}})
}

// A wrong price is corrected for the past, and what was charged follows, with the client's
// mark-up, once.
func TestRecost(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`), upstreamKey)
	cl, key := w.client("Aurora", "cost=50/month", "credits=balance")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Markup: to(control.Percent(2000))}})
	do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: tally.Dollar})
	begun := w.clock()
	w.priceFrom("gpt-mini", begun, 10*tally.Dollar, 20*tally.Dollar) // a slip: ten times the price
	w.wait(time.Minute)
	w.served(key.Key, "gpt-mini") // 1,000 in, 10 out
	w.priceFrom("gpt-mini", begun, tally.Dollar, 2*tally.Dollar)
	ask := control.Recost{Since: "2026-11-21"}
	ask.DryRun = true
	dry := do(w, control.PricesRecost, ask)
	const was, is = 10_200_000, 1_020_000
	if len(dry.Rows) != 1 || dry.Cost != is-was || dry.Credits != (is-was)*6/5 || dry.Rows[0].Entry != "" || dry.Rows[0].Changed != 1 {
		t.Errorf("dry run: %+v", dry)
	}
	if list := do(w, control.EntriesList, control.ListEntries{Kind: tally.Recost}); len(list) != 0 {
		t.Errorf("a dry run has booked %+v", list)
	}
	ask.DryRun = false
	got := do(w, control.PricesRecost, ask)
	row := got.Rows[0]
	if row.ClientSlug != cl.Slug || row.Day != "2026-11-21" || row.Model != "gpt-mini" || row.CostWas != was || row.CostIs != is || row.Entry == "" {
		t.Errorf("booked: %+v", row)
	}
	v := do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	if v.Month.CostNanoUSD != is || v.Month.CreditsNanoUSD != is*6/5 || v.Balance.Left != tally.Dollar-is*6/5 || v.LimitStates[0].Used != is {
		t.Errorf("the client stands at %+v, %+v", v.Month, v.LimitStates)
	}
	list := do(w, control.EntriesList, control.ListEntries{Kind: tally.Recost})
	if len(list) != 1 || list[0].Day != "2026-11-21" || list[0].Model != "gpt-mini" || list[0].Cost != is-was {
		t.Errorf("entries: %+v", list)
	}
	if again := do(w, control.PricesRecost, ask); len(again.Rows) != 0 || again.Changed != 1 {
		t.Errorf("a second run has booked %+v", again.Rows)
	}
	// What is taken back is what another run books again.
	do(w, control.EntriesBack, control.ReverseEntry{Entry: string(row.Entry), Reason: "not yet"})
	if again := do(w, control.PricesRecost, ask); len(again.Rows) != 1 || again.Cost != is-was {
		t.Errorf("after it was taken back: %+v", again.Rows)
	}
	w.consistent()
}

// What a provider has billed itself, what was held and what nobody can price stays, and it is
// said; what no client has sent counts without credits.
func TestRecostLeaves(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`), upstreamKey)
	cl, _ := w.client("Aurora")
	c := w.engine.catalog.Load()
	mini := c.ModelsNamed("gpt-mini")[0]
	row := mini.Prices[0].ID
	settle := func(client tally.ID, edit func(*tally.Record)) {
		t.Helper()
		r := tally.Reservation{ID: tally.NewID("req", w.clock()), At: w.clock(), ExpiresAt: w.clock().Add(time.Minute),
			Draft: tally.Record{Gateway: c.Gateways[0].ID, Client: client, Model: "gpt-mini"}}
		if _, err := w.store.Reserve(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		rec := r.Draft
		rec.Outcome, rec.Status, rec.Provider, rec.Upstream, rec.Basis = tally.OK, 200, mini.Provider, "gpt-mini", tally.Exact
		rec.Tokens, rec.Price, rec.Cost, rec.Credits = tally.Tokens{Input: 1000}, row, 150_000, 150_000
		edit(&rec)
		if err := w.store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	billed := tally.NanoUSD(200_000)
	settle(cl.ID, func(r *tally.Record) { r.Billed, r.Listed, r.Cost = &billed, 150_000, 200_000 })
	settle(cl.ID, func(r *tally.Record) { r.Basis, r.Price, r.Cost = tally.Held, "", 900_000 })
	settle(cl.ID, func(r *tally.Record) { r.Upstream = "gone" })
	settle("", func(*tally.Record) {})
	settle(cl.ID, func(r *tally.Record) { // the first attempt may have been charged
		r.Tries = []tally.Attempt{{Provider: mini.Provider, Upstream: "gpt-mini", Basis: tally.Held, Cost: 500, Cause: "timeout"},
			{Provider: mini.Provider, Upstream: "gpt-mini", Price: row, Basis: tally.Exact, Tokens: r.Tokens, Cost: 150_000}}
		r.Cost, r.Credits = 150_500, 150_500
	})
	w.priceFrom("gpt-mini", noon.AddDate(0, 0, -1), 2*tally.Dollar, 2*tally.Dollar)
	got := do(w, control.PricesRecost, control.Recost{Since: "1d", DryRun: true})
	const more = 2_000_000 - 150_000
	if got.Looked != 5 || got.Stayed["billed"] != 1 || got.Stayed["held"] != 2 || got.Stayed["gone"] != 1 || len(got.Rows) != 2 || got.Cost != 2*more || got.Credits != more {
		t.Errorf("%+v", got)
	}
	if got := do(w, control.PricesRecost, control.Recost{Since: "1d", DryRun: true, Billed: true}); got.Stayed["billed"] != 0 || got.Cost != 3*more-50_000 {
		t.Errorf("with what was billed: %+v", got)
	}
	do(w, control.PricesRecost, control.Recost{Since: "1d"})
	report, err := w.engine.verifyStore(context.Background(), 0)
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
	if again := do(w, control.PricesRecost, control.Recost{Since: "1d"}); len(again.Rows) != 0 {
		t.Errorf("a second run has booked %+v", again.Rows)
	}
	// Without the records nobody can tell what is left of what was booked.
	settle(cl.ID, func(r *tally.Record) { r.Model = "gpt-large" })
	w.wait(48 * time.Hour)
	settle(cl.ID, func(*tally.Record) {})
	if _, err := w.store.Prune(context.Background(), storage.Before(noon.AddDate(0, 0, 1)), 0); err != nil {
		t.Fatal(err)
	}
	if got := do(w, control.PricesRecost, control.Recost{Since: "9d"}); len(got.Rows) != 1 || got.Rows[0].Day != "2026-11-23" {
		t.Errorf("after pruning: %+v", got)
	}
}

func TestRecostRefuses(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	refused(w, control.PricesRecost, control.Recost{}, tally.Invalid, "from which day", "--since 2026-11-14")
	refused(w, control.PricesRecost, control.Recost{Since: "2026-12-24"}, tally.Invalid, "no day", "--since")
	refused(w, control.PricesRecost, control.Recost{Since: "soon"}, tally.Invalid, "soon")
	refused(w, control.PricesRecost, control.Recost{Since: "1d", Client: "nobody"}, tally.NotFound, "nobody")
	refused(w, control.PricesRecost, control.Recost{Since: "1d", Model: "sim-smal"}, tally.NotFound, "sim-small")
}

// Whatever prices are set for whatever time while requests come, and however often it is
// costed anew, of some days, clients and models only, which is all that a run leaves that was
// stopped between two entries: at the end the records and the entries come to what the
// requests cost by the prices that are known, and no run after that books anything.
func TestRecostExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.setUp()
		w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`), upstreamKey)
		models := []string{"gpt-mini", "gpt-large"}
		var keys []string
		for i := range 2 {
			cl, key := w.client(fmt.Sprintf("Client %d", i))
			do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Markup: to(control.Percent(1234 * i))}})
			keys = append(keys, key.Key)
		}
		begun := w.clock()
		for range rapid.IntRange(3, 12).Draw(rt, "acts") {
			model := rapid.SampledFrom(models).Draw(rt, "model")
			switch rapid.IntRange(0, 5).Draw(rt, "act") {
			case 0, 1:
				w.served(rapid.SampledFrom(keys).Draw(rt, "key"), model)
			case 2:
				hours := rapid.IntRange(-30, 5).Draw(rt, "from")
				n := rapid.Int64Range(1, 9_999_999_999).Draw(rt, "price")
				w.priceFrom(model, w.clock().Add(time.Duration(hours)*time.Hour), tally.NanoUSD(n), tally.NanoUSD(n/3))
			case 3:
				w.wait(time.Duration(rapid.IntRange(1, 40).Draw(rt, "hours")) * time.Hour)
			case 4: // in part, while requests come
				in := control.Recost{Since: control.Since(fmt.Sprintf("%dh", rapid.IntRange(1, 60).Draw(rt, "ago")))}
				if rapid.Bool().Draw(rt, "of a model") {
					in.Model = model
				}
				if rapid.Bool().Draw(rt, "of a client") {
					in.Client = "client-0"
				}
				var asks sync.WaitGroup
				asks.Go(func() { w.chat(keys[0], models[0]) })
				do(w, control.PricesRecost, in)
				asks.Wait()
			case 5:
				for _, v := range do(w, control.EntriesList, control.ListEntries{}) {
					if v.Reverses == "" && v.ReversedBy == "" {
						do(w, control.EntriesBack, control.ReverseEntry{Entry: string(v.ID)})
						break
					}
				}
			}
		}
		whole := control.Recost{Since: control.Since(begun.Format(time.DateOnly))}
		do(w, control.PricesRecost, whole)
		if again := do(w, control.PricesRecost, whole); len(again.Rows) != 0 {
			rt.Fatalf("a second run has booked %+v", again.Rows)
		}
		c := w.engine.catalog.Load()
		records, _, err := w.store.Records(context.Background(), storage.RecordQuery{Limit: 1000})
		if err != nil {
			rt.Fatal(err)
		}
		entries, err := w.store.Entries(context.Background(), storage.EntryQuery{})
		if err != nil {
			rt.Fatal(err)
		}
		type of struct {
			client tally.ID
			model  string
		}
		cost, credits := map[of]tally.NanoUSD{}, map[of]tally.NanoUSD{}
		for i := range records {
			r := &records[i]
			if r.Client == "" || c.Client(r.Client).Slug == "default" {
				continue
			}
			m := c.ModelsNamed(r.Model)[0]
			rates, ok := tally.PriceAt(m.Prices, r.At, r.Tokens.Prompt())
			if !ok {
				rt.Fatalf("%s has no price at %s", r.Model, r.At)
			}
			n := rates.Cost(r.Tokens)
			cost[of{r.Client, r.Model}] += n - r.Cost
			credits[of{r.Client, r.Model}] += n.WithMarkup(c.Client(r.Client).TariffAt(r.At).Added) - r.Credits
		}
		for i := range entries {
			cost[of{entries[i].Client, entries[i].Model}] -= entries[i].Cost
			credits[of{entries[i].Client, entries[i].Model}] -= entries[i].Credits
		}
		for at, n := range cost {
			if n != 0 || credits[at] != 0 {
				rt.Fatalf("%+v: %d of cost and %d of credits are booked by nobody", at, n, credits[at])
			}
		}
		if report, err := w.engine.verifyStore(context.Background(), 0); err != nil || !report.OK {
			rt.Fatalf("%+v, %v", report, err)
		}
	})
}
