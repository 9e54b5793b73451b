package tally

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// clamp is a big integer as the largest or smallest int64 if it is beyond.
func clamp(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() > 0:
		return math.MaxInt64
	}
	return math.MinInt64
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

// quotient is n/d rounded up or down, for a positive d.
func quotient(n *big.Int, d int64, up bool) *big.Int {
	q, m := new(big.Int).DivMod(n, big.NewInt(d), new(big.Int))
	if up && m.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func amount(t *rapid.T, label string) int64 {
	return rapid.OneOf(rapid.Int64Range(0, math.MaxInt64), rapid.Int64Range(0, 1e6), rapid.Int64Range(math.MaxInt64-5, math.MaxInt64)).Draw(t, label)
}

func TestParseUSD(t *testing.T) {
	for in, want := range map[string]NanoUSD{
		"0": 0, "50": 50 * Dollar, "$50": 50 * Dollar, " 0.15 ": 150_000_000, ".5": Dollar / 2, "0.000000001": 1, "007.10": 7_100_000_000,
		"100000000": MaxMoney, "99999999.999999999": MaxMoney - 1, "0000000000001": Dollar,
	} {
		if got, err := ParseUSD(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "$", ".", "5.", "-1", "+1", "1e3", "0x1", "1,000", "1 000", "0.0000000001", "100000000.000000001",
		"100000001", "99999999999999999999", "$$5", "٣", "1.2.3", "NaN", "inf"} {
		if got, err := ParseUSD(in); CodeOf(err) != Invalid {
			t.Errorf("%q: %d, %v; want Invalid", in, got, err)
		}
	}
}

func FuzzParseUSD(f *testing.F) {
	for _, seed := range []string{"0.15", "$50", ".5", "1e3", "99999999.999999999", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParseUSD(in)
		if err != nil {
			if CodeOf(err) != Invalid || AsError(err).Hint == "" {
				t.Errorf("%q: %v", in, err)
			}
			return
		}
		want, ok := new(big.Rat).SetString(strings.TrimPrefix(strings.TrimSpace(in), "$"))
		if !ok || want.Mul(want, big.NewRat(int64(Dollar), 1)).Cmp(big.NewRat(int64(got), 1)) != 0 || got < 0 || got > MaxMoney {
			t.Errorf("%q is %d, want %v", in, got, want)
		}
		if again, err := ParseUSD(got.String()); err != nil || again != got {
			t.Errorf("%q is %d, written %s, read %d, %v", in, got, got, again, err)
		}
	})
}

// TestMoneyText: what is written is the amount, exactly or rounded away from
// nothing.
func TestMoneyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := NanoUSD(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2e9, 2e9), rapid.Int64Range(0, 1000)).Draw(t, "amount"))
		exact, ok := new(big.Rat).SetString(n.String())
		if want := big.NewRat(int64(n), int64(Dollar)); !ok || exact.Cmp(want) != 0 {
			t.Fatalf("%d is written %s", n, n)
		}
		if n >= 0 && n <= MaxMoney {
			if again, err := ParseUSD(n.String()); err != nil || again != n {
				t.Fatalf("%d is written %s, read %d, %v", n, n, again, err)
			}
		}
		text := n.Display()
		sign, digits, _ := strings.Cut(text, "$")
		_, decimals, _ := strings.Cut(digits, ".")
		shown, ok := new(big.Rat).SetString(sign + strings.ReplaceAll(digits, ",", ""))
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(decimals))), nil))
		off := new(big.Rat).Sub(shown, exact)
		if n < 0 {
			off.Neg(off)
		}
		if !ok || (sign == "-") != (n < 0) || off.Sign() < 0 || off.Cmp(unit) >= 0 || len(decimals) < 2 {
			t.Fatalf("%s is shown as %s", n, text)
		}
		if n != 0 && shown.Sign() == 0 {
			t.Fatalf("%s reads as nothing: %s", n, text)
		}
	})
	for n, want := range map[NanoUSD]string{
		0: "$0.00", 41_200_000_000: "$41.20", 41_200_000_001: "$41.21", 900_000: "$0.0009", 1: "$0.000000001", -3 * Dollar: "-$3.00",
		12: "$0.000000012", 123: "$0.00000013", 99_999_999: "$0.10", 999_999_999: "$1.00", 1_234_567 * Dollar: "$1,234,567.00", math.MinInt64: "-$9,223,372,036.86",
	} {
		if got := n.Display(); got != want {
			t.Errorf("%s is shown as %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567", math.MinInt64: "-9,223,372,036,854,775,808"} {
		if got := Group(n); got != want {
			t.Errorf("%d is grouped %s, want %s", n, got, want)
		}
	}
}

// TestArithmetic: no product or sum wraps around; it is right, or held at the
// end of int64.
func TestArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, d := amount(t, "a"), amount(t, "b"), max(amount(t, "d"), 1)
		if got, want := mulDivUp(a, b, d), clamp(quotient(product(a, b), d, true)); got != want {
			t.Fatalf("⌈%d·%d/%d⌉ is %d, want %d", a, b, d, got, want)
		}
		if got, want := mulDivDown(a, b, d), clamp(quotient(product(a, b), d, false)); got != want {
			t.Fatalf("⌊%d·%d/%d⌋ is %d, want %d", a, b, d, got, want)
		}
		x, y := rapid.Int64().Draw(t, "x"), rapid.Int64().Draw(t, "y")
		if got, want := AddSat(x, y), clamp(new(big.Int).Add(big.NewInt(x), big.NewInt(y))); got != want {
			t.Fatalf("%d+%d is %d, want %d", x, y, got, want)
		}
		points := rapid.IntRange(0, 1_000_000).Draw(t, "basis points")
		if got, want := int64(NanoUSD(a).WithMarkup(points)), clamp(quotient(product(a, 10_000+int64(points)), 10_000, true)); got != want {
			t.Fatalf("%d with %d basis points is %d, want %d", a, points, got, want)
		}
	})
	if got := NanoUSD(-5).WithMarkup(2000); got != -5 {
		t.Errorf("a refund is marked up to %d", got)
	}
}

// TestBound: Output is the inverse of At, and a marked-up bound is above the
// mark-up of every cost within the bound.
func TestBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bound{amount(t, "base"), amount(t, "per million")}
		output := amount(t, "output")
		at := b.At(output)
		if want := clamp(new(big.Int).Add(big.NewInt(b.Base), quotient(product(b.PerMillion, output), 1_000_000, true))); at != want {
			t.Fatalf("%+v at %d is %d, want %d", b, output, at, want)
		}
		room := rapid.OneOf(rapid.Int64(), rapid.Just(at), rapid.Just(at-1), rapid.Just(b.Base)).Draw(t, "room")
		switch n := b.Output(room); {
		case n == -1:
			if b.At(0) <= room {
				t.Fatalf("%+v in %d: nothing, though %d fits", b, room, b.At(0))
			}
		case n < 0 || b.At(n) > room && n != math.MaxInt64:
			t.Fatalf("%+v in %d: %d, at which it is %d", b, room, n, b.At(n))
		case n < math.MaxInt64 && b.At(n+1) <= room && room < math.MaxInt64:
			t.Fatalf("%+v in %d: %d, though %d fits", b, room, n, n+1)
		}

		b.PerMillion = min(b.PerMillion, int64(MaxMoney)) // the dearest there can be
		at = b.At(output)
		points := rapid.IntRange(0, 100_000).Draw(t, "basis points")
		cost := NanoUSD(rapid.OneOf(rapid.Int64Range(0, at), rapid.Just(at)).Draw(t, "cost"))
		if got, bound := cost.WithMarkup(points), b.MarkedUp(points).At(output); int64(got) > bound {
			t.Fatalf("%+v at %d with %d basis points: credits are bounded by %d, and a cost of %d makes %d", b, output, points, bound, cost, got)
		}
	})
	for _, tc := range []struct {
		b          Bound
		room, want int64
	}{
		{Bound{}, 0, math.MaxInt64}, {Bound{}, -1, -1}, {Bound{Base: 5}, 4, -1}, {Bound{Base: 5}, 5, math.MaxInt64},
		{Bound{5, 1e6}, 5, 0}, {Bound{5, 1e6}, 7, 2}, {Bound{0, 1}, 0, 0}, {Bound{0, 1}, 1, 1_000_000}, {Bound{0, 3e6}, 8, 2},
	} {
		if got := tc.b.Output(tc.room); got != tc.want {
			t.Errorf("%+v in %d: %d, want %d", tc.b, tc.room, got, tc.want)
		}
	}
	if b := (Bound{5, 7}); b.MarkedUp(0) != b {
		t.Errorf("without a mark-up credits are bounded by %+v, cost by %+v", b.MarkedUp(0), b)
	}
	if got := (Bound{}).MarkedUp(500); got != (Bound{}) {
		t.Errorf("what costs nothing makes credits: %+v", got)
	}
}

func TestMetricFormat(t *testing.T) {
	got := fmt.Sprint(Cost.Format(41_200_000_000), " ", Credits.Format(1), " ", TokensIO.Format(50_000))
	if got != "$41.20 $0.000000001 50,000" {
		t.Error(got)
	}
}
