package settings

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
)

func (s *Screen) Actions() []action.Action {
	chosen := func() string {
		if x := s.Selected(); x != nil && x.Name == themeSetting {
			return ""
		}
		return s.Change()
	}
	return []action.Action{
		{ID: "settings.edit", Title: "change", Keys: []string{"enter", "e"}, Needs: chosen, Run: s.edit},
		{ID: "settings.switch", Title: "on/off: or the next choice", Keys: []string{"space"}, Needs: chosen, Run: s.next},
		{ID: "settings.theme", Title: "theme: auto, dark, light, mono, ascii", Keys: []string{"t"}, Run: s.pickTheme},
		{ID: "settings.alerts", Title: "test the alerts: one to each destination", Keys: []string{"T"}, Needs: s.Env.ReadOnly, Run: func() tea.Cmd {
			return tea.Batch(screen.CallFor(testPatience, s.Env, s.Name(), "alerts", 0, control.AlertsTest, control.None{}),
				screen.Ask(screen.Say{Text: "Sending a test to each destination…"}))
		}},
		{ID: "settings.secret", Title: "new secret of the webhook: shown once", Keys: []string{"S"}, Needs: func() string {
			if why := s.Env.ReadOnly(); why != "" || s.Snap.Settings.Alerts.Webhook != "" {
				return why
			}
			return "there is no webhook that a secret could sign for"
		}, Run: s.newSecret},
		{ID: "settings.verify", Title: "prove the books: replay every record", Keys: []string{"c"}, Needs: func() string {
			if !s.started.IsZero() {
				return "the books are being proved already"
			}
			return ""
		}, Run: s.verify},
		{ID: "settings.nodes", Title: "nodes: those that share the store", Keys: []string{"N"}, Needs: func() string {
			if len(s.Snap.Status.Nodes) == 0 {
				return "this gateway has one node"
			}
			return ""
		}, Run: func() tea.Cmd { return screen.Ask(screen.Open{Dialog: &nodesDialog{s: s}}) }},
		{ID: "settings.copy", Title: "copy the address", Keys: []string{"y"}, Needs: func() string {
			if s.Snap.Status.BaseURL == "" {
				return "it serves no address"
			}
			return ""
		}, Run: func() tea.Cmd { return screen.Ask(screen.Copy{Text: s.Snap.Status.BaseURL, What: "The address was"}) }},
	}
}

func (s *Screen) verify() tea.Cmd {
	s.seq++
	s.started = s.Env.Clock()
	return screen.CallFor(proofPatience, s.Env, s.Name(), "verify", s.seq, control.EngineVerify, control.None{})
}

func (s *Screen) pickTheme() tea.Cmd {
	notes := map[theme.Name]string{theme.Auto: "as the terminal's background is", theme.Mono: "bold, faint and reverse only", theme.ASCII: "no colours, and ASCII only"}
	var choices []dialog.Choice
	for _, n := range theme.Names {
		choices = append(choices, dialog.Choice{ID: string(n), Text: string(n), Note: notes[n]})
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewPick("Theme", string(s.Env.Chosen), choices, func(id string) tea.Cmd { return screen.Ask(screen.Retheme{Name: theme.Name(id)}) })})
}

// set changes one setting.
func (s *Screen) set(in control.SettingsFields, done string) tea.Cmd {
	return screen.Do(s.Env, control.SettingsSet, in, done)
}

// next goes to the next choice of a setting that has choices; of any other it
// asks.
func (s *Screen) next() tea.Cmd {
	x := s.Selected()
	choices := x.Choices
	switch {
	case x.Name == themeSetting:
		return screen.Ask(screen.Retheme{Name: theme.Names[(slices.Index(theme.Names, s.Env.Chosen)+1)%len(theme.Names)]})
	case x.Name == webhookSetting:
		return s.editWebhook()
	case x.IsBool():
		choices = []string{"no", "yes"}
	case choices == nil:
		return s.edit()
	}
	if x.Group == alertGroup {
		return s.nextOfAlerts(x)
	}
	set := control.CurrentSettings(&s.Snap.Settings)
	to := choices[(slices.Index(choices, x.Text(&set))+1)%len(choices)]
	if x.Name == "unpriced" && to == string(tally.AllowAtZero) {
		return s.allowUnpriced()
	}
	var in control.SettingsFields
	if err := x.Fill(&in, to, ""); err != nil {
		return screen.Fail(err)
	}
	return s.set(in, x.Label+": "+to+".")
}

// allowUnpriced asks before money stops being counted.
func (s *Screen) allowUnpriced() tea.Cmd {
	n := 0
	for i := range s.Snap.Models {
		if m := &s.Snap.Models[i]; !m.Priced && m.Model.Enabled {
			n++
		}
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Serve models without a price?", Do: "Serve them as free",
		Says: []string{fmt.Sprintf("%s without a price would be served and count as free. No limit on cost stops such requests; your provider bills them all the same.", part.Plural(int64(n), "model"))},
		Yes: func() tea.Cmd {
			return s.set(control.SettingsFields{Unpriced: new(tally.AllowAtZero)}, "Models without a price are served and count as free.")
		},
	})})
}

func (s *Screen) edit() tea.Cmd {
	x := s.Selected()
	if x.Name == themeSetting {
		return s.pickTheme()
	}
	switch {
	case x.Name == webhookSetting:
		return s.editWebhook()
	case x.Choices != nil || x.IsBool():
		return s.next()
	case x.Group == alertGroup:
		return s.editAlerts(x)
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.SettingsFields, tally.Settings]{
		Heading: "Change: " + x.Label, Op: control.SettingsSet, Save: "Save", Asks: []string{x.Name}, Begin: control.CurrentSettings(&s.Snap.Settings), Change: true,
		Done: func(tally.Settings) tea.Cmd { return screen.Ask(screen.Say{Text: "Saved."}) },
	})})
}
