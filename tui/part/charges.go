package part

import (
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Charges are limits with what they had used once this request was settled.
func Charges(t *theme.Theme, charges []tally.Charged, width int) (lines []string) {
	bar := 16 // of all of them, so that they can be compared
	figures := make([]string, len(charges))
	for i, c := range charges {
		if c.Metric == tally.Balance { // of what was paid in advance only the rest is known
			continue
		}
		figures[i] = fmt.Sprintf("%s of %s", widget.Amount(c.Metric, c.Used), widget.Amount(c.Metric, c.Max))
		bar = min(bar, width-17-6-widget.Width(figures[i])-2)
	}
	for i, c := range charges {
		kind, _ := c.Subject.Split()
		if c.Metric == tally.Balance {
			lines = append(lines, widget.Pad(kind+" "+string(c.Metric), 17)+widget.Amount(c.Metric, -c.Used)+" left in advance",
				t.Paint(theme.Muted, "  -"+widget.Amount(c.Metric, c.Amount)+" by this request"))
			continue
		}
		share := widget.Share(c.Used, c.Max)
		lines = append(lines,
			widget.Pad(kind+" "+string(c.Metric), 17)+widget.Bar(t, share, max(bar, 4), widget.Budget(share))+t.Paint(widget.Budget(share), fmt.Sprintf(" %4s ", UsedText(share)))+figures[i],
			t.Paint(theme.Muted, "  +"+widget.Amount(c.Metric, c.Amount)+" by this request, "+period(c.Window)))
	}
	return lines
}

// period writes the label of a period for people.
func period(label string) string {
	switch {
	case label == string(tally.Total):
		return "for good"
	case strings.HasPrefix(label, "m"):
		return "month of " + civil(label[1:])
	case strings.HasPrefix(label, "q"):
		return "quarter from " + civil(label[1:])
	case strings.HasPrefix(label, "w"):
		return "week of " + civil(label[1:])
	case strings.Contains(label, "T"):
		return "from " + widget.Safe(label[strings.Index(label, "T")+1:min(16, len(label))])
	}
	return civil(label)
}

// civil writes a date for people.
func civil(date string) string {
	if d, err := time.Parse(time.DateOnly, date); err == nil {
		return d.Format("2 Jan")
	}
	return widget.Safe(date)
}
