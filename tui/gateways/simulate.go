package gateways

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// simulate asks where a visitor comes from, and shows what every check says.
func (s *Screen) simulate() tea.Cmd {
	g := *s.Selected()
	origin := ""
	if len(g.Origins) > 0 {
		origin = g.Origins[0]
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.SimulateVisit, control.Simulated]{
		Heading: "Simulate a visitor of " + widget.Safe(g.Slug), Op: control.TokensSimulate, Save: "Simulate", Busy: "asking every check",
		Fixed: control.SimulateVisit{Gateway: string(g.ID)}, Begin: control.SimulateVisit{Origin: origin}, Asks: []string{"token", "origin", "address", "country", "model"},
		Says: func(t *theme.Theme, width int, _ func(string) string) []string {
			return []string{t.Paint(theme.Muted, widget.Truncate("Nothing is counted and nothing is sent.", width)), ""}
		},
		Done: func(out control.Simulated) tea.Cmd {
			heading := "The visitor is served"
			if !out.Passes {
				heading = "The visitor is refused: " + strings.ReplaceAll(widget.Safe(out.Code), "_", " ")
			}
			return screen.Ask(screen.Open{Dialog: &dialog.Tried{Heading: heading, Out: control.Tried{OK: out.Passes, Status: out.Status, Steps: out.Steps}}})
		},
	})})
}

// inspect explains an access token in words, and says what is wrong with it.
func (s *Screen) inspect() tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.InspectToken, control.TokenReport]{
		Heading: "Explain an access token", Op: control.TokensInspect, Save: "Explain", Busy: "reading it",
		Asks: []string{"token"}, Must: []string{"token"},
		Done: func(out control.TokenReport) tea.Cmd {
			heading := "This access token works"
			if !out.Works {
				heading = "This access token does not work"
			}
			return screen.Ask(screen.Open{Dialog: &dialog.Note{Heading: heading, Lines: func(t *theme.Theme) []string {
				var lines []string
				if out.ID != "" {
					lines = append(lines, t.Paint(theme.Muted, widget.Safe(strings.TrimSpace(out.ID+"  "+out.Gateway+"  signature "+out.Signature))), "")
				}
				for _, l := range out.Wrong {
					lines = append(lines, t.Paint(theme.Bad, t.Glyphs.Wrong)+" "+widget.Safe(l))
				}
				for _, l := range out.Says {
					lines = append(lines, t.Paint(theme.OK, t.Glyphs.Good)+" "+widget.Safe(l))
				}
				if len(out.Limits) > 0 {
					lines = append(lines, "")
					lines = append(lines, part.Gauges(t, out.Limits, 72, s.Env.Clock(), s.Env.Zone)...)
				}
				return lines
			}}})
		},
	})})
}
