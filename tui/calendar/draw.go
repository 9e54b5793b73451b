package calendar

import (
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// weeks is how many the map of heat has.
const weeks = 13

// Draw draws the month, and below it the map where there is room for it.
func (c *Calendar) Draw(t *theme.Theme, width, height int) widget.Block {
	now := c.env.Clock().In(c.zone)
	m := part.MonthFrom(&c.usage, c.at.AddDate(0, 0, 1-c.at.Day()), now).Foresee(&c.ahead, false)
	lines := c.month(t, &m, width)
	lines = append(append(lines, ""), widget.Wrap(c.says(t, &m), width)...)
	if 7+2+len(lines)+2 <= height && width >= 5+3*weeks {
		lines = append(append(lines, ""), widget.Beside(widget.NewBlock(5+3*weeks+3, 9, c.heat(t)...), widget.NewBlock(max(width-5-3*weeks-3, 0), 9, c.sums(t, now)...)).Lines()...)
	}
	keys := t.Paint(theme.Muted, "h l day   ↑↓ week   ←→ month   enter that day's requests   esc closes")
	lines = append(lines[:min(len(lines), max(height-2, 1))], "", keys)
	return widget.NewBlock(width, len(lines), lines...)
}

// month are its weeks, two lines each: the days, and what they have cost.
func (c *Calendar) month(t *theme.Theme, m *part.Month, width int) []string {
	const sum = 10 // cells of the sum of a week
	cell := max(min((width-sum)/7, 13), 6)
	head := ""
	for day := range 7 {
		head += widget.Pad(time.Weekday((day + 1) % 7).String()[:3], cell)
	}
	lines := []string{t.Paint(theme.Muted, head+widget.PadLeft("week", sum))}
	most := dearest(m)
	blank := (int(m.Day(0).Weekday()) + 6) % 7
	days := len(m.Days) + m.Ahead
	for from := -blank; from < days; from += 7 {
		var numbers, costs strings.Builder
		var week tally.NanoUSD
		for i := from; i < from+7; i++ {
			number, cost := "", ""
			switch {
			case i >= 0 && i < len(m.Days):
				week += m.Days[i]
				number, cost = t.Paint(theme.Muted, fmt.Sprint(i+1)), c.shade(t, m.Days[i], most, max(cell-10, 1))+" "+widget.Money(m.Days[i])
			case i >= 0 && i < days:
				number = t.Paint(theme.Faint, fmt.Sprint(i+1))
				if likely, ok := m.Likely(i); ok {
					cost = t.Paint(theme.Faint, strings.Repeat(t.Glyphs.Shade, max(cell-10, 1))+" ~"+widget.Money(likely))
				}
			}
			if chosen := i >= 0 && m.Day(i).Equal(c.at); chosen {
				number = t.Selection.Render(widget.Pad(" "+widget.Strip(number)+" "+m.Day(i).Format("Jan"), min(cell-1, 8)))
			}
			spot := widget.Spot{What: widget.RowSpot, N: part.DaysBetween(c.usage.Since.In(c.zone), m.Day(max(i, 0)), c.zone)}
			numbers.WriteString(widget.Mark(spot, widget.Pad(number, cell)))
			costs.WriteString(widget.Mark(spot, widget.Pad(cost, cell)))
		}
		total := ""
		if from < len(m.Days) {
			total = widget.Money(week)
		}
		lines = append(lines, numbers.String(), costs.String()+widget.PadLeft(total, sum))
	}
	return lines
}

// dearest is the most that a day of a month has cost.
func dearest(m *part.Month) (most tally.NanoUSD) {
	for _, d := range m.Days {
		most = max(most, d)
	}
	return most
}

// shade draws what a day has cost against the dearest: seven levels, so that neighbours
// stay apart; something is never drawn as nothing.
func (c *Calendar) shade(t *theme.Theme, d, most tally.NanoUSD, cells int) string {
	if d <= 0 || most <= 0 {
		return t.Paint(theme.Faint, strings.Repeat(t.Glyphs.Dot, cells))
	}
	level := min(max(int((2*7*d+most)/(2*most)), 1), 7)
	return t.Paint(theme.Accent, strings.Repeat(t.Glyphs.Spark[level-1], cells))
}

// heat is a map of thirteen weeks up to the one that is chosen, or the latest.
func (c *Calendar) heat(t *theme.Theme) []string {
	day := func(at time.Time) time.Time { return at.AddDate(0, 0, -((int(at.Weekday()) + 6) % 7)) } // its Monday
	last := day(noon(c.env.Clock(), c.zone))
	first := last.AddDate(0, 0, -7*(weeks-1))
	spent := map[int]tally.NanoUSD{}
	var most tally.NanoUSD
	dearest := first
	for _, r := range c.usage.Rows {
		i := part.DaysBetween(first, r.At, c.zone)
		if spent[i] += r.CostNanoUSD; i >= 0 && spent[i] > most {
			most, dearest = spent[i], first.AddDate(0, 0, i)
		}
	}
	head := []byte(strings.Repeat(" ", 5+3*weeks+3))
	for w := range weeks {
		if at := first.AddDate(0, 0, 7*w); at.Day() <= 7 {
			copy(head[5+3*w:], at.Format("Jan"))
		}
	}
	out := []string{t.Paint(theme.Muted, string(head))}
	for d := range 7 {
		line := t.Paint(theme.Muted, widget.Pad(time.Weekday((d + 1) % 7).String()[:3], 5))
		for w := range weeks {
			at := first.AddDate(0, 0, 7*w+d)
			cell := c.shade(t, spent[7*w+d], most, 2)
			switch {
			case at.After(noon(c.env.Clock(), c.zone)):
				cell = t.Paint(theme.Faint, t.Glyphs.Shade+t.Glyphs.Shade)
			case at.Equal(c.at):
				cell = t.Selection.Render(widget.Strip(cell))
			case at.Before(noon(c.usage.Since, c.zone)):
				cell = "  "
			}
			spot := widget.Spot{What: widget.RowSpot, N: part.DaysBetween(c.usage.Since.In(c.zone), at, c.zone)}
			line += widget.Mark(spot, cell) + " "
		}
		out = append(out, line)
	}
	return append(out, t.Paint(theme.Muted, "     the dearest: "+dearest.Format("Mon 2 Jan")+", "+widget.Money(most)))
}

// sums are those of the months that are known, and what the latest comes to.
func (c *Calendar) sums(t *theme.Theme, now time.Time) []string {
	out := []string{t.Paint(theme.Muted, "Months")}
	first := noon(now, c.zone)
	first = first.AddDate(0, 0, 1-first.Day())
	var before tally.NanoUSD
	for ago := months - 1; ago >= 0; ago-- {
		m := part.MonthFrom(&c.usage, first.AddDate(0, -ago, 0), now).Foresee(&c.ahead, false)
		line := widget.Pad(m.Name(), 11) + widget.PadLeft(widget.Money(m.Total), 10)
		total := m.Total
		if e, ok := m.Expected(); ok && m.Ahead > 0 {
			line += t.Paint(theme.Muted, "  about "+widget.Money(e)+" in all")
			total = e
		}
		if before > 0 {
			line += "  " + part.Change(t, float64(total), float64(before), false)
		}
		if before = 0; m.Days[0] > 0 { // what begins in mid-month is no measure
			before = total
		}
		out = append(out, line)
	}
	return out
}

// says is the month in a line: so far, expected, of the budget.
func (c *Calendar) says(t *theme.Theme, m *part.Month) string {
	out := t.Strong(theme.Text, widget.Money(m.Total))
	switch e, ok := m.Expected(); {
	case m.Ahead == 0:
		out += t.Paint(theme.Muted, " in all")
	case ok:
		out += t.Paint(theme.Muted, " so far, about "+widget.Money(e)+" in all; in four of five cases "+m.Range())
	default:
		out += t.Paint(theme.Muted, " so far; nobody can tell yet what it comes to")
	}
	if c.budget > 0 {
		share := widget.Share(int64(m.Total), int64(c.budget))
		out += "   " + t.Paint(widget.Budget(share), part.UsedText(share)) + t.Paint(theme.Muted, " of "+widget.Money(c.budget))
	}
	return out
}
