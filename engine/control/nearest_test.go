package control

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"hotel-aurora", "acme", "Bäckerei", "acne", "gpt-4o-mini"}
	for _, tc := range []struct{ word, want string }{
		{"acem", "acme"},                // two neighbours swapped
		{"ACME", "acme"},                // case
		{"acm", "acme"},                 // cut short
		{"akme", "acme"},                // one letter
		{"hotel", "hotel-aurora"},       // the beginning
		{"aurora", "hotel-aurora"},      // the end
		{"hotel-arora", "hotel-aurora"}, // a letter left out
		{"backerei", "Bäckerei"},        // one letter, two bytes
		{"gpt4o-mini", "gpt-4o-mini"},   // a dash left out
		{"zebra", ""},                   // nothing like it
		{"ac", ""},                      // too short to mean anything but itself
		{"", ""},
	} {
		if got := Nearest(tc.word, known); got != tc.want {
			t.Errorf("Nearest(%q) = %q, want %q", tc.word, got, tc.want)
		}
	}
}

// Hints must not change from call to call: callers pass the keys of maps.
func TestNearestDoesNotDependOnOrder(t *testing.T) {
	if a, b := Nearest("acxe", []string{"acme", "acne"}), Nearest("acxe", []string{"acne", "acme"}); a != "acme" || a != b {
		t.Errorf("Nearest = %q and %q, want acme both times", a, b)
	}
}
