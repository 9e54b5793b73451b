package widget

import (
	"math"
	"strings"

	"tallygate/tui/theme"
)

// Columns draws sums of buckets as filled columns of eighths over an axis: what was
// spent on each day. Every column has the same width and stands for the same number of
// buckets, so that a spike is one column; something is never drawn as nothing.
type Columns struct {
	// Values are from the oldest: closed buckets and, if Running, the one under way.
	Values  []float64
	Running bool
	// Expected is what the bucket under way should come to, and Ahead are those
	// that are still to come; they are drawn as shade.
	Expected float64
	Ahead    []float64
	// Line is a level that is marked across, like a budget's even pace; 0 is none.
	Line   float64
	Format func(float64) string // of the numbers on the axis; nil means whole numbers
	Whole  bool                 // counts: no tick is between two of them
	// Labels stand below the buckets of their numbers.
	Labels map[int]string
	// Cursor is a bucket that is pointed at, none if On is false.
	Cursor int
	On     bool
	Role   theme.Role
}

// MinColumns is the fewest rows for columns with an axis.
const MinColumns = 5

// fit says how wide a column and the gap after it are for n of them, and how many
// buckets a column stands for.
func (c *Columns) fit(n, cells int) (w, gap, join int) {
	for join = 1; ; join++ {
		count := (n + join - 1) / join
		for _, f := range [...][2]int{{3, 1}, {2, 1}, {1, 1}, {2, 0}, {1, 0}} {
			if count*(f[0]+f[1])-f[1] <= cells {
				return f[0], f[1], join
			}
		}
	}
}

// joined sums neighbours, the latest bucket last in its column.
func joined(values []float64, join int) []float64 {
	if join == 1 {
		return values
	}
	out := make([]float64, (len(values)+join-1)/join)
	for i, v := range values {
		out[i/join] += v
	}
	return out
}

// Draw draws the columns into a block of a size.
func (c Columns) Draw(t *theme.Theme, width, height int) Block {
	rows := height - 2 // the zero and the labels
	if rows > 6 && partsOf(rows-1) > partsOf(rows) {
		rows-- // numbers beside the rows are worth one of them
	}
	n := len(c.Values) + len(c.Ahead)
	if rows < MinColumns-2 || width < 16 || n == 0 {
		return NewBlock(width, height)
	}
	format := c.Format
	if format == nil {
		format = whole
	}
	parts := partsOf(rows)
	labels := 1
	w, gap, join := 0, 0, 1
	var values, ahead []float64
	var top, expected float64
	for range 3 { // the width of the labels depends on the top, and the other way round
		w, gap, join = c.fit(n, max(width-labels-2, 4))
		values, ahead, expected = joined(c.Values, join), joined(c.Ahead, join), c.Expected
		if join > 1 && expected > 0 && c.Running {
			expected += values[len(values)-1] - c.Values[len(c.Values)-1]
		}
		top = c.top(values, ahead, expected, parts)
		for i := range parts + 1 {
			labels = max(labels, Width(format(top*float64(i)/float64(parts))))
		}
	}
	plot := width - labels - 2
	line := -1
	if c.Line > 0 && c.Line <= top && join == 1 {
		line = (eighths(c.Line, top, rows) - 1) / 8
	}
	out := make([]string, 0, height)
	if rows < height-2 {
		out = append(out, "")
	}
	for r := rows - 1; r >= 0; r-- {
		out = append(out, c.rowLabel(t, format, top, rows, parts, r, labels)+c.row(t, values, ahead, expected, top, rows, r, line, w, gap, join, plot))
	}
	out = append(out, t.Paint(theme.Muted, PadLeft(format(0), labels)+" └")+c.axis(t, w+gap, join, plot, len(values)+len(ahead)))
	return NewBlock(width, height, append(out, spaces(labels+2)+t.Paint(theme.Muted, c.below(w+gap, join, plot)))...)
}

func (c *Columns) rowLabel(t *theme.Theme, format func(float64) string, top float64, rows, parts, r, labels int) string {
	up := r + 1
	if up*parts%rows != 0 {
		return t.Paint(theme.Faint, spaces(labels)+" │")
	}
	return t.Paint(theme.Muted, PadLeft(format(top*float64(up)/float64(rows)), labels)+" ┤")
}

// row is the cells of row r, from the bottom, of all columns.
func (c *Columns) row(t *theme.Theme, values, ahead []float64, expected, top float64, rows, r, line, w, gap, join, plot int) string {
	var out strings.Builder
	used := 0
	put := func(role theme.Role, cell string, n int) {
		if n = min(n, plot-used); n > 0 {
			out.WriteString(t.Paint(role, strings.Repeat(cell, n)))
			used += n
		}
	}
	blank := func(n int) {
		if r == line {
			put(theme.Warn, t.Glyphs.Dash, n)
			return
		}
		put(theme.Text, " ", n)
	}
	cursor := -1
	if c.On {
		cursor = c.Cursor / join
	}
	for i := range len(values) + len(ahead) {
		now := c.Running && i == len(values)-1
		level, shade, role := 0, 0, c.Role
		switch {
		case i >= len(values):
			shade = shadeRows(ahead[i-len(values)], top, rows)
		default:
			level = eighths(values[i], top, rows)
			if now {
				role = theme.Info
				shade = shadeRows(expected, top, rows)
			}
		}
		switch full := min(max(level-8*r, 0), 8); {
		case full > 0:
			put(role, t.Glyphs.Eighths[full-1], w)
		case r < shade:
			put(theme.Faint, t.Glyphs.Shade, w)
		case i == cursor && r >= max((level+7)/8, shade):
			put(theme.Info, t.Glyphs.Line, 1)
			blank(w - 1)
		default:
			blank(w)
		}
		blank(gap)
	}
	put(theme.Text, " ", plot-used)
	return out.String()
}

// axis is the line below the columns, with a mark at each that has a label.
func (c *Columns) axis(t *theme.Theme, step, join, plot, n int) string {
	cells := make([]string, plot)
	for i := range cells {
		cells[i] = "─"
	}
	for at := range c.Labels {
		if x := at / join * step; x < plot {
			cells[x] = "┬"
		}
	}
	if x := c.Cursor / join * step; c.On && x < plot {
		return t.Paint(theme.Faint, strings.Join(cells[:x], "")) + t.Paint(theme.Info, t.Glyphs.Up) + t.Paint(theme.Faint, strings.Join(cells[x+1:], ""))
	}
	return t.Paint(theme.Faint, strings.Join(cells, ""))
}

// below are the labels, each at its column, or a little to the left to stay inside;
// one that would touch another is left out, the latest stays.
func (c *Columns) below(step, join, plot int) string {
	out := []rune(spaces(plot))
	free := plot
	for at := len(c.Values) + len(c.Ahead) - 1; at >= 0; at-- {
		text := []rune(c.Labels[at])
		x := min(at/join*step, plot-len(text))
		if len(text) == 0 || x < 0 || x+len(text) > free {
			continue
		}
		copy(out[x:], text)
		free = x - 1
	}
	return string(out)
}

// top is the smallest round number that nothing drawn is above.
func (c *Columns) top(values, ahead []float64, expected float64, parts int) float64 {
	most := min(max(expected, 0), maxFinite)
	for _, list := range [][]float64{values, ahead} {
		for _, v := range list {
			if v > most && v <= maxFinite {
				most = v
			}
		}
	}
	if c.Line > most && c.Line <= 1.5*most {
		most = c.Line
	}
	if most < minFinite {
		return float64(parts)
	}
	for unit := math.Pow(10, math.Floor(math.Log10(most))-1); ; unit *= 10 {
		for _, step := range [...]float64{1, 2, 2.5, 3, 4, 5, 6, 8} {
			if parts == 4 && (step == 2.5 || step == 3 || step == 5) { // its quarters are not round
				continue
			}
			if top := step * unit; top >= most && (!c.Whole || math.Mod(top, float64(parts)) == 0) {
				return top
			}
		}
		if c.Whole && unit > 1e15 {
			return most
		}
	}
}

// eighths is how many eighths of rows a value fills.
func eighths(v, top float64, rows int) int {
	if !(v > 0) || v > maxFinite {
		return 0
	}
	return min(max(int(v/top*float64(8*rows)+0.5), 1), 8*rows)
}

// shadeRows is how many whole rows something expected fills: a guess has no fine edge.
func shadeRows(v, top float64, rows int) int {
	if e := eighths(v, top, rows); e > 0 {
		return max((e+4)/8, 1)
	}
	return 0
}

// partsOf is into how many equal parts the numbers of an axis divide its rows, two
// rows each at least; thirds of round numbers are none.
func partsOf(rows int) int {
	for _, parts := range [...]int{5, 4, 2} {
		if rows%parts == 0 && rows/parts >= 2 {
			return parts
		}
	}
	return 1
}
