package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// signs are the signs of running text and of charts in ASCII; those that draw
// boxes and bars are in the theme.
var signs = map[rune]byte{
	'…': '~', '–': '-', '—': '-', '·': '-', '×': 'x', '→': '>', '←': '<', '↑': '^', '↓': 'v', '›': '>', '‹': '<', '−': '-', '•': '*', '±': '+', '≥': '>', '≤': '<',
	'└': '+', '┬': '+', '│': '|', '┤': '|', '┼': '+', '─': '-', '╭': '/', '╮': '\\', '╰': '\\', '╯': '/', '╶': '-', '╴': '-',
}

// inASCII writes a screen without any other character, each in as many cells as
// before: letters that ASCII lacks become question marks.
func inASCII(s string) string {
	var out strings.Builder
	state := byte(0)
	for len(s) > 0 {
		seq, width, n, next := ansi.DecodeSequence(s, state, nil)
		r := []rune(seq)
		switch {
		case seq[0] < 0x80 && len(r) == 1, width == 0: // as it is: text, ends of lines, styles
			out.WriteString(seq)
		case len(r) == 1 && signs[r[0]] != 0:
			out.WriteByte(signs[r[0]])
		default:
			out.WriteString(strings.Repeat("?", width))
		}
		s, state = s[n:], next
	}
	return out.String()
}
