package engine

import (
	"slices"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestMarkup(t *testing.T) {
	for in, want := range map[string]int{"0": 0, "20": 2000, "12.5": 1250, "12.50%": 1250, " 7 %": 700, "0.01": 1, "1000": 100_000, "007": 700} {
		if got, err := parseMarkup(in); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "%", "-1", "1.", ".5", "1.234", "1e2", "1000.01", "99999", "1,5", "+5", "5%%", "٣"} {
		if got, err := parseMarkup(bad); err == nil {
			t.Errorf("%q is %d", bad, got)
		} else if e := tally.AsError(err); e.Code != tally.Invalid || e.Hint == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzMarkup(f *testing.F) {
	for _, seed := range []string{"20", "12.5%", "1000", "-1", "0.01", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseMarkup(s); err == nil && (n < 0 || n > maxMarkup) {
			t.Errorf("%q is %d basis points", s, n)
		}
	})
}

func TestOrigins(t *testing.T) {
	got, err := checkOrigins([]string{"https://Example.com", "https://example.com:443/", "http://example.com:80", "http://localhost:3000", "", "none", "https://xn--caf-dma.example"})
	want := []string{"https://example.com", "http://example.com", "http://localhost:3000", "https://xn--caf-dma.example"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	for _, bad := range []string{"example.com", "*", "https://", "ftp://example.com", "https://a@example.com", "https://example.com/path", "https://example.com?q", "https://example.com#f", "https://a,https://b", "null"} {
		if got, err := checkOrigins([]string{bad}); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
	many := make([]string, maxListed+1)
	for i := range many {
		many[i] = "https://h" + strings.Repeat("x", i) + ".example"
	}
	if _, err := checkOrigins(many); err == nil {
		t.Error("any number of origins is taken")
	}
}
