package gateways

import (
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

func (s *Screen) Actions() []action.Action {
	return slices.Concat([]action.Action{
		{ID: "gateways.new", Title: "new gateway", Keys: []string{"n"}, Needs: s.Env.ReadOnly, Run: s.create},
		{ID: "gateways.edit", Title: "edit: rules, limits, aliases", Keys: []string{"e"}, Needs: s.Change, Run: s.edit},
		{ID: "gateways.toggle", Title: "on/off", Keys: []string{"space", "s"}, Needs: s.Change, Run: s.toggle},
		{ID: "gateways.raise", Title: "raise a limit until a date", Keys: []string{"R"}, Needs: s.Change, Run: func() tea.Cmd {
			return dialog.Raise(s.Env, s.Snap, "gateway", s.Selected().ID, "")
		}},
	}, s.siteActions(), []action.Action{
		{ID: "gateways.copy", Title: "copy the address: a line for apps", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: s.lines(s.Selected())[0], What: "OPENAI_BASE_URL was"})
		}},
		{ID: "gateways.rotate", Title: "rotate its private key", Keys: []string{"r"}, Needs: s.Change, Run: s.rotate},
		{ID: "gateways.revoke_tokens", Title: "revoke all its access tokens: asks first", Danger: true, Needs: s.Change, Run: s.revokeAll},
		{ID: "gateways.clients", Title: "its clients", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "clients", Filter: "gateway:=" + s.Selected().Slug})
		}},
		{ID: "gateways.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: s.Change, Run: s.remove},
	}, s.ListActions())
}

func (s *Screen) toggle() tea.Cmd {
	g := *s.Selected()
	on := !g.Enabled
	in := control.UpdateGateway{Gateway: string(g.ID)}
	in.Enabled = &on
	if on {
		return screen.Do(s.Env, control.GatewaysUpdate, in, g.Slug+" is on.")
	}
	off := func() tea.Cmd {
		return screen.Do(s.Env, control.GatewaysUpdate, in, g.Slug+" is off: space puts it on again.")
	}
	if s.today(&g) == 0 {
		return off()
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Switch off gateway " + widget.Safe(g.Slug) + "?", Do: "Switch off", Yes: off,
		Says: []string{fmt.Sprintf("It is in use: requests of %s will be refused until it is on again.", part.Plural(int64(g.Clients), "client"))},
	})})
}

// today counts the clients of a gateway that were seen in the last 24 hours.
func (s *Screen) today(g *control.GatewayView) (n int) {
	for i := range s.Snap.Clients {
		c := &s.Snap.Clients[i]
		if c.Gateway == g.ID && !c.LastUsedAt.IsZero() && s.Env.Clock().Sub(c.LastUsedAt) < 24*time.Hour {
			n++
		}
	}
	return n
}

// gatewayAsks are the questions about a gateway besides its name.
var gatewayAsks = []string{"time_zone", "cycle_day", "limits", "default_model", "models", "aliases", "access", "public_url", "origins", "visitor_limits",
	"allowed_countries", "blocked_countries", "landing_below", "landing_model", "try_longer", "max_body_bytes",
	"visitor_max_body_bytes"}

func (s *Screen) create() tea.Cmd {
	var begin control.CreateGateway
	begin.CycleDay = new(1)
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.CreateGateway, control.GatewayCreated]{
		Heading: "New gateway", Op: control.GatewaysCreate, Save: "Create", Asks: append([]string{"name"}, gatewayAsks...), Must: []string{"name"}, Begin: begin,
		Help: map[string]string{"time_zone": "IANA name like Europe/Lisbon: days and months of limits begin there; empty for this machine's"},
		Done: func(g control.GatewayCreated) tea.Cmd {
			s.Grid.Select(string(g.ID))
			return screen.Ask(screen.Open{Dialog: shownPrivateKey(s.Env, g)})
		},
	})})
}

// shownPrivateKey is the dialog of a private key that was just made.
func shownPrivateKey(e *screen.Env, g control.GatewayCreated) screen.Dialog {
	says := []string{"It opens the gateway itself and signs access tokens: it belongs on a server, never in a page.",
		"This is the only time that it is shown."}
	return &dialog.Shown{Heading: "Private key of gateway " + widget.Safe(g.Slug), Secret: g.PrivateKey, Save: dialog.Saver(e), Says: says}
}

func (s *Screen) edit() tea.Cmd {
	g := s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateGateway, tally.Gateway]{
		Heading: "Edit " + widget.Safe(g.Slug), Op: control.GatewaysUpdate, Save: "Save", Change: true, Must: []string{"name"},
		Asks:  append([]string{"name", "slug"}, gatewayAsks...),
		Fixed: control.UpdateGateway{Gateway: string(g.ID)},
		Begin: control.UpdateGateway{NewSlug: g.Slug, GatewayFields: control.CurrentGateway(&g.Gateway)},
		Done:  func(g tally.Gateway) tea.Cmd { return screen.Ask(screen.Say{Text: "Saved " + g.Slug + "."}) },
	})})
}

func (s *Screen) rotate() tea.Cmd {
	g := s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.RotateGateway, control.GatewayCreated]{
		Heading: "Rotate the private key of " + widget.Safe(g.Slug), Op: control.GatewaysRotate, Save: "Make the new key",
		Help:  map[string]string{"grace_ns": "and so do the access tokens it signed; empty stops both at once. Keys of clients are not touched."},
		Asks:  []string{"grace_ns"},
		Fixed: control.RotateGateway{Gateway: string(g.ID)}, Begin: control.RotateGateway{Grace: 24 * time.Hour},
		Done: func(g control.GatewayCreated) tea.Cmd {
			return screen.Ask(screen.Open{Dialog: shownPrivateKey(s.Env, g)})
		},
	})})
}

// remove deletes a gateway without clients; the engine refuses any other, so
// there is nothing to confirm then.
func (s *Screen) remove() tea.Cmd {
	g := *s.Selected()
	if g.Clients > 0 {
		return screen.Fail(tally.Errorf(tally.InUse, "%s has %s", g.Slug, part.Plural(int64(g.Clients), "client")).WithHint("delete them first; v shows them"))
	}
	c := dialog.Confirm{
		Heading: "Delete gateway " + widget.Safe(g.Slug) + "?", Do: "Delete",
		Says: []string{"It has no clients. Its private key stops working, and so do the access tokens it signed.", "Usage and cost history stays for reports."},
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.GatewaysDelete, control.Named{Name: string(g.ID)}, "Deleted "+g.Slug+".")
		},
	}
	if g.Enabled {
		off := control.UpdateGateway{Gateway: string(g.ID)}
		off.Enabled = new(false)
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd { return screen.Do(s.Env, control.GatewaysUpdate, off, g.Slug+" is off.") }
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(c)})
}
