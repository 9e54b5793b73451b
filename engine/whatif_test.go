package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// asks books what requests for a model have used, at what a model costs.
func (w *world) asks(cl *tally.Client, model string, tokens ...tally.Tokens) (cost, credits tally.NanoUSD) {
	m := w.engine.catalog.Load().ModelsNamed(model)[0]
	for _, n := range tokens {
		q := tally.QuoteAt(m.Prices, w.clock(), "", n.Prompt())
		terms, spent := cl.Terms(w.clock(), model), tally.Spent{Cost: q.Cost(n), Tokens: n}
		w.settled(1, func(r *tally.Record) {
			r.Gateway, r.Client, r.Provider, r.Model, r.Upstream, r.Price = cl.Gateway, cl.ID, m.Provider, model, m.UpstreamName(), q.ID()
			r.Basis, r.Tokens, r.Cost, r.Credits = tally.Exact, n, spent.Cost, terms.Credits(&spent)
			if cl.ID == "" {
				r.Credits = r.Cost
			}
			cost, credits = cost+r.Cost, credits+r.Credits
		})
	}
	return cost, credits
}

// What other models would have cost is the price of each request's tokens: by its record where
// the price has bands, by sums where it has none, and the same to the nano for each request.
func TestWhatOtherModelsWouldHaveCost(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`, `{"id":"embed-small"}`), upstreamKey)
	cl := do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Aurora"), Markup: to(control.Percent(2000))}})
	visitors := tally.Client{Gateway: cl.Gateway}
	short, long := tally.Tokens{Input: 1001, CachedInput: 3000, Output: 77, Reasoning: 33}, tally.Tokens{Input: 150_000, Output: 1}
	cost, credits := w.asks(&cl, "gpt-large", short, short, long)
	own, _ := w.asks(&visitors, "gpt-large", short)
	w.asks(&cl, "gpt-mini", short, long)
	mini := w.engine.catalog.Load().ModelsNamed("gpt-mini")[0]
	at := func(n tally.Tokens) tally.NanoUSD {
		q := tally.QuoteAt(mini.Prices, w.clock(), "", n.Prompt())
		return q.Cost(n)
	}
	row := func(out control.WhatIfDone, model string) control.WhatIfRow {
		t.Helper()
		for _, r := range out.Rows {
			if r.Model == model {
				return r
			}
		}
		t.Fatalf("nothing of %s in %+v", model, out.Rows)
		return control.WhatIfRow{}
	}

	before := do(w, control.UsageShow, control.UsageQuery{By: "client"}).Total
	out := do(w, control.PricesWhatIf, control.WhatIf{Models: map[string]string{"gpt-large": "gpt-mini"}})
	got, want := row(out, "gpt-large"), 3*at(short)+at(long)
	if got.From != "records" || got.Requests != 4 || got.CostWas != cost+own || got.CreditsWas != credits+own || got.CostIs != want || got.Estimated != 0 {
		t.Errorf("got %+v, want %v, of %v", got, want, cost+own)
	}
	charged := at(short) + (2*at(short).WithMarkup(2000) + at(long).WithMarkup(2000)) // visitors at cost
	if got.CreditsIs != charged {
		t.Errorf("charged %v, want %v", got.CreditsIs, charged)
	}
	if rest := row(out, "gpt-mini"); rest.From != "as booked" || rest.CostWas != rest.CostIs || out.CostIs != want+rest.CostIs {
		t.Errorf("what stays: %+v of %v", rest, out.CostIs)
	}
	if after := do(w, control.UsageShow, control.UsageQuery{By: "client"}).Total; after != before {
		t.Error("what was booked has changed")
	}

	// The other way round the price is flat, so sums tell it.
	large := w.engine.catalog.Load().ModelsNamed("gpt-large")[0]
	flat := tally.QuoteAt(large.Prices, w.clock(), "", 0)
	got = row(do(w, control.PricesWhatIf, control.WhatIf{Client: cl.Slug, Models: map[string]string{"gpt-mini": "gpt-large"}}), "gpt-mini")
	want = flat.Cost(short) + flat.Cost(long)
	if got.From != "sums" || got.CostIs > want || want-got.CostIs > 2 || got.To != "gpt-large" || got.Provider != "up" {
		t.Errorf("from sums: %+v, want %v", got, want)
	}

	// Without the records of a band the sums stand in, and that is said.
	w.wait(3 * 24 * time.Hour)
	if _, err := w.store.Prune(context.Background(), storage.Before(w.clock()), 0); err != nil {
		t.Fatal(err)
	}
	got = row(do(w, control.PricesWhatIf, control.WhatIf{Models: map[string]string{"gpt-large": "gpt-mini"}}), "gpt-large")
	if got.Estimated != 4 || !strings.Contains(got.Why, "deleted") || got.CostIs <= 0 || got.CostIs >= 3*at(short)+at(long) {
		t.Errorf("without records: %+v", got)
	}
	refused(w, control.PricesWhatIf, control.WhatIf{Models: map[string]string{"gpt-large": "gpt-minni"}}, tally.NotFound, "gpt-mini")
	refused(w, control.PricesWhatIf, control.WhatIf{Models: map[string]string{"gpt-larg": "gpt-mini"}}, tally.NotFound, "gpt-large")
	refused(w, control.PricesWhatIf, control.WhatIf{}, tally.Invalid, "--model", "--tariff")
}

// Another tariff is what clients would have paid for the same requests, from its date on, and
// at least its minimum; those that no client sent are nobody's to pay.
func TestWhatAnotherTariffWouldHaveBilled(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-large"}`), upstreamKey)
	cl, _ := w.client("Aurora")
	first := w.clock()
	cost, _ := w.asks(&cl, "gpt-large", tally.Tokens{Input: 1000, Output: 10})
	w.asks(&tally.Client{Gateway: cl.Gateway}, "gpt-large", tally.Tokens{Input: 1000})
	w.wait(48 * time.Hour)
	later, _ := w.asks(&cl, "gpt-large", tally.Tokens{Input: 2000, Output: 20})
	ask := func(rows ...string) control.WhatIfDone {
		t.Helper()
		in := control.WhatIf{Month: "this"}
		for _, text := range rows {
			var r control.TariffRow
			if err := r.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			in.Tariff = append(in.Tariff, r)
		}
		return do(w, control.PricesWhatIf, in)
	}
	own := ask("percent=0").CreditsIs - cost - later
	if own <= 0 {
		t.Errorf("of visitors: %v", own)
	}
	if got := ask("percent=30"); got.CostIs != got.CostWas || got.CreditsIs != own+cost.WithMarkup(3000)+later.WithMarkup(3000) || got.Rows[0].From != "sums" {
		t.Errorf("30 %% more: %+v", got)
	}
	// One from a date on that lies within a quarter of an hour goes by records.
	from := first.Add(time.Hour).Format(time.RFC3339)
	if got := ask("percent=0", "from="+from+";percent=30"); got.CreditsIs != own+cost+later.WithMarkup(3000) || got.Rows[0].From != "records" {
		t.Errorf("30 %% from a date on: %+v", got)
	}
	if got := ask("percent=0;gpt-large:input=100,output=0"); got.CreditsIs != own+300_000_000 {
		t.Errorf("a fixed price: %+v", got)
	}
	// The other client has used nothing, and pays all of its minimum.
	if got := ask("percent=0;minimum=20"); got.MinimumIs != 40*tally.Dollar-cost-later || got.MinimumWas != 0 {
		t.Errorf("a minimum: %+v", got)
	}
	refused(w, control.PricesWhatIf, control.WhatIf{Tariff: []control.TariffRow{{Minimum: tally.Dollar}}}, tally.Invalid, "month")
}

// Amounts that are too large to be counted stay the largest that there is.
func TestWhatIfOfTooMuch(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`), upstreamKey)
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "gpt-large"}, ModelFields: control.ModelFields{
		Prices: []control.PriceField{{Class: "input", Amount: tally.MaxMoney}, {Class: "output", Amount: tally.MaxMoney}}}})
	for _, name := range []string{"Aurora", "Borealis"} {
		cl, _ := w.client(name)
		w.asks(&cl, "gpt-mini", tally.Tokens{Input: 1e9})
	}
	out := do(w, control.PricesWhatIf, control.WhatIf{Models: map[string]string{"gpt-mini": "gpt-large"}})
	if out.CostIs < out.CostWas || out.CreditsIs < out.CreditsWas || out.Rows[0].CostIs < out.CostWas {
		t.Errorf("%+v", out)
	}
}
