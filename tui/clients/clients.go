// Package clients is the screen of clients, and one of them beside the list.
package clients

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is the list of clients, and one of them beside it: limits as gauges,
// spend, keys, latest requests.
type Screen struct {
	*screen.List[*control.ClientView]
	spent screen.Spend
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{spent: screen.Spend{Env: e}}
	s.List = screen.NewList(e, screen.ListOf[*control.ClientView]{
		Screen: "clients", Heading: "Clients", Table: control.ClientTable, Columns: []string{"name", "used", "cost", "last"}, Share: 46, Marking: true,
		Of: func(snap *live.Snapshot) []*control.ClientView { return control.Pointers(snap.Clients) },
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

func (s *Screen) Back() bool {
	if s.spent.Cursor.On && !s.Typed {
		s.spent.Cursor.On = false
		return true
	}
	return s.List.Back()
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(screen.Answer); ok && a.Tag == "spend" {
		return s.spent.Answer(a)
	}
	return tea.Batch(s.List.Update(msg), s.Ask())
}

// Ask asks for the spend of the client that is chosen, and for its requests. It
// implements [Asker].
func (s *Screen) Ask() tea.Cmd {
	c := s.Selected()
	if c == nil {
		return nil
	}
	return tea.Batch(s.List.Ask(), s.spent.Ask(s.Screen, control.UsageQuery{Client: string(c.ID), Month: "this", Every: control.Daily}))
}

func (s *Screen) explain(c *control.ClientView, width, rows int) screen.Detail {
	t, now := s.Env.Theme, s.Env.Clock()
	lines := append(append(widget.Wrap(contact(t, c, now, s.Env.Zone), width), ""), part.Refused(t, c.Refused, "client", s.Env.Zone, width)...)
	lines = append(lines, part.Heading(t, "Limits", fmt.Sprintf("%d in flight now", c.InFlight), width))
	lines = append(lines, part.Gauges(t, c.LimitStates, width, now, s.Env.Zone)...)
	lines = append(lines, "")
	keys := s.keyLines(t, c, width, now)
	last := s.Latest.Lines(s.Snap, width, 8, func(r *control.RequestView) string { return r.Model })
	room := rows - len(lines) - min(len(keys), 5) - min(len(last), 6) - 3
	lines = append(lines, s.spent.Lines(t, width, room, c.LimitStates, c.Refused)...)
	lines = append(lines, "", part.Heading(t, "Keys", "a adds one", width))
	lines = append(lines, keys[:min(len(keys), 5)]...)
	lines = append(lines, "", part.Heading(t, "Last requests", "v all of them", width))
	lines = append(lines, last...)
	return screen.Detail{
		Title: widget.Safe(c.Name),
		Note:  string(c.Status) + ", client since " + c.CreatedAt.In(s.Env.Zone).Format("2 Jan 2006"), Lines: lines,
	}
}

func contact(t *theme.Theme, c *control.ClientView, now time.Time, zone *time.Location) string {
	var parts []string
	for _, p := range []string{c.Company, c.Email, c.Phone} {
		if p != "" {
			parts = append(parts, widget.Safe(p))
		}
	}
	parts = append(parts, t.Paint(theme.Muted, widget.Safe(c.Slug)+" on "+widget.Safe(c.GatewaySlug)))
	if pays := part.TariffText(c.TariffAt(now)); pays != "" {
		parts = append(parts, t.Paint(theme.Muted, pays))
	}
	if b := c.Balance; b != nil {
		text, role := part.BalanceText(b.Left), theme.Muted
		if b.Left <= 0 {
			role = theme.Bad
		}
		if b.Expiring > 0 {
			text += ", " + b.Expiring.Display() + " until " + b.ExpiresAt.In(zone).Format("2 Jan")
		}
		parts = append(parts, t.Paint(role, text))
	}
	return strings.Join(parts, "   ")
}

func (s *Screen) keyLines(t *theme.Theme, c *control.ClientView, width int, now time.Time) []string {
	var out []string
	for i := range s.Snap.Keys {
		k := &s.Snap.Keys[i]
		if k.Client != c.ID || k.State == "revoked" {
			continue
		}
		expires := "never expires"
		if !k.ExpiresAt.IsZero() {
			expires = "expires in " + control.Ago(k.ExpiresAt.Sub(now))
		}
		if k.State != "active" {
			expires = k.State
		}
		label := max(width-22-8-18, 8)
		out = append(out, part.ToneSign(t, control.KeyTable.Tone(k))+" "+widget.Pad(widget.Safe(k.Label), min(label, 20))+" "+t.Paint(theme.Muted, widget.Pad(widget.Safe(k.Masked), 20))+" "+
			widget.PadLeft(widget.Ago(k.LastUsedAt, now), 6)+"  "+t.Paint(theme.Muted, expires))
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none yet: a makes one"))
	}
	return out
}
