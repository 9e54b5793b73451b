package part

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Gauges draw limits as bars: what is used of what, and until when.
func Gauges(t *theme.Theme, states []control.LimitState, width int, now time.Time, zone *time.Location) []string {
	if len(states) == 0 {
		return []string{t.Paint(theme.Muted, "no limits: only those of its gateway hold")}
	}
	states = slices.Clone(states)
	tally.OrderStable(states, func(a, b control.LimitState) int { return cmp.Compare(ShareOf(b), ShareOf(a)) })
	labels, widest := 0, 0
	figures := make([]string, len(states))
	for i, s := range states {
		figures[i] = fmt.Sprintf("%s of %s", widget.Amount(s.Metric, s.Used), widget.Amount(s.Metric, s.Max))
		if s.Window.Each() && s.Part == "" {
			figures[i] = widget.Amount(s.Metric, s.Max) + " each"
		}
		if s.Part != "" {
			figures[i] += ", " + widget.Safe(s.Part)
		}
		if s.Held > 0 {
			figures[i] += " (" + widget.Amount(s.Metric, s.Held) + " held)"
		}
		labels, widest = max(labels, widget.Width(labelOf(s))), max(widest, widget.Width(figures[i]))
	}
	labels = min(labels, 24)
	bar := min(max(width-labels-widest-8-20, 6), 24) // of all of them, so that they can be compared
	out := make([]string, 0, len(states))
	for i, s := range states {
		share := ShareOf(s)
		reset := "for good"
		if !s.ResetsAt.IsZero() {
			reset = "resets " + soon(s.ResetsAt, now)
		}
		line := widget.Pad(labelOf(s), labels) + " " + widget.Bar(t, share, bar, widget.Budget(share)) +
			t.Paint(widget.Budget(share), fmt.Sprintf(" %4d%% ", int(share*100))) + figures[i]
		if room := width - widget.Width(line) - 2; room >= widget.Width(reset) {
			line += t.Paint(theme.Muted, "  "+reset)
		}
		out = append(out, line)
		for _, r := range s.Raises {
			out = append(out, t.Paint(theme.Info, widget.Truncate("  raised by "+widget.Amount(s.Metric,
				r.By)+" until "+r.Until.In(zone).Format("Mon 2 Jan 15:04"), width)))
		}
	}
	return out
}

// soon says when something comes: "in 27 s", "now".
func soon(at, now time.Time) string {
	if in := widget.Until(at, now); in != "now" {
		return "in " + in
	}
	return "now"
}

// Stops says which of the limits of a thing refuse it already, "" if none does: a limit
// that was just set may.
func Stops(states []control.LimitState) string {
	for i := range states {
		s := &states[i]
		switch {
		case s.Warn || s.Window.Per != "" || s.Used < s.Max || s.Window.Unit == tally.Minute:
		case s.Metric == tally.Balance:
			return "It is refused from now on: nothing is left of what was paid in advance. b books a payment."
		default:
			return fmt.Sprintf("It is refused from now on: %s of %s / %s is used.", widget.Amount(s.Metric, s.Used),
				widget.Amount(s.Metric, s.Max)+" "+string(s.Metric), s.Window)
		}
	}
	return ""
}

// ShareOf is how much of a limit is used, holds included.
func ShareOf(s control.LimitState) float64 { return widget.Share(s.Used+s.Held, s.Max) }

// Budget is the fullest limit as a short bar with its share, 11 cells wide.
func Budget(t *theme.Theme, states []control.LimitState) string {
	l := control.Fullest(states)
	if l == nil {
		return t.Paint(theme.Faint, "no limit")
	}
	share := ShareOf(*l)
	return widget.Bar(t, share, 6, widget.Budget(share)) + t.Paint(widget.Budget(share), fmt.Sprintf(" %3d%%", int(share*100)))
}

func labelOf(s control.LimitState) string {
	name := string(s.Metric)
	switch s.Metric {
	case tally.Cost:
		name = "cost"
	case tally.Sessions:
		name = "sessions"
	case tally.Balance:
		return "paid in advance"
	}
	label := name + " / " + s.Window.String()
	if s.Warn {
		label += " (warns)"
	}
	return label
}

// Heading is a line in capitals above a part of a detail.
func Heading(t *theme.Theme, text, note string, width int) string {
	return widget.Between(t.Strong(theme.Muted, strings.ToUpper(text)), t.Paint(theme.Muted, note), width)
}

// LimitsText writes limits one per word, as a form shows them.
func LimitsText(limits []tally.Limit) string {
	var out []string
	for _, l := range limits {
		out = append(out, l.String())
	}
	return strings.Join(out, " ")
}
