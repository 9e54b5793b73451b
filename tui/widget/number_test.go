package widget

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestCompact(t *testing.T) {
	for _, tc := range []struct {
		n    int64
		want string
	}{
		{0, "0"}, {7, "7"}, {999, "999"}, {1000, "1k"}, {1001, "1k"}, {1240, "1.24k"}, {9994, "9.99k"}, {9995, "10k"}, {18_204, "18.2k"}, {99_949, "99.9k"}, {99_950, "100k"},
		{999_499, "999k"}, {999_500, "1M"}, {3_410_000, "3.41M"}, {999_999_999, "1G"}, {1e12, "1T"}, {-18_204, "-18.2k"}, {math.MaxInt64, "9.22E"}, {math.MinInt64, "-9.22E"},
	} {
		if got := control.Compact(tc.n); got != tc.want {
			t.Errorf("control.Compact(%d) = %q, want %q", tc.n, got, tc.want)
		}
	}
}

func TestCompactIsShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0).Draw(t, "n")
		if got := control.Compact(n); len(got) > 5 {
			t.Errorf("control.Compact(%d) = %q is longer than five characters", n, got)
		}
	})
}

func TestNumbers(t *testing.T) {
	now := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
	for _, tc := range []struct{ got, want string }{
		{Money(0), "$0.00"}, {Money(41_200_000_000), "$41.20"}, {Money(210_000), "$0.00021"}, {Money(1), "$0.000000001"}, {Money(1234 * tally.Dollar), "$1,234.00"},
		{Money(2_500_000 * tally.Dollar), "$2.5M"}, {Money(-3 * tally.Dollar), "-$3.00"},
		{Amount(tally.Cost, 50e9), "$50.00"}, {Amount(tally.Requests, 18_204), "18.2k"},
		{Latency(0), "–"}, {Latency(1500 * time.Microsecond), "1.5 ms"}, {Latency(402 * time.Millisecond), "402 ms"}, {Latency(1900 * time.Millisecond), "1.9 s"},
		{Latency(9_980 * time.Millisecond), "10 s"}, {Latency(999_700 * time.Microsecond), "1.0 s"}, {Latency(75 * time.Second), "75 s"}, {Latency(9_990 * time.Microsecond), "10 ms"},
		{Ago(time.Time{}, now), "never"}, {Ago(now.Add(time.Second), now), "<10s"}, {Ago(now.Add(-59*time.Second), now), "50s"}, {Ago(now.Add(-47*time.Hour), now), "47h"},
		{Ago(now.AddDate(0, 0, -41), now), "41d"},
		{Until(now, now), "now"}, {Until(now.Add(90*time.Second), now), "1 min"}, {Until(now.Add(time.Hour), now), "1 h"}, {Until(now.Add(time.Second), now), "1 s"},
		{Until(now.AddDate(0, 0, 12), now), "12 days"}, {Until(now.Add(47*time.Hour), now), "47 h"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
