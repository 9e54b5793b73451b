package engine

import (
	"slices"
	"strings"
	"testing"
)

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
