package tui

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// Actions are what can be done now: on the screen that is seen, then anywhere.
func (a *App) Actions() []action.Action {
	out := a.screen().Actions()
	for i := range out {
		out[i].Screen = a.screen().Name()
	}
	return append(out, a.everywhere()...)
}

// Registry lists every action of every screen, for the palette and for the
// table of keys.
func (a *App) Registry() []action.Action {
	var out []action.Action
	for i, s := range a.screens {
		for _, act := range s.Actions() {
			act.Screen = s.Name()
			here := act
			act.Needs = nil // it may need what the screen knows once it is seen
			act.Run = func() tea.Cmd {
				a.at = i
				asks := a.show()
				return tea.Batch(a.Do(here), asks)
			}
			out = append(out, act)
		}
	}
	return append(out, a.everywhere()...)
}

func (a *App) everywhere() []action.Action {
	var out []action.Action
	for i, s := range a.screens {
		out = append(out, action.Action{
			ID: "go." + s.Name(), Title: "go to " + title(s.Name()), Keys: []string{strconv.Itoa(i + 1)},
			Run: func() tea.Cmd {
				a.at = i
				return a.show()
			},
		})
	}
	if a.opts.First != nil {
		out = append(out, action.Action{ID: "first", Title: "first steps: from a provider to a key that works", Needs: a.env.ReadOnly, Run: a.first})
	}
	return append(out,
		action.Action{ID: "palette", Title: "find a client, a key, a request, an action: by words", Keys: []string{":", "ctrl+p"}, Run: func() tea.Cmd {
			a.dialogs = append(a.dialogs, newPalette(a, "Find an action or a thing", a.Registry(), true))
			return nil
		}},
		action.Action{ID: "help", Title: "all keys: searchable", Keys: []string{"?"}, Run: func() tea.Cmd {
			a.dialogs = append(a.dialogs, newPalette(a, "Keys on "+title(a.screen().Name()), a.Actions(), false))
			return nil
		}},
		action.Action{ID: "log", Title: "log: who changed what, with its command line", Keys: []string{"L"}, Run: func() tea.Cmd { return dialog.Log(a.env) }},
		action.Action{ID: "undo", Title: "undo the last change: asks first", Keys: []string{"u"}, Needs: a.env.ReadOnly, Run: func() tea.Cmd { return dialog.Undo(a.env) }},
		action.Action{ID: "mouse", Title: "mouse: listen to it or not; shift selects text while it does", Run: func() tea.Cmd {
			a.env.Mouse = !a.env.Mouse
			if a.env.Mouse {
				return a.say("The mouse works: tabs, rows, columns, buttons, the wheel. Hold shift to select text.", false)
			}
			return a.say("The mouse is the terminal's again.", false)
		}},
		action.Action{ID: "messages", Title: "latest messages: what was said at the bottom", Run: func() tea.Cmd {
			a.dialogs = append(a.dialogs, a.latestWords())
			return nil
		}},
		action.Action{ID: "quit", Title: "back; at the top, quit", Keys: []string{"q"}, Run: func() tea.Cmd {
			if a.screen().Back() {
				return nil
			}
			return a.leave()
		}},
	)
}

func hasColour(msg tea.ColorProfileMsg) bool { return msg.Profile >= colorprofile.ANSI }

// KeyGuide is the guide to the keys, in Markdown, made from the registry.
func (a *App) KeyGuide() string {
	out := "# Keys of the interface\n\n" +
		"`?` lists what can be pressed where you are, `:` finds an action by its words on\n" +
		"every screen. (The keys of clients: tallygate keys --help.)\n"
	where, first := "", true
	for _, act := range a.Registry() {
		if act.Key() == "" {
			continue
		}
		if first || act.Screen != where {
			where, first = act.Screen, false
			heading := "Everywhere"
			if where != "" {
				heading = title(where)
			}
			out += "\n## " + heading + "\n\n"
		}
		out += "    " + widget.Pad(act.Key(), 10) + strings.Join(widget.Wrap(act.Title, 66), "\n"+strings.Repeat(" ", 14)) + "\n"
	}
	return out
}

var _ screen.Dialog = (*palette)(nil)
