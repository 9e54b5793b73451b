package providers

import (
	"math/big"
	"strconv"
	"testing"
)

func TestParseDecimal(t *testing.T) {
	for _, x := range []struct {
		in     string
		places int
		want   int64 // -1 is not ok
	}{
		{"0", 15, 0}, {"0.00000015", 15, 150_000_000}, {"0.0000025", 15, 2_500_000_000}, {"1", 9, 1_000_000_000}, {"0.88", 9, 880_000_000}, {".5", 1, 5}, {"5.", 1, 50},
		{"2.5e-06", 15, 2_500_000_000}, {"1E-7", 15, 100_000_000}, {"1e+2", 0, 100}, {"0e99", 15, 0},
		{"0.0000000000000001", 15, 1}, {"1.0000000000", 9, 1_000_000_000}, {"1.00000000001", 9, 1_000_000_001}, {"4096", 0, 4096}, {"4096.5", 0, 4097},
		{"", 9, -1}, {".", 9, -1}, {"-1", 9, -1}, {"+1", 9, -1}, {"1,5", 9, -1}, {"1.2.3", 9, -1}, {"x", 9, -1}, {"1e", 9, -1}, {"1e1000", 9, -1}, {"1e1.5", 9, -1}, {"1e5e5", 9, -1}, {"0e0e0", 9, -1}, {"1e5.", 9, -1},
		{"null", 9, -1}, {"NaN", 9, -1}, {"Infinity", 9, -1}, {"0x10", 9, -1}, {" 1", 9, -1}, {"99999999999999999999", 0, -1}, {"1", 30, -1},
		{"20.0", 0, 20}, {"2e1", 0, 20}, {"9.223372036854775807e18", 0, -1}, {"37756000", -1, 3_775_600}, {"37756001", -1, 3_775_601}, {"1", -5, 1}, {"0", -5, 0}, {"1e-101", 9, -1},
	} {
		got, _, ok := ParseDecimal(x.in, x.places)
		if ok != (x.want >= 0) || ok && got != x.want {
			t.Errorf("%q × 10^%d: %d, %v; want %d", x.in, x.places, got, ok, x.want)
		}
	}
}

// FuzzDecimal holds the reading of numbers against exact fractions.
func FuzzDecimal(f *testing.F) {
	f.Add("0.00000015", 15)
	f.Add("2.5e-06", 15)
	f.Add("12345.6789", 2)
	f.Fuzz(func(t *testing.T, s string, places int) {
		if places < -20 || places > 20 || len(s) > 100 {
			return
		}
		got, whole, ok := ParseDecimal([]byte(s), places)
		if !ok {
			return
		}
		want, valid := new(big.Rat).SetString(s)
		if !valid || want.Sign() < 0 {
			t.Fatalf("%q was read as %d", s, got)
		}
		shift, _ := new(big.Rat).SetString("1e" + strconv.Itoa(places))
		want.Mul(want, shift)
		over := new(big.Rat).Sub(new(big.Rat).SetInt64(got), want)
		if over.Sign() < 0 || over.Cmp(big.NewRat(1, 1)) >= 0 || whole != (over.Sign() == 0) {
			t.Fatalf("%q × 10^%d is %s, and was read as %d", s, places, want, got)
		}
	})
}
