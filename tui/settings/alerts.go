package settings

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// alertGroup is the group of the settings of alerts.
const alertGroup = "alerts"

// testPatience bounds a test: a command may take half a minute.
const testPatience = time.Minute

// nextOfAlerts turns what is on or off.
func (s *Screen) nextOfAlerts(x *setting) tea.Cmd {
	set := control.CurrentAlerts(&s.Snap.Settings.Alerts)
	to := "yes"
	if x.Text(&set) == to {
		to = "no"
	}
	var in control.SetAlerts
	if err := x.Fill(&in.AlertFields, to, ""); err != nil {
		return screen.Fail(err)
	}
	return screen.Do(s.Env, control.AlertsSet, in, x.Label+": "+to+".")
}

// editAlerts asks for one of the settings of alerts.
func (s *Screen) editAlerts(x *setting) tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.SetAlerts, control.AlertsChanged]{
		Heading: "Change: " + x.Label, Op: control.AlertsSet, Save: "Save", Asks: []string{x.Name}, Change: true,
		Begin: control.SetAlerts{AlertFields: control.CurrentAlerts(&s.Snap.Settings.Alerts)},
		Done:  func(control.AlertsChanged) tea.Cmd { return screen.Ask(screen.Say{Text: "Saved."}) },
	})})
}

// editWebhook asks for an address. What there is is not shown: it may be as good as a
// password.
func (s *Screen) editWebhook() tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.SetAlerts, control.AlertsChanged]{
		Heading: "Webhook", Op: control.AlertsSet, Save: "Save", Change: true, Done: s.shown,
		Asks: []string{"webhook"}, Must: []string{"webhook"},
	})})
}

func (s *Screen) newSecret() tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "A new secret for the webhook?", Do: "Make it",
		Says: []string{"It is shown once, for the receiver to check signatures with. The old one signs as well for a day."},
		Yes: func() tea.Cmd {
			return screen.Call(s.Env, s.Name(), "alerts", 0, control.AlertsSet, control.SetAlerts{NewSecret: true})
		},
	})})
}

// shown shows a secret that was made.
func (s *Screen) shown(out control.AlertsChanged) tea.Cmd {
	if out.Secret == "" {
		return screen.Ask(screen.Say{Text: "Saved."})
	}
	return screen.Ask(screen.Open{Dialog: &dialog.Shown{
		Heading: "Secret of the webhook", Secret: out.Secret, Save: dialog.Saver(s.Env),
		Says: []string{"Its receiver checks signatures with it: tallygate help alerts. T sends a test."},
	}})
}

// tested tells what came of what was sent, or of a new secret.
func (s *Screen) tested(a screen.Answer) tea.Cmd {
	if a.Err != nil {
		return screen.Fail(a.Err)
	}
	if out, ok := a.Value.(control.AlertsChanged); ok {
		return s.shown(out)
	}
	var said []string
	bad := false
	for _, r := range a.Value.([]control.AlertTested) {
		word := "arrived"
		if !r.OK {
			word, bad = widget.Safe(r.Said), true
		}
		said = append(said, r.To+": "+word)
	}
	return screen.Ask(screen.Say{Text: "The test: " + strings.Join(said, "; ") + ".", Bad: bad})
}
