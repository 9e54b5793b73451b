package screen

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Spend is what a thing costs per day.
type Spend struct {
	Env   *Env
	query control.UsageQuery
	seq   int
	asked time.Time
	days  control.Usage
	ahead control.Forecast
	ready bool
	fault string // why the answer is not there
	// Cursor points at a day of the month.
	Cursor part.Cursor
}

// Month is what the days of the month under way have cost; false while it is not known.
func (s *Spend) Month() (part.Month, bool) {
	m, ok := part.MonthOf(&s.days, s.Env.Clock())
	return m, ok && s.ready
}

func (s *Spend) Ask(screen string, q control.UsageQuery) tea.Cmd {
	now := s.Env.Clock()
	if q == s.query && now.Sub(s.asked) < time.Minute {
		return nil
	}
	s.ready = s.ready && q == s.query
	s.query, s.asked, s.fault = q, now, ""
	s.seq++
	seq := s.seq
	return func() tea.Msg {
		days, err := Run(Patience, s.Env, control.UsageShow, q)
		var ahead control.Forecast
		if err == nil {
			ahead, err = Run(Patience, s.Env, control.ForecastShow, control.ForecastQuery{Client: q.Client, MonthOnly: true})
		}
		return Answer{Screen: screen, Tag: "spend", Seq: seq, Value: spent{days, ahead}, Err: err}
	}
}

// spent is what the days of a month have cost, and what the month is likely to.
type spent struct {
	days  control.Usage
	ahead control.Forecast
}

func (s *Spend) Answer(a Answer) tea.Cmd {
	switch {
	case a.Seq != s.seq:
	case a.Err != nil:
		s.fault = Explain(a.Err)
		return Fail(a.Err)
	default:
		v := a.Value.(spent)
		s.days, s.ahead, s.ready = v.days, v.ahead, true
	}
	return nil
}

// Lines draw the spend of each day of the month under way, as a chart where there is
// room.
func (s *Spend) Lines(t *theme.Theme, width, room int, limits []control.LimitState, refused *control.RefusedNow) []string {
	m, ok := s.Month()
	if !ok && s.fault != "" {
		return append([]string{part.Heading(t, "Spend per day", "", width)}, widget.Wrap(t.Glyphs.Wrong+" "+widget.Safe(s.fault), width)...)
	}
	if !ok {
		return []string{part.Heading(t, "Spend per day", "", width), t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)}
	}
	budget, usedUp := part.BudgetOf(limits), refused != nil && refused.Limit != ""
	m = m.Foresee(&s.ahead, usedUp)
	columns := m.Columns(budget)
	note := "today " + widget.Money(m.Days[len(m.Days)-1]) + "   so far " + widget.Money(m.Total)
	if s.Cursor.Show(&columns); s.Cursor.On {
		note = t.Glyphs.Up + " " + m.Said(s.Cursor.At)
	}
	head := part.Heading(t, "Spend per day, "+m.Name(), note, width)
	if room < widget.MinColumns+3 {
		return []string{head, widget.Spark(t, columns.Values, min(width, len(columns.Values)), theme.Accent)}
	}
	return append(append([]string{head}, columns.Draw(t, width, min(room-2, 10)).Lines()...), m.Says(t, budget, width))
}
