package tally

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rate(n NanoUSD) *NanoUSD { return &n }

// drawPrices makes a price list with gaps, bands and dates.
func drawPrices(t *rapid.T) []Price {
	rate := func(label string) *NanoUSD {
		if rapid.Bool().Draw(t, "no "+label) {
			return nil
		}
		return rate(NanoUSD(rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, int64(MaxMoney))).Draw(t, label)))
	}
	return rapid.SliceOfN(rapid.Custom(func(*rapid.T) Price {
		return Price{
			From:  time.Unix(rapid.Int64Range(0, 3).Draw(t, "from"), 0),
			Input: rate("input"), CachedInput: rate("cached"), CacheWrite: rate("write"), Output: rate("output"), Reasoning: rate("reasoning"),
			AboveTokens: rapid.SampledFrom([]int64{0, 0, 10, 20, 30}).Draw(t, "above"),
			Request:     NanoUSD(rapid.Int64Range(0, 5).Draw(t, "request")),
		}
	}), 0, 6).Draw(t, "prices")
}

// naivePrice says what PriceAt must, rate by rate.
func naivePrice(prices []Price, at time.Time, prompt int64) (Rates, bool) {
	var base *Price
	for i, p := range prices {
		if p.AboveTokens == 0 && (p.Input != nil || p.Output != nil) && !p.From.After(at) && (base == nil || p.From.After(base.From)) {
			base = &prices[i]
		}
	}
	if base == nil {
		return Rates{}, false
	}
	// The bands that apply, the highest first; the first of two alike counts.
	var bands []*Price
	for above := prompt - 1; above > 0; above-- {
		for i, p := range prices {
			if p.AboveTokens == above && p.From.Equal(base.From) {
				bands = append(bands, &prices[i])
				break
			}
		}
	}
	own := func(of func(*Price) *NanoUSD) *NanoUSD {
		for _, p := range append(bands, base) {
			if n := of(p); n != nil {
				return n
			}
		}
		return nil
	}
	// The parents of the base price apply below all bands.
	first := func(rates ...*NanoUSD) NanoUSD {
		for _, n := range rates {
			if n != nil {
				return *n
			}
		}
		return 0
	}
	r := Rates{
		Input:       first(own(func(p *Price) *NanoUSD { return p.Input })),
		CachedInput: first(own(func(p *Price) *NanoUSD { return p.CachedInput }), base.Input),
		CacheWrite:  first(own(func(p *Price) *NanoUSD { return p.CacheWrite }), base.Input),
		Output:      first(own(func(p *Price) *NanoUSD { return p.Output }), base.Input),
		Reasoning:   first(own(func(p *Price) *NanoUSD { return p.Reasoning }), base.Output, base.Input),
		Request:     base.Request,
	}
	for _, p := range bands {
		if p.Request != 0 {
			r.Request = p.Request
			break
		}
	}
	return r, true
}

func TestPriceAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prices := drawPrices(t)
		at, prompt := time.Unix(rapid.Int64Range(0, 4).Draw(t, "at"), 0), rapid.Int64Range(0, 40).Draw(t, "prompt")
		got, ok := PriceAt(prices, at, prompt)
		if want, wantOK := naivePrice(prices, at, prompt); got != want || ok != wantOK {
			t.Fatalf("got %+v %v, want %+v %v", got, ok, want, wantOK)
		}
		dearest, dearestOK := DearestAt(prices, at, prompt)
		if dearestOK != ok {
			t.Fatalf("priced %v, at the dearest %v", ok, dearestOK)
		}
		var max Rates
		for p := int64(0); ok && p <= prompt; p++ {
			r, _ := naivePrice(prices, at, p)
			max = max.Max(r)
		}
		if dearest != max {
			t.Fatalf("the dearest is %+v, want %+v", dearest, max)
		}
	})
}

func TestPriceList(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	prices := []Price{
		{From: day(10), Input: rate(300), Output: rate(900), CachedInput: rate(30)},
		{Input: rate(200), Output: rate(800), Request: 7},
		{From: day(10), AboveTokens: 1000, Input: rate(600)},
		{From: day(10), AboveTokens: 5000, Output: rate(1800), CachedInput: rate(0)},
		{From: day(20), CachedInput: rate(1)}, // no price without input or output
	}
	for _, tc := range []struct {
		day    int
		prompt int64
		want   Rates
	}{
		{9, 9000, Rates{200, 200, 200, 800, 800, 7}},
		{10, 1000, Rates{300, 30, 300, 900, 900, 0}},
		{10, 1001, Rates{600, 30, 300, 900, 900, 0}},
		{25, 5001, Rates{600, 0, 300, 1800, 900, 0}},
	} {
		if got, ok := PriceAt(prices, day(tc.day), tc.prompt); !ok || got != tc.want {
			t.Errorf("on the %dth, %d tokens: %+v, %v; want %+v", tc.day, tc.prompt, got, ok, tc.want)
		}
	}
	for _, none := range [][]Price{nil, {{From: day(2), Input: rate(1)}}, {{AboveTokens: 5, Input: rate(1)}}, {{CachedInput: rate(1)}}} {
		if got, ok := PriceAt(none, day(1), 10); ok {
			t.Errorf("%+v is priced: %+v", none, got)
		}
		if got, ok := DearestAt(none, day(1), 10); ok {
			t.Errorf("%+v is priced at the dearest: %+v", none, got)
		}
	}
}

func TestCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(label string) int64 {
			return rapid.OneOf(rapid.Int64Range(0, MaxTokens), rapid.Just[int64](math.MaxInt64)).Draw(t, label)
		}
		r := Rates{NanoUSD(n("input")), NanoUSD(n("cached")), NanoUSD(n("write")), NanoUSD(n("output")), NanoUSD(n("reasoning")), NanoUSD(n("request"))}
		k := Tokens{n("inputs"), n("cacheds"), n("writes"), n("outputs"), n("reasonings")}
		sum := product(k.Input, int64(r.Input))
		for _, p := range []*big.Int{product(k.CachedInput, int64(r.CachedInput)), product(k.CacheWrite, int64(r.CacheWrite)), product(k.Output, int64(r.Output)), product(k.Reasoning, int64(r.Reasoning))} {
			sum.Add(sum, p)
		}
		want := clamp(new(big.Int).Add(quotient(sum, 1_000_000, true), big.NewInt(int64(r.Request))))
		if got := r.Cost(k); int64(got) != want {
			t.Fatalf("%+v of %+v cost %d, want %d", k, r, got, want)
		}
	})
	// A part of a nano-dollar is a whole one, once for the request.
	if got := (Rates{Input: 1, Output: 1}).Cost(Tokens{Input: 1, Output: 1}); got != 1 {
		t.Errorf("2 millionths of a nano-dollar cost %d", got)
	}
	if got := (Rates{Input: 5, Output: 5, Request: 3}).Cost(Tokens{Input: -1e6, Output: 1e6}); got != 8 {
		t.Errorf("negative tokens were paid out: %d", got)
	}
}

func TestTokens(t *testing.T) {
	k := Tokens{1, 2, 4, 8, 16}
	if k.Prompt() != 7 || k.Completion() != 24 || k.Total() != 31 || k.Add(k) != (Tokens{2, 4, 8, 16, 32}) {
		t.Errorf("%+v: %d in, %d out, %d in all, twice %+v", k, k.Prompt(), k.Completion(), k.Total(), k.Add(k))
	}
	for _, bad := range []Tokens{{Input: -1}, {CachedInput: MaxTokens + 1}, {CacheWrite: -1}, {Output: math.MaxInt64}, {Reasoning: math.MinInt64}} {
		if bad.Sane() {
			t.Errorf("%+v is believed", bad)
		}
	}
	if !(Tokens{MaxTokens, MaxTokens, MaxTokens, MaxTokens, MaxTokens}).Sane() {
		t.Error("the largest are not believed")
	}
}
