package part

import (
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Refused are the lines that tell why requests of a thing are refused now, what their
// senders read and which key ends it; none for what is served.
func Refused(t *theme.Theme, r *control.RefusedNow, own string, zone *time.Location, width int) (lines []string) {
	if r == nil {
		return nil
	}
	says := t.Glyphs.Wrong + " " + Upper(r.Says(zone))
	if r.Of != own {
		says += ", by the " + r.Of + " " + r.Name
	}
	for i, l := range widget.Wrap(widget.Safe(says), width) {
		if i > 0 {
			l = "  " + l
		}
		lines = append(lines, t.Strong(theme.Bad, widget.Truncate(l, width)))
	}
	if r.Count > 0 {
		lines = append(lines, t.Paint(theme.Bad, widget.Truncate("  "+tally.Group(r.Count)+"× since then, the last at "+r.LastAt.In(zone).Format("Mon 15:04:05"), width)))
	}
	if r.Sentence != "" {
		for _, l := range widget.Wrap(widget.Safe(`The caller reads: "`+strings.TrimSpace(r.Sentence)+`"`), max(width-2, 8)) {
			lines = append(lines, "  "+l)
		}
	}
	if r.Limit != "" && r.Of != "token" {
		does := " raises it until a date"
		if r.Limit == (tally.Limit{Metric: tally.Balance}).String() {
			does = " books a payment"
		}
		lines = append(lines, "  "+t.Paint(theme.Accent, "R")+t.Paint(theme.Muted, does))
	}
	return append(lines, "")
}

// BalanceText says what is left of what was paid in advance, or lacking.
func BalanceText(left tally.NanoUSD) string {
	if left < 0 {
		return (-left).Display() + " beyond what was paid in advance"
	}
	return left.Display() + " left in advance"
}

// Charged is what sums cost and, where that is another amount, what is charged for
// it.
func Charged(s *control.Sums) string {
	out := widget.Money(s.CostNanoUSD)
	if s.CreditsNanoUSD != s.CostNanoUSD {
		out += "   charged " + widget.Money(s.CreditsNanoUSD)
	}
	return out
}
