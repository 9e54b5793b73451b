package providers

import (
	"strconv"

	"tallygate/engine/tally"
)

// tokens reads the usage that was found.
func (f *facts) tokens(b []byte) (tally.Tokens, bool) {
	if f.usage.present() {
		return readUsage(b, f.usage)
	}
	if f.nested.present() {
		return readUsage(b, f.nested)
	}
	return tally.Tokens{}, false
}

// ParseUsage finds the usage in a JSON answer of chat, completions or
// embeddings. Counts that cannot be are not ok.
func ParseUsage(body []byte) (tally.Tokens, bool) {
	var f facts
	if inspect(body, space(body, 0), &f) < 0 {
		return tally.Tokens{}, false
	}
	return f.tokens(body)
}

// report is a usage object as it is written; -1 is absent.
type report struct{ prompt, completion, total, cached, written, reasoning int64 }

// readUsage reads a well-formed usage object.
func readUsage(b []byte, at span) (tally.Tokens, bool) {
	r := report{-1, -1, -1, -1, -1, -1}
	sane := true
	count := func(to *int64, s span) {
		if n, ok := tokenCount(b, s); !ok {
			sane = false
		} else if n >= 0 {
			*to = max(*to, n)
		}
	}
	members(b, at.From, func(key []byte, s span) bool {
		switch string(key) {
		case "prompt_tokens":
			count(&r.prompt, s)
		case "completion_tokens":
			count(&r.completion, s)
		case "total_tokens":
			count(&r.total, s)
		case "prompt_cache_hit_tokens": // DeepSeek
			count(&r.cached, s)
		case "prompt_tokens_details", "completion_tokens_details":
			if b[s.From] != '{' {
				return true
			}
			members(b, s.From, func(key []byte, s span) bool {
				switch string(key) {
				case "cached_tokens":
					count(&r.cached, s)
				case "cache_write_tokens": // OpenRouter
					count(&r.written, s)
				case "reasoning_tokens":
					count(&r.reasoning, s)
				}
				return true
			})
		}
		return true
	})
	if !sane {
		return tally.Tokens{}, false
	}
	return r.tokens()
}

// tokens splits a report into disjoint buckets. Cached and written tokens are
// part of the prompt. Reasoning is part of the completion with OpenAI and on
// top of it with xAI and Gemini; the total tells which, and what the total has
// beyond both is reasoning that was not itemised.
func (r report) tokens() (tally.Tokens, bool) {
	if r.prompt < 0 && r.completion < 0 {
		return tally.Tokens{}, false
	}
	prompt, completion, cached, written, reasoning := max(r.prompt, 0), max(r.completion, 0), max(r.cached, 0), max(r.written, 0), max(r.reasoning, 0)
	if cached+written > prompt || prompt+completion == 0 {
		return tally.Tokens{}, false
	}
	if extra := r.total - prompt - completion; extra > 0 {
		completion += extra
		reasoning = max(reasoning, extra)
	}
	reasoning = min(reasoning, completion)
	t := tally.Tokens{
		Input: prompt - cached - written, CachedInput: cached, CacheWrite: written,
		Output: completion - reasoning, Reasoning: reasoning,
	}
	return t, t.Sane()
}

// tokenCount reads a count; -1 for null, not ok for what is no count.
func tokenCount(b []byte, s span) (int64, bool) {
	v := s.of(b)
	if v[0] == 'n' {
		return -1, true
	}
	n := int64(0)
	for _, c := range v {
		if c-'0' > 9 {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > tally.MaxTokens {
			return 0, false
		}
	}
	return n, true
}

// AppendCost appends a usage object with "cost" in US dollars put into it; a
// cost the upstream put there is replaced. The object is one that
// [Body.UsageAt] points to.
func AppendCost(dst, usage []byte, cost tally.NanoUSD) []byte {
	value := func() {
		dst = appendUSD(dst, cost)
	}
	done := false
	members(usage, 0, func(key []byte, s span) bool {
		if string(key) != "cost" {
			return true
		}
		dst = append(dst, usage[:s.From]...)
		value()
		dst = append(dst, usage[s.To:]...)
		done = true
		return false
	})
	if done {
		return dst
	}
	dst = append(dst, usage[:len(usage)-1]...)
	if usage[space(usage, 1)] != '}' {
		dst = append(dst, ',')
	}
	dst = append(dst, `"cost":`...)
	value()
	return append(dst, '}')
}

// appendUSD appends an amount as a JSON number.
func appendUSD(dst []byte, n tally.NanoUSD) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, int64(n/tally.Dollar), 10)
	frac := int64(n % tally.Dollar)
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(tally.Dollar) / 10; frac > 0; unit /= 10 {
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}
