package tally

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Tier is a way of being served that has prices of its own; "" is the plain one.
type Tier string

// The tiers that the price book knows.
const (
	TierFlex     Tier = "flex"
	TierPriority Tier = "priority"
	TierFast     Tier = "fast"
	TierBatch    Tier = "batch"
)

// Words lists the tiers.
func (Tier) Words() []string {
	return []string{string(TierFlex), string(TierPriority), string(TierFast), string(TierBatch)}
}

// Price is a row of the price book of a model: what it costs from an instant on,
// in nano-USD per million tokens. Rows are appended and never edited. A row with
// AboveTokens is a band of the row before it that has none; a later row of the
// same From, tier and hours takes the place of an earlier one with its bands.
//
// A nil rate means the rate of its parent ([Class.Parent]), never 0.
type Price struct {
	ID    ID        `json:"id,omitempty"`
	From  time.Time `json:"from,omitzero"`  // zero: always
	Until time.Time `json:"until,omitzero"` // it counts before this instant; zero: until another one begins
	Hours Hours     `json:"hours,omitempty"`
	Tier  Tier      `json:"tier,omitempty"`

	// AboveTokens makes this a long-prompt band: with more prompt tokens than
	// this, its rates apply to the whole request. A nil rate of a band is the
	// rate of the band below.
	AboveTokens int64 `json:"above_tokens,omitempty"`

	Input          *NanoUSD `json:"input_nano_usd,omitempty"`
	CachedInput    *NanoUSD `json:"cached_input_nano_usd,omitempty"`
	CacheWrite     *NanoUSD `json:"cache_write_nano_usd,omitempty"`
	CacheWriteLong *NanoUSD `json:"cache_write_long_nano_usd,omitempty"`
	AudioInput     *NanoUSD `json:"audio_in_nano_usd,omitempty"`
	ImageInput     *NanoUSD `json:"image_in_nano_usd,omitempty"`
	Output         *NanoUSD `json:"output_nano_usd,omitempty"`
	Reasoning      *NanoUSD `json:"reasoning_nano_usd,omitempty"`
	AudioOutput    *NanoUSD `json:"audio_out_nano_usd,omitempty"`
	ImageOutput    *NanoUSD `json:"image_out_nano_usd,omitempty"`

	// Request is added once per call.
	Request NanoUSD `json:"request_nano_usd,omitempty"`
	// Pieces are prices by the piece.
	Pieces map[Piece]NanoUSD `json:"pieces_nano_usd,omitempty"`
	// Other are rates of token classes that no usage report tells apart, and
	// Factors multipliers in basis points (11000 is × 1.1): kept for people.
	Other   map[string]NanoUSD `json:"other_nano_usd,omitempty"`
	Factors map[string]int64   `json:"factors_basis_points,omitempty"`

	// Source says where the figure came from, Seen when the source said so.
	Source string    `json:"source,omitempty"`
	Seen   time.Time `json:"seen,omitzero"`
}

// Rate is where the price keeps the rate of a class.
func (p *Price) Rate(c Class) **NanoUSD {
	return [NumClasses]**NanoUSD{&p.Input, &p.CachedInput, &p.CacheWrite, &p.CacheWriteLong, &p.AudioInput, &p.ImageInput,
		&p.Output, &p.Reasoning, &p.AudioOutput, &p.ImageOutput}[c]
}

// Priced reports whether the row prices tokens, or a piece that requests are billed by
// alone, so that it can stand alone.
func (p *Price) Priced() bool {
	if p.PricesTokens() {
		return true
	}
	for piece := range p.Pieces {
		if piece.alone() {
			return true
		}
	}
	return false
}

// PricesTokens reports whether the row prices tokens.
func (p *Price) PricesTokens() bool { return p.Input != nil || p.Output != nil }

// In reports whether the row holds at an instant: between its From and Until, and in its
// hours.
func (p *Price) In(at time.Time) bool {
	return !p.From.After(at) && (p.Until.IsZero() || at.Before(p.Until)) && (len(p.Hours) == 0 || p.Hours.Contain(at))
}

// NameRow gives a row without an ID one that is derived from its content and its owner,
// so that the same row always has the same ID.
func (p *Price) NameRow(of string) {
	if p.ID != "" {
		return
	}
	text, _ := json.Marshal(p) // numbers, texts and times cannot fail
	sum := sha256.Sum256(append(append([]byte(of), 0), text...))
	id := make([]byte, 0, 29)
	id = append(id, "pr_"...)
	for i := range 26 {
		id = append(id, crockford[sum[i]&31])
	}
	id[3] = crockford[sum[0]&7] // the first of 26 digits has three bits
	p.ID = ID(id)
}

// Prices are the rows of a model, in the order in which they were added.
type Prices []Price

// UnmarshalJSON implements json.Unmarshaler. In lists of before, rows had no
// names, stood in any order and the first of two alike counted; they are put in
// the order that is in force now.
func (p *Prices) UnmarshalJSON(b []byte) error {
	var list []Price
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(p Price) bool { return p.ID == "" }) {
		order := func(a, b Price) int {
			return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.AboveTokens, b.AboveTokens))
		}
		OrderStable(list, order)
		list = slices.CompactFunc(list, func(a, b Price) bool { return len(a.Hours) == 0 && len(b.Hours) == 0 && order(a, b) == 0 })
	}
	*p = list
	return nil
}

// Rates is a price with every rate resolved, in nano-USD per million tokens by
// class, and per call.
type Rates struct {
	Of      [NumClasses]NanoUSD
	Request NanoUSD
}

// Quote is the price of a request: the row that was chosen, with its bands and
// parents resolved.
type Quote struct {
	Rates
	Row *Price // nil if the model is unpriced
}

// ID is the row's, "" without one.
func (q *Quote) ID() ID {
	if q.Row == nil {
		return ""
	}
	return q.Row.ID
}

// Has reports whether the row, or the plain row it is a tier of, names a rate of
// its own for a class.
func (q *Quote) Has(c Class) bool { return q.Row != nil && *q.Row.Rate(c) != nil }

// PriceAt resolves the plain rates in force at an instant for a prompt of so many
// tokens; ok is false if no price is in force: the model is unpriced. A price may be one
// by the piece alone, and its rates 0 then: [Price.PricesTokens].
func PriceAt(prices []Price, at time.Time, promptTokens int64) (rates Rates, ok bool) {
	q := QuoteAt(prices, at, "", promptTokens)
	return q.Rates, q.Row != nil
}

// QuoteAt chooses the row in force at an instant for a tier and a prompt of so many
// tokens. A tier without a row has the plain price. So has a tier that is cheaper than
// the plain one, because the upstream decides which tier it serves.
func QuoteAt(prices []Price, at time.Time, tier Tier, promptTokens int64) Quote {
	plain := quoteAt(prices, at, "", promptTokens)
	if tier == "" || plain.Row == nil {
		return plain
	}
	if q := quoteAt(prices, at, tier, promptTokens); q.Row != nil && q.dearerThan(&plain) {
		return q
	}
	return plain
}

func (q *Quote) dearerThan(o *Quote) bool {
	return slices.ContainsFunc(AllClasses[:], func(c Class) bool { return q.Of[c] > o.Of[c] })
}

// HasTier reports whether the prices know a tier at an instant.
func HasTier(prices []Price, at time.Time, tier Tier) bool {
	return baseAt(prices, at, tier) >= 0
}

// baseAt finds the row without a band that is in force, -1 if there is none: the
// latest From, then the latest added. A row with hours counts where it is not
// older than the plain one.
func baseAt(prices []Price, at time.Time, tier Tier) int {
	best := -1
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 && p.Tier == tier && p.Priced() && p.In(at) && (best < 0 || !p.From.Before(prices[best].From)) {
			best = i
		}
	}
	return best
}

// QuoteOf resolves the row of an ID for a prompt of so many tokens, whether it is in force
// or not. Its Row is nil if there is no such row.
func QuoteOf(prices []Price, id ID, promptTokens int64) Quote {
	for i := range prices {
		if prices[i].ID == id && prices[i].AboveTokens == 0 {
			return quoteFrom(prices, i, promptTokens)
		}
	}
	return Quote{}
}

func quoteAt(prices []Price, at time.Time, tier Tier, promptTokens int64) Quote {
	if base := baseAt(prices, at, tier); base >= 0 {
		return quoteFrom(prices, base, promptTokens)
	}
	return Quote{}
}

// quoteFrom resolves a row without a band, and its bands.
func quoteFrom(prices []Price, base int, promptTokens int64) (q Quote) {
	q.Row = &prices[base]
	q.Rates = q.Row.over(Rates{})
	bands := bandsOf(prices, base)
	var above int64
	for { // bands from the lowest up, each over the one below
		var next *Price
		for i := range bands {
			p := &bands[i]
			if p.AboveTokens > above && p.AboveTokens < promptTokens && (next == nil || p.AboveTokens < next.AboveTokens) {
				next = p
			}
		}
		if next == nil {
			return q
		}
		above, q.Rates = next.AboveTokens, next.over(q.Rates)
	}
}

// bandsOf are the bands of a row: those that follow it.
func bandsOf(prices []Price, base int) []Price {
	end := base + 1
	for end < len(prices) && prices[end].AboveTokens > 0 && prices[end].Tier == prices[base].Tier && prices[end].From.Equal(prices[base].From) {
		end++
	}
	return prices[base+1 : end]
}

// InForce returns a row that is in force and its bands, for tiers and hours too:
// all that a price says from its From on, the row that holds at any hour first. It
// is empty if the model is unpriced.
func InForce(prices []Price, at time.Time) []Price {
	base := plainAt(prices, at)
	if base < 0 {
		return nil
	}
	out := append([]Price{prices[base]}, bandsOf(prices, base)...)
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 && p.From.Equal(prices[base].From) && (p.Tier != "" || len(p.Hours) > 0) {
			out = append(append(out, *p), bandsOf(prices, i)...)
		}
	}
	return out
}

// plainAt finds the row that is in force whatever the hour, -1 if there is none.
func plainAt(prices []Price, at time.Time) int {
	best := -1
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 && p.Tier == "" && len(p.Hours) == 0 && p.Priced() && p.In(at) && (best < 0 || !p.From.Before(prices[best].From)) {
			best = i
		}
	}
	return best
}

// over lays the price's own rates over those of the band below it (zero for
// the lowest) and resolves what is left to the parents.
func (p *Price) over(below Rates) Rates {
	base := p.AboveTokens == 0
	var r Rates
	for _, c := range AllClasses { // parents come before their children
		switch own := *p.Rate(c); {
		case own != nil:
			r.Of[c] = *own
		case base:
			if c != ClassInput {
				r.Of[c] = r.Of[c.Parent()]
			}
		default:
			r.Of[c] = below.Of[c]
		}
	}
	r.Request = p.Request
	if !base && p.Request == 0 {
		r.Request = below.Request
	}
	return r
}

// DearestAt returns, rate by rate, the largest of all bands that a prompt of
// at most promptTokens can meet: the bound of a request whose true prompt size
// is not known yet.
func DearestAt(prices []Price, at time.Time, tier Tier, promptTokens int64) Quote {
	dearest := QuoteAt(prices, at, tier, 0)
	if dearest.Row == nil {
		return dearest
	}
	for i := range prices {
		if above := prices[i].AboveTokens; above > 0 && above < promptTokens {
			dearest.Rates = dearest.Rates.Max(QuoteAt(prices, at, tier, above+1).Rates)
		}
	}
	return dearest
}

// Max returns the larger of each rate.
func (r Rates) Max(o Rates) Rates {
	for c, n := range o.Of {
		r.Of[c] = max(r.Of[c], n)
	}
	r.Request = max(r.Request, o.Request)
	return r
}

// Dearest is the most that a token of some classes can cost, in nano-USD per
// million.
func (r Rates) Dearest(classes Classes) NanoUSD {
	var most NanoUSD
	for _, c := range AllClasses {
		if classes.Has(c) {
			most = max(most, r.Of[c])
		}
	}
	return most
}

// PromptBound is the most that a prompt of so many tokens of some classes can
// cost, with the price of the call.
func (r Rates) PromptBound(tokens int64, classes Classes) NanoUSD {
	return NanoUSD(AddSat(mulDivUp(tokens, int64(r.Dearest(classes)), 1_000_000), int64(r.Request)))
}

// Cost prices the tokens: the products are summed in 128 bits, divided once
// and rounded up.
func (r Rates) Cost(t Tokens) NanoUSD {
	var hi, lo, carry, over uint64
	for c, n := range t.ByClass() {
		rate := r.Of[c]
		if n <= 0 || rate <= 0 {
			continue
		}
		h, l := bits.Mul64(uint64(n), uint64(rate))
		lo, carry = bits.Add64(lo, l, 0)
		if hi, over = bits.Add64(hi, h, carry); over != 0 {
			return math.MaxInt64
		}
	}
	return NanoUSD(AddSat(divUp(hi, lo, 1_000_000), int64(r.Request)))
}
