package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
)

// key finds out whose a key is.
func (a *App) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if key == "ctrl+c" {
		if a.quits++; a.quits > 1 || a.opts.Leaving == nil {
			return tea.Quit
		}
		return a.leave()
	}
	a.quits = 0
	if d := a.dialog(); d != nil {
		if key == "esc" {
			return d.Esc()
		}
		return d.Update(msg)
	}
	s := a.screen()
	if key == "esc" {
		s.Back()
		return nil
	}
	if s.Typing() && (msg.Text != "" || key == "backspace" || key == "enter" || key == "left" || key == "right") {
		return s.Update(msg)
	}
	if act := action.Find(a.Actions(), key); act != nil {
		return tea.Batch(a.Do(*act), a.show()) // what it then needs is asked for at once
	}
	return s.Update(msg)
}

// Do runs an action, or says why it cannot be done.
func (a *App) Do(act action.Action) tea.Cmd {
	if why := act.Why(); why != "" {
		return a.say(strings.ToUpper(why[:1])+why[1:]+".", true)
	}
	return act.Run()
}

func (a *App) leave() tea.Cmd {
	if a.opts.Leaving == nil {
		return tea.Quit
	}
	if !slices.Contains(a.dialogs, a.leaving) || a.leaving == nil {
		a.leaving = a.opts.Leaving()
		a.dialogs = append(a.dialogs, a.leaving)
	}
	return nil
}
