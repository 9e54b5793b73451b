package screen

import (
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
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

// Lines draw the spend per day, as a chart where there is room. The shape has the
// days that are over; today is a number beside it.
func (s *Spend) Lines(t *theme.Theme, width, room int, sums *control.Sums) []string {
	if !s.ready {
		return []string{part.Heading(t, "Spend per day", "", width), t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)}
	}
	values := make([]float64, 30)
	var today tally.NanoUSD
	from := part.Midnight(s.Env.Clock(), s.Env.Zone)
	for _, r := range s.days.Rows {
		ago := int(math.Round(from.Sub(r.At).Hours() / 24)) // of the gateway's zone, whose days may be some hours off
		switch i := len(values) - ago; {
		case ago <= 0:
			today += r.CostNanoUSD
		case i >= 0:
			values[i] += float64(r.CostNanoUSD) / float64(tally.Dollar)
		}
	}
	head := part.Heading(t, "Spend per day", "today "+widget.Money(today)+"   30 days "+widget.Money(sums.CostNanoUSD), width)
	if room < widget.MinChart+2 {
		return []string{head, widget.Spark(t, values, min(width, 30), theme.Accent)}
	}
	chart := widget.Chart{Series: []widget.Series{{Values: values, Role: theme.Accent}}, Format: part.Dollars, Times: []string{"-30d", "-20d", "-10d", "yesterday"}}
	return append([]string{head}, chart.Draw(t, width, min(room-1, 10)).Lines()...)
}
