package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/widget"
)

func (s *Gateways) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no gateway is chosen"
		}
		return ""
	}
	some := func() string { return cmp.Or(s.env.ReadOnly(), chosen()) }
	return slices.Concat([]action.Action{
		{ID: "gateways.new", Title: "new gateway", Keys: []string{"n"}, Needs: s.env.ReadOnly, Run: s.create},
		{ID: "gateways.edit", Title: "edit: rules, limits, aliases", Keys: []string{"e"}, Needs: some, Run: s.edit},
		{ID: "gateways.toggle", Title: "on/off", Keys: []string{"space", "s"}, Needs: some, Run: s.toggle},
	}, s.siteActions(chosen, some), []action.Action{
		{ID: "gateways.copy", Title: "copy the address: a line for apps", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{s.lines(s.selected())[0], "OPENAI_BASE_URL was"})
		}},
		{ID: "gateways.rotate", Title: "rotate its private key", Keys: []string{"r"}, Needs: some, Run: s.rotate},
		{ID: "gateways.revoke_tokens", Title: "revoke all its access tokens: asks first", Danger: true, Needs: some, Run: s.revokeAll},
		{ID: "gateways.clients", Title: "its clients", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "clients", Filter: "gateway:" + s.selected().Slug})
		}},
		{ID: "gateways.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: some, Run: s.remove},
	})
}

func (s *Gateways) toggle() tea.Cmd {
	g := *s.selected()
	on := !g.Enabled
	in := control.UpdateGateway{Gateway: string(g.ID)}
	in.Enabled = &on
	if on {
		return Do(s.env, control.GatewaysUpdate, in, g.Slug+" is on.")
	}
	off := func() tea.Cmd {
		return Do(s.env, control.GatewaysUpdate, in, g.Slug+" is off: space puts it on again.")
	}
	if s.today(&g) == 0 {
		return off()
	}
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Switch off gateway " + widget.Safe(g.Slug) + "?", Do: "Switch off", Yes: off,
		Says: []string{fmt.Sprintf("It is in use: requests of %s will be refused until it is on again.", plural(int64(g.Clients), "client"))},
	})})
}

// today counts the clients of a gateway that were seen in the last 24 hours.
func (s *Gateways) today(g *control.GatewayView) (n int) {
	for i := range s.snap.Clients {
		c := &s.snap.Clients[i]
		if c.Gateway == g.ID && !c.LastUsedAt.IsZero() && s.env.Clock().Sub(c.LastUsedAt) < 24*time.Hour {
			n++
		}
	}
	return n
}

// gatewayFields are the questions about a gateway.
func gatewayFields() []*widget.Field {
	return []*widget.Field{
		{Name: "name", Label: "Name", Check: must("name")},
		{Name: "time_zone", Label: "Time zone", Check: func(v string) error {
			if strings.TrimSpace(v) == "" {
				return nil
			}
			return tally.CheckZone(strings.TrimSpace(v))
		}, Help: "IANA name like Europe/Lisbon: days and months of limits begin there; empty for this machine's"},
		{Name: "cycle_day", Label: "Cycle day", Check: checkNumber},
		{Name: "limits", Label: "Limits", Check: checkLimits, Help: "over everything in it, spaces between: cost=200/month requests=5000/day"},
		{Name: "default_model", Label: "Default model"},
		{Name: "models", Label: "Models"},
		{Name: "aliases", Label: "Aliases", Check: func(v string) error { _, err := parseAliases(v); return err }},
		{Name: "access", Label: "Access", Choices: []string{string(tally.AccessByToken), string(tally.AccessPublic), string(tally.AccessByKey)}, Help: "token: client keys and access tokens; public: anybody's page as well, within limits; key: client keys only"},
		{Name: "public_url", Label: "Public URL"},
		{Name: "origins", Label: "Origins"},
		{Name: "visitor_limits", Label: "Each visitor", Check: checkLimits, Help: "limits of each visitor's address, spaces between: requests=20/day cost=0.10/day"},
		{Name: "allowed_countries", Label: "Countries"},
		{Name: "blocked_countries", Label: "Not from"},
	}
}

// parseAliases reads ASKED=MODEL, spaces between.
func parseAliases(text string) (map[string]string, error) {
	out := map[string]string{}
	for _, w := range strings.Fields(text) {
		asked, model, ok := strings.Cut(w, "=")
		if !ok || asked == "" || model == "" {
			return nil, tally.Errorf(tally.Invalid, "%q is not ASKED=MODEL, like gpt-4=gpt-4o", w)
		}
		if _, twice := out[asked]; twice {
			return nil, tally.Errorf(tally.Invalid, "%q is there twice", asked)
		}
		out[asked] = model
	}
	return out, nil
}

// fillGateway makes the input's fields from what stands in a form.
func fillGateway(value func(string) string, old *tally.Gateway) (f control.GatewayFields, err error) {
	v := filled(value)
	f.Name, f.PublicURL, f.DefaultModel = v.pointer("name"), v.pointer("public_url"), v.pointer("default_model")
	f.Models, f.Origins = v.words("models"), v.words("origins")
	f.Access = new(tally.Access(value("access")))
	if v.text("time_zone") != "" {
		f.TimeZone = v.pointer("time_zone")
	}
	if v.text("cycle_day") != "" {
		if f.CycleDay, err = number[int](v, "cycle_day"); err != nil {
			return f, err
		}
	}
	aliases, err := parseAliases(value("aliases"))
	if err != nil {
		return f, err
	}
	f.Aliases = &aliases
	f.AllowedCountries, f.BlockedCountries = v.words("allowed_countries"), v.words("blocked_countries")
	if f.Limits, err = limitEdits(value("limits"), old.Limits); err == nil {
		f.VisitorLimits, err = limitEdits(value("visitor_limits"), old.VisitorLimits)
	}
	return f, err
}

func (s *Gateways) create() tea.Cmd {
	return Ask(Open{NewForm(s.env, FormOf[control.CreateGateway, control.GatewayCreated]{
		Heading: "New gateway", Op: control.GatewaysCreate, Fields: gatewayFields(), Save: "Create",
		Values: map[string]string{"cycle_day": "1"},
		Fill: func(value func(string) string) (in control.CreateGateway, err error) {
			in.GatewayFields, err = fillGateway(value, &tally.Gateway{})
			return in, err
		},
		Done: func(g control.GatewayCreated) tea.Cmd {
			s.table.Select(string(g.ID))
			return Ask(Open{shownPrivateKey(g)})
		},
	})})
}

// shownPrivateKey is the dialog of a private key that was just made.
func shownPrivateKey(g control.GatewayCreated) Dialog {
	says := []string{"It opens the gateway itself and signs access tokens: it belongs on a server, never in a page.",
		"This is the only time that it is shown."}
	return &Shown{Heading: "Private key of gateway " + widget.Safe(g.Slug), Secret: g.PrivateKey, Save: saveSecret, Says: says}
}

func (s *Gateways) edit() tea.Cmd {
	g := *s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateGateway, tally.Gateway]{
		Heading: "Edit " + widget.Safe(g.Slug), Op: control.GatewaysUpdate, Fields: gatewayFields(), Save: "Save",
		Values: map[string]string{"name": g.Name, "time_zone": g.TimeZone, "cycle_day": fmt.Sprint(g.CycleDay), "limits": limitsText(g.Limits), "default_model": g.DefaultModel,
			"models": strings.Join(g.Models, " "), "aliases": aliasesText(g.Aliases, "=", " "), "access": string(g.Access), "public_url": g.PublicURL, "origins": strings.Join(g.Origins, " "),
			"visitor_limits": limitsText(g.VisitorLimits), "allowed_countries": strings.Join(g.AllowedCountries, " "), "blocked_countries": strings.Join(g.BlockedCountries, " ")},
		Fill: func(value func(string) string) (in control.UpdateGateway, err error) {
			in.Gateway = string(g.ID)
			in.GatewayFields, err = fillGateway(value, &g.Gateway)
			return in, err
		},
		Done: func(g tally.Gateway) tea.Cmd { return Ask(Say{Text: "Saved " + g.Slug + "."}) },
	})})
}

func (s *Gateways) rotate() tea.Cmd {
	g := *s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.RotateGateway, control.GatewayCreated]{
		Heading: "Rotate the private key of " + widget.Safe(g.Slug), Op: control.GatewaysRotate, Save: "Make the new key",
		Fields: []*widget.Field{{Name: "grace_ns", Label: "Old key works for", Check: checkSpan,
			Help: "and so do the access tokens it signed; empty stops both at once. Keys of clients are not touched."}},
		Values: map[string]string{"grace_ns": "24h"},
		Fill: func(value func(string) string) (in control.RotateGateway, err error) {
			in.Gateway = string(g.ID)
			in.Grace, err = filled(value).span("grace_ns")
			return in, err
		},
		Done: func(g control.GatewayCreated) tea.Cmd { return Ask(Open{shownPrivateKey(g)}) },
	})})
}

// remove deletes a gateway without clients; the engine refuses any other, so
// there is nothing to confirm then.
func (s *Gateways) remove() tea.Cmd {
	g := *s.selected()
	if g.Clients > 0 {
		return Fail(tally.Errorf(tally.InUse, "%s has %s", g.Slug, plural(int64(g.Clients), "client")).WithHint("delete them first; v shows them"))
	}
	c := Confirm{
		Heading: "Delete gateway " + widget.Safe(g.Slug) + "?", Do: "Delete",
		Says: []string{"It has no clients. Its private key stops working, and so do the access tokens it signed.", "Usage and cost history stays for reports."},
		Yes: func() tea.Cmd {
			return Do(s.env, control.GatewaysDelete, control.Named{Name: string(g.ID)}, "Deleted "+g.Slug+".")
		},
	}
	if g.Enabled {
		off := control.UpdateGateway{Gateway: string(g.ID)}
		off.Enabled = new(false)
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd { return Do(s.env, control.GatewaysUpdate, off, g.Slug+" is off.") }
	}
	return Ask(Open{NewConfirm(c)})
}
