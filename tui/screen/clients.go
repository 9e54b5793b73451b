package screen

import (
	"cmp"
	"fmt"
	"math"
	"slices"
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
	list
	snap  *live.Snapshot
	order int
	shown []control.ClientView
	seq   int
	of    tally.ID  // whose spend was asked for last
	asked time.Time // and when
	days  control.Usage
	whose tally.ID // of days
}

// The orders of the list.
var clientOrders = []string{"spend", "budget", "last use", "name"}

// NewClients makes the screen.
func NewClients(e *Env) *Clients {
	s := &Clients{snap: &live.Snapshot{}, list: newList(e, []widget.Column{
		{Title: "", Width: 1}, {Title: "name"}, {Title: "status", Width: 9, Priority: 3}, {Title: "30 days", Width: 10, Right: true},
		{Title: "used", Width: 11}, {Title: "last", Width: 6, Right: true, Priority: 1},
	})}
	s.renew = s.refresh
	return s
}

// Name implements Screen, as do the methods below.
func (s *Clients) Name() string { return "clients" }

func (s *Clients) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

// refresh makes the rows of the clients that pass the filter.
func (s *Clients) refresh() {
	t, now := s.env.Theme, s.env.Clock()
	s.shown = s.shown[:0]
	for _, c := range s.snap.Clients {
		if matchesClient(&c, s.words()) {
			s.shown = append(s.shown, c)
		}
	}
	slices.SortStableFunc(s.shown, func(a, b control.ClientView) int {
		switch clientOrders[s.order] {
		case "budget":
			x, _ := fullest(a.LimitStates)
			y, _ := fullest(b.LimitStates)
			return cmp.Or(compareShare(shareOf(y), shareOf(x)), cmp.Compare(a.Slug, b.Slug))
		case "last use":
			return b.LastUsedAt.Compare(a.LastUsedAt)
		case "name":
			return cmp.Compare(a.Slug, b.Slug)
		}
		return cmp.Or(cmp.Compare(b.Last30Days.CostNanoUSD, a.Last30Days.CostNanoUSD), cmp.Compare(a.Slug, b.Slug))
	})
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		c := &s.shown[i]
		rows = append(rows, widget.Row{ID: string(c.ID), Cells: []string{
			statusSign(t, c.Status), widget.Safe(c.Slug), string(c.Status), widget.Money(c.Last30Days.CostNanoUSD), budget(t, c.LimitStates), widget.Ago(c.LastUsedAt, now),
		}})
	}
	s.table.Empty = s.empty()
	s.table.SetRows(rows)
}

func (s *Clients) empty() []string {
	switch {
	case !s.snap.Loaded:
		return []string{"loading…"}
	case len(s.snap.Clients) > 0:
		return []string{"No client matches. esc clears the filter."}
	}
	return []string{"A client is a customer or an app: it has keys, limits and a bill.", "", "n  makes the first one",
		"tallygate clients create --name \"Hotel Aurora\" --limit cost=50/month"}
}

// matchesClient looks for words in what people know a client by.
func matchesClient(c *control.ClientView, words string) bool {
	text := strings.ToLower(c.Name + "\n" + c.Slug + "\n" + c.Email + "\n" + c.Company + "\n" + c.Phone)
	for _, w := range strings.Fields(strings.ToLower(words)) {
		if status, ok := strings.CutPrefix(w, "status:"); ok {
			if !strings.HasPrefix(string(c.Status), status) {
				return false
			}
		} else if gateway, ok := strings.CutPrefix(w, "gateway:"); ok {
			if !strings.HasPrefix(c.GatewaySlug, gateway) {
				return false
			}
		} else if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// selected is the client of the row that is chosen, nil if there is none.
func (s *Clients) selected() *control.ClientView { return chosen(&s.list, s.shown) }

func (s *Clients) Update(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(Answer); ok {
		switch {
		case a.Tag != "days" || a.Seq != s.seq:
		case a.Err != nil:
			return Fail(a.Err)
		default:
			s.days, s.whose = a.Value.(control.Usage), s.of
		}
		return nil
	}
	cmd, done := s.take(msg)
	if !done {
		return nil
	}
	return tea.Batch(cmd, s.Ask())
}

// Ask asks for the spend of the client that is chosen, if it is another one or
// was asked for a while ago. It implements [Asker].
func (s *Clients) Ask() tea.Cmd {
	c, now := s.selected(), s.env.Clock()
	if c == nil || c.ID == s.of && now.Sub(s.asked) < time.Minute {
		return nil
	}
	s.of, s.asked = c.ID, now
	s.seq++
	return Call(s.env, s.Name(), "days", s.seq, control.UsageShow, control.UsageQuery{Client: string(c.ID), Since: "30d", Every: "day"})
}

func (s *Clients) Draw() widget.Block {
	note := fmt.Sprintf("%d of %d · by %s", len(s.shown), len(s.snap.Clients), clientOrders[s.order])
	if !s.snap.Loaded {
		note = ""
	}
	return s.draw("Clients", note, 46, s.drawDetail)
}

func (s *Clients) drawDetail(width, height int) widget.Block {
	t, now := s.env.Theme, s.env.Clock()
	c := s.selected()
	if c == nil {
		return widget.Box{Title: "No client", Focused: s.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	lines := []string{widget.Truncate(contact(t, c), inner), ""}
	lines = append(lines, heading(t, "Limits", fmt.Sprintf("%d in flight now", c.InFlight), inner))
	lines = append(lines, gauges(t, c.LimitStates, inner, now)...)
	lines = append(lines, "")
	keys := s.keyLines(t, c, inner, now)
	last := s.lastLines(t, c, inner)
	room := rows - len(lines) - min(len(keys), 5) - min(len(last), 6) - 3
	lines = append(lines, s.spend(t, c, inner, room)...)
	lines = append(lines, "", heading(t, "Keys", "a adds one", inner))
	lines = append(lines, keys[:min(len(keys), 5)]...)
	lines = append(lines, "", heading(t, "Last requests", "", inner))
	lines = append(lines, last...)
	title := widget.Safe(c.Name)
	return s.box(title, string(c.Status)+" since "+c.UpdatedAt.In(s.env.Zone).Format("2 Jan 2006"), width, height, lines)
}

func contact(t *theme.Theme, c *control.ClientView) string {
	var parts []string
	for _, p := range []string{c.Company, c.Email, c.Phone} {
		if p != "" {
			parts = append(parts, widget.Safe(p))
		}
	}
	parts = append(parts, t.Paint(theme.Muted, "on "+widget.Safe(c.GatewaySlug)))
	if c.MarkupBasisPoints > 0 {
		parts = append(parts, t.Paint(theme.Muted, fmt.Sprintf("mark-up %d.%02d%%", c.MarkupBasisPoints/100, c.MarkupBasisPoints%100)))
	}
	return strings.Join(parts, "   ")
}

// spend draws what the client spent per day, as a chart where there is room.
// The shape has the days that are over; today is a number beside it.
func (s *Clients) spend(t *theme.Theme, c *control.ClientView, width, room int) []string {
	if s.whose != c.ID {
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
	head := heading(t, "Spend per day", "today "+widget.Money(today)+"   30 days "+widget.Money(c.Last30Days.CostNanoUSD), width)
	if room < widget.MinChart+2 {
		return []string{head, widget.Spark(t, values, min(width, 30), theme.Accent)}
	}
	chart := widget.Chart{Series: []widget.Series{{Values: values, Role: theme.Accent}}, Format: dollars, Times: []string{"-30d", "-20d", "-10d", "yesterday"}}
	return append([]string{head}, chart.Draw(t, width, min(room-1, 10)).Lines()...)
}

// dollars writes a number on the axis of money.
func dollars(v float64) string { return widget.Money(tally.NanoUSD(v * float64(tally.Dollar))) }

func (s *Clients) keyLines(t *theme.Theme, c *control.ClientView, width int, now time.Time) []string {
	var out []string
	for _, k := range s.snap.Keys {
		if k.Client != c.ID || k.State == "revoked" {
			continue
		}
		sign := t.Paint(theme.OK, t.Glyphs.On)
		expires := "never expires"
		if !k.ExpiresAt.IsZero() {
			expires = "expires in " + widget.Until(k.ExpiresAt, now)
		}
		if k.State != "active" {
			sign, expires = t.Paint(theme.Warn, t.Glyphs.Half), k.State
		}
		label := max(width-22-8-18, 8)
		out = append(out, sign+" "+widget.Pad(widget.Safe(k.Label), min(label, 20))+" "+t.Paint(theme.Muted, widget.Pad(widget.Safe(k.Masked), 20))+" "+
			widget.PadLeft(widget.Ago(k.LastUsedAt, now), 6)+"  "+t.Paint(theme.Muted, expires))
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none yet: a makes one"))
	}
	return out
}

func (s *Clients) lastLines(t *theme.Theme, c *control.ClientView, width int) []string {
	var out []string
	for i := range s.snap.Tail {
		if r := s.snap.Tail[i]; r.Client == c.Slug {
			out = append(out, requestLine(t, r, width, s.env.Zone))
			if len(out) == 8 {
				break
			}
		}
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none since this screen was opened"))
	}
	return out
}
