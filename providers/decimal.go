package providers

import "math"

// maxExponent bounds the exponents that are read: no count and no amount needs
// more.
const maxExponent = 100

// ParseDecimal reads a decimal number that is not negative, times ten to the power of
// places. The result is exact, since no float is involved. A fraction that remains is
// rounded up; whole reports that there was none.
func ParseDecimal[T ~string | ~[]byte](s T, places int) (n int64, whole, ok bool) {
	digits, point, end := 0, -1, len(s)
scan:
	for i := range len(s) {
		switch c := s[i]; {
		case c-'0' <= 9:
			digits++
		case c == '.' && point < 0:
			point = digits
		case c == 'e' || c == 'E':
			exponent, ok := parseExponent(s, i+1)
			if !ok {
				return 0, false, false
			}
			places, end = places+exponent, i
			break scan
		default:
			return 0, false, false
		}
	}
	if digits == 0 {
		return 0, false, false
	}
	if point < 0 {
		point = digits
	}
	point += places // digits before this one count, digits behind it are rounded
	at, up := 0, int64(0)
	for i := range end {
		d := int64(s[i]) - '0'
		switch {
		case s[i] == '.':
			continue
		case at >= point:
			if d != 0 {
				up = 1
			}
		case n > (math.MaxInt64-10)/10:
			return 0, false, false
		default:
			n = n*10 + d
		}
		at++
	}
	for ; at < point && n > 0; at++ {
		if n > (math.MaxInt64-10)/10 {
			return 0, false, false
		}
		n *= 10
	}
	return n + up, up == 0, true
}

// parseExponent reads what follows an "e".
func parseExponent[T ~string | ~[]byte](s T, i int) (n int, ok bool) {
	sign := 1
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		if s[i] == '-' {
			sign = -1
		}
		i++
	}
	for ; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return 0, false
		}
		if n = 10*n + int(s[i]-'0'); n > maxExponent {
			return 0, false
		}
		ok = true
	}
	return sign * n, ok
}
