// Package widget draws the parts that screens are made of: text cut to cells,
// boxes, bars, charts, tables, forms and dialogs.
//
// A widget is a plain struct. What draws returns a [Block]: lines that are all
// exactly as wide as was asked for, and exactly as many. So screens put blocks
// beside and below each other without measuring, and no name of whatever
// length breaks a layout.
//
// Text that comes from outside, such as the name of a client or a model, goes
// through [Safe] before it is drawn. That is a rule of security: an escape
// sequence in a name must not reach the terminal.
package widget

import (
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Safe returns text fit for a terminal: without control characters, escape
// sequences, marks that change the direction of writing, joiners and variation
// selectors, whose width no two terminals agree on. White space becomes a
// space.
func Safe(s string) string {
	clean := true
	for _, r := range s {
		if r < ' ' || r > '~' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == '\u00a0', r == '\u2028', r == '\u2029':
			return ' '
		case r == unicode.ReplacementChar:
			return '?'
		case unicode.Is(unicode.C, r), // controls, format marks (bidi, joiners), surrogates, private use
			unicode.Is(unicode.Variation_Selector, r), r >= 0x1f3fb && r <= 0x1f3ff, // skin tones join what stands before them
			unicode.Is(unicode.Mn, r) && zeroWidth(r), unicode.Is(unicode.Me, r):
			return -1
		}
		return r
	}, s)
}

// zeroWidth reports whether a mark is one that stacks without end; the marks of
// living scripts stay.
func zeroWidth(r rune) bool {
	return r >= 0x0300 && r <= 0x036f || r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff
}

// Width is how many cells a text takes, escape sequences not counted.
func Width(s string) int { return lipgloss.Width(s) }

// Truncate cuts a text to a width, with an ellipsis where something is lost.
func Truncate(s string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(s, width, "…")
}

// Pad cuts or fills a text to exactly a width, text to the left.
func Pad(s string, width int) string {
	s = Truncate(s, width)
	return s + spaces(width-Width(s))
}

// PadLeft cuts or fills a text to exactly a width, text to the right.
func PadLeft(s string, width int) string {
	s = Truncate(s, width)
	return spaces(width-Width(s)) + s
}

// Center cuts or fills a text to exactly a width, text in the middle.
func Center(s string, width int) string {
	s = Truncate(s, width)
	left := (width - Width(s)) / 2
	return Pad(spaces(left)+s, width)
}

// Between puts one text to the left and one to the right of a width; the left
// one gives way.
func Between(left, right string, width int) string {
	right = Truncate(right, width)
	return Pad(left, max(width-Width(right), 0)) + right
}

func spaces(n int) string {
	const some = "                                                                                                                                "
	if n <= 0 {
		return ""
	}
	if n <= len(some) {
		return some[:n]
	}
	return strings.Repeat(" ", n)
}

// Wrap breaks a text into lines of at most a width, between words where it can.
func Wrap(s string, width int) []string {
	if width <= 0 {
		return nil
	}
	return strings.Split(ansi.Wrap(s, width, " -/"), "\n")
}

// Strip takes the styles off a text.
func Strip(s string) string { return ansi.Strip(s) }
