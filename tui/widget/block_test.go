package widget

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tallygate/tui/theme"
)

// themes are the themes that differ in how they draw.
var themes = []*theme.Theme{theme.New(theme.Dark), theme.New(theme.Light), theme.New(theme.Mono), theme.New(theme.ASCII)}

func anyTheme(t *rapid.T) *theme.Theme {
	return themes[rapid.IntRange(0, len(themes)-1).Draw(t, "theme")]
}

// rectangle fails the test unless a block has exactly a size.
func rectangle(t interface{ Errorf(string, ...any) }, b Block, width, height int) {
	if w, h := b.Size(); w != width || h != height {
		t.Errorf("the block says it is %dx%d, want %dx%d", w, h, width, height)
	}
	if len(b.Lines()) != height {
		t.Errorf("there are %d lines, want %d", len(b.Lines()), height)
	}
	for i, l := range b.Lines() {
		if w := Width(l); w != width {
			t.Errorf("line %d is %d cells wide, want %d: %q", i, w, width, Strip(l))
		}
	}
}

func TestBlocksAreRectangles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(0, 80).Draw(t, "width"), rapid.IntRange(0, 30).Draw(t, "height")
		var lines []string
		for range rapid.IntRange(0, 20).Draw(t, "lines") {
			lines = append(lines, Safe(words().Draw(t, "line")))
		}
		b := NewBlock(width, height, lines...)
		rectangle(t, b, width, height)
		rectangle(t, Beside(b, NewBlock(3, 2), NewBlock(0, 0)), width+3, max(height, 2))
		rectangle(t, Below(b, NewBlock(3, 2), NewBlock(0, 0)), max(width, 3), height+2)
		box := Box{Title: Safe(words().Draw(t, "title")), Note: Safe(words().Draw(t, "note")), Focused: rapid.Bool().Draw(t, "focused")}
		rectangle(t, box.Draw(anyTheme(t), width, height, lines), width, height)
	})
}

func TestBox(t *testing.T) {
	got := Box{Title: "Keys", Note: "3 of 9"}.Draw(themes[3], 24, 3, []string{"hotel", "lost"})
	want := "+- Keys ------- 3 of 9 -+\n| hotel                |\n+----------------------+"
	if s := Strip(got.String()); s != strings.Replace(want, "------- 3", "------ 3", 1) {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if s := Strip(Box{Title: "a title", Note: "a note"}.Draw(themes[3], 16, 2, nil).String()); strings.Contains(s, "note") || !strings.Contains(s, "a title") {
		t.Errorf("the note does not give way to the title: %q", s)
	}
}

func TestOver(t *testing.T) {
	page := NewBlock(8, 3, "abcdefgh", "宽宽宽宽", "ABCDEFGH")
	for _, tc := range []struct {
		x, y int
		want string
	}{{2, 0, "ab..efgh|宽..宽宽|ABCDEFGH"}, {1, 1, "abcdefgh| .. 宽宽|A..DEFGH"}, {6, 2, "abcdefgh|宽宽宽宽|ABCDEF.."}, {0, -1, "..cdefgh|宽宽宽宽|ABCDEFGH"}} {
		if got := strings.ReplaceAll(Over(page, NewBlock(2, 2, "..", ".."), tc.x, tc.y).String(), "\n", "|"); got != tc.want {
			t.Errorf("at %d,%d: %q, want %q", tc.x, tc.y, got, tc.want)
		}
	}
}

func TestOverIsARectangle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(0, 60).Draw(t, "width"), rapid.IntRange(0, 8).Draw(t, "height")
		var lines []string
		for range height {
			lines = append(lines, themes[0].Paint(theme.Accent, Safe(words().Draw(t, "left")))+themes[0].Selection.Render(Safe(words().Draw(t, "right"))))
		}
		page := NewBlock(width, height, lines...)
		above := NewBlock(rapid.IntRange(0, width).Draw(t, "w"), rapid.IntRange(0, height).Draw(t, "h"), lines...)
		w, h := above.Size()
		rectangle(t, Over(page, above, rapid.IntRange(0, width-w).Draw(t, "x"), rapid.IntRange(0, height-h).Draw(t, "y")), width, height)
	})
}
