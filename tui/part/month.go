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

// Month is what the days of the month under way have cost.
type Month struct {
	Days  []tally.NanoUSD // from the first on; the last is today
	Ahead int             // days that are still to come
	Total tally.NanoUSD
	from  time.Time
	today float64 // the share of today that is over
}

// MonthOf puts the rows of a month by day in their places. Days are those of a gateway,
// whose midnight need not be one here and which are 23 to 25 hours long, so they are
// told by their noons.
func MonthOf(u *control.Usage, now time.Time) (m Month, ok bool) {
	if !u.Since.Before(u.Until) || now.Before(u.Since) {
		return m, false
	}
	const day = 24 * time.Hour
	m.from = u.Since.Add(day / 2).UTC()
	at := func(start time.Time) int { return int((start.Sub(u.Since) + day/2) / day) }
	today := int(now.Sub(u.Since) / day)
	for _, r := range u.Rows {
		today = max(today, at(r.At))
	}
	m.Days = make([]tally.NanoUSD, today+1)
	m.Ahead = max(int(m.from.AddDate(0, 1, 0).Sub(m.from)/day)-len(m.Days), 0)
	for _, r := range u.Rows {
		if i := at(r.At); i >= 0 {
			m.Days[i] += r.CostNanoUSD
			m.Total += r.CostNanoUSD
		}
	}
	m.today = min(max(now.Sub(u.Since).Hours()/24-float64(today), 0), 1)
	return m, true
}

// enoughDays is how many days that are over a guess needs.
const enoughDays = 3

// Pace is what a day of the last week has cost in the mean; false where too few days
// with spend are over to tell.
func (m *Month) Pace() (nano float64, ok bool) {
	over := m.Days[:len(m.Days)-1]
	over = over[max(len(over)-7, 0):]
	spent := 0
	for _, d := range over {
		nano += float64(d)
		if d > 0 {
			spent++
		}
	}
	if spent < enoughDays {
		return 0, false
	}
	return nano / float64(len(over)), true
}

// Columns are the days as a chart, with what is expected unless there is nothing left
// to spend, and the even pace of a budget, 0 for none.
func (m *Month) Columns(budget tally.NanoUSD, usedUp bool) widget.Columns {
	c := widget.Columns{Running: true, Format: Dollars, Role: theme.Accent, Labels: map[int]string{}}
	dollars := func(nano float64) float64 { return nano / float64(tally.Dollar) }
	for i, d := range m.Days {
		c.Values = append(c.Values, dollars(float64(d)))
		if i%7 == 0 && i < len(m.Days)-3 {
			c.Labels[i] = strconv.Itoa(m.from.AddDate(0, 0, i).Day())
		}
	}
	c.Labels[len(m.Days)-1] = "today"
	pace, ok := m.Pace()
	if ok && !usedUp {
		c.Expected = dollars(float64(m.Days[len(m.Days)-1]) + pace*(1-m.today))
	}
	for range m.Ahead {
		v := 0.0
		if ok && !usedUp {
			v = dollars(pace)
		}
		c.Ahead = append(c.Ahead, v)
	}
	if n := len(m.Days) + m.Ahead; budget > 0 {
		c.Line = dollars(float64(budget) / float64(n))
	}
	return c
}

// Expected is about what the month will come to; false if nobody can tell.
func (m *Month) Expected() (tally.NanoUSD, bool) {
	pace, ok := m.Pace()
	return m.Total + tally.NanoUSD(pace*(float64(m.Ahead)+1-m.today)), ok
}

// Says is the line below: what the marks mean.
func (m *Month) Says(t *theme.Theme, budget tally.NanoUSD, usedUp bool) string {
	out := ""
	if budget > 0 {
		out = t.Paint(theme.Warn, t.Glyphs.Dash) + t.Paint(theme.Muted, " even pace "+widget.Money(budget/tally.NanoUSD(len(m.Days)+m.Ahead))+"   ")
	}
	if e, ok := m.Expected(); ok && !usedUp && m.Ahead > 0 {
		out += t.Paint(theme.Faint, t.Glyphs.Shade) + t.Paint(theme.Muted, fmt.Sprintf(" expected   month about %s", widget.Money(e)))
	}
	return out
}

// Name is the month in words: "November".
func (m *Month) Name() string { return m.from.Month().String() }

// BudgetOf is the least of the limits on cost of a month; 0 if there is none.
func BudgetOf(states []control.LimitState) (least tally.NanoUSD) {
	for i := range states {
		s := &states[i]
		if s.Metric == tally.Cost && s.Window.Unit == tally.Month && !s.Warn && (least == 0 || tally.NanoUSD(s.Max) < least) {
			least = tally.NanoUSD(s.Max)
		}
	}
	return least
}
