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
// [ListOf] and embeds it. P points to a thing, as in a [control.Table].
type List[P any] struct {
	ListOf[P]
	Env    *Env
	Snap   *live.Snapshot
	Latest Recent

	Width, Height int
	Grid          widget.Table
	Cols          []*control.Column[P] // drawn, in order
	By            int                  // of columns: what they are sorted by
	Turned        bool
	order         int // of the list's orders, if it was chosen by that
	Input         widget.Input
	Typed         bool
	Mistyped      string // why the filter cannot be read
	criteria      control.Filter[P]
	InDetail      bool   // the detail has the focus, or all the room
	Large         bool   // what has the focus has all the room
	Scroll        int    // lines of the detail that are above what is seen
	of            string // the row whose detail is scrolled
	Shown         []P
	marks         map[string]bool // by row
	made          rowsMade
}

// ListOf is what a list is told.
type ListOf[P any] struct {
	// Screen is its name, Heading what stands above it.
	Screen, Heading string
	Table           *control.Table[P]
	// Columns are drawn, in order, by name. Wide takes what is left, the first if it
	// is empty; Widths are those of columns whose cells are drawn otherwise.
	Columns []string
	Wide    string
	Widths  map[string]int
	// Of are the things of a snapshot, which belong to it.
	Of func(*live.Snapshot) []P
	// Rows are those that pass the filter, where they are not all in a snapshot; the
	// screen then says when they are others. nil: Of says them.
	Rows func(f *control.Filter[P]) []P
	// Keep leaves some out; nil keeps all.
	Keep func(P) bool
	// First are rows in an order of their own, if nobody sorts, which Own names; nil: by
	// the first order of the table.
	First func([]P)
	Own   string
	// Sorted is told that a key has chosen another order; nil need not know.
	Sorted func()
	// Cell draws a cell otherwise than its value is written; nil, or false, does
	// not.
	Cell func(v P, column string) (string, bool)
	// Tone is how a thing stands, if the snapshot says more than the thing; nil: as
	// the table says.
	Tone func(P) control.Tone
	// Note stands beside the heading; Painted is whether it carries its own styles.
	Note    func(shown int) string
	Painted bool
	// Empty is what to say where there is nothing yet.
	Empty func() []string
	// Problem says why rows that there may be are not here, "" if all are; nil: never.
	Problem func() string
	// Draw is the detail of a thing: its title, a note and lines of a width; there
	// is room for so many rows.
	Detail func(v P, width, rows int) Detail
	// Recent selects the latest requests of a thing; nil if the detail shows none.
	Recent func(P) control.RequestQuery
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
type rowsMade struct {
	first  any
	count  int
	words  string
	by     int
	turned bool
	order  int
	keep   int
}

// NewList makes the list.
func NewList[P any](e *Env, o ListOf[P]) *List[P] {
	l := &List[P]{ListOf: o, Env: e, Snap: &live.Snapshot{}, By: -1, Input: widget.NewInput("/ ", "", 200)}
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
func (l *List[P]) Name() string             { return l.Screen }
func (l *List[P]) Resize(width, height int) { l.Width, l.Height = width, height }
func (l *List[P]) Typing() bool             { return l.Typed }

func (l *List[P]) Show(s *live.Snapshot) {
	l.Snap = s
	l.Refresh()
}

func (l *List[P]) Back() bool {
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
func (l *List[P]) SetFilter(words string) {
	l.Input.SetValue(words)
	l.Refresh()
}

// Words are what the list is filtered by.
func (l *List[P]) Words() string { return strings.TrimSpace(l.Input.Value()) }

// Renew makes the rows anew, also where the things are the same.
func (l *List[P]) Renew() {
	l.made = rowsMade{}
	l.Refresh()
}

// Refresh makes the rows of the things that pass the filter.
func (l *List[P]) Refresh() {
	var all []P
	if l.Of != nil {
		all = l.Of(l.Snap)
	}
	now := rowsMade{count: len(all), words: l.Words(), by: l.By, turned: l.Turned, order: l.order}
	if now.count > 0 {
		now.first = all[0]
	}
	for _, v := range all {
		if l.Keep != nil && l.Keep(v) {
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
		f = control.Filter[P]{}
	}
	if l.criteria = f; l.Rows != nil {
		l.Shown = l.Rows(&f)
	} else {
		l.Shown = l.Shown[:0]
	}
	for _, v := range all {
		if (l.Keep == nil || l.Keep(v)) && f.Match(v) {
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

func (l *List[P]) sort() {
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
func (l *List[P]) SortedBy() string {
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
func (l *List[P]) orders() []string {
	if l.First != nil {
		return append([]string{""}, l.Table.Orders...)
	}
	return l.Table.Orders
}

// Unsort goes back to the list's usual order.
func (l *List[P]) Unsort() { l.By, l.order, l.Turned = -1, 0, false }

// resort makes the rows anew after a key has chosen another order.
func (l *List[P]) resort() tea.Cmd {
	l.Refresh()
	if l.Sorted != nil {
		l.Sorted()
	}
	return nil
}

// Selected is the thing of the row that is chosen, nil if there is none.
func (l *List[P]) Selected() P {
	v, _ := l.selected()
	return v
}

func (l *List[P]) selected() (v P, ok bool) {
	if i := l.Grid.Selected(); i >= 0 && i < len(l.Shown) {
		return l.Shown[i], true
	}
	return v, false
}

func (l *List[P]) Update(msg tea.Msg) tea.Cmd {
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
func (l *List[P]) Ask() tea.Cmd {
	v, ok := l.selected()
	if !ok || l.Recent == nil {
		return nil
	}
	return l.Latest.Ask(l.Screen, l.Recent(v), l.Snap)
}
