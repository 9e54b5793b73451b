package widget

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"tallygate/tui/theme"
)

// Whatever is drawn fills its size, every column is as tall as its value says, and
// something is never drawn as nothing.
func TestColumnsAreAsTallAsTheirValues(t *testing.T) {
	for _, name := range []theme.Name{theme.Dark, theme.ASCII} {
		th := theme.New(name)
		r := rand.New(rand.NewPCG(1, 2))
		for range 400 {
			c := Columns{Running: r.IntN(2) == 0, Whole: r.IntN(2) == 0, Role: theme.Accent, Labels: map[int]string{0: "first"}, On: r.IntN(2) == 0}
			n := 1 + r.IntN(40)
			most := math.Pow(10, float64(r.IntN(12)-4))
			for range n {
				v := 0.0
				if r.IntN(3) > 0 {
					v = r.Float64() * most
				}
				if c.Whole {
					v = math.Ceil(v)
				}
				c.Values = append(c.Values, v)
			}
			for range r.IntN(10) {
				c.Ahead = append(c.Ahead, r.Float64()*most)
			}
			c.Cursor = r.IntN(n)
			width, height := 30+r.IntN(120), MinColumns+r.IntN(16)
			block := c.Draw(th, width, height)
			if w, h := block.Size(); w != width || h != height {
				t.Fatalf("%d×%d is drawn as %d×%d", width, height, w, h)
			}
			lines := block.Lines()
			at := -1
			for _, l := range lines { // the axis begins at the same cell in all rows
				if i := strings.IndexAny(Strip(l), "└"); i >= 0 {
					at = Width(Strip(l)[:i]) + 1
				}
			}
			if at < 0 {
				t.Fatalf("no axis:\n%s", strings.Join(lines, "\n"))
			}
			w, gap, join := c.fit(len(c.Values)+len(c.Ahead), width-at)
			values := joined(c.Values, join)
			for i, v := range values {
				filled := 0
				for _, l := range lines {
					cells := []rune(Strip(l))
					if x := at + i*(w+gap); x < len(cells) && strings.Contains(strings.Join(th.Glyphs.Eighths, ""), string(cells[x])) && !strings.Contains(Strip(l), "└") {
						filled++
					}
				}
				if (v > 0) != (filled > 0) {
					t.Fatalf("column %d of %g fills %d rows:\n%s", i, v, filled, strings.Join(lines, "\n"))
				}
			}
		}
	}
}

func TestTicksOfCountsAreWhole(t *testing.T) {
	for n := range 2000 {
		for parts := 1; parts <= 5; parts++ {
			c := Columns{Whole: true}
			top := c.top([]float64{float64(n)}, nil, 0, parts)
			if top < float64(n) || math.Mod(top, float64(parts)) != 0 {
				t.Fatalf("the axis of %d in %d parts ends at %g", n, parts, top)
			}
			if n > 0 && top > 10*math.Max(float64(n), float64(parts)) {
				t.Fatalf("the axis of %d in %d parts ends at %g: nothing could be seen", n, parts, top)
			}
		}
	}
}
