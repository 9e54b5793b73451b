package tally

import (
	"math"
	"math/bits"
	"time"
)

// Tokens counts the tokens of a request in disjoint buckets: Input excludes
// CachedInput and CacheWrite, Output excludes Reasoning. A provider normalises
// its upstream's spelling (OpenAI's cached tokens are part of its prompt
// tokens) before anything is counted.
type Tokens struct {
	Input       int64 `json:"input,omitempty"`
	CachedInput int64 `json:"cached_input,omitempty"`
	CacheWrite  int64 `json:"cache_write,omitempty"`
	Output      int64 `json:"output,omitempty"`
	Reasoning   int64 `json:"reasoning,omitempty"`
}

// MaxTokens is the largest count of tokens in one bucket that is believed.
// The largest context known in 2026 is about a million; a hundred times that
// is a broken or hostile upstream.
const MaxTokens = 100_000_000

// Prompt is what went in, in all classes.
func (t Tokens) Prompt() int64 { return t.Input + t.CachedInput + t.CacheWrite }

// Completion is what came out, in all classes.
func (t Tokens) Completion() int64 { return t.Output + t.Reasoning }

// Total is every token of the request.
func (t Tokens) Total() int64 { return t.Prompt() + t.Completion() }

// Sane reports whether every bucket is in [0, MaxTokens].
func (t Tokens) Sane() bool {
	for _, n := range [...]int64{t.Input, t.CachedInput, t.CacheWrite, t.Output, t.Reasoning} {
		if n < 0 || n > MaxTokens {
			return false
		}
	}
	return true
}

// Add returns the sum, bucket by bucket.
func (t Tokens) Add(o Tokens) Tokens {
	return Tokens{t.Input + o.Input, t.CachedInput + o.CachedInput, t.CacheWrite + o.CacheWrite, t.Output + o.Output, t.Reasoning + o.Reasoning}
}

// Sub returns the difference, bucket by bucket.
func (t Tokens) Sub(o Tokens) Tokens {
	return Tokens{t.Input - o.Input, t.CachedInput - o.CachedInput, t.CacheWrite - o.CacheWrite, t.Output - o.Output, t.Reasoning - o.Reasoning}
}

// Price is what a model costs from an instant on, in nano-USD per million
// tokens. A nil rate means the rate of its parent, never 0: CachedInput and
// CacheWrite fall back to Input, Reasoning to Output, Output to Input.
type Price struct {
	From        time.Time `json:"from,omitzero"`
	Input       *NanoUSD  `json:"input_nano_usd,omitempty"`
	CachedInput *NanoUSD  `json:"cached_input_nano_usd,omitempty"`
	CacheWrite  *NanoUSD  `json:"cache_write_nano_usd,omitempty"`
	Output      *NanoUSD  `json:"output_nano_usd,omitempty"`
	Reasoning   *NanoUSD  `json:"reasoning_nano_usd,omitempty"`
	// AboveTokens makes this a long-prompt band: with more prompt tokens than
	// this, its rates apply to the whole request. A nil rate of a band is the
	// rate of the band below.
	AboveTokens int64 `json:"above_tokens,omitempty"`
	// Request is added once per call.
	Request NanoUSD `json:"request_nano_usd,omitempty"`
	// Source says where the figure came from.
	Source string `json:"source,omitempty"`
}

// Rates is a price with every rate resolved, in nano-USD per million tokens.
type Rates struct {
	Input, CachedInput, CacheWrite, Output, Reasoning, Request NanoUSD
}

// PriceAt resolves the rates in force at an instant for a prompt of so many
// tokens; ok is false if no price with an input or output rate is in force: the
// model is unpriced.
func PriceAt(prices []Price, at time.Time, promptTokens int64) (rates Rates, ok bool) {
	var from time.Time
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 && !p.From.After(at) && (!ok || p.From.After(from)) && (p.Input != nil || p.Output != nil) {
			from, ok = p.From, true
			rates = p.over(Rates{})
		}
	}
	if !ok {
		return Rates{}, false
	}
	var above int64
	for done := false; !done; { // bands from the lowest up, each over the one below
		done = true
		var next *Price
		for i := range prices {
			p := &prices[i]
			if p.AboveTokens > above && p.AboveTokens < promptTokens && p.From.Equal(from) && (next == nil || p.AboveTokens < next.AboveTokens) {
				next, done = p, false
			}
		}
		if next != nil {
			above, rates = next.AboveTokens, next.over(rates)
		}
	}
	return rates, true
}

// over lays the price's own rates over those of the band below it (zero for
// the lowest) and resolves what is left to the parents.
func (p *Price) over(below Rates) Rates {
	base := p.AboveTokens == 0
	pick := func(own *NanoUSD, parent, below NanoUSD) NanoUSD {
		switch {
		case own != nil:
			return *own
		case base:
			return parent
		}
		return below
	}
	var r Rates
	r.Input = pick(p.Input, 0, below.Input)
	r.CachedInput = pick(p.CachedInput, r.Input, below.CachedInput)
	r.CacheWrite = pick(p.CacheWrite, r.Input, below.CacheWrite)
	r.Output = pick(p.Output, r.Input, below.Output)
	r.Reasoning = pick(p.Reasoning, r.Output, below.Reasoning)
	r.Request = p.Request
	if !base && p.Request == 0 {
		r.Request = below.Request
	}
	return r
}

// DearestAt returns, rate by rate, the largest of all bands that a prompt of
// at most promptTokens can meet: the bound of a request whose true prompt size
// is not known yet.
func DearestAt(prices []Price, at time.Time, promptTokens int64) (dearest Rates, ok bool) {
	dearest, ok = PriceAt(prices, at, 0)
	if !ok {
		return Rates{}, false
	}
	for i := range prices {
		if above := prices[i].AboveTokens; above > 0 && above < promptTokens {
			band, _ := PriceAt(prices, at, above+1)
			dearest = dearest.Max(band)
		}
	}
	return dearest, true
}

// Max returns the larger of each rate.
func (r Rates) Max(o Rates) Rates {
	return Rates{max(r.Input, o.Input), max(r.CachedInput, o.CachedInput), max(r.CacheWrite, o.CacheWrite),
		max(r.Output, o.Output), max(r.Reasoning, o.Reasoning), max(r.Request, o.Request)}
}

// DearestInput is the most an input token can cost, in nano-USD per million.
func (r Rates) DearestInput() NanoUSD { return max(r.Input, r.CachedInput, r.CacheWrite) }

// DearestOutput is the most an output token can cost, in nano-USD per million.
func (r Rates) DearestOutput() NanoUSD { return max(r.Output, r.Reasoning) }

// Cost prices the tokens: the products are summed in 128 bits, divided once
// and rounded up.
func (r Rates) Cost(t Tokens) NanoUSD {
	var hi, lo, carry, over uint64
	for _, x := range [...]struct {
		n    int64
		rate NanoUSD
	}{{t.Input, r.Input}, {t.CachedInput, r.CachedInput}, {t.CacheWrite, r.CacheWrite}, {t.Output, r.Output}, {t.Reasoning, r.Reasoning}} {
		if x.n <= 0 || x.rate <= 0 {
			continue
		}
		h, l := bits.Mul64(uint64(x.n), uint64(x.rate))
		lo, carry = bits.Add64(lo, l, 0)
		if hi, over = bits.Add64(hi, h, carry); over != 0 {
			return math.MaxInt64
		}
	}
	return NanoUSD(AddSat(divUp(hi, lo, 1_000_000), int64(r.Request)))
}
