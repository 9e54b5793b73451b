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

// told is a model as OpenRouter lists it, with prices in USD per token.
func told(id, prompt, completion string, more ...string) string {
	return fmt.Sprintf(`{"id":%q,"context_length":1000,"pricing":{"prompt":%q,"completion":%q%s}}`, id, prompt, completion, strings.Join(more, ""))
}

// changesOf writes changes as people compare them.
func changesOf(got control.Imported) (out []string) {
	for _, c := range got.Changes {
		words := []string{c.Model, string(c.Tier), c.Hours.String(), c.Class, c.OldUSD + ">" + c.NewUSD, string(c.Percent)}
		if !c.From.IsZero() {
			words = append(words, c.From.Format(time.DateOnly))
		}
		if !c.Applied {
			words = append(words, "refused:")
		}
		out = append(out, strings.Join(strings.Fields(strings.Join(append(words, c.Reason), " ")), " "))
	}
	return out
}

func expectChanges(t testing.TB, got control.Imported, want ...string) {
	t.Helper()
	if list := changesOf(got); !slices.Equal(list, want) {
		t.Errorf("changes:\n%s\nwant\n%s", strings.Join(list, "\n"), strings.Join(want, "\n"))
	}
}

// An import learns what is new and what has become dearer, and leaves the
// owner's choices alone.
func TestImportingAgain(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, told("vendor/m", "0.000001", "0.000002"), told("vendor/n", "0.000001", "0.000002"), told("vendor/gone", "0.000001", "0.000002"), told("vendor/auto", "-1", "-1"))
	made := do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "openrouter", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
	expectChanges(t, made.Import, "vendor/auto > refused: the provider's list has a price of prompt that is negative")
	if i := made.Import; i.Added != 4 || i.Priced != 3 || !slices.Equal(i.Unpriced, []string{"vendor/auto"}) || !slices.Equal(i.Refused, []string{"vendor/auto"}) {
		t.Errorf("imported %+v", i)
	}
	m := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"})
	if p := m.Prices[0]; m.InputUSD != "1" || m.OutputUSD != "2" || p.Source != sourceUpstream || !p.Seen.Equal(noon) || p.ID == "" || m.ContextTokens != 1000 {
		t.Errorf("imported %+v", m)
	}
	do(w, control.ModelsDisable, control.PickModel{Model: "vendor/m"})
	w.setPrice("vendor/n", "", price("input", "9"))
	rev := w.engine.catalog.Load().Rev
	if got := do(w, control.ModelsImport, control.ImportModels{Provider: "up", ChoosePrices: control.ChoosePrices{AcceptAll: true, DryRun: true}}); len(got.Changes) != 2 || !got.DryRun {
		t.Errorf("in a dry run: %+v", got)
	}
	expectChanges(t, do(w, control.ModelsImport, control.ImportModels{Provider: "up"}),
		"vendor/n input 9>1 -88.8 refused: you have set this price", "vendor/auto > refused: the provider's list has a price of prompt that is negative")
	if w.engine.catalog.Load().Rev != rev {
		t.Error("an import that brings nothing new is a change")
	}
	w.wait(time.Hour)
	u.set(func(u *upstream) {
		u.models = []string{told("vendor/m", "0.000003", "0.000004", `,"input_cache_read":"0.0000003"`), strings.Replace(told("vendor/n", "0.000003", "0.000002"), "1000", "500", 1), `{"id":"vendor/o"}`, told("vendor/auto", "-1", "-1")}
	})
	got := do(w, control.ModelsImport, control.ImportModels{Provider: "up"})
	expectChanges(t, got, "vendor/m input 1>3 200.0", "vendor/m cached_input >0.3", "vendor/m output 2>4 100.0",
		"vendor/n input 9>3 -66.6 refused: you have set this price", "vendor/auto > refused: the provider's list has a price of prompt that is negative")
	if got.Added != 1 || got.Priced != 0 || !slices.Equal(got.Unpriced, []string{"vendor/o"}) || len(got.Missing) != 1 || got.Missing[0].Model != "vendor/gone" {
		t.Errorf("imported %+v", got)
	}
	m = do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"})
	same(t, &m.Model, "always input 1 output 2 by told by the upstream", "2026-11-21T13:07 input 3 cached_input 0.3 output 4 by told by the upstream")
	if m.Enabled || m.InputUSD != "3" || m.ContextTokens != 1000 {
		t.Errorf("vendor/m %+v", m)
	}
	refused(w, control.ModelsImport, control.ImportModels{Provider: "up", ChoosePrices: control.ChoosePrices{Accept: []string{"vendor/nn"}}}, tally.NotFound, "vendor/n")
	do(w, control.ModelsImport, control.ImportModels{Provider: "up", ChoosePrices: control.ChoosePrices{Accept: []string{"vendor/n"}}})
	n := do(w, control.ModelsShow, control.PickModel{Model: "vendor/n"})
	same(t, &n.Model, "always input 1 output 2 by told by the upstream", "2026-11-21T12:07 input 9 output 2 by owner", "2026-11-21T13:07 input 3 output 2 by told by the upstream")
	w.consistent()
}

// A list that cannot be right books nothing by itself.
func TestImplausiblePrices(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	list := func(prompt, completion string, more ...string) {
		u.set(func(u *upstream) { u.models = []string{told("vendor/m", prompt, completion, more...)} })
	}
	list("0.000002", "0.000004")
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "openrouter", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
	for _, tc := range []struct {
		prompt, completion, more string
		want                     []string
	}{
		{"0.00002", "0.00004", "", []string{"vendor/m input 2>20 900.0", "vendor/m output 4>40 900.0"}}, // ten times is believed
		{"0.000002", "0.000004", "", []string{"vendor/m input 20>2 -90.0", "vendor/m output 40>4 -90.0"}},
		{"0.000021", "0.000004", "", []string{"vendor/m input 2>21 950.0 refused: more than 10 times as much"}},
		{"0.000000199", "0.000005", "", []string{"vendor/m input 2>0.199 -90.0 refused: more than 10 times as little", "vendor/m output 4>5 25.0 refused: refused with the rest of the price"}},
		{"0", "0.000004", "", []string{"vendor/m input 2>0 -100.0 refused: it would be free"}},
		{"0.002", "0.000004", "", []string{"vendor/m input 2>2000 99900.0 refused: about 1,000 times as much: it looks like a price per thousand tokens"}},
		{"0.000000002", "0.000000004", "", []string{"vendor/m input 2>0.002 -99.9 refused: about 1,000 times as little: it looks like a price per thousand tokens",
			"vendor/m output 4>0.004 -99.9 refused: about 1,000 times as little: it looks like a price per thousand tokens"}},
		{"2", "0.000004", "", []string{"vendor/m input 2>2000000 99999900.0 refused: about 1,000,000 times as much: it looks like a price per token"}},
		{"-0.000002", "0.000004", "", []string{"vendor/m > refused: the provider's list has a price of prompt that is negative"}},
		{"0.000002", "free", "", []string{"vendor/m > refused: the provider's list has a price of completion that is not a number"}},
		{"0.000002", "0.000004", `,"input_cache_read":"0.00000002"`, []string{"vendor/m cached_input >0.02"}}, // far below the input, as such rates are
		{"0.000002", "0.000004", `,"input_cache_read":"0.00000002","request":"0.01","web_search":"0.01"`, []string{"vendor/m request >0.01", "vendor/m search >0.01"}},
		{"0.000002", "0.000004", `,"input_cache_read":"0.00000002","request":"0.01","web_search":"0.2"`, []string{"vendor/m search 0.01>0.2 1900.0 refused: more than 10 times as much"}},
	} {
		w.wait(time.Minute)
		before := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"}).Prices
		list(tc.prompt, tc.completion, tc.more)
		got := do(w, control.ModelsImport, control.ImportModels{Provider: "up"})
		expectChanges(t, got, tc.want...)
		stays := strings.Contains(strings.Join(tc.want, ""), "refused")
		if now := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"}).Prices; stays != (len(now) == len(before)) || stays != (len(got.Refused) == 1) {
			t.Errorf("%+v: %d rows, then %d; refused %q", tc, len(before), len(now), got.Refused)
		}
	}
	list("0.000021", "0.000004")
	expectChanges(t, do(w, control.ModelsImport, control.ImportModels{Provider: "up", ChoosePrices: control.ChoosePrices{AcceptAll: true}}), "vendor/m input 2>21 950.0 more than 10 times as much",
		"vendor/m cached_input 0.02> about 1,000 times as much: it looks like a price per thousand tokens", "vendor/m request 0.01> it would be free", "vendor/m search 0.01> it would be free")
	if m := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"}); m.InputUSD != "21" {
		t.Errorf("accepted, the input costs %s", m.InputUSD)
	}
	w.consistent()
}

// What no import may do at once, several within a day may not either; and a price
// in another unit is none, where nothing is known to compare it with.
func TestCreepingPrices(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	list := func(models ...string) { u.set(func(u *upstream) { u.models = models }) }
	list(told("vendor/m", "0.000002", "0.000004"), told("vendor/odd", "0.02", "0.04"), told("vendor/tiny", "0.00000000000001", "0.000004"))
	created := do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "openrouter", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
	if !slices.Equal(created.Import.Unpriced, []string{"vendor/odd", "vendor/tiny"}) {
		t.Errorf("unpriced are %q", created.Import.Unpriced)
	}
	w.wait(48 * time.Hour)
	list(told("vendor/m", "0.000018", "0.000036"))
	expectChanges(t, do(w, control.ModelsImport, control.ImportModels{Provider: "up"}), "vendor/m input 2>18 800.0", "vendor/m output 4>36 800.0")
	w.wait(time.Hour)
	list(told("vendor/m", "0.00004", "0.00008"))
	expectChanges(t, do(w, control.ModelsImport, control.ImportModels{Provider: "up"}),
		"vendor/m input 18>40 122.2 refused: within a day more than 10 times as much", "vendor/m output 36>80 122.2 refused: within a day more than 10 times as much")
	w.wait(24 * time.Hour)
	expectChanges(t, do(w, control.ModelsImport, control.ImportModels{Provider: "up"}), "vendor/m input 18>40 122.2", "vendor/m output 36>80 122.2")
}

// A newer book brings tiers, bands, hours and what is announced, as rows beside
// those there are; an older one does not.
func TestImportingANewerBook(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-large"}`)
	w.provider("up", u)
	read := func(rows ...string) {
		t.Helper()
		b, err := readPriceBook([]byte(`{"version":2,"as_of":"2026-11-20","sources":["its page"],"models":[
			{"model":"gpt-large","publisher":"openai","mode":"chat","status":"deprecated","shutdown":"2027-01-15","replaced_by":"gpt-mini","image_tokens":70,"confidence":"high","source":1,"seen":"2026-11-20","prices":[` + strings.Join(rows, ",") + `]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		w.engine.book = b
		w.wait(time.Minute)
	}
	row := func(input, output, more string) string {
		return fmt.Sprintf(`{"rates":{"input":%q,"output":%q},"source":1,"seen":"2026-11-20"%s}`, input, output, more)
	}
	importing := func() control.Imported { return do(w, control.ModelsImport, control.ImportModels{Provider: "up"}) }
	read(row("2.5", "10", ""), row("5", "15", `,"above_tokens":100`), row("1.25", "5", `,"tier":"flex"`), row("3", "12", `,"from":"2026-12-24"`))
	got := importing()
	expectChanges(t, got, "gpt-large input >5", "gpt-large output >15",
		"gpt-large flex input >1.25", "gpt-large flex output >5", "gpt-large input 2.5>3 20.0 2026-12-24", "gpt-large output 10>12 20.0 2026-12-24")
	if c := got.Changes[0]; c.AboveTokens != 100 || c.Source != "price book: its page" || c.Seen.Format(time.DateOnly) != "2026-11-20" {
		t.Errorf("a change %+v", c)
	}
	if len(got.Shutdowns) != 1 || got.Shutdowns[0].ReplacedBy != "gpt-mini" {
		t.Errorf("shutdowns %+v", got.Shutdowns)
	}
	const band = ">100 input 5 cached_input 5 cache_write 5 cache_write_long 5 audio_in 5 image_in 5 output 15 reasoning 15 audio_out 15 image_out 15 by price book"
	rows := []string{"always input 2.5 output 10 by price book", "2026-11-21T12:08 input 2.5 output 10 by price book", "2026-11-21T12:08 " + band,
		"2026-11-21T12:08 flex input 1.25 output 5 by price book", "2026-12-24T00:00 input 3 output 12 by price book", "2026-12-24T00:00 " + band}
	m := do(w, control.ModelsShow, control.PickModel{Model: "gpt-large"})
	same(t, &m.Model, rows...)
	if m.ImageTokens != 70 || m.ReplacedBy != "gpt-mini" || m.ShutdownAt.Format(time.DateOnly) != "2027-01-15" || !m.Enabled {
		t.Errorf("gpt-large %+v", m.Model)
	}
	expectChanges(t, importing())
	// What was announced is announced otherwise: the later word counts. The cheap
	// hours are gone with the next plain price, and a tier that is not named stays.
	read(row("2.5", "10", ""), row("5", "15", `,"above_tokens":100`), row("1.25", "5", `,"hours":"Sat 00:00-24:00"`), row("4", "12", `,"from":"2026-12-24"`))
	expectChanges(t, importing(), "gpt-large Sat 00:00-24:00 input >1.25", "gpt-large Sat 00:00-24:00 output >5", "gpt-large Sat 00:00-24:00 input >5", "gpt-large Sat 00:00-24:00 output >15", "gpt-large input 3>4 33.3 2026-12-24")
	if r, _ := tally.PriceAt(do(w, control.ModelsShow, control.PickModel{Model: "gpt-large"}).Prices, noon.AddDate(0, 2, 0), 1); r.Of[tally.ClassInput] != 4*tally.Dollar {
		t.Errorf("in January the input costs %s", r.Of[tally.ClassInput])
	}
	read(row("2.5", "10", ""), row("5", "15", `,"above_tokens":100`), row("4", "12", `,"from":"2026-12-24"`))
	expectChanges(t, importing(), "gpt-large Sat 00:00-24:00 input 1.25>", "gpt-large Sat 00:00-24:00 output 5>", "gpt-large Sat 00:00-24:00 input 5>", "gpt-large Sat 00:00-24:00 output 15>")
	if r, _ := tally.PriceAt(do(w, control.ModelsShow, control.PickModel{Model: "gpt-large"}).Prices, w.clock(), 1); r.Of[tally.ClassInput] != 2_500_000_000 {
		t.Errorf("on Saturday the input costs %s", r.Of[tally.ClassInput])
	}
	expectChanges(t, importing())
	read(strings.Replace(row("2", "10", ""), "2026-11-20", "2026-11-19", 1))
	if got := changesOf(importing()); len(got) == 0 || got[0] != "gpt-large input 2.5>2 -20.0 refused: it is older: seen on 2026-11-19, and what there is on 2026-11-20" {
		t.Errorf("from an older book: %q", got)
	}
	w.consistent()
}
