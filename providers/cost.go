package providers

import (
	"strconv"

	"tallygate/engine/tally"
)

// AppendCost appends a usage object with "cost" in US dollars put into it; a
// cost the upstream put there is replaced. The object is one that
// [Body.UsageAt] points to.
func AppendCost(dst, usage []byte, cost tally.NanoUSD) []byte {
	done := false
	members(usage, 0, func(key []byte, s span) bool {
		if string(key) != "cost" {
			return true
		}
		dst = append(dst, usage[:s.From]...)
		dst = appendUSD(dst, cost)
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
	dst = appendUSD(dst, cost)
	return append(dst, '}')
}

// isCost reports whether a member of a usage object tells of money.
func isCost(key []byte) bool {
	switch string(key) {
	case "cost", "cost_details", "cost_in_usd_ticks":
		return true
	}
	return false
}

// tellsMoney reports whether a usage object has a member that tells of money.
func tellsMoney(b []byte, at span) (tells bool) {
	members(b, at.From, func(key []byte, _ span) bool {
		tells = isCost(key)
		return !tells
	})
	return tells
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
