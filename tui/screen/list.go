package screen

import (
	"cmp"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// List is a screen with a list of things and one of them beside it: a filter, a
// table that is sorted by any column, and a detail. Where there is room for one of
// the two only, enter opens the detail. A screen tells it what it lists with
// [ListOf] and embeds it.
type List[V any] struct {
	ListOf[V]
	env    *Env
	snap   *live.Snapshot
	recent Recent

	width, height int
	table         widget.Table
	columns       []*control.Column[V] // drawn, in order
	by            int                  // of columns: what they are sorted by
	turned        bool
	order         int // of the table's orders, if it was chosen by that
	filter        widget.Input
	typing        bool
	mistyped      string // why the filter cannot be read
	criteria      control.Filter[V]
	detail        bool   // the detail has the focus, or all the room
	scroll        int    // lines of the detail that are above what is seen
	of            string // the row whose detail is scrolled
	shown         []*V
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
	l := &List[V]{ListOf: o, env: e, snap: &live.Snapshot{}, by: -1, filter: widget.NewInput("/ ", "", 200)}
	l.recent.env = e
	l.Wide = cmp.Or(o.Wide, o.Columns[0])
	for _, name := range o.Columns {
		l.columns = append(l.columns, o.Table.Column(name))
	}
	l.table.Focused = true
	l.table.Cells = l.cells
	return l
}

// wide is the least width for two panes.
const wide = 118

// Name implements Screen, as do the methods below.
func (l *List[V]) Name() string             { return l.Screen }
func (l *List[V]) Resize(width, height int) { l.width, l.height = width, height }
func (l *List[V]) Typing() bool             { return l.typing }

func (l *List[V]) Show(s *live.Snapshot) {
	l.snap = s
	l.refresh()
}

func (l *List[V]) Back() bool {
	switch {
	case l.typing:
		l.typing = false
		l.filter.Blur()
	case l.filter.Value() != "":
		l.setFilter("")
	case l.detail:
		l.detail = false
	default:
		return false
	}
	return true
}

// setFilter filters the list.
func (l *List[V]) setFilter(words string) {
	l.filter.SetValue(words)
	l.refresh()
}

// words are what the list is filtered by.
func (l *List[V]) words() string { return strings.TrimSpace(l.filter.Value()) }

// refresh makes the rows of the things that pass the filter.
func (l *List[V]) refresh() {
	var all []V
	if l.Of != nil {
		all = l.Of(l.snap)
	}
	now := rowsMade[V]{count: len(all), words: l.words(), by: l.by, turned: l.turned, order: l.order}
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
	f, err := l.Table.ParseFilter(now.words, control.Calendar{Now: l.env.Clock(), Zone: l.env.Zone})
	if l.mistyped = ""; err != nil {
		l.mistyped = explain(err)
		f = control.Filter[V]{}
	}
	if l.criteria = f; l.Rows != nil {
		l.shown = l.Rows(&f)
	} else {
		l.shown = l.shown[:0]
	}
	for i := range all {
		if v := &all[i]; (l.Keep == nil || l.Keep(v)) && f.Match(v) {
			l.shown = append(l.shown, v)
		}
	}
	l.sort()
	rows := make([]widget.Row, len(l.shown))
	for i, v := range l.shown {
		rows[i].ID = l.Table.ID(v)
	}
	l.fit()
	l.table.SetRows(rows)
}

func (l *List[V]) sort() {
	switch name := l.sortedBy(); {
	case name != "":
		if l.Rows == nil {
			l.Table.Sort(l.shown, l.Columns[0], false) // equal ones by name
		}
		l.Table.Sort(l.shown, name, l.turned)
	case l.First != nil:
		l.First(l.shown)
	}
}

// sortedBy is the name of the column that sorts, "" for an order of the list's own.
func (l *List[V]) sortedBy() string {
	switch {
	case l.by >= 0:
		return l.columns[l.by].Name
	case l.First != nil && l.order == 0 || len(l.Table.Orders) == 0:
		return ""
	}
	return l.Table.Orders[l.order%len(l.Table.Orders)]
}

// fit gives the columns their widths: numbers as their unit needs, words as the
// longest of them, the name what is left.
func (l *List[V]) fit() {
	t := l.env.Theme
	by := l.sortedBy()
	l.table.Columns = []widget.Column{{Title: "", Width: 1}}
	for _, c := range l.columns {
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
		l.table.Columns = append(l.table.Columns, col)
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
	for i, v := range l.shown {
		if i == 500 || n >= mostWord {
			break
		}
		n = max(n, widget.Width(widget.Safe(c.Get(v).Text)))
	}
	return min(n, mostWord)
}

// arrow says which way a column sorts.
func (l *List[V]) arrow(t *theme.Theme, c *control.Column[V]) string {
	if c.Unit().Number() != l.turned {
		return t.Glyphs.Down
	}
	return t.Glyphs.Up
}

// cells are those of a row, made when it is drawn.
func (l *List[V]) cells(i int) []string {
	t, v, now := l.env.Theme, l.shown[i], l.env.Clock()
	out := make([]string, 0, len(l.columns)+1)
	out = append(out, toneSign(t, l.tone(v)))
	for _, c := range l.columns {
		if l.Cell != nil {
			if text, ok := l.Cell(v, c.Name); ok {
				out = append(out, text)
				continue
			}
		}
		out = append(out, cellOf(t, c.Get(v), now))
	}
	return out
}

func (l *List[V]) tone(v *V) control.Tone {
	if l.Tone != nil {
		return l.Tone(v)
	}
	return l.Table.Tone(v)
}

// noTone is that of rows that are all alike.
func noTone[V any](*V) control.Tone { return control.Plain }

// cellOf draws a value in little room.
func cellOf(t *theme.Theme, v control.Value, now time.Time) string {
	switch {
	case v.Unit == control.UnitShare && v.Void:
		return t.Paint(theme.Faint, "no limit")
	case v.Unit == control.UnitShare:
		share := float64(v.N) / 1e6
		return widget.Bar(t, share, 6, widget.Budget(share)) + t.Paint(widget.Budget(share), widget.PadLeft(v.Short(now), 5))
	case v.Void:
		return t.Paint(theme.Muted, v.Short(now))
	}
	return widget.Safe(v.Short(now))
}

// toneSign is a tone as a sign; a word beside it says the same.
func toneSign(t *theme.Theme, tone control.Tone) string {
	switch tone {
	case control.Good:
		return t.Paint(theme.OK, t.Glyphs.On)
	case control.Warn:
		return t.Paint(theme.Warn, t.Glyphs.Half)
	case control.Bad:
		return t.Paint(theme.Bad, t.Glyphs.Wrong)
	case control.Faint:
		return t.Paint(theme.Faint, t.Glyphs.Off)
	}
	return " "
}

// toneRole is how the word beside the sign is painted.
func toneRole(tone control.Tone) theme.Role {
	switch tone {
	case control.Good:
		return theme.OK
	case control.Warn:
		return theme.Warn
	case control.Bad:
		return theme.Bad
	case control.Faint:
		return theme.Muted
	}
	return theme.Text
}

// selected is the thing of the row that is chosen, nil if there is none.
func (l *List[V]) selected() *V {
	if i := l.table.Selected(); i >= 0 && i < len(l.shown) {
		return l.shown[i]
	}
	return nil
}

func (l *List[V]) Update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case Goto:
		l.filter.SetValue(msg.Filter)
	case tea.PasteMsg:
		if l.typing {
			cmd = l.filter.Update(msg)
		}
	case tea.KeyPressMsg:
		cmd = l.key(msg)
	case Answer:
		return l.recent.answer(msg)
	default:
		return nil
	}
	l.refresh()
	return tea.Batch(cmd, l.Ask())
}

// Ask reads the latest requests of what is chosen. It implements [Asker].
func (l *List[V]) Ask() tea.Cmd {
	v := l.selected()
	if v == nil || l.Recent == nil {
		return nil
	}
	return l.recent.ask(l.Screen, l.Recent(v), l.snap)
}

func (l *List[V]) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if l.typing {
		switch key {
		case "enter":
			l.typing = false
			l.filter.Blur()
			return nil
		case "up", "down":
			l.table.Key(key)
			return nil
		}
		return l.filter.Update(msg)
	}
	switch key {
	case "/":
		if l.typing = !l.Bare; l.typing {
			l.filter.Focus()
		}
	case "enter":
		l.detail = true
	case "tab", "shift+tab":
		l.detail = !l.detail
	case "pgdown", "ctrl+d":
		if l.detail {
			l.scroll += max(l.height/2, 1)
			return nil
		}
		l.table.Key(key)
	case "pgup", "ctrl+u":
		if l.detail {
			l.scroll = max(l.scroll-l.height/2, 0)
			return nil
		}
		l.table.Key(key)
	default:
		l.table.Key(key)
	}
	return nil
}

// sorting are the actions that every list has.
func (l *List[V]) sorting() []action.Action {
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd {
			at := l.by
			if name := l.sortedBy(); at < 0 {
				for i, c := range l.columns {
					if c.Name == name {
						at = i
					}
				}
			}
			l.by, l.turned = (at+by+len(l.columns))%len(l.columns), false
			l.refresh()
			return nil
		}
	}
	orders := strings.Join(l.Table.Orders, ", ")
	return []action.Action{
		{ID: l.Screen + ".order", Title: "sort: " + orders, Keys: []string{"o"}, Run: func() tea.Cmd {
			if l.by >= 0 {
				l.by = -1
			} else {
				l.order = (l.order + 1) % max(len(l.Table.Orders), 1)
			}
			l.turned = false
			l.refresh()
			return nil
		}},
		{ID: l.Screen + ".sort_left", Title: "sort by the column to the left", Keys: []string{"<"}, Run: step(-1)},
		{ID: l.Screen + ".sort_right", Title: "sort by the column to the right", Keys: []string{">"}, Run: step(1)},
		{ID: l.Screen + ".sort_turn", Title: "sort the other way round", Keys: []string{"O"}, Run: func() tea.Cmd {
			l.turned = !l.turned
			l.refresh()
			return nil
		}},
	}
}

// chosen says why nothing can be done with what is chosen, "" if it can.
func (l *List[V]) chosen() string {
	if l.selected() == nil {
		return "no " + l.Table.Thing + " is chosen"
	}
	return ""
}

// change says why what is chosen cannot be changed, "" if it can.
func (l *List[V]) change() string {
	if why := l.env.ReadOnly(); why != "" {
		return why
	}
	return l.chosen()
}

// Draw draws list and detail side by side, or the one that has the focus.
func (l *List[V]) Draw() widget.Block {
	l.table.Focused = !l.detail
	if l.width >= wide {
		left := l.width * l.Share / 100
		return widget.Beside(l.drawList(left, l.height), l.drawDetail(l.width-left, l.height))
	}
	if l.detail {
		return l.drawDetail(l.width, l.height)
	}
	return l.drawList(l.width, l.height)
}

func (l *List[V]) drawList(width, height int) widget.Block {
	t := l.env.Theme
	inner, rows := widget.Inner(width, height)
	l.table.Empty = l.empty()
	note := ""
	if l.snap.Loaded {
		note = l.Note(len(l.shown))
	}
	body := l.table.Draw(t, inner, rows)
	if !l.Bare {
		body = widget.Below(widget.NewBlock(inner, 2, l.filterLine(t, inner)), l.table.Draw(t, inner, rows-2))
	}
	return widget.Box{Title: l.Heading, Note: note, NotePainted: l.Painted, Focused: !l.detail}.Draw(t, width, height, body.Lines())
}

// filterLine is what the list is filtered by, or what it can be filtered by.
func (l *List[V]) filterLine(t *theme.Theme, width int) string {
	switch {
	case l.mistyped != "" && !l.typing:
		return widget.Truncate(t.Paint(theme.Bad, t.Glyphs.Wrong+" "+widget.Safe(l.mistyped)), width)
	case l.typing && l.mistyped != "":
		why := "  " + widget.Safe(l.mistyped)
		typed := max(width-widget.Width(why), width/2)
		return l.filter.Draw(t, typed) + t.Paint(theme.Warn, widget.Truncate(why, width-typed))
	case l.typing:
		return l.filter.Draw(t, width)
	case l.filter.Value() != "":
		return t.Paint(theme.Info, "/ "+l.filter.Value()) + t.Paint(theme.Muted, "   esc clears it")
	}
	var names []string
	for _, c := range l.columns {
		names = append(names, c.Name+":")
	}
	return t.Paint(theme.Muted, widget.Truncate("/ filters: words "+strings.Join(names, " "), width))
}

func (l *List[V]) empty() []string {
	switch {
	case !l.snap.Loaded:
		return []string{"loading…"}
	case l.words() != "":
		return []string{"No " + l.Table.Thing + " matches. esc clears the filter."}
	}
	return l.Empty()
}

func (l *List[V]) drawDetail(width, height int) widget.Block {
	t := l.env.Theme
	v := l.selected()
	if v == nil {
		return widget.Box{Title: "No " + l.Table.Thing, Focused: l.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	d := l.Detail(v, inner, rows)
	if id := l.table.SelectedID(); id != l.of {
		l.of, l.scroll = id, 0
	}
	most := max(len(d.Lines)-rows, 0)
	l.scroll = min(l.scroll, most)
	switch {
	case !l.detail || most == 0:
		l.scroll = 0
	case l.scroll < most:
		d.Note = "PgDn for more"
	default:
		d.Note = "PgUp goes back"
	}
	return widget.Box{Title: d.Title, Note: d.Note, Focused: l.detail}.Draw(t, width, height, d.Lines[l.scroll:])
}
