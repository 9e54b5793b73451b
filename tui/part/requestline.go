package part

import (
	"fmt"
	"strconv"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// OutcomeRole is how an outcome is painted.
func OutcomeRole(o tally.Outcome) theme.Role {
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

// requestLineOf is a request on one line. Where there is little room the tokens go
// first.
func RequestLine(t *theme.Theme, r *control.RequestView, name string, width int, now time.Time, zone *time.Location) string {
	status := Status(r)
	if r.Count > 1 {
		status += " ×" + control.Compact(r.Count)
	}
	left := t.Paint(theme.Muted, Moment(r.At, now, zone)) + " " + t.Paint(OutcomeRole(r.Outcome), status) + " " + widget.Safe(name)
	right := "  " + t.Paint(OutcomeRole(r.Outcome), widget.Truncate(widget.Safe(Words(r.Code)), max(width-24, 8)))
	if n := r.InputTokens + r.OutputTokens; n > 0 {
		right = "  " + widget.PadLeft(widget.Money(r.CostNanoUSD), 9) + "  " + widget.PadLeft(widget.Latency(Millis(r.TotalMS)), 7)
		if width >= 56 {
			right = "  " + widget.PadLeft(fmt.Sprint(control.Compact(n)), 6) + " tok" + right
		}
	}
	return widget.Between(left, right, width)
}

// Moment writes when something was in eight cells: the second today, the minute
// this week, or the day.
func Moment(at, now time.Time, zone *time.Location) string {
	today := Midnight(now, zone)
	at = at.In(zone)
	switch {
	case !at.Before(today):
		return at.Format("15:04:05")
	case !at.Before(today.AddDate(0, 0, -6)):
		return at.Weekday().String()[:2] + at.Format(" 15:04")
	}
	return widget.Pad(at.Format("2 Jan"), 8)
}

// Status is what the client got; a request whose end nobody saw has none.
func Status(v *control.RequestView) string {
	if v.Status == 0 {
		return "–"
	}
	return strconv.Itoa(v.Status)
}
