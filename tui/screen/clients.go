package screen

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
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
			return fmt.Sprintf("%d of %d · by %s", shown, len(s.Snap.Clients), s.SortedBy())
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
	c := s.Selected()
	if c == nil {
		return nil
	}
	return tea.Batch(s.List.Ask(), s.spent.ask(s.Screen, control.UsageQuery{Client: string(c.ID), Since: "30d", Every: control.Daily}))
}

func (s *Clients) explain(c *control.ClientView, width, rows int) Detail {
	t, now := s.Env.Theme, s.Env.Clock()
	lines := []string{widget.Truncate(contact(t, c), width), ""}
	lines = append(lines, heading(t, "Limits", fmt.Sprintf("%d in flight now", c.InFlight), width))
	lines = append(lines, gauges(t, c.LimitStates, width, now)...)
	lines = append(lines, "")
	keys := s.keyLines(t, c, width, now)
	last := s.Latest.lines(s.Snap, width, 8, func(r *control.RequestView) string { return r.Model })
	room := rows - len(lines) - min(len(keys), 5) - min(len(last), 6) - 3
	lines = append(lines, s.spent.lines(t, width, room, &c.Last30Days)...)
	lines = append(lines, "", heading(t, "Keys", "a adds one", width))
	lines = append(lines, keys[:min(len(keys), 5)]...)
	lines = append(lines, "", heading(t, "Last requests", "v all of them", width))
	lines = append(lines, last...)
	return Detail{widget.Safe(c.Name), string(c.Status) + " since " + c.UpdatedAt.In(s.Env.Zone).Format("2 Jan 2006"), lines}
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
	for i := range s.Snap.Keys {
		k := &s.Snap.Keys[i]
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
