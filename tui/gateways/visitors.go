package gateways

import (
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"

	tea "charm.land/bubbletea/v2"
)

const (
	mostShares = 6 // countries or reasons that are drawn
	mostTokens = 5 // access tokens that are drawn
)

// visitorLines are the access tokens of a gateway, who came to its pages in a day,
// and why some were refused.
func (s *Screen) visitorLines(g *control.GatewayView, width int) []string {
	t := s.Env.Theme
	var out []string
	if tokens := s.tokens(g); len(tokens) > 0 {
		out = append(out, "", part.Heading(t, "Access tokens", "b shows them", width))
		for i := range tokens[:min(len(tokens), mostTokens)] {
			out = append(out, tokenLine(t, &tokens[i], width))
		}
		if more := len(tokens) - mostTokens; more > 0 {
			out = append(out, t.Paint(theme.Muted, fmt.Sprintf("and %d more", more)))
		}
	}
	if len(g.Countries) > 0 {
		out = append(out, "", part.Heading(t, "Visitors, 24 hours", "by country", width))
		out = append(out, shareLines(t, g.Countries, theme.Info, width)...)
	}
	if len(g.Refusals) > 0 {
		refused := make([]control.Part, len(g.Refusals))
		for i, r := range g.Refusals {
			refused[i] = control.Part{Name: part.Words(r.Name), Requests: r.Refused}
		}
		out = append(out, "", part.Heading(t, "Refusals, 24 hours", "by reason", width))
		out = append(out, shareLines(t, refused, theme.Warn, width)...)
	}
	return out
}

// shareLines draw parts of a whole as bars.
func shareLines(t *theme.Theme, shares []control.Part, role theme.Role, width int) []string {
	var whole, rest int64
	names := 0
	for i, s := range shares {
		whole += s.Requests + s.Refused
		if i < mostShares {
			names = max(names, widget.Width(s.Name))
		} else {
			rest += s.Requests + s.Refused
		}
	}
	names = min(names, max(width/2, 8))
	var out []string
	for _, s := range shares[:min(len(shares), mostShares)] {
		n := s.Requests + s.Refused
		figures := widget.PadLeft(control.Compact(n), 6)
		bar := max(min(width-names-widget.Width(figures)-2, 24), 4)
		line := widget.Pad(widget.Safe(s.Name), names) + " " + widget.Bar(t, widget.Share(n, whole), bar, role) + figures
		if s.Refused > 0 && s.Requests > 0 {
			if note := fmt.Sprintf("  %s refused", control.Compact(s.Refused)); widget.Width(line)+widget.Width(note) <= width {
				line += t.Paint(theme.Muted, note)
			}
		}
		out = append(out, line)
	}
	if rest > 0 {
		out = append(out, t.Paint(theme.Muted, fmt.Sprintf("and %d more", len(shares)-mostShares)))
	}
	return out
}

func tokenLine(t *theme.Theme, v *control.TokenView, width int) string {
	figures := part.Budget(t, v.Limits) + "  " + widget.PadLeft(widget.Money(v.Used.CostNanoUSD), 9)
	id := strings.TrimSpace(widget.Safe(v.Label + " " + v.ID))
	return widget.Between(part.ToneSign(t, control.TokenTable.Tone(v))+" "+widget.Truncate(id, max(width-widget.Width(figures)-4, 8)), figures, width)
}

// listVisitors shows who came in a day: networks and hashes, for addresses are
// not kept.
func (s *Screen) listVisitors() tea.Cmd {
	g := *s.Selected()
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, s.Env, control.VisitorsList, control.ListVisitors{Gateway: string(g.ID)})
		return screen.Reply{Take: func() tea.Cmd {
			switch {
			case err != nil:
				return screen.Fail(err)
			case len(out.Visitors) == 0:
				return screen.Ask(screen.Say{Text: "Nobody has come to " + g.Slug + " in 24 hours."})
			}
			all := control.Pointers(out.Visitors)
			return screen.Ask(screen.Open{Dialog: screen.NewRows(s.Env, all, screen.ListOf[*control.Visitor]{
				Screen: "visitors", Heading: "Visitors of " + widget.Safe(g.Slug) + ", 24 hours", Table: control.VisitorTable,
				Columns: []string{"network", "visitor", "country", "requests", "refused", "cost", "first", "last"}, Empty: func() []string { return nil },
			})})
		}}
	}
}
