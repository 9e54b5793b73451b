package screen

import (
	"fmt"
	"math"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Clients is the list of clients, and one of them beside it: limits as gauges,
// spend, keys, latest requests.
type Clients struct {
	*List[control.ClientView]
	spent Spend
}

// NewClients makes the screen.
func NewClients(e *Env) *Clients {
	s := &Clients{spent: Spend{env: e}}
	s.List = NewList(e, ListOf[control.ClientView]{
		Screen: "clients", Heading: "Clients", Table: control.ClientTable, Columns: []string{"name", "used", "cost", "last"}, Share: 46,
		Of: func(snap *live.Snapshot) []control.ClientView { return snap.Clients },
		Note: func(shown int) string {
			return fmt.Sprintf("%d of %d · by %s", shown, len(s.snap.Clients), s.sortedBy())
		},
		Empty: func() []string {
			return []string{"A client is a customer or an app: it has keys, limits and a bill.", "", "n  makes the first one", control.ClientTable.Make}
		},
		Detail: s.explain,
		Recent: func(c *control.ClientView) control.RequestQuery { return control.RequestQuery{Client: c.Slug} },
	})
	return s
}

func (s *Clients) Update(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(Answer); ok && a.Tag == "spend" {
		return s.spent.answer(a)
	}
	return tea.Batch(s.List.Update(msg), s.Ask())
}

// Ask asks for the spend of the client that is chosen, and for its requests. It
// implements [Asker].
func (s *Clients) Ask() tea.Cmd {
	c := s.selected()
	if c == nil {
		return nil
	}
	return tea.Batch(s.List.Ask(), s.spent.ask(s.Screen, control.UsageQuery{Client: string(c.ID), Since: "30d", Every: control.Daily}))
}

func (s *Clients) explain(c *control.ClientView, width, rows int) Detail {
	t, now := s.env.Theme, s.env.Clock()
	lines := []string{widget.Truncate(contact(t, c), width), ""}
	lines = append(lines, heading(t, "Limits", fmt.Sprintf("%d in flight now", c.InFlight), width))
	lines = append(lines, gauges(t, c.LimitStates, width, now)...)
	lines = append(lines, "")
	keys := s.keyLines(t, c, width, now)
	last := s.recent.lines(s.snap, width, 8, func(r *control.RequestView) string { return r.Model })
	room := rows - len(lines) - min(len(keys), 5) - min(len(last), 6) - 3
	lines = append(lines, s.spent.lines(t, width, room, &c.Last30Days)...)
	lines = append(lines, "", heading(t, "Keys", "a adds one", width))
	lines = append(lines, keys[:min(len(keys), 5)]...)
	lines = append(lines, "", heading(t, "Last requests", "v all of them", width))
	lines = append(lines, last...)
	return Detail{widget.Safe(c.Name), string(c.Status) + " since " + c.UpdatedAt.In(s.env.Zone).Format("2 Jan 2006"), lines}
}

func contact(t *theme.Theme, c *control.ClientView) string {
	var parts []string
	for _, p := range []string{c.Company, c.Email, c.Phone} {
		if p != "" {
			parts = append(parts, widget.Safe(p))
		}
	}
	parts = append(parts, t.Paint(theme.Muted, widget.Safe(c.Slug)+" on "+widget.Safe(c.GatewaySlug)))
	if c.MarkupBasisPoints > 0 {
		parts = append(parts, t.Paint(theme.Muted, "mark-up "+control.Percent(c.MarkupBasisPoints).String()+"%"))
	}
	return strings.Join(parts, "   ")
}

func (s *Clients) keyLines(t *theme.Theme, c *control.ClientView, width int, now time.Time) []string {
	var out []string
	for i := range s.snap.Keys {
		k := &s.snap.Keys[i]
		if k.Client != c.ID || k.State == "revoked" {
			continue
		}
		expires := "never expires"
		if !k.ExpiresAt.IsZero() {
			expires = "expires in " + widget.Until(k.ExpiresAt, now)
		}
		if k.State != "active" {
			expires = k.State
		}
		label := max(width-22-8-18, 8)
		out = append(out, toneSign(t, control.KeyTable.Tone(k))+" "+widget.Pad(widget.Safe(k.Label), min(label, 20))+" "+t.Paint(theme.Muted, widget.Pad(widget.Safe(k.Masked), 20))+" "+
			widget.PadLeft(widget.Ago(k.LastUsedAt, now), 6)+"  "+t.Paint(theme.Muted, expires))
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none yet: a makes one"))
	}
	return out
}

// Spend is what a thing costs per day.
type Spend struct {
	env   *Env
	query control.UsageQuery
	seq   int
	asked time.Time
	days  control.Usage
	ready bool
}

func (s *Spend) ask(screen string, q control.UsageQuery) tea.Cmd {
	now := s.env.Clock()
	if q == s.query && now.Sub(s.asked) < time.Minute {
		return nil
	}
	s.ready = s.ready && q == s.query
	s.query, s.asked = q, now
	s.seq++
	return Call(s.env, screen, "spend", s.seq, control.UsageShow, q)
}

func (s *Spend) answer(a Answer) tea.Cmd {
	switch {
	case a.Seq != s.seq:
	case a.Err != nil:
		return Fail(a.Err)
	default:
		s.days, s.ready = a.Value.(control.Usage), true
	}
	return nil
}

// lines draw the spend per day, as a chart where there is room. The shape has the
// days that are over; today is a number beside it.
func (s *Spend) lines(t *theme.Theme, width, room int, sums *control.Sums) []string {
	if !s.ready {
		return []string{heading(t, "Spend per day", "", width), t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)}
	}
	values := make([]float64, 30)
	var today tally.NanoUSD
	from := midnight(s.env.Clock(), s.env.Zone)
	for _, r := range s.days.Rows {
		ago := int(math.Round(from.Sub(r.At).Hours() / 24)) // of the gateway's zone, whose days may be some hours off
		switch i := len(values) - ago; {
		case ago <= 0:
			today += r.CostNanoUSD
		case i >= 0:
			values[i] += float64(r.CostNanoUSD) / float64(tally.Dollar)
		}
	}
	head := heading(t, "Spend per day", "today "+widget.Money(today)+"   30 days "+widget.Money(sums.CostNanoUSD), width)
	if room < widget.MinChart+2 {
		return []string{head, widget.Spark(t, values, min(width, 30), theme.Accent)}
	}
	chart := widget.Chart{Series: []widget.Series{{Values: values, Role: theme.Accent}}, Format: dollars, Times: []string{"-30d", "-20d", "-10d", "yesterday"}}
	return append([]string{head}, chart.Draw(t, width, min(room-1, 10)).Lines()...)
}

// dollars writes a number on the axis of money.
func dollars(v float64) string { return widget.Money(tally.NanoUSD(v * float64(tally.Dollar))) }
