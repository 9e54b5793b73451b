package dialog

import (
	"fmt"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Routed tells who would answer, in which order and why.
func Routed(r control.Routed) screen.Dialog {
	return &Note{Heading: "Who answers " + widget.Safe(r.Model), Lines: func(t *theme.Theme) []string {
		var out []string
		if r.Why != "" {
			out = append(out, t.Paint(theme.Muted, widget.Safe(r.Why)), "")
		}
		for i := range r.Routes {
			s := &r.Routes[i]
			tone := control.RouteTable.Tone(s)
			who := t.Strong(theme.Text, widget.Safe(s.Provider)) + " as " + widget.Safe(s.Model)
			if s.Key != "" {
				who += t.Paint(theme.Muted, ", key ") + widget.Safe(s.Key)
			}
			if s.Speaks != "" && s.Speaks != "chat" {
				who += t.Paint(theme.Muted, ", speaks ") + s.Speaks
			}
			if s.Price != "" {
				who += t.Paint(theme.Muted, ", "+s.Price)
			}
			out = append(out, fmt.Sprintf("%d %s %s", s.Place, part.ToneSign(t, tone), who),
				"    "+t.Paint(part.ToneRole(tone), widget.Safe(s.Why)))
			for _, c := range s.Caps {
				if i == 0 || r.Routes[i-1].Provider != s.Provider { // it has a route for each of its API keys
					out = append(out, "    "+t.Paint(theme.Muted, "cap "+widget.Safe(c)))
				}
			}
		}
		return out
	}}
}
