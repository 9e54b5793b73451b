package openai

import (
	"encoding/json"
	"math"
	"strings"

	"tallygate/engine/tally"
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
	n, ok := parseDecimal(string(f), places)
	return tally.NanoUSD(n), ok && n <= int64(tally.MaxMoney)
}

// parseDecimal reads a decimal number that is not negative, times ten to the
// power of places, rounded up. It is exact: no float is involved.
func parseDecimal(s string, places int) (int64, bool) {
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	if hasExponent {
		sign := 1
		if rest, ok := strings.CutPrefix(exponent, "-"); ok {
			sign, exponent = -1, rest
		} else {
			exponent = strings.TrimPrefix(exponent, "+")
		}
		n, ok := parseDecimal(exponent, 0)
		if !ok || n > 100 || strings.ContainsAny(exponent, ".e") {
			return 0, false
		}
		places += sign * int(n)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" {
		return 0, false
	}
	end := len(whole) + places // digits before this one count, those behind it are rounded
	n, up := int64(0), int64(0)
	for i := range max(len(digits), end) {
		d := byte('0')
		if i < len(digits) {
			d = digits[i]
		}
		switch {
		case d < '0' || d > '9':
			return 0, false
		case i >= end:
			if d != '0' {
				up = 1
			}
		case n > (math.MaxInt64-10)/10:
			return 0, false
		default:
			n = n*10 + int64(d-'0')
		}
	}
	return n + up, true
}
