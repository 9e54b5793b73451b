package control

import (
	"testing"

	"tallygate/engine/tally"
)

func TestPace(t *testing.T) {
	for _, tc := range []struct {
		days []tally.NanoUSD
		want float64 // negative: nobody can tell
	}{
		{nil, -1}, {[]tally.NanoUSD{9}, -1}, {[]tally.NanoUSD{9, 0, 0, 9, 0, 0}, -1},
		{[]tally.NanoUSD{3, 6, 9}, 6},
		{[]tally.NanoUSD{0, 0, 0, 3, 6, 9}, 6},               // it was made on the fourth day
		{[]tally.NanoUSD{3, 0, 6, 0, 0, 0, 5}, 2},            // it rests on some days
		{[]tally.NanoUSD{900, 1, 1, 1, 1, 1, 1, 1}, 1},       // what was long ago does not count
		{[]tally.NanoUSD{900, 0, 0, 0, 0, 0, 6, 6, 6}, 6},    // nor that it rested before
		{[]tally.NanoUSD{900, 900, 0, 0, 0, 0, 0, 0, 6}, -1}, // one day tells nothing
	} {
		got, ok := Pace(tc.days)
		if ok != (tc.want >= 0) || ok && got != tc.want {
			t.Errorf("%v: %v, %v; want %v", tc.days, got, ok, tc.want)
		}
	}
}
