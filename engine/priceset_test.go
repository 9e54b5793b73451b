package engine

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A price is set for a part of the requests: what it does not say stays, and what ends gives
// way to what was there before.
func TestSetPrice(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"none"}`))
	set := func(in control.SetPrice) control.PriceSet {
		t.Helper()
		in.Model = "gpt-mini"
		return do(w, control.PricesSet, in)
	}
	rate := func(m *tally.Model, at time.Time, tier tally.Tier, prompt int64, c tally.Class) string {
		q := tally.QuoteAt(m.Prices, at, tier, prompt)
		return q.Of[c].String()
	}
	saturday := noon.Add(time.Hour) // at 13:07 UTC
	for i, step := range []struct {
		in   control.SetPrice
		at   time.Time
		tier tally.Tier
		long int64
		of   tally.Class
		want string
	}{
		{control.SetPrice{Prices: []control.PriceField{price("input", "0.40")}, Above: 200_000}, saturday, "", 200_001, tally.ClassInput, "0.4"},
		{control.SetPrice{}, saturday, "", 200_001, tally.ClassOutput, "1.2"},        // of the band below
		{control.SetPrice{}, saturday, "", 200_001, tally.ClassAudioInput, "0.4"},    // as its parent
		{control.SetPrice{}, saturday, "", 150_000, tally.ClassInput, "0.3"},         // what was there
		{control.SetPrice{}, saturday, "", 200_001, tally.ClassCachedInput, "0.075"}, // which the price names
		{control.SetPrice{Prices: []control.PriceField{price("input", "0.10")}, Hours: "Sat 13:00-14:00"}, saturday, "", 1, tally.ClassInput, "0.1"},
		{control.SetPrice{}, saturday.Add(time.Hour), "", 1, tally.ClassInput, "0.15"},
		{control.SetPrice{Prices: []control.PriceField{price("input", "0.50"), price("output", "2")}, Tier: tally.TierPriority}, saturday, tally.TierPriority, 1, tally.ClassInput, "0.5"},
		{control.SetPrice{}, saturday, "", 1, tally.ClassInput, "0.1"},
		{control.SetPrice{}, saturday, tally.TierPriority, 200_001, tally.ClassInput, "0.5"}, // no less than below the band
		{control.SetPrice{Prices: []control.PriceField{price("output", "0.30")}, Until: "2026-12-01"}, saturday.Add(time.Hour), "", 1, tally.ClassOutput, "0.3"},
		{control.SetPrice{}, saturday, "", 1, tally.ClassInput, "0.1"},                    // the hours hold beside it
		{control.SetPrice{}, saturday.AddDate(0, 0, 10), "", 1, tally.ClassOutput, "0.6"}, // it is over
		{control.SetPrice{}, saturday.AddDate(0, 0, 14), "", 1, tally.ClassInput, "0.1"},  // a Saturday in December
		{control.SetPrice{}, saturday.AddDate(0, 0, 14), tally.TierPriority, 1, tally.ClassOutput, "2"},
		{control.SetPrice{Prices: []control.PriceField{price("input", "9")}, From: "2026-11-01"}, noon.AddDate(0, 0, -9), "", 1, tally.ClassInput, "9"},
		{control.SetPrice{}, saturday.Add(time.Hour), "", 1, tally.ClassInput, "0.15"},
	} {
		if step.in.Prices != nil {
			before := len(do(w, control.PricesList, control.ListPrices{Model: "gpt-mini"}))
			got := set(step.in)
			if rows := do(w, control.PricesList, control.ListPrices{Model: "gpt-mini"}); len(rows) != before+len(got.Added) {
				t.Errorf("step %d: %d rows, and there were %d: %d were added", i, len(rows), before, len(got.Added))
			}
		}
		m := do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"})
		if got := rate(&m.Model, step.at, step.tier, step.long, step.of); got != step.want {
			t.Errorf("step %d: %s of %s at %s for %d tokens costs %s, want %s", i, step.of, step.tier, step.at, step.long, got, step.want)
		}
	}
	if next := set(control.SetPrice{Prices: []control.PriceField{price("input", "1")}, From: "2026-11-10"}).Next; !next.Equal(noon) {
		t.Errorf("another price takes its place on %s", next)
	}
	for says, in := range map[string]control.SetPrice{
		"say what it costs": {}, "begins on": {Prices: []control.PriceField{price("input", "1")}, From: "2026-12-02", Until: "2026-12-01"},
		"are not hours": {Prices: []control.PriceField{price("input", "1")}, Hours: "noon"}, "out for what is priced by the call": {Prices: []control.PriceField{price("request", "1")}, Above: 5},
		"above 0": {Prices: []control.PriceField{price("input", "1")}, Above: -1}, "not a date": {Prices: []control.PriceField{price("input", "1")}, Until: "soon"},
		"did you mean": {Prices: []control.PriceField{price("input", "1")}, Tier: "prioritiy"},
	} {
		in.Model = "gpt-mini"
		refused(w, control.PricesSet, in, tally.Invalid, says)
	}
	refused(w, control.PricesSet, control.SetPrice{PickModel: control.PickModel{Model: "none"}, Prices: []control.PriceField{price("input", "1")}, Tier: tally.TierFlex}, tally.Invalid, "set the plain one first")
	w.consistent()
}

// Rows say whether they count, by the same rules as requests are priced.
func TestListPrices(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`))
	do(w, control.PricesSet, control.SetPrice{PickModel: control.PickModel{Model: "gpt-mini"}, Prices: []control.PriceField{price("input", "1")}, From: "2026-12-01"})
	list := func(in control.ListPrices) (out []string) {
		for _, v := range do(w, control.PricesList, in) {
			out = append(out, v.Model+" "+string(v.State)+" "+v.Price.Input.String())
		}
		return out
	}
	want := func(what string, got []string, want string) {
		t.Helper()
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", what, strings.Join(got, ", "), want)
		}
	}
	want("all of one", list(control.ListPrices{Model: "gpt-mini"}), "gpt-mini now 0.15, gpt-mini now 0.3, gpt-mini coming 1, gpt-mini coming 0.3")
	want("in December", list(control.ListPrices{Model: "gpt-mini", At: "2026-12-24"}), "gpt-mini now 1, gpt-mini now 0.3")
	want("of a provider", list(control.ListPrices{Provider: "up", At: "now", Rows: control.Rows{Filter: "model:large"}}), "gpt-large now 2.5")
	want("none is old", list(control.ListPrices{Provider: "up", Stale: 30 * 24 * time.Hour}), "")
	w.wait(20 * 24 * time.Hour)
	want("old ones", list(control.ListPrices{Model: "gpt-large", Stale: 30 * 24 * time.Hour}), "gpt-large now 2.5")
	if v := do(w, control.PricesList, control.ListPrices{Model: "gpt-large"})[0]; v.AgeDays != 40 || v.Provider != "up" || v.ID == "" || v.Source == "" {
		t.Errorf("a row: %+v", v)
	}
	refused(w, control.PricesList, control.ListPrices{Model: "gpt-larg"}, tally.NotFound, "gpt-large")
	refused(w, control.PricesList, control.ListPrices{At: "soon"}, tally.Invalid, "soon")
}

// A row that is said to count is what a request is priced by, and no row that is over is.
func TestRowStates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prices := drawRows(t)
		for i := range prices {
			prices[i].NameRow(string(rune('a' + i)))
		}
		groups := groupsOf(prices)
		at := noon.Add(time.Duration(rapid.IntRange(-3, 6).Draw(t, "hours")) * time.Hour)
		for _, tier := range []tally.Tier{"", tally.TierFast} {
			base := tally.QuoteAt(prices, at, "", 1)
			if tier != "" && base.Row == nil {
				continue
			}
			q := tally.QuoteAt(prices, at, tier, 1)
			for i, g := range groups {
				if q.Row != nil && g.base().ID == q.Row.ID && rowState(groups, i, at) != control.RowNow {
					t.Fatalf("%+v prices requests, and is said to be %s", *q.Row, rowState(groups, i, at))
				}
			}
		}
	})
}

// What is wrong with prices is told with what to do, and nothing else is.
func TestCheckPrices(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	check := func() []control.PriceFinding { t.Helper(); return do(w, control.PricesCheck, control.CheckPrices{}) }
	if got := check(); len(got) != 0 {
		t.Errorf("a new gateway: %+v", got)
	}
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`, `{"id":"mystery"}`, `{"id":"mine"}`, `{"id":"ends"}`), upstreamKey)
	w.chat(done.Key, "mystery")
	w.served(done.Key, "gpt-large")
	set := func(model string, in control.SetPrice, figures ...control.PriceField) {
		t.Helper()
		in.Model, in.Prices = model, figures
		do(w, control.PricesSet, in)
	}
	set("gpt-mini", control.SetPrice{}, price("input", "150"), price("output", "600"))
	set("mine", control.SetPrice{}, price("input", "3"), price("output", "2"), price("cached_input", "4"))
	set("mine", control.SetPrice{Hours: "Sat 01:00-04:00"}, price("input", "1"))
	set("mine", control.SetPrice{Hours: "Sat 03:00-06:00"}, price("input", "1"))
	set("ends", control.SetPrice{Until: "2026-12-24"}, price("input", "1"), price("output", "2"))
	w.wait(65 * 24 * time.Hour / 10) // six days and a half
	got := check()
	for _, want := range []struct {
		gravity control.Tone
		kind    control.PriceProblem
		model   string
		words   string
	}{
		{control.Bad, control.PriceMissing, "mystery", "has no price"},
		{control.Bad, control.PriceOdd, "gpt-mini", "about 1,000 times as much"},
		{control.Warn, control.PriceOverlap, "mine", "the later one counts"},
		{control.Warn, control.PriceOdd, "mine", "cached input ($4) is dearer"},
		{control.Warn, control.PriceGap, "ends", "from 2026-12-24 on"},
		{control.Faint, control.PriceOdd, "mine", "output ($2) is cheaper"},
	} {
		found := false
		for _, f := range got {
			found = found || f.Gravity == want.gravity && f.Kind == want.kind && f.Model == want.model && strings.Contains(f.Sentence, want.words) && strings.HasPrefix(f.Next, "tallygate ")
		}
		if !found {
			t.Errorf("nobody says %+v:\n%+v", want, got)
		}
	}
	for i := range got {
		if got[i].Model == "gpt-large" || i > 0 && got[i].Must() && !got[i-1].Must() {
			t.Errorf("told of %+v, or too late", got[i])
		}
	}
	w.wait(60 * 24 * time.Hour)
	w.served(done.Key, "gpt-large")
	found := false
	for _, f := range check() {
		found = found || f.Kind == control.PriceStale && f.Provider == "up" && f.Must() && strings.Contains(f.Sentence, "gpt-large")
	}
	if !found {
		t.Error("nobody says that the price of a model in use is old")
	}
}
