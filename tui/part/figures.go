package part

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Change is how a figure stands against the one before: "▲ 18%". Worse says
// whether more of it is bad news; figures of which more is neither good nor bad
// stay uncoloured.
func Change(t *theme.Theme, now, before float64, worse bool) string {
	switch {
	case before <= 0 && now <= 0:
		return t.Paint(theme.Muted, "none")
	case before <= 0:
		return t.Paint(theme.Muted, "new")
	}
	by := (now - before) / before * 100
	sign, role := t.Glyphs.Up, theme.Muted
	switch {
	case math.Abs(by) < 0.5:
		return t.Paint(theme.Muted, "same")
	case by < 0:
		sign = t.Glyphs.Down
		if worse {
			role = theme.OK
		}
	case worse:
		role = theme.Warn
	}
	if by >= 1000 {
		return t.Paint(role, fmt.Sprintf("%s %sx", sign, control.Compact(int64(now/before))))
	}
	return t.Paint(role, fmt.Sprintf("%s %.0f%%", sign, math.Abs(by)))
}

// Percent writes a share with a decimal where it is small.
func Percent(share float64) string {
	if share > 0 && share < 0.0995 {
		return fmt.Sprintf("%.1f%%", max(share*100, 0.1))
	}
	return fmt.Sprintf("%.0f%%", share*100)
}

// UsedText writes how much of a limit is used: never all of it while some is left,
// nor nothing once something is used.
func UsedText(share float64) string {
	if share > 0 && share < 0.01 {
		return Percent(share)
	}
	return fmt.Sprintf("%d%%", int(share*100))
}

// InSeconds sums seconds into n buckets of a size, the oldest first. Only
// buckets that are over are there, so that a chart moves when one closes; a
// second is told at its end, and may come a moment late.
func InSeconds(seconds []tally.Second, now time.Time, n int, size time.Duration) []tally.Second {
	out := make([]tally.Second, n)
	start := now.Add(-time.Second).Truncate(size).Add(-time.Duration(n) * size)
	for i := range seconds {
		s := &seconds[i]
		since := s.At.Add(-time.Second).Sub(start)
		if at := int(since / size); since >= 0 && at < n {
			out[at].Requests += s.Requests
			out[at].Refused += s.Refused
			out[at].Errors += s.Errors
			out[at].Tokens += s.Tokens
			out[at].Cost += s.Cost
			out[at].Total += s.Total
		}
	}
	return out
}

// InHours puts usage by hour into the n hours that are over, the oldest first.
func InHours(u *control.Usage, now time.Time, zone *time.Location, n int) []control.Sums {
	out := make([]control.Sums, n)
	end := HourOf(now, zone)
	for _, r := range u.Rows {
		if i := n - int((end.Sub(r.At)+time.Hour-1)/time.Hour); r.At.Before(end) && i >= 0 {
			out[i] = r.Sums
		}
	}
	return out
}

// HourOf is the beginning of the hour of the zone; not all zones are whole
// hours away from UTC.
func HourOf(at time.Time, zone *time.Location) time.Time {
	local := at.In(zone)
	return local.Add(-time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
}

// Midnight is the beginning of the day of the zone.
func Midnight(at time.Time, zone *time.Location) time.Time {
	y, m, d := at.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// DaysBetween is how many days of a calendar lie between two instants; what begins a day
// elsewhere counts to the day that its noon is on.
func DaysBetween(from, to time.Time, zone *time.Location) int {
	noon := func(t time.Time) time.Time {
		y, m, d := t.In(zone).Date()
		return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	}
	return int(noon(to).Sub(noon(from)) / (24 * time.Hour))
}

// Each takes one figure of each of several things.
func Each[T any](of []T, figure func(*T) float64) []float64 {
	out := make([]float64, len(of))
	for i := range of {
		out[i] = figure(&of[i])
	}
	return out
}

// Squeeze sums values into at most n of them, for a sparkline of n cells.
func Squeeze(values []float64, n int) []float64 {
	if len(values) <= n || n <= 0 {
		return values
	}
	out := make([]float64, n)
	for i, v := range values {
		out[i*n/len(values)] += v
	}
	return out
}

// Rate writes requests per second.
func Rate(v float64) string {
	switch {
	case v <= 0:
		return "0"
	case v < 1:
		return strings.TrimRight(fmt.Sprintf("%.2f", max(v, 0.01)), "0")
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return control.Compact(int64(v + 0.5))
}

// Legend is a line's sign, name and current number, for the note of a chart's
// box.
func Legend(t *theme.Theme, role theme.Role, text string) string {
	return t.Paint(role, t.Glyphs.Bar+" ") + t.Paint(theme.Muted, text)
}

// Plural writes a number of things: "1 key", "3 keys".
func Plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return tally.Group(n) + " " + one + "s"
}

// OneOf writes choices with the chosen one marked. The first ones are left out where the
// chosen one would not fit into the width otherwise.
func OneOf[T ~string](t *theme.Theme, label string, choices []T, at, number, width int) string {
	first, taken := 0, widget.Width(label)+4
	for _, c := range choices[:at+1] {
		taken += widget.Width(string(c)) + 3
	}
	for ; first < at && taken > width; first++ {
		taken -= widget.Width(string(choices[first])) + 3
	}
	var out strings.Builder
	out.WriteString(t.Paint(theme.Muted, label))
	if first > 0 {
		out.WriteString(t.Paint(theme.Muted, " "+t.Glyphs.Ellipsis))
	}
	for i, c := range choices {
		if i < first {
			continue
		}
		text := t.Paint(theme.Muted, "  "+string(c)+" ")
		if i == at {
			text = " " + t.Selection.Render(" "+string(c)+" ")
		}
		out.WriteString(widget.Mark(widget.Spot{What: widget.ChoiceSpot, Of: number, N: i}, text))
	}
	return out.String()
}

// Dollars writes a number on the axis of money.
func Dollars(v float64) string { return widget.Money(tally.NanoUSD(v * float64(tally.Dollar))) }

// Words writes a code as words.
func Words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// Upper begins a sentence.
func Upper(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Millis is a length of time in milliseconds.
func Millis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
