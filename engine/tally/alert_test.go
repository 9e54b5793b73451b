package tally

import (
	"slices"
	"strings"
	"testing"
)

// Thresholds are written in one way, and read back as they were.
func FuzzThresholds(f *testing.F) {
	for _, s := range []string{"50,80,100", "none", "", "100%, 5", "1,1,1", ",", "０"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseThresholds(s)
		if err != nil {
			return
		}
		again, err := ParseThresholds(string(at))
		if err != nil || again != at {
			t.Errorf("%q is read as %q, and that as %q, %v", s, at, again, err)
		}
		list := at.Percents()
		if !slices.IsSorted(list) || len(list) > 0 && (list[0] < 1 || list[len(list)-1] > 100) || len(list) == 0 && !strings.Contains(s, "none") {
			t.Errorf("%q has %v", s, list)
		}
	})
}
