package part

import (
	"time"

	"tallygate/engine/control"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// CellOf draws a value in little room.
func CellOf(t *theme.Theme, v control.Value, now time.Time) string {
	switch {
	case v.Unit == control.UnitShare && v.Void:
		return t.Paint(theme.Faint, "no limit")
	case v.Unit == control.UnitShare:
		share := float64(v.N) / 1e6
		return widget.Bar(t, share, 6, widget.Budget(share)) + t.Paint(widget.Budget(share), widget.PadLeft(v.Short(now), 5))
	case v.Void:
		return t.Paint(theme.Muted, v.Short(now))
	}
	return widget.Safe(v.Short(now))
}

// ToneSign is a tone as a sign; a word beside it says the same.
func ToneSign(t *theme.Theme, tone control.Tone) string {
	switch tone {
	case control.Good:
		return t.Paint(theme.OK, t.Glyphs.On)
	case control.Warn:
		return t.Paint(theme.Warn, t.Glyphs.Half)
	case control.Bad:
		return t.Paint(theme.Bad, t.Glyphs.Wrong)
	case control.Faint:
		return t.Paint(theme.Faint, t.Glyphs.Off)
	}
	return " "
}

// ToneRole is how the word beside the sign is painted.
func ToneRole(tone control.Tone) theme.Role {
	switch tone {
	case control.Good:
		return theme.OK
	case control.Warn:
		return theme.Warn
	case control.Bad:
		return theme.Bad
	case control.Faint:
		return theme.Muted
	}
	return theme.Text
}
