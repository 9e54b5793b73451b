package requests

import (
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func attempts(v *control.RequestView) string {
	switch {
	case v.Attempts == 0:
		return ""
	case v.Attempts == 1:
		return "1"
	case v.Outcome == tally.OK:
		return fmt.Sprintf("%d: those before the last failed", v.Attempts)
	}
	return fmt.Sprintf("%d, none of them answered", v.Attempts)
}

func known(ms float64) string {
	if ms <= 0 {
		return ""
	}
	return widget.Latency(part.Millis(ms))
}

// answered names the model that answered, if the provider says it is another one.
func answered(v *control.RequestView) string {
	if v.Answered == "" {
		return ""
	}
	return "by " + widget.Safe(v.Answered)
}

// waited is how long the request waited for what others held.
func waited(v *control.RequestView) string {
	if v.WaitedMS <= 0 {
		return ""
	}
	return widget.Latency(part.Millis(v.WaitedMS)) + " for room"
}

func cut(v *control.RequestView) string {
	if !v.Cut {
		return ""
	}
	return "at our bound: a limit allowed no more"
}

// tryLines are the attempts, each with why it failed and what was booked for it.
func tryLines(t *theme.Theme, v *control.RequestView, width int) []string {
	var out []string
	for i := range v.Tries {
		a := &v.Tries[i]
		role, sign, what := theme.OK, t.Glyphs.Good, "answered"
		if a.Cause != "" {
			role, sign, what = theme.Bad, t.Glyphs.Wrong, part.Words(a.Cause)
			if a.Status != 0 {
				what += fmt.Sprintf(" %d", a.Status)
			}
		}
		cost := "free"
		if a.Basis != "" {
			cost = widget.Amount(tally.Cost, int64(a.CostNanoUSD))
			if a.Basis != tally.Exact {
				cost = string(a.Basis) + " " + cost
			}
		}
		if a.TookMS > 0 {
			cost += "  " + widget.Latency(part.Millis(a.TookMS))
		}
		left := t.Paint(role, sign) + " " + widget.Truncate(widget.Safe(a.Provider)+": "+widget.Safe(what), max(width-widget.Width(cost)-3, 8))
		out = append(out, widget.Between(left, t.Paint(theme.Muted, cost), width))
		said := a.Detail
		if a.Code != "" {
			said = strings.TrimSuffix(a.Code+": "+said, ": ")
		}
		if said == "" {
			continue
		}
		for _, l := range widget.Wrap(widget.Safe(said), max(width-2, 8)) {
			out = append(out, t.Paint(theme.Muted, "  "+l))
		}
	}
	return out
}
