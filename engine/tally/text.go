package tally

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts that strangers choose end up on terminals, in spreadsheets and in commands
// that people copy. What keeps them harmless there is here.

// Unprintable reports whether a terminal may obey a text, or cannot show it.
func Unprintable(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

// Printable is a text with a mark in place of each control character, and of what is
// no text.
func Printable(s string) string {
	if !Unprintable(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// EscapeControls writes the control characters that JSON lets stand in a text as
// escapes: a terminal obeys them.
func EscapeControls(json []byte) []byte {
	out := json[:0:0]
	done := 0
	for i := 0; i < len(json); i++ {
		size, code := 0, byte(0)
		switch {
		case json[i] == 0x7f:
			size, code = 1, 0x7f
		case json[i] == 0xc2 && i+1 < len(json) && json[i+1] < 0xa0:
			size, code = 2, json[i+1]
		default:
			continue
		}
		out = fmt.Appendf(append(out, json[done:i]...), `\u%04x`, code)
		done = i + size
		i = done - 1
	}
	if done == 0 {
		return json
	}
	return append(out, json[done:]...)
}

// Cell keeps a spreadsheet from taking a text of a table for a formula, be it that it
// separates cells by semicolons or tabs instead.
func Cell(s string) string {
	var out strings.Builder
	done := 0
	for i := range len(s) {
		first := i == 0
		begins := first || strings.IndexByte(";\t\r\n", s[i-1]) >= 0
		if begins && (strings.IndexByte("=+-@\t\r", s[i]) >= 0 || !first && s[i] == '"') {
			out.WriteString(s[done:i])
			out.WriteByte('\'')
			done = i
		}
	}
	if done == 0 && out.Len() == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// ShellWord is a text as one word for a shell, quoted if it must be.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("./_:@%+,=-", r))
	}
	if s != "" && s[0] != '=' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return ShellQuote(strings.ReplaceAll(Printable(s), "\uFFFD", "?")) // nobody can type what is not printable
}

// ShellQuote makes a text one word for a shell, whatever is in it.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
