package meter

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// drawPrices draws a model's prices: dates, bands for long prompts, cache
// classes, reasoning and a fee per call, any of them missing.
func drawPrices(t *rapid.T) []tally.Price {
	rate := rapid.Custom(func(t *rapid.T) *tally.NanoUSD {
		switch rapid.IntRange(0, 3).Draw(t, "kind of rate") {
		case 0:
			return nil
		case 1:
			return new(tally.NanoUSD(rapid.Int64Range(0, 9).Draw(t, "tiny rate")))
		}
		return new(tally.NanoUSD(rapid.Int64Range(0, 1000*int64(tally.Dollar)).Draw(t, "rate")))
	})
	price := rapid.Custom(func(t *rapid.T) tally.Price {
		p := tally.Price{
			Input: rate.Draw(t, "input"), CachedInput: rate.Draw(t, "cached"), CacheWrite: rate.Draw(t, "cache write"),
			Output: rate.Draw(t, "output"), Reasoning: rate.Draw(t, "reasoning"),
			AudioInput: rate.Draw(t, "audio in"), AudioOutput: rate.Draw(t, "audio out"),
			Request: tally.NanoUSD(rapid.Int64Range(0, int64(tally.Dollar)).Draw(t, "fee")),
			Tier:    rapid.SampledFrom([]tally.Tier{"", "", tally.TierPriority}).Draw(t, "tier"),
		}
		if rapid.Bool().Draw(t, "searches have a price") {
			p.Pieces = map[tally.Piece]tally.NanoUSD{tally.Search: tally.NanoUSD(rapid.Int64Range(0, int64(tally.Dollar)).Draw(t, "a search"))}
		}
		if rapid.Bool().Draw(t, "band") {
			p.AboveTokens = rapid.Int64Range(1, 4000).Draw(t, "above")
		}
		if rapid.Bool().Draw(t, "dated") {
			p.From = noon.AddDate(0, 0, rapid.IntRange(-2, 2).Draw(t, "day"))
		}
		return p
	})
	return rapid.SliceOfN(price, 0, 6).Draw(t, "prices")
}

// drawTariffs draws what a client pays: more or less than the cost, and for a model a price
// of its own, with a fee, and with or without one for searches.
func drawTariffs(t *rapid.T, model string) (out []tally.Tariff) {
	for range rapid.IntRange(0, 3).Draw(t, "tariffs") {
		row := tally.Tariff{Added: rapid.IntRange(-10_000, 100_000).Draw(t, "percent")}
		if rapid.Bool().Draw(t, "dated") {
			row.From = noon.AddDate(0, 0, rapid.IntRange(-2, 2).Draw(t, "day"))
		}
		if prices := drawPrices(t); len(prices) > 0 && rapid.Bool().Draw(t, "fixed") {
			row.Fixed = []tally.FixedPrice{{Model: model, Price: prices[0]}}
			row.Fixed[0].AboveTokens = 0
		}
		out = append(out, row)
	}
	return out
}

// split draws how a number of tokens falls into three classes.
func split(t *rapid.T, most int64) (a, b, c int64) {
	a = rapid.Int64Range(0, most).Draw(t, "first class")
	b = rapid.Int64Range(0, most-a).Draw(t, "second class")
	c = rapid.Int64Range(0, most-a-b).Draw(t, "third class")
	return a, b, c
}

func split2(t *rapid.T, most int64) (a, b int64) {
	a = rapid.Int64Range(0, most).Draw(t, "a part")
	return a, most - a
}

// The promise of the whole program: whatever an upstream answers within what it
// was granted, tokens, cost and credits stay within what was held, and so
// within every limit.
func TestBoundIsTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.client.Tariffs = drawTariffs(rt, "m")
		// Some limits are roomy and some clamp the output.
		money := rapid.Int64Range(0, int64(tally.MaxMoney)>>rapid.IntRange(0, 50).Draw(rt, "tight")).Draw(rt, "money")
		tokens := rapid.Int64Range(0, 100_000).Draw(rt, "tokens")
		w.gateway.Limits = []tally.Limit{{Metric: tally.TokensIO, Window: tally.Window{Unit: tally.Day}, Max: tokens}}
		w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: money}}
		w.key.Limits = []tally.Limit{{Metric: tally.Credits, Window: tally.Window{Unit: tally.Total}, Max: money}}
		w.use()

		r := w.request()
		r.InputTokens = rapid.Int64Range(0, 5000).Draw(rt, "input bound")
		r.Choices = rapid.Int64Range(1, 8).Draw(rt, "choices")
		r.Output = rapid.Int64Range(0, 10_000).Draw(rt, "output wanted")
		r.Rates, r.UnitsCost = tally.Rates{}, 0
		r.Tier = rapid.SampledFrom([]tally.Tier{"", tally.TierPriority}).Draw(rt, "tier")
		r.Prompt = rapid.SampledFrom([]tally.Classes{0, tally.SetOf(tally.ClassAudioInput)}).Draw(rt, "prompt classes")
		r.Answer = rapid.SampledFrom([]tally.Classes{0, tally.SetOf(tally.ClassAudioOutput)}).Draw(rt, "answer classes")
		r.Units = tally.Units{Piece: tally.Search, Count: rapid.Int64Range(0, 5).Draw(rt, "searches")}
		targets := [][]tally.Price{drawPrices(rt), drawPrices(rt)}
		for _, prices := range targets {
			q := tally.DearestAt(prices, r.At, r.Tier, r.InputTokens)
			r.Rates = r.Rates.Max(q.Rates)
			each, _ := q.CostOf(&r.Units)
			r.UnitsCost = max(r.UnitsCost, each)
		}
		ticket, refusal := w.meter.Admit(context.Background(), r)
		if refusal != nil {
			if refusal.Status != 429 {
				rt.Fatalf("refused for no limit: %+v", refusal)
			}
			return
		}
		if ticket.Output() > r.Output || ticket.Output() < min(r.Output, LeastOutput) {
			rt.Fatalf("granted %d of %d", ticket.Output(), r.Output)
		}
		held := w.usage("client/cl_1", tally.Day)

		var used tally.Tokens
		used.Input, used.CachedInput, used.CacheWrite = split(rt, r.InputTokens)
		used.Output, used.Reasoning, _ = split(rt, ticket.Output()*r.Choices)
		// A class that the request could not cause is not believed, and one that it
		// can is held for.
		used.AudioInput, used.Input = split2(rt, used.Input)
		used.AudioOutput, used.Output = split2(rt, used.Output)
		attempt := tally.Attempt{Basis: tally.Exact}
		ticket.Price(&attempt, &Answer{Model: model(rapid.SampledFrom(targets).Draw(rt, "who answers")...), Tokens: used, Units: tally.Units{Piece: tally.Search, Count: rapid.Int64Range(0, r.Units.Count).Draw(rt, "searches told")}})
		result := &Result{Attempts: []tally.Attempt{attempt}, Outcome: tally.OK, Status: 200}
		if err := ticket.Settle(context.Background(), result); err != nil {
			rt.Fatal(err)
		}
		spent := w.usage("client/cl_1", tally.Day)
		for i, m := range tally.Metrics {
			if spent[i].Used > held[i].Held {
				rt.Errorf("%s: used %d, held %d", m, spent[i].Used, held[i].Held)
			}
		}
		if c, k := spent[tally.Cost.Index()].Used, spent[tally.Credits.Index()].Used; c > money || k > money || spent[tally.TokensIO.Index()].Used > tokens {
			rt.Errorf("cost %d and credits %d of %d, tokens %d of %d", c, k, money, spent[tally.TokensIO.Index()].Used, tokens)
		}
	})
}

// The output is cut to what the money buys, to the token.
func TestOutputIsClampedToTheMoney(t *testing.T) {
	for _, tc := range []struct {
		name    string
		limit   string
		markup  int
		choices int64
		want    int64 // per choice; -1 if refused
	}{
		// 50 input tokens cost $0.00005, an output token $0.000002.
		{"room for all", "cost=1/day", 0, 1, 100},
		{"to the token", "cost=0.000150/day", 0, 1, 50},
		{"a nano-dollar less buys one less", "cost=0.000149999/day", 0, 1, 49},
		{"the least", "cost=0.000082/day", 0, 1, 16},
		{"below the least", "cost=0.000081999/day", 0, 1, -1},
		{"shared by choices", "cost=0.000150/day", 0, 3, 16},
		{"below the least of each", "cost=0.000145/day", 0, 3, -1},
		{"credits are dearer", "credits=0.000300/day", 10_000, 1, 49}, // a nano-dollar pays for rounding
		{"tokens", "tokens=90/day", 0, 1, 40},
		{"an exact number of requests", "requests=1/day", 0, 1, 100},
	} {
		w := newWorld(t)
		w.client.Limits = limits(t, tc.limit)
		w.client.Tariffs = []tally.Tariff{{Added: tc.markup}}
		w.use()
		got := int64(-1)
		if ticket, _ := w.meter.Admit(context.Background(), w.request(func(r *Request) { r.Choices = tc.choices })); ticket != nil {
			got = ticket.Output()
		}
		if got != tc.want {
			t.Errorf("%s: granted %d, want %d", tc.name, got, tc.want)
		}
	}
}

// A caller that asks for less than the least gets what it asks for.
func TestShortAnswers(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "tokens=55/day")
	w.use()
	if ticket := w.admit(func(r *Request) { r.Output = 5 }); ticket.Output() != 5 {
		t.Errorf("granted %d, want 5", ticket.Output())
	}
}

func TestHugeRequestsDoNotWrap(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "cost=50/day")
	w.use()
	r := w.refused(func(r *Request) { r.InputTokens, r.Choices, r.Output = math.MaxInt64, math.MaxInt64/2, math.MaxInt64 })
	if r.Code != "cost_limit" {
		t.Errorf("refused with %s, want cost_limit", r.Code)
	}
}

// 64 callers at once reach each limit exactly, whichever is the tightest, and
// the last unit is granted.
func TestConcurrentCallersReachTheLimitExactly(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits []string
		metric tally.Metric
		want   int64 // used in the end
	}{
		// A request holds and uses 50+16 tokens and $0.000082.
		{"requests", []string{"requests=100/day", "tokens=1M/day", "cost=1/day"}, tally.Requests, 100},
		{"tokens", []string{"requests=1000/day", "tokens=6600/day", "cost=1/day"}, tally.TokensIO, 6600},
		{"cost", []string{"requests=1000/day", "tokens=1M/day", "cost=0.0082/day"}, tally.Cost, 8_200_000},
		{"all three", []string{"requests=100/day", "tokens=6600/day", "cost=0.0082/day"}, tally.Requests, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.gateway.Limits, w.key.Limits = limits(t, tc.limits...), limits(t, "requests=5000/month")
			w.use()
			var admitted atomic.Int64
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					for {
						ticket, refusal := w.meter.Admit(context.Background(), w.request(func(r *Request) { r.Output = LeastOutput }))
						if refusal == nil {
							admitted.Add(1)
							if err := ticket.Settle(context.Background(), answered(50, LeastOutput)); err != nil {
								t.Error(err)
							}
							continue
						}
						if refusal.Code != tally.CodeBudgetHeld {
							return
						}
						time.Sleep(50 * time.Microsecond)
					}
				})
			}
			all.Wait()
			used := w.usage("gateway/gw_1", tally.Day)
			if got := used[tc.metric.Index()]; got.Used != tc.want || got.Held != 0 {
				t.Errorf("%s: used %d, held %d; want %d and 0", tc.metric, got.Used, got.Held, tc.want)
			}
			if admitted.Load() != 100 || len(w.records()) != 100 {
				t.Errorf("%d admitted, %d records; want 100", admitted.Load(), len(w.records()))
			}
		})
	}
}
