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

// CostMode is what [RewriteCost] makes of the costs that an upstream tells.
type CostMode uint8

// The modes.
const (
	// CostTheirs leaves what the upstream tells as it is, and adds ours only where
	// it tells nothing that can be believed.
	CostTheirs CostMode = iota
	// CostOurs replaces all of it by our own: a number, or an object with
	// "total_cost" where the upstream's is one.
	CostOurs
	// CostNone removes all of it.
	CostNone
)

// RewriteCost appends a usage object with the upstream's costs treated by a mode;
// cost is ours. All members that tell no cost are left byte for byte. The object
// is one that [Body.UsageAt] points to.
func RewriteCost(dst, usage []byte, cost tally.NanoUSD, mode CostMode) []byte {
	if mode == CostTheirs {
		if tellsCost(usage) {
			return append(dst, usage...)
		}
		return AppendCost(dst, usage, cost)
	}
	dst = append(dst, '{')
	open, done := len(dst), mode == CostNone
	put := func(member []byte) {
		if len(dst) > open {
			dst = append(dst, ',')
		}
		dst = append(dst, member...)
	}
	members(usage, 0, func(key []byte, s span) bool {
		switch {
		case !isCost(key):
			put(usage[s.KeyFrom:s.To])
		case string(key) == "cost" && !done:
			done = true
			put(costKey)
			if usage[s.From] == '{' {
				dst = append(dst, `{"total_cost":`...)
				dst = append(appendUSD(dst, cost), '}')
			} else {
				dst = appendUSD(dst, cost)
			}
		}
		return true
	})
	if !done {
		put(costKey)
		dst = appendUSD(dst, cost)
	}
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

var costKey = []byte(`"cost":`)

// tellsCost reports whether a usage object tells a cost that can be believed.
func tellsCost(usage []byte) bool {
	var f figures
	members(usage, 0, func(key []byte, s span) bool {
		switch m := meanings[string(key)]; {
		case m == nil:
		case usage[s.From] == '{' && m.part[inUsage] == inCost:
			f.walk(usage, s.From, inCost)
		case m.figure[inUsage] >= figCost:
			f.take(m.figure[inUsage], s.of(usage))
		}
		return true
	})
	return f.has(figCost) || f.has(figTicks)
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
