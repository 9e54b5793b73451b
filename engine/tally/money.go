package tally

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// NanoUSD is an amount of money in billionths of a US dollar. An int64 holds
// ±9.2 billion dollars. It is written in JSON as an integer.
type NanoUSD int64

// Dollar is one US dollar.
const Dollar NanoUSD = 1_000_000_000

// MaxMoney is the largest amount an owner may enter (a limit, a price per
// million tokens): one hundred million dollars. It leaves room to add
// thousands of them in an int64.
const MaxMoney = 100_000_000 * Dollar

// ParseUSD reads a decimal amount of US dollars such as "0.15" or "$50",
// exactly: more than nine decimals, an exponent or a sign are refused.
func ParseUSD(s string) (NanoUSD, error) {
	text := strings.TrimPrefix(strings.TrimSpace(s), "$")
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" && frac == "" || dotted && frac == "" || !digits(whole) || !digits(frac) {
		return 0, Errorf(Invalid, "%q is not an amount of US dollars", s).WithHint(`write it like 0.15 or 50`)
	}
	if len(frac) > 9 {
		return 0, Errorf(Invalid, "%q has more than nine decimals", s).WithHint("the smallest amount is 0.000000001 USD")
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 9 {
		return 0, tooMuchMoney(s)
	}
	var n int64
	if digits := whole + frac + strings.Repeat("0", 9-len(frac)); digits != "" {
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, tooMuchMoney(s)
		}
		n = v
	}
	if NanoUSD(n) > MaxMoney {
		return 0, tooMuchMoney(s)
	}
	return NanoUSD(n), nil
}

func tooMuchMoney(s string) error {
	return Errorf(Invalid, "%q is too large an amount", s).WithHint("the largest is %s USD", MaxMoney)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// String writes the exact decimal amount in dollars without a sign of
// currency: "0.15", "-3", "0.000000001".
func (n NanoUSD) String() string {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	var room [24]byte // every answer carries its cost: one allocation
	out := room[:0]
	if n < 0 {
		out = append(out, '-')
	}
	out = strconv.AppendUint(out, u/uint64(Dollar), 10)
	frac := u % uint64(Dollar)
	if frac == 0 {
		return string(out)
	}
	out = append(out, '.')
	for unit := uint64(Dollar) / 10; frac > 0; unit /= 10 {
		out = append(out, '0'+byte(frac/unit))
		frac %= unit
	}
	return string(out)
}

// Display writes the amount for people: "$41.20", and as many decimals as a
// small amount needs to show two digits: "$0.042", "$0.0009". It is rounded up
// in magnitude, so that something spent never reads as nothing.
func (n NanoUSD) Display() string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	unit, decimals := uint64(Dollar)/100, 2
	for u > 0 && u < unit*10 && unit > 1 {
		unit, decimals = unit/10, decimals+1
	}
	u = u/unit + min(u%unit, 1)
	for decimals > 2 && u%10 == 0 {
		u, unit, decimals = u/10, unit*10, decimals-1
	}
	scale := uint64(Dollar) / unit
	return fmt.Sprintf("%s$%s.%0*d", sign, Group(int64(u/scale)), decimals, u%scale)
}

// Group writes n with commas between thousands.
func Group(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// mulDivUp returns ⌈a·b/d⌉ for non-negative a, b and positive d, at most
// math.MaxInt64: an amount too large to hold is held as the largest, never
// wrapped.
func mulDivUp(a, b, d int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return divUp(hi, lo, uint64(d))
}

func divUp(hi, lo, d uint64) int64 {
	if hi >= d {
		return math.MaxInt64
	}
	q, r := bits.Div64(hi, lo, d)
	if r > 0 {
		q++
	}
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(q)
}

// mulDivDown returns ⌊a·b/d⌋ under the same rules.
func mulDivDown(a, b, d int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(d) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(q)
}

// AddSat returns a+b, held at the ends of int64.
func AddSat(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}

// Share returns n·part/whole for amounts that are not negative, rounded up; n where there is
// no whole.
func (n NanoUSD) Share(part, whole NanoUSD) NanoUSD {
	if n <= 0 || part < 0 || whole <= 0 {
		return n
	}
	return NanoUSD(mulDivUp(int64(n), int64(part), int64(whole)))
}

// WithMarkup returns the amount increased by basis points (1/100 of a
// percent), rounded up: credits are cost with the client's mark-up.
func (n NanoUSD) WithMarkup(basisPoints int) NanoUSD {
	if n <= 0 {
		return n
	}
	return NanoUSD(mulDivUp(int64(n), 10_000+int64(basisPoints), 10_000))
}
