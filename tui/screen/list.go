package screen

import (
	"cmp"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// List is a screen with a list of things and one of them beside it: a filter, a
// table that is sorted by any column, and a detail. Where there is room for one of
// the two only, enter opens the detail. A screen tells it what it lists with
// [ListOf] and embeds it.
type List[V any] struct {
	ListOf[V]
	Env    *Env
	Snap   *live.Snapshot
	Latest Recent

	Width, Height int
	Grid          widget.Table
	Cols          []*control.Column[V] // drawn, in order
	By            int                  // of columns: what they are sorted by
	Turned        bool
	order         int // of the table's orders, if it was chosen by that
	Input         widget.Input
	Typed         bool
	Mistyped      string // why the filter cannot be read
	criteria      control.Filter[V]
	InDetail      bool   // the detail has the focus, or all the room
	Scroll        int    // lines of the detail that are above what is seen
	of            string // the row whose detail is scrolled
	Shown         []*V
	made          rowsMade[V]
}

// ListOf is what a list is told.
type ListOf[V any] struct {
	// Screen is its name, Heading what stands above it.
	Screen, Heading string
	Table           *control.Table[V]
	// Columns are drawn, in order, by name. Wide takes what is left, the first if it
	// is empty; Widths are those of columns whose cells are drawn otherwise.
	Columns []string
	Wide    string
	Widths  map[string]int
	// Of are the things of a snapshot, which belong to it.
	Of func(*live.Snapshot) []V
	// Rows are those that pass the filter, where they are not all in a snapshot; the
	// screen then says when they are others. nil: Of says them.
	Rows func(f *control.Filter[V]) []*V
	// Keep leaves some out; nil keeps all.
	Keep func(*V) bool
	// First are rows in an order of their own, if nobody sorts; nil: by the first
	// order of the table.
	First func([]*V)
	// Cell draws a cell otherwise than its value is written; nil, or false, does
	// not.
	Cell func(v *V, column string) (string, bool)
	// Tone is how a thing stands, if the snapshot says more than the thing; nil: as
	// the table says.
	Tone func(*V) control.Tone
	// Note stands beside the heading; Painted is whether it carries its own styles.
	Note    func(shown int) string
	Painted bool
	// Empty is what to say where there is nothing yet.
	Empty func() []string
	// Draw is the detail of a thing: its title, a note and lines of a width; there
	// is room for so many rows.
	Detail func(v *V, width, rows int) Detail
	// Recent selects the latest requests of a thing; nil if the detail shows none.
	Recent func(*V) control.RequestQuery
	// Bare is whether there is no filter.
	Bare bool
	// Share is what the list takes of the width, in percent.
	Share int
}

// Detail is what is drawn beside a list.
type Detail struct {
	Title, Note string
	Lines       []string
}

// rowsMade is what the rows were made of: there can be thousands, and mostly
// nothing of them changes.
type rowsMade[V any] struct {
	first  *V
	count  int
	words  string
	by     int
	turned bool
	order  int
	keep   int
}

// NewList makes the list.
func NewList[V any](e *Env, o ListOf[V]) *List[V] {
	l := &List[V]{ListOf: o, Env: e, Snap: &live.Snapshot{}, By: -1, Input: widget.NewInput("/ ", "", 200)}
	l.Latest.env = e
	l.Wide = cmp.Or(o.Wide, o.Columns[0])
	for _, name := range o.Columns {
		l.Cols = append(l.Cols, o.Table.Column(name))
	}
	l.Grid.Focused = true
	l.Grid.Cells = l.cells
	return l
}

// Wide is the least width for two panes.
const Wide = 118

// Name implements Screen, as do the methods below.
func (l *List[V]) Name() string             { return l.Screen }
func (l *List[V]) Resize(width, height int) { l.Width, l.Height = width, height }
func (l *List[V]) Typing() bool             { return l.Typed }

func (l *List[V]) Show(s *live.Snapshot) {
	l.Snap = s
	l.Refresh()
}

func (l *List[V]) Back() bool {
	switch {
	case l.Typed:
		l.Typed = false
		l.Input.Blur()
	case l.Input.Value() != "":
		l.SetFilter("")
	case l.InDetail:
		l.InDetail = false
	default:
		return false
	}
	return true
}

// SetFilter filters the list.
func (l *List[V]) SetFilter(words string) {
	l.Input.SetValue(words)
	l.Refresh()
}

// Words are what the list is filtered by.
func (l *List[V]) Words() string { return strings.TrimSpace(l.Input.Value()) }

// Renew makes the rows anew, also where the things are the same.
func (l *List[V]) Renew() {
	l.made = rowsMade[V]{}
	l.Refresh()
}

// Refresh makes the rows of the things that pass the filter.
func (l *List[V]) Refresh() {
	var all []V
	if l.Of != nil {
		all = l.Of(l.Snap)
	}
	now := rowsMade[V]{count: len(all), words: l.Words(), by: l.By, turned: l.Turned, order: l.order}
	if now.count > 0 {
		now.first = &all[0]
	}
	for i := range all {
		if l.Keep != nil && l.Keep(&all[i]) {
			now.keep++
		}
	}
	if now == l.made && l.Rows == nil {
		return
	}
	l.made = now
	f, err := l.Table.ParseFilter(now.words, control.Calendar{Now: l.Env.Clock(), Zone: l.Env.Zone})
	if l.Mistyped = ""; err != nil {
		l.Mistyped = Explain(err)
		f = control.Filter[V]{}
	}
	if l.criteria = f; l.Rows != nil {
		l.Shown = l.Rows(&f)
	} else {
		l.Shown = l.Shown[:0]
	}
	for i := range all {
		if v := &all[i]; (l.Keep == nil || l.Keep(v)) && f.Match(v) {
			l.Shown = append(l.Shown, v)
		}
	}
	l.sort()
	rows := make([]widget.Row, len(l.Shown))
	for i, v := range l.Shown {
		rows[i].ID = l.Table.ID(v)
	}
	l.fit()
	l.Grid.SetRows(rows)
}

func (l *List[V]) sort() {
	switch name := l.SortedBy(); {
	case name != "":
		if l.Rows == nil {
			l.Table.Sort(l.Shown, l.Columns[0], false) // equal ones by name
		}
		l.Table.Sort(l.Shown, name, l.Turned)
	case l.First != nil:
		l.First(l.Shown)
	}
}

// SortedBy is the name of the column that sorts, "" for an order of the list's own.
func (l *List[V]) SortedBy() string {
	switch {
	case l.By >= 0:
		return l.Cols[l.By].Name
	case l.First != nil && l.order == 0 || len(l.Table.Orders) == 0:
		return ""
	}
	return l.Table.Orders[l.order%len(l.Table.Orders)]
}

// fit gives the columns their widths: numbers as their unit needs, words as the
// longest of them, the name what is left.
func (l *List[V]) fit() {
	t := l.Env.Theme
	by := l.SortedBy()
	l.Grid.Columns = []widget.Column{{Title: "", Width: 1}}
	for _, c := range l.Cols {
		title := c.ShortHead()
		if c.Name == by {
			title = l.arrow(t, c) + title
		}
		col := widget.Column{Title: title, Right: c.Unit().Number() && c.Unit() != control.UnitShare, Priority: c.Spare, Width: max(unitWidth[c.Unit()], widget.Width(title))}
		switch {
		case c.Name == l.Wide:
			col.Width, col.Least, col.Priority = 0, 14, 0
		case l.Widths[c.Name] > 0:
			col.Width = max(l.Widths[c.Name], widget.Width(title))
		case c.Unit() == control.UnitWord:
			col.Width = max(l.longest(c), widget.Width(title))
		}
		l.Grid.Columns = append(l.Grid.Columns, col)
	}
}

// unitWidth is how many cells the values of a unit take, written in short.
var unitWidth = map[control.Unit]int{control.UnitCount: 5, control.UnitMoney: 8, control.UnitRate: 7, control.UnitLatency: 7, control.UnitShare: 11, control.UnitMoment: 6, control.UnitSize: 7}

// mostWord bounds the columns of words beside the name.
const mostWord = 22

// longest is the width of the longest word of a column, as far as rows are soon
// looked at.
func (l *List[V]) longest(c *control.Column[V]) int {
	n := 0
	for i, v := range l.Shown {
		if i == 500 || n >= mostWord {
			break
		}
		n = max(n, widget.Width(widget.Safe(c.Get(v).Text)))
	}
	return min(n, mostWord)
}

// arrow says which way a column sorts.
func (l *List[V]) arrow(t *theme.Theme, c *control.Column[V]) string {
	if c.Unit().Number() != l.Turned {
		return t.Glyphs.Down
	}
	return t.Glyphs.Up
}

// cells are those of a row, made when it is drawn.
func (l *List[V]) cells(i int) []string {
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
		out = append(out, part.CellOf(t, c.Get(v), now))
	}
	return out
}

func (l *List[V]) tone(v *V) control.Tone {
	if l.Tone != nil {
		return l.Tone(v)
	}
	return l.Table.Tone(v)
}

// NoTone is that of rows that are all alike.
func NoTone[V any](*V) control.Tone { return control.Plain }

// Selected is the thing of the row that is chosen, nil if there is none.
func (l *List[V]) Selected() *V {
	if i := l.Grid.Selected(); i >= 0 && i < len(l.Shown) {
		return l.Shown[i]
	}
	return nil
}

func (l *List[V]) Update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case Goto:
		l.Input.SetValue(msg.Filter)
	case tea.PasteMsg:
		if l.Typed {
			cmd = l.Input.Update(msg)
		}
	case tea.KeyPressMsg:
		cmd = l.OnKey(msg)
	case Answer:
		return l.Latest.Answer(msg)
	default:
		return nil
	}
	l.Refresh()
	return tea.Batch(cmd, l.Ask())
}

// Ask reads the latest requests of what is chosen. It implements [Asker].
func (l *List[V]) Ask() tea.Cmd {
	v := l.Selected()
	if v == nil || l.Recent == nil {
		return nil
	}
	return l.Latest.Ask(l.Screen, l.Recent(v), l.Snap)
}

func (l *List[V]) OnKey(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if l.Typed {
		switch key {
		case "enter":
			l.Typed = false
			l.Input.Blur()
			return nil
		case "up", "down":
			l.Grid.Key(key)
			return nil
		}
		return l.Input.Update(msg)
	}
	switch key {
	case "/":
		if l.Typed = !l.Bare; l.Typed {
			l.Input.Focus()
		}
	case "enter":
		l.InDetail = true
	case "tab", "shift+tab":
		l.InDetail = !l.InDetail
	case "pgdown", "ctrl+d":
		if l.InDetail {
			l.Scroll += max(l.Height/2, 1)
			return nil
		}
		l.Grid.Key(key)
	case "pgup", "ctrl+u":
		if l.InDetail {
			l.Scroll = max(l.Scroll-l.Height/2, 0)
			return nil
		}
		l.Grid.Key(key)
	default:
		l.Grid.Key(key)
	}
	return nil
}

// SortBy sorts by a column that is drawn.
func (l *List[V]) SortBy(name string) {
	for i, c := range l.Cols {
		if c.Name == name {
			l.By, l.Turned = i, false
		}
	}
	l.Refresh()
}

// Sorting are the actions that every list has.
func (l *List[V]) Sorting() []action.Action {
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd {
			at := l.By
			if name := l.SortedBy(); at < 0 {
				for i, c := range l.Cols {
					if c.Name == name {
						at = i
					}
				}
			}
			l.By, l.Turned = (at+by+len(l.Cols))%len(l.Cols), false
			l.Refresh()
			return nil
		}
	}
	orders := strings.Join(l.Table.Orders, ", ")
	return []action.Action{
		{ID: l.Screen + ".order", Title: "sort: " + orders, Keys: []string{"o"}, Run: func() tea.Cmd {
			if l.By >= 0 {
				l.By = -1
			} else {
				l.order = (l.order + 1) % max(len(l.Table.Orders), 1)
			}
			l.Turned = false
			l.Refresh()
			return nil
		}},
		{ID: l.Screen + ".sort_left", Title: "sort by the column to the left", Keys: []string{"<"}, Run: step(-1)},
		{ID: l.Screen + ".sort_right", Title: "sort by the column to the right", Keys: []string{">"}, Run: step(1)},
		{ID: l.Screen + ".sort_turn", Title: "sort the other way round", Keys: []string{"O"}, Run: func() tea.Cmd {
			l.Turned = !l.Turned
			l.Refresh()
			return nil
		}},
	}
}

// Chosen says why nothing can be done with what is chosen, "" if it can.
func (l *List[V]) Chosen() string {
	if l.Selected() == nil {
		return "no " + l.Table.Thing + " is chosen"
	}
	return ""
}

// Change says why what is chosen cannot be changed, "" if it can.
func (l *List[V]) Change() string {
	if why := l.Env.ReadOnly(); why != "" {
		return why
	}
	return l.Chosen()
}
