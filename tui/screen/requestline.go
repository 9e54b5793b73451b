package screen

import (
	"fmt"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// outcomeRole is how an outcome is painted.
func outcomeRole(o tally.Outcome) theme.Role {
	switch o {
	case tally.OK:
		return theme.OK
	case tally.OutcomeLimited, tally.Canceled:
		return theme.Warn
	case tally.OutcomeDenied, tally.OutcomeFailed, tally.Lost:
		return theme.Bad
	}
	return theme.Text
}

// requestLine is a request on one line, without whose it is.
func requestLine(t *theme.Theme, r *control.RequestView, width int, zone *time.Location) string {
	return requestLineOf(t, r, r.Model, width, zone)
}

// requestLineOf is a request on one line, by a name that says which it is.
// Where there is little room the tokens go first.
func requestLineOf(t *theme.Theme, r *control.RequestView, name string, width int, zone *time.Location) string {
	left := t.Paint(theme.Muted, r.At.In(zone).Format("15:04:05")) + " " + t.Paint(outcomeRole(r.Outcome), fmt.Sprint(r.Status)) + " " + widget.Safe(name)
	right := "  " + t.Paint(outcomeRole(r.Outcome), widget.Truncate(widget.Safe(r.Code), max(width-24, 8)))
	if r.Outcome == tally.OK || r.InputTokens+r.OutputTokens > 0 {
		right = "  " + widget.PadLeft(widget.Money(r.CostNanoUSD), 9) + "  " + widget.PadLeft(widget.Latency(millis(r.TotalMS)), 7)
		if width >= 56 {
			right = "  " + widget.PadLeft(tally.Group(r.InputTokens+r.OutputTokens), 7) + " tok" + right
		}
	}
	return widget.Between(left, right, width)
}
