package engine

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// What a client pays changes from a date on, by its own prices where it has some, and what
// was booked stays.
func TestTariff(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`), upstreamKey)
	const model = "gpt-mini"
	cl := do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Aurora"), Markup: to(control.Percent(2000))}})
	if len(cl.Tariffs) != 1 || !cl.Tariffs[0].From.IsZero() {
		t.Fatalf("made with %+v", cl.Tariffs)
	}
	key := do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug})
	pays := func() (credits, cost tally.NanoUSD) {
		t.Helper()
		was := do(w, control.ClientsShow, control.Named{Name: cl.Slug}).Month
		w.served(key.Key, model)
		now := do(w, control.ClientsShow, control.Named{Name: cl.Slug}).Month
		return now.CreditsNanoUSD - was.CreditsNanoUSD, now.CostNanoUSD - was.CostNanoUSD
	}
	credits, cost := pays()
	if credits != cost.WithMarkup(2000) || cost == 0 {
		t.Errorf("with 20 %%: %d for %d", credits, cost)
	}
	do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, Percent: to(control.Percent(-1000)), Minimum: to(control.Amount(50 * tally.Dollar))})
	if credits, cost = pays(); credits != cost.WithMarkup(-1000) {
		t.Errorf("with 10 %% less: %d for %d", credits, cost)
	}
	w.wait(time.Second)
	do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, Prices: modelPrices(t, model+":request=1,input=0,output=0")})
	if credits, _ = pays(); credits != tally.Dollar {
		t.Errorf("with a price of a request: %d", credits)
	}
	// One that comes later changes nothing now; it begins with what counts then.
	got := do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, From: control.Date(w.clock().AddDate(0, 1, 0).Format("2006-01-02")), Prices: modelPrices(t, model+":none")})
	if credits, _ = pays(); credits != tally.Dollar {
		t.Errorf("before the date: %d", credits)
	}
	if last := got.Tariffs[len(got.Tariffs)-1]; last.Added != -1000 || last.Minimum != 50*tally.Dollar || last.Fixed != nil {
		t.Errorf("begins as %+v", last)
	}
	for _, tc := range []struct {
		in   control.SetTariff
		code tally.Code
		says string
	}{
		{control.SetTariff{}, tally.Invalid, "say what changes"},
		{control.SetTariff{Prices: modelPrices(t, "gpt-9:input=1")}, tally.NotFound, "gpt-9"},
		{control.SetTariff{Prices: modelPrices(t, model+":speed=1")}, tally.Invalid, "not a class"},
		{control.SetTariff{Prices: modelPrices(t, model+":none", model+":image=1")}, tally.Invalid, "billed by tokens"},
		{control.SetTariff{From: "2020-01-01", Prices: modelPrices(t, model+":none")}, tally.NotFound, "no fixed price"},
		{control.SetTariff{Minimum: to(control.Amount(-1))}, tally.Invalid, "the minimum"},
		{control.SetTariff{From: "soonish", Minimum: to(control.Amount(1))}, tally.Invalid, "soonish"},
	} {
		tc.in.Client = cl.Slug
		refused(w, control.ClientsTariff, tc.in, tc.code, tc.says)
	}
}

func modelPrices(t *testing.T, texts ...string) []control.ModelPrice {
	t.Helper()
	var out []control.ModelPrice
	for _, text := range texts {
		var m control.ModelPrice
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}
