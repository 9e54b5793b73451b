package engine

import (
	"slices"
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (w *world) importList(text string, choice control.ChoosePrices) control.Imported {
	w.Helper()
	return do(w, control.PricesImport, control.ImportPrices{From: control.FromFile, Name: "list.json", Text: text, ChoosePrices: choice})
}

// A list of others brings what is plausible, leaves what looks wrong until it is accepted, and
// never adds a model or edits a row.
func TestImportPriceList(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`, `{"id":"embed-small"}`, `{"id":"mystery"}`))
	models := len(w.engine.catalog.Load().Models)
	list := `{"gpt-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2e-07, "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08, "input_cost_per_token_above_100k_tokens": 3e-07, "output_cost_per_token_above_100k_tokens": 1.2e-06},
		"gpt-large": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.0025, "output_cost_per_token": 0.01},
		"mystery": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5, "output_cost_per_token": 10},
		"embed-small": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": NaN},
		"elsewhere": {"litellm_provider": "azure", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "output_cost_per_video_per_second": 0.5}}`
	before := w.engine.catalog.Load().Rev
	dry := w.importList(list, control.ChoosePrices{DryRun: true})
	if w.engine.catalog.Load().Rev != before || dry.Format != "LiteLLM" || dry.Offered != 5 || dry.Matched != 4 || !slices.Equal(dry.Left, []string{"output_cost_per_video_per_second"}) {
		t.Errorf("dry run: %+v", dry)
	}
	got := w.importList(list, control.ChoosePrices{})
	expectChanges(t, got,
		"embed-small > refused: its price of input_cost_per_token is not a number",
		"gpt-large input 2.5>2500 99900.0 refused: about 1,000 times as much: it looks like a price per thousand tokens",
		"gpt-large output 10>10000 99900.0 refused: about 1,000 times as much: it looks like a price per thousand tokens",
		"gpt-mini input 0.15>0.2 33.3",
		"mystery > refused: input is over $10,000 per million tokens: it looks like a price in another unit")
	if !slices.Equal(got.Refused, []string{"embed-small", "gpt-large", "mystery"}) || len(w.engine.catalog.Load().Models) != models {
		t.Errorf("refused %q", got.Refused)
	}
	m := do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"})
	if len(m.Prices) != 4 || m.InputUSD != "0.2" || m.Prices[2].Source != "file list.json (LiteLLM)" || m.Prices[0].Input.String() != "0.15" {
		t.Errorf("gpt-mini: %+v", m.Prices)
	}
	if again := w.importList(list, control.ChoosePrices{Leave: []string{"gpt-large"}}); len(again.Changes) != 4 || slices.Contains(again.Refused, "gpt-large") {
		t.Errorf("again, without one: %+v", again)
	}
	if taken := w.importList(list, control.ChoosePrices{Accept: []string{"gpt-large"}}); !slices.ContainsFunc(taken.Changes, func(c control.PriceChange) bool { return c.Model == "gpt-large" && c.Applied }) {
		t.Errorf("accepted: %+v", taken)
	}
	// The price book says what it was, and is older than what was taken.
	book := do(w, control.PricesImport, control.ImportPrices{From: control.FromBook, Provider: "up"})
	if book.Matched != 3 || !slices.Equal(book.Refused, []string{"gpt-large", "gpt-mini"}) {
		t.Errorf("the book: %+v", book)
	}
	do(w, control.PricesImport, control.ImportPrices{From: control.FromBook, ChoosePrices: control.ChoosePrices{AcceptAll: true}})
	if m := do(w, control.ModelsShow, control.PickModel{Model: "gpt-large"}); m.InputUSD != "2.5" {
		t.Errorf("by the book again: %s", m.InputUSD)
	}
	for says, in := range map[string]control.ImportPrices{
		"where prices come from": {}, "empty": {From: control.FromFile}, "no list of prices": {From: control.FromFile, Text: `{"a": 1}`},
	} {
		refused(w, control.PricesImport, in, tally.Invalid, says)
	}
	refused(w, control.PricesImport, control.ImportPrices{From: control.FromProvider, Provider: "upp"}, tally.NotFound, "up")
	refused(w, control.PricesImport, control.ImportPrices{From: control.FromBook, ChoosePrices: control.ChoosePrices{Accept: []string{"gpt-larg"}}}, tally.NotFound, "gpt-large")
	if none := w.importList(`{"x": {"litellm_provider": "y", "input_cost_per_token": 1, "output_cost_per_token": 1}}`, control.ChoosePrices{}); none.Warning == "" {
		t.Error("nobody says that no model was found")
	}
	w.consistent()
}

// What one tallygate lists another one takes over: no figure differs, in JSON and in CSV.
func TestPricesListedAreRead(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`))
	mini := control.PickModel{Model: "gpt-mini"}
	do(w, control.PricesSet, control.SetPrice{PickModel: mini, Prices: []control.PriceField{price("input", "0.2"), price("search", "0.01"), price("audio_in", "3")}})
	do(w, control.PricesSet, control.SetPrice{PickModel: mini, Prices: []control.PriceField{price("input", "0.1")}, Hours: "Mon-Fri 22:00-06:00"})
	do(w, control.PricesSet, control.SetPrice{PickModel: mini, Prices: []control.PriceField{price("output", "3"), price("input", "1")}, Tier: tally.TierPriority})
	do(w, control.PricesSet, control.SetPrice{PickModel: mini, Prices: []control.PriceField{price("output", "7")}, From: "2027-07-01"})
	rows := do(w, control.PricesList, control.ListPrices{Provider: "up"})
	for _, format := range []control.Format{control.JSON, control.CSV} {
		var text strings.Builder
		out := control.PriceRowTable.Writer(&text, format)
		for i := range rows {
			if err := out.Write(&rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.End(); err != nil {
			t.Fatal(err)
		}
		if got := w.importList(text.String(), control.ChoosePrices{AcceptAll: true}); len(got.Changes) != 0 || got.Matched != 2 {
			t.Errorf("%s: %v\n%s", format, changesOf(got), text.String())
		}
	}
}
