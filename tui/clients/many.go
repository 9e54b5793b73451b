package clients

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// many is what is done with all clients that are marked.
func many[Out any](s *Screen, marked []*control.ClientView, op control.Op[control.Named, Out], do, says string) dialog.Many[control.ClientView] {
	return dialog.Many[control.ClientView]{
		Things: marked, Do: do, What: "client", Says: says, Done: s.Unmark,
		Name: func(c *control.ClientView) string { return widget.Safe(c.Slug) },
		Run:  screen.Each(s.Env, op, func(c *control.ClientView) control.Named { return control.Named{Name: string(c.ID)} }),
	}
}

// toggleAll suspends the marked clients that are active, or activates all if none is.
func (s *Screen) toggleAll(marked []*control.ClientView) tea.Cmd {
	var active []*control.ClientView
	for _, c := range marked {
		if c.Status == tally.Active {
			active = append(active, c)
		}
	}
	if active == nil {
		return many(s, marked, control.ClientsActivate, "activate", "They are served again.").Ask()
	}
	return many(s, active, control.ClientsSuspend, "suspend", "Their next requests will be refused with 403, until you activate them again.").Ask()
}

// limitAll sets limits of all marked clients.
func (s *Screen) limitAll(marked []*control.ClientView) tea.Cmd {
	names := make([]string, len(marked))
	for i, c := range marked {
		names[i] = widget.Safe(c.Slug)
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateClient, tally.Client]{
		Heading: fmt.Sprintf("Limits of %d clients", len(marked)), Op: control.ClientsUpdate, Save: "Set", Change: true,
		Asks: []string{"limits", "max_in_flight"}, Of: names,
		Each: func(in control.UpdateClient, i int) control.UpdateClient {
			in.Client = string(marked[i].ID)
			return in
		},
	})})
}
