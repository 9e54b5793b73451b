package screen

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Rows is a dialog with a list, for what belongs to a thing of a screen.
type Rows[P any] struct {
	*List[P]
	// Does are what can be done with the row that is chosen.
	Does []action.Action
	note string
}

// NewRows makes the dialog of rows that are there already.
func NewRows[P any](e *Env, rows []P, o ListOf[P]) *Rows[P] {
	o.Of = func(*live.Snapshot) []P { return rows }
	if o.Tone == nil && o.Table.Tone == nil {
		o.Tone = NoTone[P]
	}
	r := &Rows[P]{List: NewList(e, o)}
	r.Show(e.Source.Snapshot())
	return r
}

// Title implements Dialog, as do the methods below.
func (r *Rows[P]) Title() string { return r.Heading }

func (r *Rows[P]) Esc() tea.Cmd {
	if r.Back() {
		return nil
	}
	return Ask(Close{r})
}

func (r *Rows[P]) Update(msg tea.Msg) tea.Cmd {
	if key, ok := msg.(tea.KeyPressMsg); ok && !r.Typed {
		if act := action.Find(append(r.Does, r.ListActions()...), key.String()); act != nil {
			if r.note = act.Why(); r.note != "" {
				return nil
			}
			return act.Run()
		}
	}
	return r.List.Update(msg)
}

func (r *Rows[P]) Draw(t *theme.Theme, width, height int) widget.Block {
	rows := max(min(len(r.Shown)+1, height-5), 4)
	keys := ""
	for _, act := range r.Does {
		keys += t.Paint(theme.Accent, act.Key()) + " " + t.Paint(theme.Muted, act.Title) + "  "
	}
	keys += t.Paint(theme.Accent, "< >") + t.Paint(theme.Muted, " sort  ") + t.Paint(theme.Accent, "/") + t.Paint(theme.Muted, " filter")
	if r.note != "" {
		keys = t.Paint(theme.Warn, widget.Safe(r.note))
	}
	r.Height = rows
	r.Grid.Empty = r.empty()
	return widget.Below(widget.NewBlock(width, 2, r.filterLine(t, width)), r.Grid.Draw(t, width, rows), widget.NewBlock(width, 2, "", widget.Truncate(keys, width)))
}
