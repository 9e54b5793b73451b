package dialog

import (
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Segments is a dialog on top of a form, for a field whose values are written of parts:
// limits, prices, aliases. Each value is a row with a field for each part.
type Segments struct {
	field   control.Field
	grid    *widget.Grid
	take    func(text string)
	was     string
	asked   bool // whether what was changed is to be lost
	problem string
}

// NewSegments makes the dialog of what stands in a field; take gets what stands there in
// the end, unless it is left.
func NewSegments(field control.Field, text string, take func(text string)) *Segments {
	var rows [][]string
	for _, word := range strings.Fields(text) {
		rows = append(rows, field.Cut(word))
	}
	d := &Segments{field: field, take: take}
	var columns []widget.GridColumn
	for _, s := range field.Segments() {
		c := widget.GridColumn{Title: s.Name, Help: s.Help, Choices: s.Choices, Width: 22}
		if s.Choices != nil {
			c.Width = widget.Width(s.Name) + 1
			for _, w := range s.Choices {
				c.Width = max(c.Width, widget.Width(w)+4)
			}
		}
		columns = append(columns, c)
	}
	d.grid = widget.NewGrid(columns, rows)
	if rows == nil {
		d.grid.Add()
	}
	d.was = d.text()
	return d
}

// text is what stands in the rows, those left out that nobody filled in.
func (d *Segments) text() string {
	var words []string
	for _, r := range d.grid.Rows() {
		if slices.Contains(r, "") {
			continue
		}
		words = append(words, d.field.Paste(r))
	}
	return strings.Join(words, " ")
}

// Title implements screen.Dialog, as do the methods below.
func (d *Segments) Title() string { return d.field.Label }
func (d *Segments) Typing() bool  { return d.grid.Typing() }

// Esc leaves the rows, at the second press if something was changed.
func (d *Segments) Esc() tea.Cmd {
	if !d.asked && d.text() != d.was {
		d.asked, d.problem = true, "What you changed is lost if you leave: esc once more leaves, ctrl+s takes it."
		return nil
	}
	return screen.Ask(screen.Close{Dialog: d})
}

// Press implements screen.Pointed, as does Wheel.
func (d *Segments) Press(s widget.Spot) bool {
	d.grid.Press(s)
	return false
}

func (d *Segments) Wheel(widget.Spot, int, int) {}

func (d *Segments) Update(msg tea.Msg) tea.Cmd {
	key, typed := msg.(tea.KeyPressMsg)
	if typed {
		d.asked, d.problem = false, ""
	}
	if key.String() != "ctrl+s" {
		return d.grid.Update(msg)
	}
	for i, r := range d.grid.Rows() {
		blank := slices.Index(r, "")
		switch {
		case blank >= 0 && d.untouched(r):
		case blank >= 0:
			d.problem = "Row " + strconv.Itoa(i+1) + ": " + d.field.Segments()[blank].Name + " is empty. ctrl+d takes the row away."
		default:
			if err := d.field.Check(d.field.Paste(r)); err != nil {
				d.problem = "Row " + strconv.Itoa(i+1) + ": " + screen.Explain(err)
			}
		}
		if d.problem != "" {
			return nil
		}
	}
	d.take(d.text())
	return screen.Ask(screen.Close{Dialog: d})
}

// untouched reports whether nobody typed into a row.
func (d *Segments) untouched(r []string) bool {
	for i, s := range d.field.Segments() {
		if s.Choices == nil && r[i] != "" || s.Choices != nil && r[i] != s.Choices[0] {
			return false
		}
	}
	return true
}

func (d *Segments) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 84)
	rows := d.grid.Rows()
	below := []string{""}
	for _, l := range widget.Wrap(d.grid.Help(), width) {
		below = append(below, t.Paint(theme.Faint, l))
	}
	below = append(below, "")
	for i, r := range rows {
		if v := d.field.Paste(r); slices.Contains(r, "") && !d.untouched(r) ||
			!slices.Contains(r, "") && d.field.Check(v) != nil {
			below = append(below, t.Paint(theme.Warn, "Row "+strconv.Itoa(i+1)+" cannot be read yet."))
		} else if !slices.Contains(r, "") {
			if says := d.field.Says(d.field.Paste(r)); says != "" {
				below = append(below, widget.Wrap(says, width)...)
			}
		}
	}
	if d.problem != "" {
		below = append(below, "")
		for _, l := range widget.Wrap(t.Glyphs.Wrong+" "+widget.Safe(d.problem), width) {
			below = append(below, t.Paint(theme.Bad, l))
		}
	}
	below = append(below, "", t.Paint(theme.Muted, "tab next   ←→ choose   ctrl+n add a row   ctrl+d take it away   ctrl+s take these"))
	room := max(height-len(below), 3)
	grid := d.grid.Draw(t, width, min(len(rows)+1, room))
	_, used := grid.Size()
	if over := used + len(below) - height; over > 0 { // the keys stay
		below = append(below[:max(len(below)-2-over, 0)], below[len(below)-2:]...)
	}
	return widget.Below(grid, widget.NewBlock(width, len(below), below...))
}
