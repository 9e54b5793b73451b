package screen

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Rows is a dialog with a list, for what belongs to a thing of a screen.
type Rows[V any] struct {
	*List[V]
	// Does are what can be done with the row that is chosen.
	Does []action.Action
	note string
}

// NewRows makes the dialog of rows that are there already.
func NewRows[V any](e *Env, rows []V, o ListOf[V]) *Rows[V] {
	o.Of = func(*live.Snapshot) []V { return rows }
	if o.Tone == nil && o.Table.Tone == nil {
		o.Tone = NoTone[V]
	}
	r := &Rows[V]{List: NewList(e, o)}
	r.Show(e.Source.Snapshot())
	return r
}

// Title implements Dialog, as do the methods below.
func (r *Rows[V]) Title() string { return r.Heading }

func (r *Rows[V]) Esc() tea.Cmd {
	if r.Back() {
		return nil
	}
	return Ask(Close{r})
}

func (r *Rows[V]) Update(msg tea.Msg) tea.Cmd {
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

func (r *Rows[V]) Draw(t *theme.Theme, width, height int) widget.Block {
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
