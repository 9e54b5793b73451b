package tally

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTariffAt(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	c := &Client{Tariffs: []Tariff{{Added: 1}, {From: day(20), Added: 2}, {From: day(10), Added: 3}, {From: day(20), Added: 4}}}
	for at, want := range map[time.Time]int{day(1): 1, day(10): 3, day(19): 3, day(20).Add(-1): 3, day(20): 4, day(30): 4} {
		if got := c.TariffAt(at).Added; got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
	if got := (&Client{}).TariffAt(day(1)); !reflect.DeepEqual(got, Tariff{}) {
		t.Errorf("without a tariff: %+v", got)
	}
}

// A client that was stored with a mark-up pays the same from ever.
func TestMarkupBecomesATariff(t *testing.T) {
	for text, want := range map[string][]Tariff{
		`{"id":"cl_1"}`: nil,
		`{"id":"cl_1","markup_basis_points":1250}`:                                      {{Added: 1250}},
		`{"id":"cl_1","tariffs":[{"added_basis_points":7}],"markup_basis_points":1250}`: {{Added: 1250}},
		`{"id":"cl_1","tariffs":[{"from":"2026-11-01T00:00:00Z","added_basis_points":7}],"markup_basis_points":5}`: {{Added: 5},
			{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Added: 7}},
	} {
		e, err := ReadEntity(KindClient, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.(*Client).Tariffs; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// What a client pays is never more than what was held for it, to the nano, whatever is
// used of what a request may use.
func TestCreditsStayWithinTheirBound(t *testing.T) {
	rate := rapid.Custom(func(t *rapid.T) *NanoUSD {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return new(NanoUSD(rapid.Int64Range(0, int64(MaxMoney)>>rapid.IntRange(0, 45).Draw(t, "small")).Draw(t, "rate")))
	})
	pieces := []Piece{Search, Image, "image_high", "image_1024x1024", "image_low_1k", Character, SoundSecond, SoundHour}
	rapid.Check(t, func(t *rapid.T) {
		terms := Terms{Added: rapid.IntRange(-10_000, 100_000).Draw(t, "added")}
		if rapid.Bool().Draw(t, "fixed") {
			terms.Fixed = &Price{Input: rate.Draw(t, "in"), CachedInput: rate.Draw(t, "cached"), Output: rate.Draw(t, "out"), Reasoning: rate.Draw(t, "reasoning"),
				Request: NanoUSD(rapid.Int64Range(0, int64(Dollar)).Draw(t, "fee")), Pieces: map[Piece]NanoUSD{}}
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(pieces), 0, 4, rapid.ID[Piece]).Draw(t, "pieces") {
				terms.Fixed.Pieces[p] = NanoUSD(rapid.Int64Range(0, int64(Dollar)).Draw(t, "each"))
			}
		}
		cost := Bound{rapid.Int64Range(0, 1<<50).Draw(t, "base"), rapid.Int64Range(0, 1<<40).Draw(t, "per million")}
		prompt, output := rapid.Int64Range(0, 100_000).Draw(t, "prompt"), rapid.Int64Range(0, 100_000).Draw(t, "output")
		predicted := rapid.Int64Range(0, 1000).Draw(t, "predicted")
		u := Units{Piece: rapid.SampledFrom([]Piece{Search, Image, Character, SoundSecond}).Draw(t, "piece"), Count: rapid.Int64Range(0, 9000).Draw(t, "count")}
		if u.Piece == Image {
			u.Quality, u.Size = rapid.SampledFrom([]string{"", "high", "low"}).Draw(t, "quality"), rapid.SampledFrom([]string{"", "1k", "1024x1024"}).Draw(t, "size")
		}
		unitsCost := NanoUSD(rapid.Int64Range(0, int64(Dollar)).Draw(t, "units cost"))
		cost.Base = AddSat(cost.Base, int64(unitsCost))
		bound := terms.Bound(cost, prompt, predicted, PromptClasses, AnswerClasses, &u, unitsCost).At(output)

		of := Spent{Cost: NanoUSD(rapid.Int64Range(0, cost.At(output)).Draw(t, "cost")), Pieces: rapid.Int64Range(0, u.Count).Draw(t, "billed"), Piece: u.Piece}
		if u.Piece == Image {
			of.Piece = rapid.SampledFrom([]Piece{Image, "image_high", "image_low", "image_1024x1024", "image_high_1k", "image_2k"}).Draw(t, "billed as")
		}
		of.PiecesCost = NanoUSD(rapid.Int64Range(0, min(int64(unitsCost), int64(of.Cost))).Draw(t, "pieces cost"))
		of.Tokens.Input = rapid.Int64Range(0, prompt).Draw(t, "input")
		of.Tokens.CachedInput = rapid.Int64Range(0, prompt-of.Tokens.Input).Draw(t, "cached")
		of.Tokens.Output = rapid.Int64Range(0, output+predicted).Draw(t, "written")
		of.Tokens.Reasoning = output + predicted - of.Tokens.Output
		if got := terms.Credits(&of); int64(got) > bound {
			t.Errorf("%+v pays %d, and %d was held", of, got, bound)
		}
	})
}
