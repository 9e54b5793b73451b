package screen

import (
	"fmt"
	"time"

	"tallygate/engine/tally"
	"tallygate/tui/live"
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
func requestLine(t *theme.Theme, r *live.Request, width int, zone *time.Location) string {
	left := t.Paint(theme.Muted, r.At.In(zone).Format("15:04:05")) + " " + t.Paint(outcomeRole(r.Outcome), fmt.Sprint(r.Status)) + " " + widget.Pad(widget.Safe(r.Model), 20)
	right := t.Paint(outcomeRole(r.Outcome), r.Code)
	if r.Outcome == tally.OK || r.Tokens.Total() > 0 {
		right = fmt.Sprintf("%s tok  %s  %s", widget.PadLeft(tally.Group(r.Tokens.Total()), 7), widget.PadLeft(widget.Money(r.Cost), 9), widget.PadLeft(widget.Latency(r.Total), 7))
	}
	return widget.Between(left, right, width)
}
