package screen

import (
	"cmp"
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Draw draws list and detail side by side, or the one that has the focus.
func (l *List[P]) Draw() widget.Block {
	l.Grid.Focused = !l.InDetail
	if l.both() {
		left := l.Width * l.Share / 100
		return widget.Beside(l.DrawList(left, l.Height), l.DrawDetail(l.Width-left, l.Height))
	}
	if l.InDetail {
		return l.DrawDetail(l.Width, l.Height)
	}
	return l.DrawList(l.Width, l.Height)
}

// both reports whether list and detail stand side by side.
func (l *List[P]) both() bool { return l.Width >= Wide && !l.Large }

func (l *List[P]) DrawList(width, height int) widget.Block {
	t := l.Env.Theme
	inner, rows := widget.Inner(width, height)
	l.Grid.Empty = l.empty()
	note := ""
	if l.Snap.Loaded {
		note = l.Note(len(l.Shown))
	}
	if n := len(l.marks); n > 0 {
		marked := fmt.Sprintf("%d marked", n)
		if hidden := n - len(l.Marked()); hidden > 0 {
			marked += fmt.Sprintf(", %d of them hidden", hidden)
		}
		note = marked + " · " + note
	}
	body := l.Grid.Draw(t, inner, rows)
	if !l.Bare {
		body = widget.Below(widget.NewBlock(inner, 2, l.filterLine(t, inner)), l.Grid.Draw(t, inner, rows-2))
	}
	return widget.Box{Title: l.Heading, Note: note, NotePainted: l.Painted, Focused: !l.InDetail}.Draw(t, width, height, body.Lines())
}

// filterLine is what the list is filtered by, or what it can be filtered by.
func (l *List[P]) filterLine(t *theme.Theme, width int) string {
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

func (l *List[P]) empty() []string {
	switch {
	case !l.Snap.Loaded:
		return Unread(l.Snap)
	case l.Problem != nil && l.Problem() != "":
		return []string{"This cannot be shown: " + l.Problem()}
	case l.Words() != "":
		return []string{"No " + l.Table.Thing + " matches. esc clears the filter."}
	}
	return l.Empty()
}

func (l *List[P]) DrawDetail(width, height int) widget.Block {
	t := l.Env.Theme
	v, ok := l.selected()
	if !ok {
		title := ""
		if l.Snap.Loaded {
			title = "No " + l.Table.Thing
		}
		return widget.Box{Title: title, Focused: l.InDetail}.Draw(t, width, height, nil)
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

// fit gives the columns their widths: numbers as their unit needs, words as the
// longest of them, the name what is left.
func (l *List[P]) fit() {
	t := l.Env.Theme
	by := l.SortedBy()
	l.Grid.Columns = []widget.Column{{Title: "", Width: 1}}
	for _, c := range l.Cols {
		title := c.ShortHead()
		if c.Name == by {
			title = l.arrow(t, c) + title
		}
		col := widget.Column{Title: title, Right: c.Unit().Number() &&
			c.Unit() != control.UnitShare, Priority: c.Spare, Width: max(unitWidth[c.Unit()], widget.Width(title))}
		switch {
		case c.Name == l.Wide:
			col.Width, col.Least, col.Priority = 0, cmp.Or(l.Least, 14), 0
		case l.Widths[c.Name] > 0:
			col.Width = max(l.Widths[c.Name], widget.Width(title))
		case c.Unit() == control.UnitWord:
			col.Width = max(l.longest(c), widget.Width(title))
		}
		l.Grid.Columns = append(l.Grid.Columns, col)
	}
}

// unitWidth is how many cells the values of a unit take, written in short.
var unitWidth = map[control.Unit]int{
	control.UnitCount: 5, control.UnitMoney: 8, control.UnitRate: 7, control.UnitLatency: 7, control.UnitShare: 11,
	control.UnitMoment: 6, control.UnitSize: 7,
}

// mostWord bounds the columns of words beside the name.
const mostWord = 22

// longest is the width of the longest word of a column, as far as rows are soon
// looked at.
func (l *List[P]) longest(c *control.Column[P]) int {
	n := 0
	for i, v := range l.Shown {
		if i == 500 || n >= mostWord {
			break
		}
		n = max(n, widget.Width(widget.Safe(c.Cell(v).Text)))
	}
	return min(n, mostWord)
}

// arrow says which way a column sorts.
func (l *List[P]) arrow(t *theme.Theme, c *control.Column[P]) string {
	if c.Unit().Number() != l.Turned {
		return t.Glyphs.Down
	}
	return t.Glyphs.Up
}

// cells are those of a row, made when it is drawn.
func (l *List[P]) cells(i int) []string {
	t, v, now := l.Env.Theme, l.Shown[i], l.Env.Clock()
	out := make([]string, 0, len(l.Cols)+1)
	out = append(out, part.ToneSign(t, l.tone(v)))
	for _, c := range l.Cols {
		if l.Cell != nil {
			if text, ok := l.Cell(v, c.Name); ok {
				out = append(out, text)
				continue
			}
		}
		out = append(out, part.CellOf(t, c.Cell(v), now))
	}
	return out
}

func (l *List[P]) tone(v P) control.Tone {
	if l.Tone != nil {
		return l.Tone(v)
	}
	return l.Table.Tone(v)
}

// NoTone is that of rows that are all alike.
func NoTone[P any](P) control.Tone { return control.Plain }
