package widget

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"
)

func TestInputShowsTheCursor(t *testing.T) {
	for _, tc := range []struct {
		text  string
		left  int // presses of the left key
		width int
		want  string // | before the cell of the cursor
	}{
		{"hotel", 0, 10, "hotel| "}, {"hotel", 5, 10, "|hotel"}, {"hotel", 2, 10, "hot|el"}, {"a longer text", 0, 8, "er text| "}, {"a longer text", 13, 8, "|a longe…"},
		{"a longer text", 6, 8, "longe|r …"}, {"株式会社", 0, 6, "会社| "}, {"", 0, 6, "| "},
	} {
		x := NewInput("", "", 100)
		x.Focus()
		x.SetValue(tc.text)
		for range tc.left {
			x.Update(tea.KeyPressMsg{Code: tea.KeyLeft})
		}
		drawn := x.Draw(themes[2], tc.width)
		before, under, _ := strings.Cut(strings.TrimRight(drawn, " "), "\x1b[7m")
		got := strings.TrimRight(Strip(before)+"|"+Strip("\x1b[7m"+under), " ")
		if want := strings.TrimRight(tc.want, " "); got != want {
			t.Errorf("%q, %d to the left, in %d cells: %q, want %q", tc.text, tc.left, tc.width, got, want)
		}
		if Width(drawn) != tc.width {
			t.Errorf("%q is drawn %d cells wide, want %d", tc.text, Width(drawn), tc.width)
		}
	}
}

// Whatever is typed, the line is as wide as it should be, whatever stands before
// it, and holds nothing that a terminal would obey.
func TestInputsHaveTheirWidth(t *testing.T) {
	keys := []tea.Msg{tea.KeyPressMsg{Code: tea.KeyLeft}, tea.KeyPressMsg{Code: tea.KeyRight}, tea.KeyPressMsg{Code: tea.KeyHome}, tea.KeyPressMsg{Code: tea.KeyEnd},
		tea.KeyPressMsg{Code: tea.KeyBackspace}, tea.KeyPressMsg{Code: tea.KeyDelete}, tea.KeyPressMsg{Code: 'w', Mod: tea.ModCtrl}}
	rapid.Check(t, func(t *rapid.T) {
		x := NewInput(rapid.SampledFrom([]string{"", "/ "}).Draw(t, "prompt"), "a hint", 60)
		x.mask = rapid.Bool().Draw(t, "secret")
		if rapid.Bool().Draw(t, "focus") {
			x.Focus()
		}
		for range rapid.IntRange(1, 12).Draw(t, "messages") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				x.Update(tea.PasteMsg{Content: words().Draw(t, "paste")})
			case 1:
				for _, r := range words().Draw(t, "typed") {
					x.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
				}
			default:
				x.Update(keys[rapid.IntRange(0, len(keys)-1).Draw(t, "key")])
			}
			width := rapid.IntRange(3, 50).Draw(t, "width")
			drawn := "x " + x.Draw(anyTheme(t), width)
			if got := Width(drawn); got != width+2 {
				t.Fatalf("%q is drawn %d cells wide, want %d: %q", x.Value(), got-2, width, drawn)
			}
			if v := x.Value(); Safe(v) != v {
				t.Fatalf("%q was let in", v)
			}
			if plain := Strip(drawn); Safe(plain) != plain {
				t.Fatalf("%q is drawn as %q", x.Value(), plain)
			}
		}
	})
}
