package dialog

import (
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// logged is how many changes the log shows.
const logged = 500

// Log opens the audit log: who has changed what, with the command line that does the
// same.
func Log(e *screen.Env) tea.Cmd {
	return changes(e, func(entries []control.AuditView) tea.Cmd {
		if len(entries) == 0 {
			return screen.Ask(screen.Say{Text: "Nothing was changed yet."})
		}
		return screen.Ask(screen.Open{Dialog: newLog(e, entries)})
	})
}

func changes(e *screen.Env, take func([]control.AuditView) tea.Cmd) tea.Cmd {
	return func() tea.Msg {
		page, err := screen.Run(screen.Patience, e, control.AuditList, control.AuditQuery{Limit: logged})
		return screen.Reply{Take: func() tea.Cmd {
			if err != nil {
				return screen.Fail(err)
			}
			return take(slices.DeleteFunc(page.Entries, besides))
		}}
	}
}

// besides reports whether a change goes with another one of its act, which says it: the
// secret of a key or of a provider.
func besides(v control.AuditView) bool { return v.Kind == tally.KindSecret }

func newLog(e *screen.Env, entries []control.AuditView) *screen.Rows[*control.AuditView] {
	d := screen.NewRows(e, control.Pointers(entries), screen.ListOf[*control.AuditView]{
		Screen: "log", Heading: "Log: who changed what", Table: control.AuditTable,
		Columns: []string{"at", "actor", "operation", "name", "change"}, Wide: "change",
		Empty: func() []string { return nil },
		Cell: func(v *control.AuditView, column string) (string, bool) {
			if column != "at" {
				return "", false
			}
			return v.At.In(e.Zone).Format("2 Jan 15:04"), true
		},
		Widths: map[string]int{"at": 12},
	})
	d.Does = []action.Action{
		{Title: "explain", Keys: []string{"enter"}, Needs: d.Chosen, Run: func() tea.Cmd {
			v := *d.Selected()
			return screen.Ask(screen.Open{Dialog: &Note{Heading: "Change " + strconv.FormatUint(v.Seq, 10), Lines: func(t *theme.Theme) []string { return changeSays(t, &v, e) }}})
		}},
		{Title: "undo", Keys: []string{"u"}, Needs: d.Change, Run: func() tea.Cmd { return askUndo(e, d.Selected(), d) }},
		{Title: "copy the command line", Keys: []string{"y"}, Needs: func() string {
			if why := d.Chosen(); why != "" {
				return why
			}
			if d.Selected().Command == "" {
				return "nobody knows a command line for it"
			}
			return ""
		}, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: asTyped(e, d.Selected().Command), What: "The command line was"})
		}},
	}
	return d
}

// changeSays is a change in full.
func changeSays(t *theme.Theme, v *control.AuditView, e *screen.Env) []string {
	lines := []string{
		v.What() + " " + string(v.Kind) + " " + widget.Safe(v.Name) + " on " + v.At.In(e.Zone).
			Format("Mon 2 Jan 2006 15:04:05 MST"),
		t.Paint(theme.Muted, "by "+widget.Safe(v.Actor)+", "+widget.Safe(v.Op)),
	}
	if v.Undoes != 0 {
		lines = append(lines, t.Paint(theme.Muted, "takes back the change "+strconv.FormatUint(v.Undoes, 10)))
	}
	lines = append(lines, "")
	for _, l := range v.Text {
		lines = append(lines, widget.Safe(l))
	}
	if v.Command != "" {
		lines = append(lines, "", t.Paint(theme.Faint, "$ ")+t.Paint(theme.Info, widget.Safe(asTyped(e, v.Command))))
	}
	return append(lines, "", t.Paint(theme.Faint, "chained as "+v.Hash[:min(len(v.Hash), 16)]))
}

// Undo asks whether the last change that was not taken back is to be.
func Undo(e *screen.Env) tea.Cmd {
	return changes(e, func(entries []control.AuditView) tea.Cmd {
		undone := map[uint64]bool{}
		for i := range entries {
			if v := &entries[i]; v.Undoes != 0 {
				undone[v.Undoes] = true
			} else if first := beginOf(entries, i); !undone[first] {
				return askUndo(e, v, nil)
			}
		}
		return screen.Ask(screen.Say{Text: "There is nothing to take back."})
	})
}

// beginOf is the number of the first entry of an act, whose entries have one revision;
// the latest entries come first.
func beginOf(entries []control.AuditView, i int) uint64 {
	first := entries[i].Seq
	for _, v := range entries[i:] {
		if v.Rev == entries[i].Rev {
			first = v.Seq
		}
	}
	return first
}

func askUndo(e *screen.Env, v *control.AuditView, log screen.Dialog) tea.Cmd {
	says := []string{v.What() + " " + string(v.Kind) + " " + widget.Safe(v.Name) + ", " + widget.Ago(v.At,
		e.Clock()) + " ago"}
	for _, l := range v.Text[:min(len(v.Text), 6)] {
		says = append(says, widget.Safe(l))
	}
	return screen.Ask(screen.Open{Dialog: NewConfirm(Confirm{
		Heading: "Take back this change?", Do: "Take it back", Stay: "Leave it", Says: says,
		Yes: func() tea.Cmd {
			in := control.UndoChange{Entry: strconv.FormatUint(v.Seq, 10)}
			return func() tea.Msg {
				done, err := screen.Run(screen.Patience, e, control.AuditUndo, in)
				return screen.Reply{Take: func() tea.Cmd {
					if err != nil {
						return screen.Fail(err)
					}
					names := make([]string, 0, len(done))
					for i := range done {
						if name := string(done[i].Kind) + " " + done[i].Name; !slices.Contains(names, name) {
							names = append(names, name)
						}
					}
					word := screen.Ask(screen.Say{Text: "Took back the change of " + widget.Safe(strings.Join(names, ", ")) + "."})
					if log != nil { // it shows how it was before
						return tea.Sequence(screen.Ask(screen.Close{Dialog: log}), word, Log(e))
					}
					return word
				}}
			}
		},
	})})
}
