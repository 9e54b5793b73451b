package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// written is a model's prices as people compare them: what each row names, and
// its kind.
func written(m *tally.Model) (out []string) {
	for _, p := range m.Prices {
		words := []string{"always"}
		if !p.From.IsZero() {
			words[0] = p.From.UTC().Format("2006-01-02T15:04")
		}
		if !p.Until.IsZero() {
			words = append(words, "until "+p.Until.UTC().Format("2006-01-02T15:04"))
		}
		if p.Tier != "" {
			words = append(words, string(p.Tier))
		}
		if len(p.Hours) > 0 {
			words = append(words, p.Hours.String())
		}
		if p.AboveTokens > 0 {
			words = append(words, fmt.Sprint(">", p.AboveTokens))
		}
		for _, c := range tally.AllClasses {
			if rate := *p.Rate(c); rate != nil {
				words = append(words, c.String()+" "+rate.String())
			}
		}
		if p.Request != 0 {
			words = append(words, "call "+p.Request.String())
		}
		for _, name := range []tally.Piece{tally.Search, "google_search"} {
			if n, ok := p.Pieces[name]; ok {
				words = append(words, string(name)+" "+n.String())
			}
		}
		by, _, _ := strings.Cut(p.Source, ":")
		out = append(out, strings.Join(append(words, "by", by), " "))
	}
	return out
}

// same asserts the rows of a model, and that each has a name of its own.
func same(t testing.TB, m *tally.Model, want ...string) {
	t.Helper()
	if got := written(m); !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", m.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	names := map[tally.ID]bool{}
	for _, p := range m.Prices {
		if p.ID == "" || names[p.ID] {
			t.Errorf("%s: a row is called %q, or two are", m.Name, p.ID)
		}
		names[p.ID] = true
	}
}

func (w *world) setPrice(model, from string, prices ...control.PriceField) *tally.Model {
	w.Helper()
	m := do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: model}, ModelFields: control.ModelFields{Prices: prices, PriceFrom: control.Date(from)}})
	return &m.Model
}

// A price by hand is added: nothing that was charged by is changed or taken away.
func TestPricesByHand(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-mystery"}`)
	w.provider("up", u)
	rows := []string{
		"always input 0.15 cached_input 0.075 output 0.6 by price book",
		"always >100000 input 0.3 cache_write 0.3 cache_write_long 0.3 audio_in 0.3 image_in 0.3 output 1.2 reasoning 1.2 audio_out 1.2 image_out 1.2 by price book",
	}
	band := rows[1][len("always"):strings.Index(rows[1], " by")]
	view := do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"})
	same(t, &view.Model, rows...)
	// One figure is corrected from now on: the others, and the band, stay.
	rows = append(rows, "2026-11-21T12:07 input 0.15 cached_input 0.05 output 0.6 by owner", "2026-11-21T12:07"+band+" by owner")
	same(t, w.setPrice("gpt-mini", "", price("cached_input", "0.05")), rows...)
	// A date without a zone is of the oldest gateway's zone; what comes later stays.
	rows = append(rows, "2027-07-31T23:00 input 0.2 cached_input 0.05 output 0.6 call 0.001 search 0.01 by owner", "2027-07-31T23:00"+band+" by owner")
	same(t, w.setPrice("gpt-mini", "2027-08-01", price("input", "0.2"), price("request", "0.001"), price("search", "0.01")), rows...)
	w.wait(time.Minute)
	rows = append(rows, "2026-11-21T12:08 input 0.15 cached_input 0.05 output 9 audio_out 20 by owner", "2026-11-21T12:08"+band+" by owner")
	same(t, w.setPrice("gpt-mini", "", price("output", "9"), price("audio_out", "20")), rows...)
	// Rates that are not given are those in force on the date, not today's; the same
	// date again goes before what was set for it.
	m := w.setPrice("gpt-mini", "2027-08-01", price("input", "0.25"))
	if got := written(m); len(got) != 10 || got[8] != "2027-07-31T23:00 input 0.25 cached_input 0.05 output 0.6 call 0.001 search 0.01 by owner" {
		t.Errorf("for the same date:\n%s", strings.Join(got, "\n"))
	}
	if r, _ := tally.PriceAt(m.Prices, time.Date(2027, 8, 2, 0, 0, 0, 0, time.UTC), 1); r.Of[tally.ClassInput] != 250_000_000 {
		t.Errorf("in August the input costs %s", r.Of[tally.ClassInput])
	}
	if r, _ := tally.PriceAt(m.Prices, noon.Add(-time.Hour), 1); r.Of[tally.ClassOutput] != 600_000_000 || r.Of[tally.ClassCachedInput] != 75_000_000 {
		t.Errorf("an hour ago it cost %+v", r)
	}
	// Without any price before, it has this one from ever.
	same(t, w.setPrice("gpt-mystery", "", price("input", "0"), price("output", "0"), price("request", "0.01")), "always input 0 output 0 call 0.01 by owner")
	same(t, w.setPrice("gpt-mystery", "", price("input", "1")), "always input 0 output 0 call 0.01 by owner", "2026-11-21T12:08 input 1 output 0 call 0.01 by owner")
	for _, tc := range []struct {
		from   string
		prices []control.PriceField
		says   string
	}{
		{"", []control.PriceField{{Class: "input", Amount: -1}}, "between $0"},
		{"", []control.PriceField{{Class: "input", Amount: 1 << 62}}, "between $0"},
		{"", []control.PriceField{{Class: "ouput", Amount: 1}}, "one of input, cached_input, cache_write, cache_write_long, audio_in, image_in, output, reasoning, audio_out, image_out"},
		{"", []control.PriceField{{Class: "google_search", Amount: 1}}, "search, in USD each"},
		{"", []control.PriceField{price("input", "1"), price("input", "2")}, "twice"},
		{"2027-02-31", []control.PriceField{price("input", "1")}, "midnight in Europe/Lisbon"},
		{"90d", []control.PriceField{price("input", "1")}, "not a date"},
		{"2027-02-01", nil, "no price"},
	} {
		refused(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "gpt-mini"}, ModelFields: control.ModelFields{Prices: tc.prices, PriceFrom: control.Date(tc.from)}}, tally.Invalid, tc.says)
	}
	made := do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "mine", ModelFields: control.ModelFields{Upstream: to("gpt-large"), Prices: []control.PriceField{price("input", "2")}}})
	same(t, &made.Model, "always input 2.5 output 10 by price book", "always input 2 output 10 by owner")
	if r, _ := tally.PriceAt(made.Prices, noon, 1); r.Of[tally.ClassInput] != 2*tally.Dollar {
		t.Errorf("a new model's input costs %s", r.Of[tally.ClassInput])
	}
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "calls", ModelFields: control.ModelFields{Prices: []control.PriceField{price("request", "0.01")}}}, tally.Invalid, "input=0")
	w.consistent()
}

// A correction at a cheap hour is of the price of all hours, and keeps the cheap
// one; what is announced stays announced.
func TestPricesByHandKeepHoursTiersAndWhatIsAnnounced(t *testing.T) {
	hours, err := tally.ParseHours("Sat 00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	usd := func(n tally.NanoUSD) *tally.NanoUSD { n *= tally.Dollar; return &n }
	later := noon.AddDate(0, 1, 0)
	m := &tally.Model{Meta: tally.Meta{ID: "mo_1"}, Name: "m", Prices: tally.Prices{
		{Input: usd(4), Output: usd(8), Pieces: map[tally.Piece]tally.NanoUSD{tally.Search: 1, "google_search": 2}},
		{Hours: hours, Input: usd(2), Output: usd(4)}, {Tier: tally.TierFast, Input: usd(8), Output: usd(16)}, {From: later, Input: usd(5), Output: usd(9)},
	}}
	m.Rev = 1
	for i := range m.Prices {
		m.Prices[i].NameRow("m")
	}
	if err := setPrices(m, priceEdit{figures: []control.PriceField{price("output", "7"), price("search", "0.5")}}, time.UTC, noon); err != nil { // a Saturday
		t.Fatal(err)
	}
	same(t, m,
		"always input 4 output 8 search 0.000000001 google_search 0.000000002 by ",
		"always Sat 00:00-24:00 input 2 output 4 by ", "always fast input 8 output 16 by ", "2026-12-21T12:07 input 5 output 9 by ",
		"2026-11-21T12:07 input 4 output 7 search 0.5 google_search 0.000000002 by owner",
		"2026-11-21T12:07 Sat 00:00-24:00 input 2 output 4 search 0.5 google_search 0.000000002 by owner",
		"2026-11-21T12:07 fast input 8 output 16 search 0.5 google_search 0.000000002 by owner")
	for at, want := range map[time.Time]tally.NanoUSD{noon.Add(time.Hour): 4, noon.AddDate(0, 0, 2): 7, later: 9} {
		if r, _ := tally.PriceAt(m.Prices, at, 1); r.Of[tally.ClassOutput] != want*tally.Dollar {
			t.Errorf("on %v: %s, want %d", at, r.Of[tally.ClassOutput], want)
		}
	}
	// A tier is never cheaper than the plain price in a class, whatever is corrected.
	m.Prices = append(m.Prices, tally.Price{From: noon, Tier: tally.TierFlex, Input: usd(2), Output: usd(4)})
	for _, edit := range [][]control.PriceField{{price("input", "1")}, {price("input", "20"), price("cached_input", "0.1")}, {price("reasoning", "99"), price("cached_input", "15")}} {
		if err := setPrices(m, priceEdit{figures: edit, from: "2026-11-24T12:00:00Z"}, time.UTC, noon); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		for _, tier := range []tally.Tier{tally.TierFast, tally.TierFlex} {
			plain, q := tally.QuoteAt(m.Prices, at, "", 1), tally.QuoteAt(m.Prices, at, tier, 1)
			for _, c := range tally.AllClasses {
				if q.Of[c] < plain.Of[c] {
					t.Errorf("%v: %s %s is %s, the plain one %s", edit, tier, c, q.Of[c], plain.Of[c])
				}
			}
		}
	}
}
