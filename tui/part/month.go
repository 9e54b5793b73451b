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
	from  time.Time // noon of the first day, or an hour beside it
	today float64   // the share of today that is over
}

// MonthOf puts the rows of a month by day in their places; false if now is not in it.
func MonthOf(u *control.Usage, now time.Time) (m Month, ok bool) {
	zone, err := time.LoadLocation(u.Zone)
	if err != nil || !u.Since.Before(u.Until) || now.Before(u.Since) {
		return m, false
	}
	return MonthFrom(u, u.Since.In(zone), now), true
}

// MonthFrom takes the month that begins on a day, in its zone, out of usage by day. Of one
// that is over all days are there, and none is ahead.
func MonthFrom(u *control.Usage, first, now time.Time) (m Month) {
	zone := first.Location()
	m.from, m.today = Midnight(first, zone).Add(12*time.Hour), 1
	days, today := DaysBetween(m.from, m.from.AddDate(0, 1, 0), zone), DaysBetween(m.from, now, zone)
	if today < days {
		m.today = min(now.Sub(Midnight(now, zone)).Hours()/24, 1)
	}
	m.Days = make([]tally.NanoUSD, min(max(today+1, 1), days))
	m.Ahead = days - len(m.Days)
	for _, r := range u.Rows {
		if i := DaysBetween(m.from, r.At, zone); 0 <= i && i < len(m.Days) {
			m.Days[i] += r.CostNanoUSD
			m.Total += r.CostNanoUSD
		}
	}
	return m
}

// Pace is what a day of the last week has cost in the mean; false where too few days
// with spend are over to tell.
func (m *Month) Pace() (nano float64, ok bool) { return control.Pace(m.Days[:len(m.Days)-1]) }

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

// Day is noon of a day of the month, by its number from 0.
func (m *Month) Day(i int) time.Time { return m.from.AddDate(0, 0, i) }

// Said is what a day has cost: "Thu 19 Nov  $7.79".
func (m *Month) Said(i int) string {
	return m.Day(i).Format("Mon 2 Jan") + "  " + widget.Money(m.Days[i])
}

// Name is the month in words: "November".
func (m *Month) Name() string { return m.from.Month().String() }

// BudgetOf is the least of the limits on cost of a month; 0 if there is none.
func BudgetOf(states []control.LimitState) (least tally.NanoUSD) {
	for i := range states {
		s := &states[i]
		if s.Metric == tally.Cost && s.Window.Per == "" && s.Window.Unit == tally.Month && !s.Warn && (least == 0 || tally.NanoUSD(s.Max) < least) {
			least = tally.NanoUSD(s.Max)
		}
	}
	return least
}
