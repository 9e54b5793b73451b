package engine

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// drawRows makes prices with dates, ends, hours, tiers and bands.
func drawRows(t *rapid.T) (out []tally.Price) {
	rate := func(label string) *tally.NanoUSD {
		n := tally.NanoUSD(rapid.Int64Range(0, 20).Draw(t, label))
		return &n
	}
	for range rapid.IntRange(0, 6).Draw(t, "groups") {
		p := tally.Price{Input: rate("input"), Output: rate("output")}
		if from := rapid.IntRange(0, 4).Draw(t, "from"); from > 0 {
			p.From = noon.Add(time.Duration(from-2) * time.Hour)
		}
		if rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
			p.Until = noon.Add(time.Duration(rapid.IntRange(-2, 5).Draw(t, "until")) * time.Hour)
		}
		p.Tier = rapid.SampledFrom([]tally.Tier{"", "", tally.TierFast}).Draw(t, "tier")
		if rapid.IntRange(0, 3).Draw(t, "has hours") == 0 {
			p.Hours, _ = tally.ParseHours(rapid.SampledFrom([]string{"12:00-14:00", "13:00-16:00"}).Draw(t, "hours"))
		}
		out = append(out, p)
		if rapid.Bool().Draw(t, "has a band") {
			p.AboveTokens, p.Input = 10, rate("band")
			out = append(out, p)
		}
	}
	return out
}

// What is taken over from an instant on charges from then on as the whole list
// does; and a list that is imported charges as it says, whatever was there.
func TestInForceFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prices, fresh := drawRows(t), drawRows(t)
		at := noon.Truncate(time.Second)
		same := func(what string, a, b []tally.Price, tier tally.Tier) {
			for hour := range 6 {
				when := at.Add(time.Duration(hour) * time.Hour)
				for _, n := range []int64{1, 11} {
					x, y := tally.QuoteAt(a, when, tier, n), tally.QuoteAt(b, when, tier, n)
					if (x.Row == nil) != (y.Row == nil) || x.Rates != y.Rates {
						t.Fatalf("%s, tier %q, %d tokens, after %d hours: %+v, want %+v", what, tier, n, hour, x.Rates, y.Rates)
					}
				}
			}
		}
		next := inForceFrom(fresh, at)
		same("taken over", next, fresh, "")
		same("taken over", next, fresh, tally.TierFast)

		m := &tally.Model{Meta: tally.Meta{ID: "mo_1"}, Name: "m", Prices: prices}
		rows, list := reprice(m, fresh, true, noon)
		for _, c := range list {
			if !c.Applied {
				t.Fatalf("accepted, and not applied: %+v", c)
			}
		}
		after := append(append([]tally.Price{}, prices...), rows...)
		for i := range prices { // nothing of the past is touched
			if after[i].ID != prices[i].ID || !after[i].From.Equal(prices[i].From) {
				t.Fatalf("row %d is %+v, was %+v", i, after[i], prices[i])
			}
		}
		if len(rows) > 0 && tally.InForce(next, at) != nil && !announced(prices, at) {
			if x, y := tally.QuoteAt(after, at, "", 1), tally.QuoteAt(fresh, at, "", 1); x.Rates != y.Rates {
				t.Fatalf("imported: %+v, want %+v", x.Rates, y.Rates)
			}
		}
		m.Prices = after
		if again, list := reprice(m, fresh, true, noon); len(again) > 0 && !ends(prices) && !ends(fresh) {
			t.Fatalf("imported again, it adds %+v: %+v", again, list)
		}
	})
}

// ends reports whether a list has rows that end.
func ends(prices []tally.Price) bool {
	return slices.ContainsFunc(prices, func(p tally.Price) bool { return !p.Until.IsZero() })
}

// announced reports whether a list has rows that begin or end later.
func announced(prices []tally.Price, at time.Time) bool {
	for i := range prices {
		if prices[i].From.After(at) || !prices[i].Until.IsZero() {
			return true
		}
	}
	return false
}
