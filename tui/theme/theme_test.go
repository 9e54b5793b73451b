package theme

import (
	"math"
	"strconv"
	"testing"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
)

// luminance and contrast as WCAG 2.2 defines them.
func luminance(hex string) float64 {
	channel := func(s string) float64 {
		n, err := strconv.ParseUint(s, 16, 8)
		if err != nil {
			panic(hex)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(hex[1:3]) + 0.7152*channel(hex[3:5]) + 0.0722*channel(hex[5:7])
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func TestEveryRoleCanBeRead(t *testing.T) {
	for name, p := range map[string]palette{"dark": dark, "light": light} {
		check := func(what, ink, paper string) {
			if c := contrast(ink, paper); c < 4.5 {
				t.Errorf("%s: %s (%s on %s) has a contrast of %.2f, want 4.5", name, what, ink, paper, c)
			}
		}
		for _, paper := range p.backgrounds {
			for r, ink := range p.ink {
				check("role "+strconv.Itoa(r), ink, paper)
			}
		}
		check("selection", p.selected, p.selection)
		check("field", p.ink[Text], p.field)
		check("focused field", p.ink[Text], p.fieldOn)
		check("button", p.ink[Text], p.button)
		check("focused button", p.onAccent, p.buttonOn)
		check("danger", p.onAccent, p.danger)
	}
}

func TestGlyphsAreOneCellWide(t *testing.T) {
	for name, g := range map[string]Glyphs{"rich": rich, "plain": plain} {
		one := append(append([]string{g.Bar, g.BarRest, g.On, g.Half, g.Off, g.Good, g.Wrong, g.Alert, g.Pointer, g.Ellipsis,
			g.Up, g.Down, g.Right, g.Dot, g.Logo, g.Mask}, g.Spark...), g.Spinner...)
		for _, s := range one {
			if lipgloss.Width(s) != 1 {
				t.Errorf("%s: %q is %d cells wide", name, s, lipgloss.Width(s))
			}
			if name == "plain" && (len(s) != 1 || s[0] >= utf8.RuneSelf) {
				t.Errorf("%q is not ASCII", s)
			}
		}
	}
}

func TestAuto(t *testing.T) {
	for _, tc := range []struct {
		name           Name
		isDark, colour bool
		want           Name
	}{{Auto, true, true, Dark}, {Auto, false, true, Light}, {"", true, false, Mono}, {Light, true, true, Light}, {ASCII, true, true, ASCII}} {
		if got := Resolve(tc.name, tc.isDark, tc.colour); got != tc.want {
			t.Errorf("Resolve(%q, %v, %v) = %q, want %q", tc.name, tc.isDark, tc.colour, got, tc.want)
		}
	}
}
