package widget

import (
	"strings"

	"tallygate/tui/theme"
)

// Column is a column of a table.
type Column struct {
	Title string
	// Width is the cells it takes; 0 shares what is left with the other such
	// columns.
	Width int
	// Least is what a column without a Width needs; 0 means 10.
	Least int
	Right bool // aligned to the right
	// Priority says which columns go first where there is little room: the
	// highest number. 0 stays.
	Priority int
}

// Row is a row of a table. Cells carry their own styles and are cut to their
// columns; Plain is the same without styles, for the row that is selected.
type Row struct {
	ID    string
	Cells []string
}

// Table is a list to move in. It draws the rows that fit and keeps the selected
// one by its ID while rows come and go.
type Table struct {
	Columns []Column
	Focused bool
	// Number tells it from other tables that are seen with it, for the pointer.
	Number int
	// Empty is what is said in place of rows.
	Empty []string
	// Cells makes the cells of a row that has none when it is drawn: for long
	// lists that change twice a second, of which a screenful is seen.
	Cells func(i int) []string
	// Marked reports whether a row is marked; nil: none is.
	Marked func(i int) bool

	rows     []Row
	selected int
	awaited  string // selected as soon as it comes
	top      int
	page     int // rows drawn last
}

// SetRows replaces the rows. The selection stays on the same ID, or near where
// it was.
func (t *Table) SetRows(rows []Row) {
	id := t.SelectedID()
	t.rows = rows
	if t.awaited != "" && t.Select(t.awaited) {
		return
	}
	for i, r := range rows {
		if r.ID == id && id != "" {
			t.selected = i
			return
		}
	}
	t.selected = min(t.selected, max(len(rows)-1, 0))
}

// Len is how many rows there are.
func (t *Table) Len() int { return len(t.rows) }

// Selected is the index of the selected row, -1 if there is none.
func (t *Table) Selected() int {
	if len(t.rows) == 0 {
		return -1
	}
	return t.selected
}

// SelectedID is the ID of the selected row, "" if there is none.
func (t *Table) SelectedID() string {
	if t.selected < len(t.rows) {
		return t.rows[t.selected].ID
	}
	return ""
}

// Select moves to the row of an ID; if there is none yet, as soon as there is.
// It reports whether there is one.
func (t *Table) Select(id string) bool {
	for i, r := range t.rows {
		if r.ID == id {
			t.selected, t.awaited = i, ""
			return true
		}
	}
	t.awaited = id
	return false
}

// Key moves the selection; it reports whether the key was one of its own.
func (t *Table) Key(key string) bool {
	page := max(t.page-1, 1)
	switch key {
	case "up", "k":
		t.selected--
	case "down", "j":
		t.selected++
	case "pgup", "ctrl+u":
		t.selected -= page
	case "pgdown", "ctrl+d":
		t.selected += page
	case "home", "g":
		t.selected = 0
	case "end", "G":
		t.selected = len(t.rows) - 1
	default:
		return false
	}
	t.selected, t.awaited = max(min(t.selected, len(t.rows)-1), 0), ""
	return true
}

// Press selects the row that was pressed. It reports whether it was chosen already.
func (t *Table) Press(s Spot) (again bool) {
	if s.What != RowSpot || s.Of != t.Number || s.N < 0 || s.N >= len(t.rows) {
		return false
	}
	again = s.N == t.selected
	t.selected, t.awaited = s.N, ""
	return again
}

// notch is how many rows a notch of the wheel goes.
const notch = 3

// Wheel moves the selection by notches, down if they are more than 0.
func (t *Table) Wheel(notches int) {
	if len(t.rows) > 0 {
		t.selected, t.awaited = max(min(t.selected+notch*notches, len(t.rows)-1), 0), ""
	}
}

// layout chooses the columns that fit and their widths.
func (t *Table) layout(width int) (shown, widths []int) {
	dropped := map[int]bool{}
	for {
		need, flexible := 0, 0
		for i, c := range t.Columns {
			switch {
			case dropped[i]:
			case c.Width == 0:
				flexible++
				need += c.least() + 1
			default:
				need += c.Width + 1
			}
		}
		worst := -1
		for i, c := range t.Columns {
			if !dropped[i] && c.Priority > 0 && (worst < 0 || c.Priority >= t.Columns[worst].Priority) {
				worst = i
			}
		}
		if need-1 > width && worst >= 0 {
			dropped[worst] = true
			continue
		}
		spare := max(width-(need-1), 0)
		for i, c := range t.Columns {
			if dropped[i] {
				continue
			}
			w := c.Width
			if w == 0 {
				w = c.least() + spare/flexible
				if spare%flexible > 0 {
					w++
				}
				spare -= w - c.least()
				flexible--
			}
			shown, widths = append(shown, i), append(widths, w)
		}
		return shown, widths
	}
}

// minFlexible is the least width of a column that names none.
const minFlexible = 10

func (c *Column) least() int {
	if c.Least > 0 {
		return c.Least
	}
	return minFlexible
}

// Draw draws the header and the rows that fit. The first cell of each line is
// the pointer of the selected row.
func (t *Table) Draw(th *theme.Theme, width, height int) Block {
	if height < 2 || width < 4 {
		return NewBlock(width, height)
	}
	shown, widths := t.layout(width - 2)
	lines := make([]string, 0, height)
	var head strings.Builder
	for i, c := range shown {
		if i > 0 {
			head.WriteByte(' ')
		}
		title := align(t.Columns[c].Title, widths[i], t.Columns[c].Right)
		head.WriteString(Mark(Spot{HeadSpot, t.Number, c}, th.Paint(theme.Muted, title)))
	}
	lines = append(lines, "  "+head.String())
	if len(t.rows) == 0 {
		for _, e := range t.Empty {
			for _, l := range Wrap(e, width-2) {
				lines = append(lines, "  "+th.Paint(theme.Muted, l))
			}
		}
		return NewBlock(width, height, lines...)
	}
	t.page = height - 1
	t.top = min(t.top, t.selected)
	t.top = max(t.top, t.selected-t.page+1)
	t.top = max(min(t.top, len(t.rows)-t.page), 0)
	for i := t.top; i < len(t.rows) && len(lines) < height; i++ {
		lines = append(lines, Mark(Spot{RowSpot, t.Number, i}, Pad(t.line(th, i, shown, widths, width), width)))
	}
	return NewBlock(width, height, lines...)
}

func (t *Table) line(th *theme.Theme, i int, shown, widths []int, width int) string {
	var out strings.Builder
	cells := t.rows[i].Cells
	if cells == nil && t.Cells != nil {
		cells = t.Cells(i)
	}
	for n, c := range shown {
		if n > 0 {
			out.WriteByte(' ')
		}
		cell := ""
		if c < len(cells) {
			cell = cells[c]
		}
		out.WriteString(align(cell, widths[n], t.Columns[c].Right))
	}
	mark := " "
	if t.Marked != nil && t.Marked(i) {
		mark = th.Paint(theme.Accent, th.Glyphs.Good)
	}
	if i != t.selected {
		return " " + mark + out.String()
	}
	pointer := th.Glyphs.Pointer + Strip(mark)
	if !t.Focused {
		return th.Paint(theme.Muted, pointer) + out.String()
	}
	return th.Selection.Render(Pad(pointer+Strip(out.String()), width))
}

func align(s string, width int, right bool) string {
	if right {
		return PadLeft(s, width)
	}
	return Pad(s, width)
}

// Window says which rows are drawn: "12–38 of 210".
func (t *Table) Window() (from, to, of int) {
	return min(t.top+1, len(t.rows)), min(t.top+t.page, len(t.rows)), len(t.rows)
}
