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
	ready bool
}

func (s *Spend) Ask(screen string, q control.UsageQuery) tea.Cmd {
	now := s.Env.Clock()
	if q == s.query && now.Sub(s.asked) < time.Minute {
		return nil
	}
	s.ready = s.ready && q == s.query
	s.query, s.asked = q, now
	s.seq++
	return Call(s.Env, screen, "spend", s.seq, control.UsageShow, q)
}

func (s *Spend) Answer(a Answer) tea.Cmd {
	switch {
	case a.Seq != s.seq:
	case a.Err != nil:
		return Fail(a.Err)
	default:
		s.days, s.ready = a.Value.(control.Usage), true
	}
	return nil
}

// Lines draw the spend of each day of the month under way, as a chart where there is
// room.
func (s *Spend) Lines(t *theme.Theme, width, room int, limits []control.LimitState, refused *control.RefusedNow) []string {
	m, ok := part.MonthOf(&s.days, s.Env.Clock())
	if !s.ready || !ok {
		return []string{part.Heading(t, "Spend per day", "", width), t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)}
	}
	budget, usedUp := part.BudgetOf(limits), refused != nil && refused.Limit != ""
	head := part.Heading(t, "Spend per day, "+m.Name(), "today "+widget.Money(m.Days[len(m.Days)-1])+"   so far "+widget.Money(m.Total), width)
	columns := m.Columns(budget, usedUp)
	if room < widget.MinColumns+3 {
		return []string{head, widget.Spark(t, columns.Values, min(width, len(columns.Values)), theme.Accent)}
	}
	return append(append([]string{head}, columns.Draw(t, width, min(room-2, 10)).Lines()...), m.Says(t, budget, usedUp))
}
