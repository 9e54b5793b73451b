package screen

import (
	"fmt"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// fact is a line of a detail: a name and what is so. The text is safe and may
// carry styles; one that is empty is not shown.
type fact struct{ name, text string }

// factLines draw facts in two columns. A fact that is longer than the width
// goes on below.
func factLines(t *theme.Theme, facts []fact, width int) []string {
	names := 0
	for _, f := range facts {
		names = max(names, widget.Width(f.name))
	}
	var out []string
	for _, f := range facts {
		if f.text == "" {
			continue
		}
		for i, l := range widget.Wrap(f.text, max(width-names-2, 8)) {
			name := ""
			if i == 0 {
				name = f.name
			}
			out = append(out, t.Paint(theme.Muted, widget.Pad(name, names))+"  "+l)
		}
	}
	return out
}

// sumLines draw usage in two lines, or three where there is little room.
func sumLines(t *theme.Theme, s *control.Sums, width int) []string {
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
	tokens := t.Paint(theme.Text, widget.Compact(s.InputTokens)) + t.Paint(theme.Muted, " tokens in   ") + t.Paint(theme.Text, widget.Compact(s.OutputTokens)) + t.Paint(theme.Muted, " out")
	if s.P50MS > 0 {
		times := t.Paint(theme.Muted, fmt.Sprintf("median %s   p99 %s", widget.Latency(millis(s.P50MS)), widget.Latency(millis(s.P99MS))))
		if both := tokens + "   " + times; widget.Width(both) <= width {
			return append(lines, both)
		}
		return append(lines, tokens, times)
	}
	return append(lines, tokens)
}

// tailLines are the latest requests that are wanted, at most so many.
func tailLines(e *Env, snap *live.Snapshot, width, most int, want func(*control.RequestView) bool) []string {
	return tailLinesBy(e, snap, width, most, func(r *control.RequestView) string { return r.Model }, want)
}

// tailLinesBy is tailLines with a name of its own for each request.
func tailLinesBy(e *Env, snap *live.Snapshot, width, most int, name func(*control.RequestView) string, want func(*control.RequestView) bool) []string {
	var out []string
	for i := range snap.Tail {
		if len(out) == most {
			break
		}
		if r := snap.Tail[i]; want(r) {
			out = append(out, requestLineOf(e.Theme, r, name(r), width, e.Zone))
		}
	}
	if len(out) == 0 {
		out = append(out, e.Theme.Paint(theme.Muted, "none since this screen was opened"))
	}
	return out
}
