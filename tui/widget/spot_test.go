package widget

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Marks change nothing of a picture, and each spot is found where its text is seen,
// whatever was cut off and laid over it.
func TestSpotsAreWhereTheirTextIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var plain, marked []string
		for y := range rapid.IntRange(1, 5).Draw(t, "lines") {
			var p, m strings.Builder
			for n := range rapid.IntRange(0, 4).Draw(t, "spots") {
				before := rapid.StringMatching(`[a-z é漢]{0,6}`).Draw(t, "before")
				text := string(rune('A'+y*5+n)) + rapid.StringMatching(`[a-z é漢]{0,8}`).Draw(t, "text")
				p.WriteString(before + text)
				m.WriteString(before + Mark(Spot{RowSpot, y, n}, text))
			}
			plain, marked = append(plain, p.String()), append(marked, m.String())
		}
		width, height := rapid.IntRange(1, 40).Draw(t, "width"), len(plain)
		x, y := rapid.IntRange(0, 40).Draw(t, "x"), rapid.IntRange(0, 4).Draw(t, "y")
		draw := func(lines []string) string {
			return Over(NewBlock(width, height, lines...), NewBlock(min(3, width), 1, "***"), min(x, max(width-3, 0)), y).String()
		}
		want := draw(plain)
		got, places := Spots(draw(marked))
		if got != want {
			t.Fatalf("with marks taken out:\n%q\nwithout marks:\n%q", got, want)
		}
		for y, line := range strings.Split(want, "\n") {
			at := 0
			for _, r := range line {
				if r >= 'A' && r <= 'Z' {
					n := int(r-'A') - y*5
					if s := places.At(at, y); s != (Spot{RowSpot, y, n}) {
						t.Fatalf("at %d,%d is %+v, drawn is %c in %q", at, y, s, r, line)
					}
				}
				at += Width(string(r))
			}
		}
	})
}

func TestNothingFromOutsideIsASpot(t *testing.T) {
	if clean, places := Spots(Safe(Mark(Spot{Tab, 0, 1}, "x"))); len(places) != 0 || strings.ContainsRune(clean, '\x1b') {
		t.Errorf("%q has the spots %v", clean, places)
	}
}
