// Package part draws what the details of several screens have in common: limits as
// gauges, sums, requests on one line, prices, signs of states, and figures in words.
// It draws; it asks the engine nothing.
package part

import (
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Fact is a line of a detail: a name and what is so. The text is safe and may carry
// styles; one that is empty is not shown.
type Fact [2]string

// factLines draw facts in two columns. A fact that is longer than the width
// goes on below.
func Facts(t *theme.Theme, facts []Fact, width int) []string {
	names := 0
	for _, f := range facts {
		names = max(names, widget.Width(f[0]))
	}
	var out []string
	for _, f := range facts {
		if f[1] == "" {
			continue
		}
		for i, l := range widget.Wrap(f[1], max(width-names-2, 8)) {
			name := ""
			if i == 0 {
				name = f[0]
			}
			out = append(out, t.Paint(theme.Muted, widget.Pad(name, names))+"  "+l)
		}
	}
	return out
}

// sumLines draw usage in two lines, or three where there is little room.
func Sums(t *theme.Theme, s *control.Sums, width int) []string {
	if s.Requests == 0 && s.Refused == 0 {
		return []string{t.Paint(theme.Muted, "no requests")}
	}
	part := func(n int64, what string, role theme.Role) string {
		if n == 0 {
			role = theme.Muted
		}
		return t.Paint(role, tally.Group(n)) + t.Paint(theme.Muted, " "+what)
	}
	lines := []string{part(s.Requests, "requests", theme.Text) + "   " + part(s.Refused, "refused", theme.Warn) + "   " + part(s.Errors, "failed", theme.Bad)}
	if share, ok := s.CacheHits(); ok {
		hits := t.Paint(theme.Text, Percent(share)) + t.Paint(theme.Muted, " of the input from caches")
		if s.SavedNanoUSD != 0 {
			hits += t.Paint(theme.Muted, ", which saved ") + widget.Money(s.SavedNanoUSD)
		}
		lines = append(lines, hits)
	}
	tokens := t.Paint(theme.Text, control.Compact(s.InputTokens)) + t.Paint(theme.Muted, " tokens in   ") + t.Paint(theme.Text, control.Compact(s.OutputTokens)) + t.Paint(theme.Muted, " out")
	if s.P50MS > 0 {
		times := t.Paint(theme.Muted, fmt.Sprintf("median %s   p99 %s", widget.Latency(Millis(s.P50MS)), widget.Latency(Millis(s.P99MS))))
		if both := tokens + "   " + times; widget.Width(both) <= width {
			return append(lines, both)
		}
		return append(lines, tokens, times)
	}
	return append(lines, tokens)
}

// TariffText says in a few words what a client pays more or less than its requests cost; ""
// if it is what they cost.
func TariffText(t tally.Tariff) string {
	var parts []string
	switch {
	case t.Added > 0:
		parts = append(parts, "mark-up "+control.Percent(t.Added).String()+"%")
	case t.Added < 0:
		parts = append(parts, "discount "+control.Percent(-t.Added).String()+"%")
	}
	if n := len(t.Fixed); n > 0 {
		parts = append(parts, Plural(int64(n), "fixed price"))
	}
	if t.Minimum > 0 {
		parts = append(parts, "at least "+t.Minimum.Display()+" a month")
	}
	return strings.Join(parts, ", ")
}
