package control

import (
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// Percent is what is added to an amount, in basis points of it, written "20" or "12.5"; what
// is taken off it, "-10".
type Percent int

// The bounds of a percentage: 1000 % more, and nothing left.
const (
	MaxPercent Percent = 100_000
	MinPercent Percent = -10_000
)

// UnmarshalText implements encoding.TextUnmarshaler. It is exact: "20", "12.5%", "-10".
func (p *Percent) UnmarshalText(b []byte) error {
	s := string(b)
	bad := func(why string) error {
		return tally.Errorf(tally.Invalid, "%q is not a percentage: %s", s, why).WithHint("from -100 to 1000 with at most two decimals, like 20 or 12.5")
	}
	text, less := strings.CutPrefix(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%")), "-")
	if !less {
		text = strings.TrimPrefix(text, "+")
	}
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return bad("not a decimal number")
	}
	if frac = strings.TrimRight(frac, "0"); len(frac) > 2 {
		return bad("more than two decimals")
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 4 {
		return bad("too large")
	}
	n, err := strconv.Atoi("0" + whole + frac + strings.Repeat("0", 2-len(frac)))
	if less {
		n = -n
	}
	if err != nil || Percent(n) > MaxPercent || Percent(n) < MinPercent {
		return bad("too large")
	}
	*p = Percent(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler: "20", "12.5".
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the percentage without its sign.
func (p Percent) String() string {
	return strings.TrimSuffix(tally.NanoUSD(int64(p)*int64(tally.Dollar)/100).String(), ".")
}
