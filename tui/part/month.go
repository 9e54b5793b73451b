package part

import (
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
	// Forecast is what the month is likely to cost; nil where nobody can tell, or where
	// there is nothing left to spend.
	Forecast *control.MoneyForecast
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
	m.from = Midnight(first, zone).Add(12 * time.Hour)
	days, today := DaysBetween(m.from, m.from.AddDate(0, 1, 0), zone), DaysBetween(m.from, now, zone)
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

// Foresee adds what the month under way is likely to cost: f is of the same thing and the same
// month, or there is nothing to add. Of what is used up nothing is told.
func (m Month) Foresee(f *control.Forecast, usedUp bool) Month {
	if len(f.Month) > 0 && f.Month[0].Why == "" && !usedUp && DaysBetween(m.from, f.Since, m.from.Location()) == 0 {
		m.Forecast = &f.Month[0]
	}
	return m
}

// Likely is what a day of the month that is not over is likely to cost yet, by its number from
// 0; false if nobody can tell.
func (m *Month) Likely(day int) (tally.NanoUSD, bool) {
	ahead := day - (len(m.Days) - 1)
	if m.Forecast == nil || ahead < 0 || ahead >= len(m.Forecast.Ahead) {
		return 0, false
	}
	return m.Forecast.Ahead[ahead], true
}

// Columns are the days as a chart, with what is expected, and the even pace of a budget, 0
// for none.
func (m *Month) Columns(budget tally.NanoUSD) widget.Columns {
	c := widget.Columns{Running: true, Format: Dollars, Role: theme.Accent, Labels: map[int]string{}}
	dollars := func(n tally.NanoUSD) float64 { return float64(n) / float64(tally.Dollar) }
	for i, d := range m.Days {
		c.Values = append(c.Values, dollars(d))
		if i%7 == 0 && i < len(m.Days)-3 {
			c.Labels[i] = strconv.Itoa(m.from.AddDate(0, 0, i).Day())
		}
	}
	c.Labels[len(m.Days)-1] = "today"
	if rest, ok := m.Likely(len(m.Days) - 1); ok {
		c.Expected = dollars(m.Days[len(m.Days)-1] + rest)
	}
	for i := range m.Ahead {
		cost, _ := m.Likely(len(m.Days) + i)
		c.Ahead = append(c.Ahead, dollars(cost))
	}
	if n := len(m.Days) + m.Ahead; budget > 0 {
		c.Line = dollars(budget) / float64(n)
	}
	return c
}

// Expected is about what the month will come to; false if nobody can tell.
func (m *Month) Expected() (tally.NanoUSD, bool) {
	if m.Forecast == nil {
		return 0, false
	}
	return m.Forecast.Likely, true
}

// Range is what the month comes to in four of five cases: "$40.10 to $52.00"; "" if nobody can
// tell.
func (m *Month) Range() string {
	if m.Forecast == nil {
		return ""
	}
	return widget.Money(m.Forecast.Low) + " to " + widget.Money(m.Forecast.High)
}

// Says is the line below, in so much room: what the marks mean.
func (m *Month) Says(t *theme.Theme, budget tally.NanoUSD, width int) string {
	out := ""
	if budget > 0 {
		out = t.Paint(theme.Warn, t.Glyphs.Dash) + t.Paint(theme.Muted, " even pace "+widget.Money(budget/tally.NanoUSD(len(m.Days)+m.Ahead))+"   ")
	}
	if e, ok := m.Expected(); ok && m.Ahead > 0 {
		likely := " expected   month about " + widget.Money(e)
		if long := likely + ", " + m.Range(); widget.Width(out)+1+widget.Width(long) <= width {
			likely = long
		}
		out += t.Paint(theme.Faint, t.Glyphs.Shade) + t.Paint(theme.Muted, likely)
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
