package providers

import (
	"bytes"
	"strconv"

	"tallygate/engine/tally"
)

// AppendCost appends a usage object with "cost" in US dollars put into it. A cost that the
// upstream put there is replaced. The usage object is one that [Body.UsageAt] points to.
func AppendCost(dst, usage []byte, cost tally.NanoUSD) []byte {
	if bytes.Contains(usage, []byte(`"cost"`)) {
		done := false
		members(usage, 0, func(key []byte, s span) bool {
			if done = string(key) == "cost"; done {
				dst = append(dst, usage[:s.From]...)
				dst = appendUSD(dst, cost)
				dst = append(dst, usage[s.To:]...)
			}
			return !done
		})
		if done {
			return dst
		}
	}
	dst = append(dst, usage[:len(usage)-1]...)
	if usage[space(usage, 1)] != '}' {
		dst = append(dst, ',')
	}
	dst = append(dst, costKey...)
	dst = appendUSD(dst, cost)
	return append(dst, '}')
}

// TellCost appends a usage object. If the upstream tells a cost that can be believed, the
// object stays as it is; otherwise our cost is put into it. The usage object is one that
// [Body.UsageAt] points to.
func TellCost(dst, usage []byte, cost tally.NanoUSD) []byte {
	if tellsCost(usage) {
		return append(dst, usage...)
	}
	return AppendCost(dst, usage, cost)
}

const costKey = `"cost":`

// tellsCost reports whether a usage object tells a cost that can be believed. Most usage
// objects tell nothing that even looks like a cost.
func tellsCost(usage []byte) bool {
	if !bytes.Contains(usage, []byte("cost")) {
		return false
	}
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
