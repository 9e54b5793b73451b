package screen

import (
	"cmp"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/live"
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
	order         int // of the list's orders, if it was chosen by that
	Input         widget.Input
	Typed         bool
	Mistyped      string // why the filter cannot be read
	criteria      control.Filter[V]
	InDetail      bool   // the detail has the focus, or all the room
	Large         bool   // what has the focus has all the room
	Scroll        int    // lines of the detail that are above what is seen
	of            string // the row whose detail is scrolled
	Shown         []*V
	marks         map[string]bool // by row
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
	// First are rows in an order of their own, if nobody sorts, which Own names; nil: by
	// the first order of the table.
	First func([]*V)
	Own   string
	// Sorted is told that a key has chosen another order; nil need not know.
	Sorted func()
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
	// Problem says why rows that there may be are not here, "" if all are; nil: never.
	Problem func() string
	// Draw is the detail of a thing: its title, a note and lines of a width; there
	// is room for so many rows.
	Detail func(v *V, width, rows int) Detail
	// Recent selects the latest requests of a thing; nil if the detail shows none.
	Recent func(*V) control.RequestQuery
	// Bare is whether there is no filter.
	Bare bool
	// Marking is whether rows can be marked, to do the same with several.
	Marking bool
	// Least is what Wide takes at least, 14 cells if it is 0.
	Least int
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
	l.marks = map[string]bool{}
	if o.Marking {
		l.Grid.Marked = func(i int) bool { return l.marks[l.Table.ID(l.Shown[i])] }
	}
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
	case len(l.marks) > 0:
		clear(l.marks)
	case l.Large:
		l.Large = false
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
	case len(l.orders()) == 0:
		return ""
	}
	return l.orders()[l.order]
}

// orders are those that one key goes through: the list's own, which has no name, and the
// table's.
func (l *List[V]) orders() []string {
	if l.First != nil {
		return append([]string{""}, l.Table.Orders...)
	}
	return l.Table.Orders
}

// Unsort goes back to the list's usual order.
func (l *List[V]) Unsort() { l.By, l.order, l.Turned = -1, 0, false }

// resort makes the rows anew after a key has chosen another order.
func (l *List[V]) resort() tea.Cmd {
	l.Refresh()
	if l.Sorted != nil {
		l.Sorted()
	}
	return nil
}

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
