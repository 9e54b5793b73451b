package widget

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"pgregory.net/rapid"
)

// nasty are texts that users may put into names.
var nasty = []string{
	"", "plain", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "a\rb", "two\nlines", "tab\there", "nul\x00byte", "\u202eright to left\u202c",
	"\u200bzero\u200dwidth\ufeff", "👩‍👩‍👧‍👦 family", "👍🏽 thumb", "❤️ heart", "🇵🇹 flag", "株式会社テスト", "مرحبا بالعالم", "e\u0301\u0302\u0303zalgo", "क्षि", "\u009b31mC1",
	"\x9bbytes\xff", "\U000e0041tag", "ｆｕｌｌ", "\u2028line\u2029", "\u3164filler\uffa0", strings.Repeat("宽", 60),
}

// words are texts of all kinds, hostile ones among them.
func words() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(nasty), rapid.String(), rapid.StringN(0, 200, -1),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }))
}

func TestSafe(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"Hotel Aurora", "Hotel Aurora"},
		{"São João 株式会社", "São João 株式会社"},
		{"\x1b[31mred\x1b[0m", "[31mred[0m"},
		{"\x1b]52;c;ZXZpbA==\x07", "]52;c;ZXZpbA=="},
		{"a\tb\nc\r\nd", "a b c  d"},
		{"\u202eevil\u2066", "evil"},
		{"a\u200bb\u200dc\ufeff", "abc"},
		{"\u009b31m", "31m"},
		{"bad\xffbyte", "bad?byte"},
		{"👍🏽", "👍"},
		{"❤️", "❤"},
		{"🇵🇹", "PT"},
		{"e\u0301\u0302\u0303", "e"},
		{"\u3164\u115f\uffa0x", "x"},
		{"\U000e0041x", "x"},
	} {
		if got := Safe(tc.in); got != tc.want {
			t.Errorf("Safe(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		safe := Safe(s)
		if !utf8.ValidString(safe) {
			t.Errorf("Safe(%q) is no text: %q", s, safe)
		}
		for _, r := range safe {
			if unicode.Is(unicode.C, r) || unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("Safe(%q) has %U", s, r)
			}
		}
		if again := Safe(safe); again != safe {
			t.Errorf("Safe(%q) = %q, and once more %q", s, safe, again)
		}
		if got := Strip(safe); got != safe {
			t.Errorf("Safe(%q) = %q has a sequence: %q without", s, safe, got)
		}
		for _, width := range []int{0, 1, 2, 7, 40} {
			if got := Width(Pad(safe, width)); got != width {
				t.Errorf("Pad(Safe(%q), %d) is %d cells wide", s, width, got)
			}
		}
	})
}

func TestWidthIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := Safe(words().Draw(t, "text")), Safe(words().Draw(t, "other"))
		width := rapid.IntRange(0, 90).Draw(t, "width")
		if got := Width(Truncate(s, width)); got > width {
			t.Errorf("Truncate(%q, %d) is %d cells wide", s, width, got)
		}
		for name, text := range map[string]string{"Pad": Pad(s, width), "PadLeft": PadLeft(s, width), "Center": Center(s, width), "Between": Between(s, o, width)} {
			if got := Width(text); got != width {
				t.Errorf("%s(%q, %d) is %d cells wide", name, s, width, got)
			}
		}
		if Width(s) <= width && !strings.HasPrefix(Pad(s, width), s) {
			t.Errorf("Pad(%q, %d) = %q has lost something", s, width, Pad(s, width))
		}
		for _, l := range Wrap(s, width) {
			if got := Width(l); got > width && width > 1 {
				t.Errorf("Wrap(%q, %d) has a line of %d cells: %q", s, width, got, l)
			}
		}
	})
}

// The quick way to measure agrees with the thorough one.
func TestWidthAgreesWithLipgloss(t *testing.T) {
	for r := rune(0); r < 0x3000; r++ {
		for _, s := range []string{string(r), "a" + string(r), string(r) + "a", "\x1b[1;31m" + string(r) + "\x1b[m"} {
			if got, want := Width(s), lipgloss.Width(s); got != want {
				t.Errorf("Width(%q) = %d, want %d", s, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := words().Draw(t, "one") + rapid.SampledFrom([]string{"", "\x1b[m", "\x1b[38;2;1;2;3m", "\x1b[2J", "\x1b["}).Draw(t, "sequence") + words().Draw(t, "two")
		if got, want := Width(s), lipgloss.Width(s); got != want && !strings.Contains(s, "\n") {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	})
}

func TestBetweenKeepsTheRight(t *testing.T) {
	if got, want := Between("a long text", "end", 8), "a lo…end"; got != want {
		t.Errorf("Between = %q, want %q", got, want)
	}
}

func TestWrapKeepsStyles(t *testing.T) {
	red := "\x1b[31m"
	for i, l := range Wrap(red+"one two three\x1b[m four", 5) {
		if styled := strings.HasPrefix(l, red); styled != (i < 3) {
			t.Errorf("line %d is %q", i, l)
		}
		if strings.Count(l, "\x1b[")%2 != 0 {
			t.Errorf("line %d does not end what it begins: %q", i, l)
		}
	}
}
