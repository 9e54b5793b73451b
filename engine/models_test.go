package engine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func price(class string, usd string) control.PriceField {
	n, err := tally.ParseUSD(usd)
	if err != nil {
		panic(err)
	}
	return control.PriceField{Class: class, Amount: n}
}

// A price that begins later counts from then on, to the nano-dollar.
func TestPriceFromADate(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t)
	w.provider("up", u)
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "m"}, ModelFields: control.ModelFields{PriceFrom: "2026-11-22T00:00:00Z", Prices: []control.PriceField{price("output", "101")}}})
	cost := func() tally.NanoUSD {
		return do(w, control.RequestsShow, control.PickRequest{ID: w.served(key, "m").id}).CostNanoUSD
	}
	if got, want := cost(), 1_010_000; got != tally.NanoUSD(want) {
		t.Errorf("before: %d, want %d", got, want)
	}
	w.wait(12 * time.Hour) // 00:07 UTC
	if got, want := cost(), 1_000_000+1_010_000; got != tally.NanoUSD(want) {
		t.Errorf("after: %d, want %d", got, want)
	}
}

func TestModels(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u)
	// What the book knows need not be said; a local upstream costs nothing.
	large := do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "big", ModelFields: control.ModelFields{Upstream: to("gpt-large")}})
	if large.Zone != "Europe/Lisbon" || large.Upstream != "gpt-large" || large.ContextTokens != 400000 || len(large.Prices) != 1 || *large.Prices[0].Input != 2_500_000_000 {
		t.Errorf("big %+v", large)
	}
	w.served(key, "big")
	if _, bodies := u.seen(); !strings.Contains(bodies[len(bodies)-1], `"gpt-large"`) {
		t.Errorf("the upstream was asked %s", bodies[len(bodies)-1])
	}
	if free := do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "free"}); len(free.Prices) != 1 || *free.Prices[0].Input != 0 {
		t.Errorf("free %+v", free)
	}
	bare := do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "bare", ModelFields: control.ModelFields{ContextTokens: to(int64(1000)), MaxOutputTokens: to(int64(100)), ImageTokens: to(int64(900)), AllowExtras: to(true), Enabled: to(false)}})
	if bare.ImageTokens != 900 || !bare.AllowExtras || bare.ContextTokens != 1000 || bare.MaxOutputTokens != 100 || bare.Enabled || bare.Prices != nil {
		t.Errorf("bare %+v", bare)
	}
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "big"}, tally.Conflict, "big", "tallygate models update")
	do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "big"}) // another provider's
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "nope", Name: "x"}, tally.NotFound)
	for _, name := range []string{"", "a b", `a"b`, "a\nb", strings.Repeat("x", 201)} {
		refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: name}, tally.Invalid, "name")
	}
	for _, f := range []control.ModelFields{{ContextTokens: to(int64(-1))}, {MaxOutputTokens: to(int64(1 << 60))}, {ImageTokens: to(int64(-1))}, {Upstream: to("a b")}, {}} {
		refused(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "bare"}, ModelFields: f}, tally.Invalid)
	}
	pick := control.PickModel{Model: "big", Provider: "up"}
	if m := do(w, control.ModelsDisable, pick); m.Enabled {
		t.Errorf("disabled %+v", m)
	}
	if a := w.served(key, "big"); a.text == "hello from upstream" {
		t.Error("a disabled model answered")
	}
	do(w, control.ModelsEnable, pick)
	names := func(in control.ListModels) (out []string) {
		for _, m := range do(w, control.ModelsList, in) {
			out = append(out, m.ProviderName+"/"+m.Name)
		}
		slices.Sort(out)
		return out
	}
	for _, tc := range []struct {
		in   control.ListModels
		want []string
	}{
		{control.ListModels{Provider: "up"}, []string{"up/bare", "up/big", "up/gpt-mini"}},
		{control.ListModels{Provider: "up", Usable: true}, []string{"up/big", "up/gpt-mini"}},
		{control.ListModels{Rows: control.Rows{Filter: "BIG"}}, []string{"sim/big", "up/big"}},
		{control.ListModels{Rows: control.Rows{Filter: "gpt-large"}}, []string{"up/big"}},
		{control.ListModels{Rows: control.Rows{Filter: "nothing"}}, nil},
	} {
		if got := names(tc.in); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.in, got, tc.want)
		}
	}
	do(w, control.ModelsEnable, control.PickModel{Model: "bare"})
	if got := names(control.ListModels{Usable: true, Rows: control.Rows{Filter: "bare"}}); got != nil {
		t.Errorf("a model without a price is usable: %q", got)
	}
	do(w, control.SettingsSet, control.SettingsFields{Unpriced: to(tally.AllowAtZero)})
	if got := names(control.ListModels{Usable: true, Rows: control.Rows{Filter: "bare"}}); len(got) != 1 {
		t.Error("with the policy to allow, a model without a price is not usable")
	}
	do(w, control.ModelsDelete, pick)
	refused(w, control.ModelsShow, pick, tally.NotFound, "gpt-mini")
	if v := do(w, control.ModelsShow, control.PickModel{Model: "big"}); v.ProviderName != "sim" || v.Last30Days.Requests != 1 {
		t.Errorf("shown %+v", v)
	}
	w.consistent()
}

// Two providers have a model of one name, and one of them costs nothing: each row has what
// its provider answered. What nobody knows the provider of is in neither, and is told.
func TestModelsOfOneNameHaveSumsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	w.provider("paid", newUpstream(w))
	dear := do(w, control.ModelsCreate, control.CreateModel{Provider: "paid", Name: "both", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "10"), price("output", "0")}}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "both", ModelFields: control.ModelFields{Enabled: to(false)}})
	w.served(key, "both")
	w.served(key, "both")
	do(w, control.AuditUndo, control.UndoChange{}) // it was never used, though its name was
	free := do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "both"})
	do(w, control.ModelsDisable, control.PickModel{Model: string(dear.ID)})
	w.served(key, "both")
	w.settled(1, func(r *tally.Record) { r.Model, r.Outcome, r.Cost = "both", tally.Lost, 7 })

	total := tally.NanoUSD(0)
	for _, r := range do(w, control.UsageShow, control.UsageQuery{By: "model"}).Rows {
		if r.Name == "both" {
			total = r.CostNanoUSD
		}
	}
	paid, none := do(w, control.ModelsShow, control.PickModel{Model: string(dear.ID)}), do(w, control.ModelsShow, control.PickModel{Model: string(free.ID)})
	for _, v := range do(w, control.ModelsList, control.ListModels{}) {
		if v.ID == paid.ID && !reflect.DeepEqual(v, paid) || v.ID == none.ID && !reflect.DeepEqual(v, none) {
			t.Errorf("listed %+v", v)
		}
	}
	if paid.Month.Requests != 2 || paid.Month.CostNanoUSD != 20_000_000 || paid.Month != paid.Last30Days {
		t.Errorf("the one that costs: %+v, %+v", paid.Month, paid.Last30Days)
	}
	if none.Month.Requests != 1 || none.Month.CostNanoUSD != 0 {
		t.Errorf("the free one: %+v", none.Month)
	}
	if paid.ElsewhereNanoUSD != 7 || paid.Month.CostNanoUSD+none.Month.CostNanoUSD+paid.ElsewhereNanoUSD != total {
		t.Errorf("under the name %d; at providers %d and %d; elsewhere %d", total, paid.Month.CostNanoUSD, none.Month.CostNanoUSD, paid.ElsewhereNanoUSD)
	}
}

func TestImportIsBounded(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	u.set(func(u *upstream) {
		for i := range 300 {
			u.models = append(u.models, fmt.Sprintf(`{"id":"junk-%d"}`, i))
		}
	})
	got := w.provider("up", u).Import
	if got.Offered != 300 || got.Added != maxUnpriced || len(got.Unpriced) != maxNamed || !strings.Contains(got.Warning, "200 more models were left out") {
		t.Errorf("offered %d, added %d, named %d, warning %q", got.Offered, got.Added, len(got.Unpriced), got.Warning)
	}
}
