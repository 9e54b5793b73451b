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
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Safe returns text fit for a terminal: without control characters, escape
// sequences, marks that change the direction of writing, joiners and variation
// selectors, whose width no two terminals agree on, and without marks that would
// join what stands beside the text. White space becomes a space, the letters of
// a flag become letters.
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
	var out strings.Builder
	marks := mostMarks // how many there are since the last letter
	for _, r := range s {
		switch {
		case r == '\t', r == '\n', r == '\r', r == '\u00a0', r == '\u2028', r == '\u2029':
			r = ' '
		case r == unicode.ReplacementChar:
			r = '?'
		case r >= firstFlag && r <= lastFlag:
			r = 'A' + r - firstFlag
		case unsafe(r):
			continue
		case joins(r):
			if marks++; marks > mostMarks {
				continue
			}
			out.WriteRune(r)
			continue
		}
		marks = mostMarks
		if unicode.IsLetter(r) {
			marks = 0
		}
		out.WriteRune(r)
	}
	return out.String()
}

const (
	firstFlag, lastFlag = '\U0001f1e6', '\U0001f1ff' // pairs of them are drawn as flags, or as letters
	// mostMarks is how many marks a letter of a living script has at most. More
	// would climb out of their line.
	mostMarks = 3
)

// unsafe reports whether a character is never shown.
func unsafe(r rune) bool {
	return unicode.Is(unicode.C, r) || // controls, format marks (bidi, joiners), surrogates, private use
		unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		r >= 0x1f3fb && r <= 0x1f3ff || // skin tones join what stands before them
		unicode.Is(unicode.Me, r) || unicode.Is(unicode.Mn, r) && stacks(r) || prepends(r)
}

// stacks reports whether a mark is one that stacks on anything; the marks of
// living scripts stay.
func stacks(r rune) bool {
	return r >= 0x0300 && r <= 0x036f || r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff || r >= 0x20d0 && r <= 0x20ff || r >= 0xfe20 && r <= 0xfe2f
}

// joins reports whether a character shares the cell of the letter before it.
func joins(r rune) bool {
	return unicode.Is(unicode.M, r) || unicode.Is(unicode.Other_Grapheme_Extend, r) || r == 0x0e33 || r == 0x0eb3 // the vowel AM of Thai and Lao
}

// prepends reports whether a letter shares the cell of whatever follows it,
// which might be no part of the text: Prepended_Concatenation_Mark aside, those
// of the Grapheme_Cluster_Break property Prepend.
func prepends(r rune) bool {
	switch r {
	case 0x0d4e, 0x111c2, 0x111c3, 0x113d1, 0x1193f, 0x11941, 0x11a3a, 0x11d46, 0x11f02:
		return true
	}
	return r >= 0x11a84 && r <= 0x11a89
}

// Width is how many cells a text takes, escape sequences not counted.
func Width(s string) int {
	cells := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= ' ' && c <= '~' {
			cells++
			continue
		}
		if n := styleAt(s[i:]); n > 0 {
			i += n - 1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if !narrow(r) {
			return lipgloss.Width(s)
		}
		cells++
		i += n - 1
	}
	return cells
}

// styleAt is how long the style or the mark of a spot is that a text begins with, 0 if it
// begins with something else.
func styleAt(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm', c == 'z':
			return i + 1
		case c != ';' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// narrow reports whether a character takes one cell whatever stands beside it:
// letters of Europe, and what boxes and charts are drawn with. It is here for
// speed; what it does not know is measured.
func narrow(r rune) bool {
	return r >= 0xa1 && r <= 0x24f && r != 0xad && r != 0xa9 && r != 0xae || r >= 0x2500 && r <= 0x25a9 || r >= 0x25b2 && r <= 0x25b5 || r == 0x25b8 || r == 0x25bc ||
		r == 0x25cb || r == 0x25cf || r == 0x25d0 || r == '…' || r == '–' || r == '—' || r == '✓' || r == '✗' || r == '•'
}

// Truncate cuts a text to a width, with an ellipsis where something is lost.
func Truncate(s string, width int) string {
	switch {
	case width <= 0:
		return ""
	case Width(s) <= width:
		return s
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

// unbroken is a hyphen at which ansi.Wrap, which breaks at every other one, does not.
const unbroken = "\u2011"

// Wrap breaks a text into lines of at most a width, between words where it can.
// Words with hyphens or slashes stay whole, for they may be commands, dates and addresses
// that somebody copies. Each line carries the styles it is in.
func Wrap(s string, width int) []string {
	if width <= 0 {
		return nil
	}
	var out []string
	wrapped := strings.ReplaceAll(ansi.Wrap(strings.ReplaceAll(s, "-", unbroken), width, ""), unbroken, "-")
	for line := range strings.SplitSeq(wrapped, "\n") {
		if Width(line) > width { // ansi.Wrap lets blanks at the start of a line push a word over
			line = ansi.Hardwrap(line, width, true)
		}
		out = append(out, strings.Split(line, "\n")...)
	}
	if len(out) > 1 && strings.ContainsRune(s, ansi.ESC) {
		return restyle(out)
	}
	return out
}

// restyle ends the styles of each line with the line, and begins the next one
// with them.
func restyle(lines []string) []string {
	var out strings.Builder
	w := lipgloss.NewWrapWriter(&out)
	io.WriteString(w, strings.Join(lines, "\n")) // a builder takes all
	w.Close()
	return strings.Split(out.String(), "\n")
}

// Strip takes the styles off a text.
func Strip(s string) string { return ansi.Strip(s) }
