package screen

import (
	"strings"

	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Draw draws list and detail side by side, or the one that has the focus.
func (l *List[V]) Draw() widget.Block {
	l.Grid.Focused = !l.InDetail
	if l.Width >= Wide {
		left := l.Width * l.Share / 100
		return widget.Beside(l.DrawList(left, l.Height), l.DrawDetail(l.Width-left, l.Height))
	}
	if l.InDetail {
		return l.DrawDetail(l.Width, l.Height)
	}
	return l.DrawList(l.Width, l.Height)
}

func (l *List[V]) DrawList(width, height int) widget.Block {
	t := l.Env.Theme
	inner, rows := widget.Inner(width, height)
	l.Grid.Empty = l.empty()
	note := ""
	if l.Snap.Loaded {
		note = l.Note(len(l.Shown))
	}
	body := l.Grid.Draw(t, inner, rows)
	if !l.Bare {
		body = widget.Below(widget.NewBlock(inner, 2, l.filterLine(t, inner)), l.Grid.Draw(t, inner, rows-2))
	}
	return widget.Box{Title: l.Heading, Note: note, NotePainted: l.Painted, Focused: !l.InDetail}.Draw(t, width, height, body.Lines())
}

// filterLine is what the list is filtered by, or what it can be filtered by.
func (l *List[V]) filterLine(t *theme.Theme, width int) string {
	switch {
	case l.Mistyped != "" && !l.Typed:
		return widget.Truncate(t.Paint(theme.Bad, t.Glyphs.Wrong+" "+widget.Safe(l.Mistyped)), width)
	case l.Typed && l.Mistyped != "":
		why := "  " + widget.Safe(l.Mistyped)
		typed := max(width-widget.Width(why), width/2)
		return l.Input.Draw(t, typed) + t.Paint(theme.Warn, widget.Truncate(why, width-typed))
	case l.Typed:
		return l.Input.Draw(t, width)
	case l.Input.Value() != "":
		return t.Paint(theme.Info, "/ "+l.Input.Value()) + t.Paint(theme.Muted, "   esc clears it")
	}
	var names []string
	for _, c := range l.Cols {
		names = append(names, c.Name+":")
	}
	return t.Paint(theme.Muted, widget.Truncate("/ filters: words "+strings.Join(names, " "), width))
}

func (l *List[V]) empty() []string {
	switch {
	case !l.Snap.Loaded:
		return []string{"loading…"}
	case l.Words() != "":
		return []string{"No " + l.Table.Thing + " matches. esc clears the filter."}
	}
	return l.Empty()
}

func (l *List[V]) DrawDetail(width, height int) widget.Block {
	t := l.Env.Theme
	v := l.Selected()
	if v == nil {
		return widget.Box{Title: "No " + l.Table.Thing, Focused: l.InDetail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	d := l.Detail(v, inner, rows)
	if id := l.Grid.SelectedID(); id != l.of {
		l.of, l.Scroll = id, 0
	}
	most := max(len(d.Lines)-rows, 0)
	l.Scroll = min(l.Scroll, most)
	switch {
	case !l.InDetail || most == 0:
		l.Scroll = 0
	case l.Scroll < most:
		d.Note = "PgDn for more"
	default:
		d.Note = "PgUp goes back"
	}
	return widget.Box{Title: d.Title, Note: d.Note, Focused: l.InDetail}.Draw(t, width, height, d.Lines[l.Scroll:])
}
