package widget

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/theme"
)

// Grid is a form of rows that have the same fields: a limit a row. Rows can be added and
// taken away.
type Grid struct {
	Columns []GridColumn
	rows    [][]*Field
	row     int
	col     int
}

// GridColumn is a field that each row has.
type GridColumn struct {
	Title   string
	Help    string
	Choices []string // it is one of, nil for any text
	Width   int
}

// NewGrid makes a grid of rows of values.
func NewGrid(columns []GridColumn, rows [][]string) *Grid {
	g := &Grid{Columns: columns}
	for _, r := range rows {
		g.rows = append(g.rows, g.fields(r))
	}
	g.focus(0, 0)
	return g
}

func (g *Grid) fields(values []string) []*Field {
	out := make([]*Field, len(g.Columns))
	for i, c := range g.Columns {
		x := &Field{Name: c.Title, Choices: c.Choices, input: NewInput("", "", maxTyped)}
		v := ""
		if i < len(values) {
			v = values[i]
		}
		if v != "" && c.Choices != nil && !slices.Contains(c.Choices, v) { // what it is stays possible
			x.Choices = append(slices.Clone(c.Choices), v)
		}
		x.set(v)
		out[i] = x
	}
	return out
}

// Rows are the values that stand there.
func (g *Grid) Rows() [][]string {
	out := make([][]string, len(g.rows))
	for i, r := range g.rows {
		for _, x := range r {
			out[i] = append(out[i], x.Value())
		}
	}
	return out
}

// Row is the number of the row that is chosen, -1 if there is none.
func (g *Grid) Row() int {
	if len(g.rows) == 0 {
		return -1
	}
	return g.row
}

// Help is what the chosen field explains.
func (g *Grid) Help() string { return g.Columns[g.col].Help }

// Add adds a row after the chosen one and goes there.
func (g *Grid) Add() {
	at := min(g.row+1, len(g.rows))
	g.rows = slices.Insert(g.rows, at, g.fields(nil))
	g.focus(at, 0)
}

// Remove takes the chosen row away.
func (g *Grid) Remove() {
	if len(g.rows) > 0 {
		g.rows = slices.Delete(g.rows, g.row, g.row+1)
		g.focus(min(g.row, max(len(g.rows)-1, 0)), g.col)
	}
}

func (g *Grid) focus(row, col int) {
	g.row, g.col = row, col
	for i, r := range g.rows {
		for j, x := range r {
			if i == row && j == col {
				x.input.Focus()
			} else {
				x.input.Blur()
			}
		}
	}
}

// step goes so many fields on, from row to row.
func (g *Grid) step(by int) {
	if n := len(g.rows) * len(g.Columns); n > 0 {
		at := (g.row*len(g.Columns) + g.col + by + n) % n
		g.focus(at/len(g.Columns), at%len(g.Columns))
	}
}

// Typing reports whether a text is typed into the chosen field.
func (g *Grid) Typing() bool {
	return len(g.rows) > 0 && len(g.rows[g.row][g.col].Choices) == 0
}

// Update takes keys and what is pasted.
func (g *Grid) Update(msg tea.Msg) tea.Cmd {
	key, _ := msg.(tea.KeyPressMsg)
	switch name := key.String(); {
	case name == "ctrl+n":
		g.Add()
		return nil
	case len(g.rows) == 0:
		return nil
	case name == "ctrl+d":
		g.Remove()
	case name == "tab", name == "enter":
		g.step(1)
	case name == "shift+tab":
		g.step(-1)
	case name == "up":
		g.focus(max(g.row-1, 0), g.col)
	case name == "down":
		g.focus(min(g.row+1, len(g.rows)-1), g.col)
	default:
		x := g.rows[g.row][g.col]
		if len(x.Choices) == 0 {
			return x.input.Update(msg)
		}
		x.choose(name)
	}
	return nil
}

// Press goes to the field that was pressed, and takes the next choice of one that was
// chosen already.
func (g *Grid) Press(s Spot) {
	if s.What != FieldSpot || s.Of >= len(g.rows) || s.N >= len(g.Columns) {
		return
	}
	if g.row == s.Of && g.col == s.N {
		g.rows[s.Of][s.N].choose("right")
	}
	g.focus(s.Of, s.N)
}

// Draw draws the rows that fit, with the chosen one among them.
func (g *Grid) Draw(t *theme.Theme, width, height int) Block {
	head := "  "
	for _, c := range g.Columns {
		head += Pad(c.Title, c.Width) + " "
	}
	lines := []string{t.Paint(theme.Muted, head)}
	first := max(g.row-max(height-2, 1)+1, 0)
	for i := first; i < len(g.rows); i++ {
		line := "  "
		if i == g.row {
			line = t.Paint(theme.Accent, t.Glyphs.Pointer) + " "
		}
		for j, x := range g.rows[i] {
			line += Mark(Spot{FieldSpot, i, j}, x.cell(t, g.Columns[j].Width, i == g.row && j == g.col)) + " "
		}
		lines = append(lines, line)
	}
	return NewBlock(width, min(height, len(lines)), lines...)
}

// cell draws a field without its label.
func (x *Field) cell(t *theme.Theme, width int, on bool) string {
	switch {
	case len(x.Choices) > 0 && on:
		return theme.Render(t.FieldOn, Pad("‹ "+Pad(Safe(x.Value()), width-4)+" ›", width))
	case len(x.Choices) > 0:
		return Pad("  "+Safe(x.Value()), width)
	case on:
		return x.input.drawIn(t, t.FieldOn, width)
	}
	return theme.Render(t.Field, Pad(Safe(x.input.Value()), width))
}
