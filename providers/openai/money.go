package openai

import (
	"encoding/json"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// pricing is what a list of models says about money: OpenRouter in US dollars
// per token, Together in US dollars per million tokens.
type pricing struct {
	Prompt     figure `json:"prompt"`
	Completion figure `json:"completion"`
	Request    figure `json:"request"`
	Reasoning  figure `json:"internal_reasoning"`
	CacheRead  figure `json:"input_cache_read"`
	CacheWrite figure `json:"input_cache_write"`

	Input  figure `json:"input"`
	Output figure `json:"output"`
}

// Places by which a decimal point moves to make nano-dollars per million
// tokens.
const (
	perToken   = 15
	perMillion = 9
	perRequest = 9
)

// prices reads a price; none if it is not there or not fixed (OpenRouter's
// routers have -1).
func prices(raw json.RawMessage) []tally.Price {
	var p pricing
	if len(raw) == 0 || json.Unmarshal(raw, &p) != nil {
		return nil
	}
	in, out, places := p.Prompt, p.Completion, perToken
	if in == "" && out == "" {
		in, out, places = p.Input, p.Output, perMillion
	}
	input, okIn := money(in, places)
	output, okOut := money(out, places)
	if !okIn || !okOut {
		return nil
	}
	price := tally.Price{Input: &input, Output: &output}
	// A 0 in the fields that follow means that nothing special applies, not that
	// such tokens cost nothing.
	for _, f := range [...]struct {
		figure
		to **tally.NanoUSD
	}{{p.CacheRead, &price.CachedInput}, {p.CacheWrite, &price.CacheWrite}, {p.Reasoning, &price.Reasoning}} {
		if n, ok := money(f.figure, perToken); ok && n > 0 {
			*f.to = &n
		}
	}
	if n, ok := money(p.Request, perRequest); ok {
		price.Request = n
	}
	return []tally.Price{price}
}

// money reads an amount; not ok if it is none that can be charged.
func money(f figure, places int) (tally.NanoUSD, bool) {
	n, _, ok := providers.ParseDecimal(f, places)
	return tally.NanoUSD(n), ok && n <= int64(tally.MaxMoney)
}
