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
	WebSearch  figure `json:"web_search"`
	Reasoning  figure `json:"internal_reasoning"`
	CacheRead  figure `json:"input_cache_read"`
	CacheWrite figure `json:"input_cache_write"`

	Input  figure `json:"input"`
	Output figure `json:"output"`
}

// Places by which a decimal point moves to make nano-dollars per million
// tokens, or of one call.
const (
	perToken   = 15
	perMillion = 9
	perCall    = 9
)

// prices reads a price; none if there is none. A figure that cannot be charged spoils the
// whole price, and the problem says which figure it is: OpenRouter's routers have -1.
func prices(raw json.RawMessage) (list []tally.Price, problem string) {
	var p pricing
	if len(raw) == 0 || json.Unmarshal(raw, &p) != nil {
		return nil, ""
	}
	in, out, places, names := p.Prompt, p.Completion, perToken, [2]string{"prompt", "completion"}
	if !in.told() && !out.told() {
		in, out, places, names = p.Input, p.Output, perMillion, [2]string{"input", "output"}
	}
	if !in.told() && !out.told() {
		return nil, ""
	}
	var price tally.Price
	var request, search *tally.NanoUSD
	for _, f := range [...]struct {
		figure
		name   string
		places int
		to     **tally.NanoUSD
		must   bool
	}{
		{in, names[0], places, &price.Input, true}, {out, names[1], places, &price.Output, true},
		{p.CacheRead, "input_cache_read", perToken, &price.CachedInput, false}, {p.CacheWrite, "input_cache_write", perToken, &price.CacheWrite, false},
		{p.Reasoning, "internal_reasoning", perToken, &price.Reasoning, false},
		{p.Request, "request", perCall, &request, false}, {p.WebSearch, "web_search", perCall, &search, false},
	} {
		if !f.told() {
			if f.must {
				return nil, "the provider's list names no price of " + f.name
			}
			continue
		}
		n, problem := money(f.figure, f.places)
		if problem != "" {
			return nil, "the provider's list has a price of " + f.name + " that " + problem
		}
		// A 0 in what may be left out means that nothing special applies, not that
		// such tokens cost nothing.
		if f.must || n > 0 {
			*f.to = &n
		}
	}
	if request != nil {
		price.Request = *request
	}
	if search != nil {
		price.Pieces = map[tally.Piece]tally.NanoUSD{tally.Search: *search}
	}
	return []tally.Price{price}, ""
}

// told reports whether a figure is there at all.
func (f figure) told() bool { return f != "" && f != "null" }

// money reads an amount that was told, or says why the amount cannot be charged.
func money(f figure, places int) (n tally.NanoUSD, problem string) {
	read, _, ok := providers.ParseDecimal(f, places)
	switch n = tally.NanoUSD(read); {
	case ok && n <= tally.MaxMoney:
		return n, ""
	case ok || f[0] >= '0' && f[0] <= '9' && json.Valid([]byte(f)):
		return 0, "is too large"
	case f[0] == '-':
		return 0, "is negative"
	}
	return 0, "is not a number"
}
