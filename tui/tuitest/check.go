package tuitest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tallygate/tui/widget"
)

// check fails the test if what is drawn has not the size of the terminal, or
// holds something that a terminal would obey.
func (d *Driver) check() {
	d.T.Helper()
	view := d.View()
	if view == d.checked {
		return
	}
	lines := strings.Split(view, "\n")
	if len(lines) != d.height {
		d.T.Fatalf("%d lines were drawn on a terminal of %dx%d", len(lines), d.width, d.height)
	}
	for i, l := range lines {
		if w := widget.Width(l); w != d.width {
			d.T.Fatalf("line %d is %d cells wide on a terminal of %dx%d: %q", i, w, d.width, d.height, widget.Strip(l))
		}
		if bad := harmful(l); bad != "" {
			d.T.Fatalf("line %d holds %s: %q", i, bad, l)
		}
	}
	d.checked = view
}

// harmful says what in a line other than its colours a terminal would obey, or
// draw at a width of its own.
func harmful(line string) string {
	plain := uncoloured(line)
	if !utf8.ValidString(plain) {
		return "bytes that are no text"
	}
	safe := []rune(widget.Safe(plain)) // of the whole line: a mark may stand on a letter
	for i, r := range []rune(plain) {
		if i >= len(safe) || safe[i] != r {
			return fmt.Sprintf("the character %U", r)
		}
	}
	return ""
}

// uncoloured is a line without the sequences that styles consist of, and with
// any other.
func uncoloured(line string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(line, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		rest := strings.TrimLeft(after, "0123456789;:")
		if !strings.HasPrefix(rest, "m") {
			out.WriteString("\x1b[")
			rest = "m" + after
		}
		line = rest[1:]
	}
}
