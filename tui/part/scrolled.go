package part

import (
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Scrolled is a dialog of lines that may be more than there is room for, what can be done in
// it below them, and between the two a note, or how many lines there are more.
func Scrolled(t *theme.Theme, at *widget.Scroll, lines []string, can, note string, width, height int) widget.Block {
	foot := []string{"", t.Paint(theme.Muted, widget.Truncate(can, width))}
	lines, more := at.Cut(lines, height-len(foot))
	switch {
	case note != "":
		foot[0] = t.Paint(theme.Warn, widget.Truncate(widget.Safe(note), width))
	case more > 0:
		foot[0] = t.Paint(theme.Muted, Plural(int64(more), "more line")+": up and down show them")
	}
	return widget.Below(widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, len(foot), foot...))
}
