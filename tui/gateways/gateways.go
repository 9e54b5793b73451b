// Package gateways is the screen of the sites that own clients, with the access tokens
// and visitors of their pages.
package gateways

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is the sites that own clients, and one of them beside the list: its
// rules, limits, providers and clients.
type Screen struct {
	*screen.List[*control.GatewayView]
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{}
	s.List = screen.NewList(e, screen.ListOf[*control.GatewayView]{
		Screen: "gateways", Heading: "Gateways", Table: control.GatewayTable, Columns: []string{"name", "on", "clients", "cost", "used"}, Share: 48,
		Of:   func(snap *live.Snapshot) []*control.GatewayView { return control.Pointers(snap.Gateways) },
		Note: func(shown int) string { return part.Plural(int64(shown), "gateway") },
		Empty: func() []string {
			return []string{"A gateway owns clients. It has a time zone, an order of", "providers, and limits over everything in it.", "", "n  makes the first one", control.GatewayTable.Make}
		},
		Detail: s.explain,
	})
	return s
}

// address is where clients of a gateway send requests.
func (s *Screen) address(g *control.GatewayView) string {
	if g.PublicURL == "" {
		return s.Snap.Status.BaseURL
	}
	url := strings.TrimRight(g.PublicURL, "/")
	if !strings.HasSuffix(url, "/v1") {
		url += "/v1"
	}
	return url
}

// lines are what an app needs to use a gateway.
func (s *Screen) lines(g *control.GatewayView) []string {
	return []string{"OPENAI_BASE_URL=" + s.address(g), "OPENAI_API_KEY=a key of a client"}
}

func (s *Screen) explain(g *control.GatewayView, width, rows int) screen.Detail {
	t, now := s.Env.Theme, s.Env.Clock()
	inner := width
	sign, state := part.ToneSign(t, control.GatewayTable.Tone(g)), "on"
	if !g.Enabled {
		state = t.Paint(theme.Warn, "off: requests of its clients are refused")
	}
	muted := func(s string) string { return t.Paint(theme.Muted, s) }
	cycle := "the first of the month"
	if g.CycleDay > 1 {
		cycle = fmt.Sprintf("day %d of the month", g.CycleDay)
	}
	facts := []part.Fact{
		{"state", sign + " " + state}, {"access", accessText(g.Access)}, {"time zone", widget.Safe(g.TimeZone) + muted(", bills begin on "+cycle)},
		{"asks", widget.Safe(strings.Join(g.ProviderNames, " "+t.Glyphs.Right+" "))}, {"models", cmp.Or(widget.Safe(strings.Join(g.Models, " ")), muted("all"))},
		{"default", cmp.Or(widget.Safe(g.DefaultModel), muted("none: the first one that chats"))}, {"aliases", cmp.Or(aliasesText(g.Aliases, " "+t.Glyphs.Right+" ", ", "), muted("none"))},
		{"origins", widget.Safe(strings.Join(g.Origins, " "))}, {"visitor", part.LimitsText(g.VisitorLimits)},
		{"countries", widget.Safe(strings.Join(g.AllowedCountries, " "))}, {"not from", widget.Safe(strings.Join(g.BlockedCountries, " "))},
		{"templates", widget.Safe(g.TemplateNames())},
	}
	lines := append(part.Refused(t, g.Refused, "gateway", s.Env.Zone, inner), part.Facts(t, facts, inner)...)
	lines = append(lines, "", part.Heading(t, "Use it", "y copies the address", inner))
	for _, l := range s.lines(g) {
		lines = append(lines, widget.Safe(l))
	}
	lines = append(lines, "", part.Heading(t, "Limits over everything in it", "", inner))
	if len(g.LimitStates) == 0 {
		lines = append(lines, muted("none: only those of clients and keys hold"))
	} else {
		lines = append(lines, part.Gauges(t, g.LimitStates, inner, now, s.Env.Zone)...)
	}
	lines = append(lines, "", part.Heading(t, "This month", part.Charged(&g.Month), inner))
	lines = append(lines, part.Sums(t, &g.Month, inner)...)
	lines = append(lines, s.visitorLines(g, inner)...)
	lines = append(lines, "", part.Heading(t, "Clients", "v shows them", inner))
	lines = append(lines, s.clientLines(g, inner, max(rows-len(lines), 5))...)
	return screen.Detail{Title: widget.Safe(g.Name), Note: "id " + g.PublicID, Lines: lines}
}

func accessText(a tally.Access) string {
	switch a {
	case tally.AccessByToken:
		return "client keys and access tokens"
	case tally.AccessByKey:
		return "client keys only"
	case tally.AccessPublic:
		return "anyone, within limits per visitor"
	}
	return widget.Safe(string(a))
}

// aliasesText writes aliases in the order of their names.
func aliasesText(aliases map[string]string, arrow, between string) string {
	var out []string
	for _, asked := range slices.Sorted(maps.Keys(aliases)) {
		out = append(out, widget.Safe(asked)+arrow+widget.Safe(aliases[asked]))
	}
	return strings.Join(out, between)
}

// clientLines are the clients of a gateway, those that cost most first.
func (s *Screen) clientLines(g *control.GatewayView, width, most int) []string {
	t := s.Env.Theme
	var clients []control.ClientView
	for _, c := range s.Snap.Clients {
		if c.Gateway == g.ID {
			clients = append(clients, c)
		}
	}
	tally.OrderStable(clients, func(a, b control.ClientView) int {
		return cmp.Or(cmp.Compare(b.Month.CostNanoUSD, a.Month.CostNanoUSD), cmp.Compare(a.Slug, b.Slug))
	})
	var out []string
	for i := range clients {
		c := &clients[i]
		if len(out) == most-1 && i < len(clients)-1 {
			out = append(out, t.Paint(theme.Muted, fmt.Sprintf("and %d more", len(clients)-i)))
			break
		}
		out = append(out, widget.Between(part.ToneSign(t, control.ClientTable.Tone(c))+" "+widget.Safe(c.Name), part.Budget(t, c.LimitStates)+"  "+widget.PadLeft(widget.Money(c.Month.CostNanoUSD), 9), width))
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none yet: n in Clients makes one"))
	}
	return out
}
