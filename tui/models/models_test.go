package models_test

import (
	"slices"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/models"
	"tallygate/tui/tuitest"
)

func TestModelsAreFiltered(t *testing.T) {
	tuitest.Run(t, tuitest.Only(models.New), func(d *tuitest.Driver) {
		d.Press("f").Expect("1 of 10", "gpt-next-preview", "no price", "refused: it has no").ExpectNot("gpt-4.1")
		d.Press("f", "/").Type("provider:pretend-openai mini").Press("enter").Expect("1 of 10", "gpt-4.1-mini", "pretend-openai → pretend-spare")
		d.Press("esc").Expect("10 of 10")
	})
}

func TestAPriceIsSet(t *testing.T) {
	tuitest.Run(t, tuitest.Only(models.New), func(d *tuitest.Driver) {
		d.Press("f", "p").Expect("Price of gpt-next-preview", "none: p sets one")
		d.Type("input=1.25x").Press("tab").Expect("✗").Press("shift+tab", "backspace").Type(" output=10")
		d.Expect("cost $0.0075").Press("ctrl+s")
		in := tuitest.Last(t, d, control.PricesSet)
		want := []control.PriceField{{Class: "input", Amount: 1_250_000_000}, {Class: "output", Amount: 10 * tally.Dollar}}
		if !slices.Equal(in.Prices, want) || in.From != "" || in.Tier != "" {
			t.Errorf("the price is %+v from %q", in.Prices, in.From)
		}
	})
}

// Rows of every kind stand on the page of a model, and what is not bounded is
// said there.
func TestKindsOfPricesAreShown(t *testing.T) {
	usd := func(n int64) *tally.NanoUSD { return new(tally.NanoUSD(n) * tally.Dollar) }
	hours, err := tally.ParseHours("Sat-Sun 00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	setup := tuitest.Only(models.New)
	setup.Size = "200x50"
	setup.World = tuitest.Changed(func(e tally.Entity) {
		m, ok := e.(*tally.Model)
		if !ok || m.Name != "gpt-4.1" {
			return
		}
		m.AllowExtras, m.ShutdownAt, m.ReplacedBy = true, time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), "gpt-9"
		m.Prices = tally.Prices{
			{ID: "pr_1", Input: usd(2), Output: usd(8), CacheWriteLong: usd(4), Pieces: map[tally.Piece]tally.NanoUSD{tally.Search: tally.Dollar / 100}},
			{ID: "pr_2", AboveTokens: 200_000, Input: usd(4), CachedInput: usd(4), Output: usd(12), Reasoning: usd(12)},
			{ID: "pr_3", Hours: hours, Input: usd(1), Output: usd(4)}, {ID: "pr_4", Tier: tally.TierPriority, Input: usd(5), Output: usd(16), AudioOutput: usd(32)},
			{ID: "pr_5", From: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Input: usd(3), Output: usd(9)},
		}
	})
	tuitest.Run(t, setup, func(d *tuitest.Driver) {
		d.Press("/").Type("gpt-4.1").Press("enter").Ticks(4).Expect("in 2.00  out 8.00  write 1h 4.00", "search $0.01", "over 200k tokens", "in 4.00  out 12.00", "Sat-Sun 00:00-24:00 UTC", "priority", "audio out 32.00", "1 Jan 2027",
			"24 Dec 2026 gpt-9", "allowed: can pass limits on money").ExpectNot("reasoning 12.00")
	})
}

func TestAPriceThatDoesNotChangeIsNotSent(t *testing.T) {
	tuitest.Run(t, tuitest.Only(models.New), func(d *tuitest.Driver) {
		d.Press("p", "ctrl+s").Expect("nothing was changed")
		for range " output=15" {
			d.Press("backspace")
		}
		d.Press("ctrl+s").Expect("cannot be taken away")
		if n := len(tuitest.Sent(d.World, control.PricesSet)); n != 0 {
			t.Errorf("%d changes were sent", n)
		}
	})
}

func TestAModelIsSwitchedAddedAndDeleted(t *testing.T) {
	tuitest.Run(t, tuitest.Only(models.New), func(d *tuitest.Driver) {
		d.Press("/").Type("gpt-4.1").Press("enter", "space").Expect("gpt-4.1 is off").Ticks(4).Press("space").Expect("gpt-4.1 is on").Ticks(4)
		d.Press("n").Expect("of which provider?").Press("enter").Type("gpt-9").Press("ctrl+s")
		if in := tuitest.Last(t, d, control.ModelsCreate); in.Name != "gpt-9" || in.Provider == "" || in.Prices != nil || in.ContextTokens != nil {
			t.Errorf("it was added as %+v", in)
		}
		d.Ticks(4).Press("d").Expect("Delete model gpt-4.1?", "Switch it off instead").Press("esc")
		d.World.Offer(tuitest.Offered(3000*tally.Dollar, tally.Dollar/6, 0)...)
		d.Press("i").Expect("which provider?", "prices of the price book").Type("openrouter").Press("enter").Wait(time.Second)
		d.Expect("New prices: which are taken?", "ctrl+s takes the ticked")
		if in := tuitest.Last(t, d, control.ModelsImport); !in.DryRun {
			t.Errorf("it was not only looked at: %+v", in)
		}
		d.Press("ctrl+s").Wait(time.Second).Expect("Models imported", "New prices from now on for 1 model")
		if in := tuitest.Last(t, d, control.ModelsImport); in.AcceptAll || len(in.Accept) != 1 || len(in.Leave) != 1 || in.DryRun {
			t.Errorf("it asked for %+v", in)
		}
		d.Press("enter", "i").Type("price book").Press("enter").Wait(time.Second).Expect("Prices imported", "models; 0 are here", "none of the models")
		if in := tuitest.Last(t, d, control.PricesImport); in.From != control.FromBook {
			t.Errorf("it asked for %+v", in)
		}
	})
}

// The owner reads who answers a client's request for a model, in which order and why.
func TestWhoAnswers(t *testing.T) {
	tuitest.Run(t, tuitest.Only(models.New), func(d *tuitest.Driver) {
		d.Press("/").Type("model:gpt-4.1-mini").Press("enter", "w").Expect("for which client?").Press("enter")
		d.Expect("Who answers gpt-4.1-mini", "1 ● pretend-openai", "asked first", "2 ● pretend-spare", "asked if those before it fail")
	})
}
