// Package action is the registry of what can be done in the interface. Keys,
// the help page, the command palette and the guide to the keys are all
// made from it, so that they cannot disagree.
package action

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Action is something a user can do.
type Action struct {
	ID    string // "clients.suspend"
	Title string // "suspend or activate the client"
	// Keys are how bubbletea writes the keys that run it, the one to show
	// first; none for what only the palette offers.
	Keys []string
	// Screen is the screen it belongs to, "" for those that are everywhere.
	Screen string
	// Danger is whether it cannot be undone; such actions are never neighbours
	// in the help.
	Danger bool
	// Needs says why it cannot be done at the moment, "" if it can. nil means
	// always.
	Needs func() string
	// Run does it. It may change the screen's state; what takes time goes into
	// the command.
	Run func() tea.Cmd
}

// Why says why the action cannot be done at the moment, "" if it can.
func (a *Action) Why() string {
	if a.Needs == nil {
		return ""
	}
	return a.Needs()
}

// Key is the key to show, "" if there is none.
func (a *Action) Key() string {
	if len(a.Keys) == 0 {
		return ""
	}
	return Name(a.Keys[0])
}

// Name is how a key is shown to people.
func Name(key string) string {
	switch key {
	case "up":
		return "↑"
	case "down":
		return "↓"
	case "left":
		return "←"
	case "right":
		return "→"
	case "pgdown":
		return "PgDn"
	case "pgup":
		return "PgUp"
	}
	return key
}

// Find returns the action of a key, nil if there is none.
func Find(actions []Action, key string) *Action {
	for i := range actions {
		if slices.Contains(actions[i].Keys, key) {
			return &actions[i]
		}
	}
	return nil
}

// Search returns the actions whose title or ID contains all the words, those
// whose title starts with the first word first.
func Search(actions []Action, words string) []Action {
	fields := strings.Fields(strings.ToLower(words))
	var starts, rest []Action
	for _, a := range actions {
		text := strings.ToLower(a.Title + " " + a.ID)
		all := true
		for _, f := range fields {
			all = all && strings.Contains(text, f)
		}
		switch {
		case !all:
		case len(fields) > 0 && strings.HasPrefix(text, fields[0]):
			starts = append(starts, a)
		default:
			rest = append(rest, a)
		}
	}
	return append(starts, rest...)
}
