package control

import (
	"time"

	"tallygate/engine/tally"
)

// Named picks a thing by slug, name or ID.
type Named struct {
	Name string `json:"name" arg:"1" help:"slug, name or id"`
}

// Rows says which rows of a list are wanted, and in which order.
type Rows struct {
	Filter string `json:"filter,omitempty" help:"words to search for; NAME:WORD looks in one column, NAME:>N compares; see help filters"`
	Sort   string `json:"sort,omitempty" help:"column to order by; with a minus the other way round"`
}

// Listing selects things of a list.
type Listing struct {
	Rows
	Gateway string `json:"gateway,omitempty" of:"gateway" help:"=of gateway"`
}

// LimitState is a limit with what its current period has seen. Its Max is what it
// allows now: Base, which the owner has set, and the Raises that are in force.
type LimitState struct {
	tally.Limit
	Base     int64         `json:"base"`
	Raises   []tally.Raise `json:"raises,omitempty"`
	Of       string        `json:"of"`   // "gateway", "client" or "key"
	Name     string        `json:"name"` // whose
	Text     string        `json:"text"` // "cost=50/month", "cost=50/month +20 until 2026-12-04 00:00"
	Period   string        `json:"period"`
	Used     int64         `json:"used"`
	Held     int64         `json:"held"`
	Left     int64         `json:"left"` // below zero after an overrun
	ResetsAt time.Time     `json:"resets_at,omitzero"`
	// Part is, of a limit that each value of a tag or each model has, the one that has used
	// the most of those that were refused, as KEY=VALUE. It is "" if there is none, and Used
	// is 0 then.
	Part string `json:"part,omitempty"`
}

// Sums is usage for people and scripts: rollup sums with money as text too.
type Sums struct {
	Requests          int64         `json:"requests"`
	Refused           int64         `json:"refused"`
	Errors            int64         `json:"errors"`
	Sessions          int64         `json:"sessions"`
	InputTokens       int64         `json:"input_tokens"`
	CachedInputTokens int64         `json:"cached_input_tokens"`
	CacheWriteTokens  int64         `json:"cache_write_tokens"`
	OutputTokens      int64         `json:"output_tokens"` // reasoning included
	ReasoningTokens   int64         `json:"reasoning_tokens"`
	CostUSD           string        `json:"cost_usd"`
	CostNanoUSD       tally.NanoUSD `json:"cost_nano_usd"`
	CreditsUSD        string        `json:"credits_usd"`
	CreditsNanoUSD    tally.NanoUSD `json:"credits_nano_usd"`
	SavedNanoUSD      tally.NanoUSD `json:"saved_nano_usd,omitempty"` // by the providers' caches of prompts; below zero where they cost more
	FirstByteMS       float64       `json:"first_byte_ms"`            // mean
	TotalMS           float64       `json:"total_ms"`                 // mean
	P50MS             float64       `json:"p50_ms"`                   // estimated within latency classes a factor √2 wide
	P99MS             float64       `json:"p99_ms"`
}

// Margin is what is left of the credits when the cost is paid: the owner's figure alone.
func (s *Sums) Margin() tally.NanoUSD { return s.CreditsNanoUSD - s.CostNanoUSD }

// margin is the margin as a cell; there is none where nothing is charged but the cost.
func (s *Sums) margin() Value { return orNone(MoneyOf(s.Margin())) }

// CacheHits is the share of the input, from 0 to 1, that the providers' caches of prompts
// had; ok is false where they had none of it.
func (s *Sums) CacheHits() (share float64, ok bool) {
	if s.InputTokens <= 0 || s.CachedInputTokens <= 0 {
		return 0, false
	}
	return float64(s.CachedInputTokens) / float64(s.InputTokens), true
}

// cacheHits is CacheHits as a cell.
func (s *Sums) cacheHits() Value {
	v := ShareOf(s.CachedInputTokens, s.InputTokens)
	v.Void = v.Void || s.CachedInputTokens <= 0
	return v
}

// NewSums presents rollup sums. InputTokens counts the whole prompt and
// OutputTokens the whole completion, as clients' bills do.
func NewSums(s *tally.Sums) Sums {
	var answered int64
	for _, n := range s.Latency {
		answered += n
	}
	out := Sums{
		Requests: s.Requests, Refused: s.Refused, Errors: s.Errors, Sessions: s.Sessions,
		InputTokens: s.Tokens.Prompt(), CachedInputTokens: s.Tokens.CachedInput, CacheWriteTokens: s.Tokens.CacheWrite,
		OutputTokens: s.Tokens.Completion(), ReasoningTokens: s.Tokens.Reasoning,
		CostUSD: s.Cost.String(), CostNanoUSD: s.Cost, CreditsUSD: s.Credits.String(), CreditsNanoUSD: s.Credits, SavedNanoUSD: s.Saved,
		P50MS: inMillis(s.Quantile(0.5)), P99MS: inMillis(s.Quantile(0.99)),
	}
	if answered > 0 {
		out.FirstByteMS = inMillis(s.FirstByte / time.Duration(answered))
		out.TotalMS = inMillis(s.Total / time.Duration(answered))
	}
	return out
}

// RaiseFields say which limit is raised, by how much, and until when.
type RaiseFields struct {
	Limit string `json:"limit,omitempty" arg:"1?" help:"METRIC/WINDOW of the limit, like cost/month; left out: the only one"`
	By    string `json:"by,omitempty" help:"how much more, like 20 (US dollars), 5k or 2M; none ends its raises at once"`
	Until Expiry `json:"until,omitempty" help:"a date, at whose beginning it ends, or how long it lasts, like 3d"`
}
