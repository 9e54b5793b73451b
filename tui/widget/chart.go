package widget

import (
	"math"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/guptarohit/asciigraph"

	"tallygate/engine/control"
	"tallygate/tui/theme"
)

// Chart draws at most two lines over a common axis. It is the only user of
// asciigraph, whose habits it covers up: asciigraph panics on no values and on
// infinite ones, draws a flat series as one line, and loses spikes when it
// resamples. So every column gets one value, and both bounds are given.
type Chart struct {
	Series []Series
	Format func(float64) string // of the numbers on the axis; nil means whole numbers
	// Times are the labels of the time axis, spread evenly from left to right.
	Times []string
}

// Series is one line. Values are from the oldest; each is the sum, mean or
// largest of a bucket that is over.
type Series struct {
	Values []float64
	Role   theme.Role
}

// MinChart is the fewest rows that a chart can be read from, its time axis
// included. Below it, use [Spark].
const MinChart = 6

// Draw draws the chart into a block of a size.
func (c Chart) Draw(t *theme.Theme, width, height int) Block {
	if height < MinChart || width < 20 || len(c.Series) == 0 {
		return NewBlock(width, height)
	}
	format := c.Format
	if format == nil {
		format = func(v float64) string { return whole(v) }
	}
	rows, parts := axis(height - 2) // asciigraph draws one row more than its height; the time axis is the last
	top := niceTop(c.largest(), parts)
	labels := 0
	for i := range parts + 1 {
		labels = max(labels, Width(format(top*float64(i)/float64(parts))))
	}
	plot := width - labels - 2 // a space and the axis
	if plot < 8 {
		return NewBlock(width, height)
	}
	data := make([][]float64, len(c.Series))
	for i, s := range c.Series {
		data[i] = columns(s.Values, plot)
		for j, v := range data[i] {
			data[i][j] = min(v/top, 1) * float64(rows) // in rows, for no scale is too large or too small for asciigraph then
		}
	}
	lines := strings.Split(asciigraph.PlotMany(data, asciigraph.Height(rows), asciigraph.LowerBound(0), asciigraph.UpperBound(float64(rows)),
		asciigraph.Offset(2), asciigraph.SeriesColors(marks[:len(data)]...), asciigraph.YAxisValueFormatter(func(float64) string { return "" })), "\n")
	out := make([]string, 0, height)
	for i := range rows + 1 {
		line := ""
		if i < len(lines) {
			line = c.paint(t, strings.TrimPrefix(lines[i], " ")) // of what asciigraph leaves for numbers
		}
		out = append(out, t.Paint(theme.Muted, PadLeft(label(format, top, rows, parts, i), labels))+" "+line)
	}
	out = append(out, spaces(labels+1)+t.Paint(theme.Muted, spread(c.Times, plot+1)))
	return NewBlock(width, height, out...)
}

// axis is how many of the rows an axis takes, and into how many equal parts its
// numbers divide it: so many that they are round.
func axis(most int) (rows, parts int) {
	for rows = most; rows > 5; rows-- {
		if rows%5 == 0 {
			return rows, 5
		}
		if rows%4 == 0 {
			return rows, 4
		}
	}
	return rows, rows
}

// label is the number beside a row, at the ends of the parts of the axis.
func label(format func(float64) string, top float64, rows, parts, i int) string {
	up := rows - i
	if up*parts%rows != 0 {
		return ""
	}
	return format(top * float64(up) / float64(rows))
}

// marks are the colours by which the lines are told apart again, to be painted
// in the theme's own.
var marks = []asciigraph.AnsiColor{asciigraph.Red, asciigraph.Green}

// paint replaces asciigraph's colours by the theme's. Its axis is redrawn, as
// it is drawn without labels.
func (c Chart) paint(t *theme.Theme, line string) string {
	var out, run strings.Builder
	role := theme.Faint
	state := byte(0)
	for len(line) > 0 {
		seq, w, n, next := ansi.DecodeSequence(line, state, nil)
		switch {
		case w > 0:
			run.WriteString(seq)
		case strings.HasPrefix(seq, "\x1b["):
			out.WriteString(t.Paint(role, run.String()))
			run.Reset()
			role = c.roleOf(seq)
		}
		line, state = line[n:], next
	}
	return out.String() + t.Paint(role, run.String())
}

func (c Chart) roleOf(seq string) theme.Role {
	for i, m := range marks {
		if i < len(c.Series) && seq == m.String() {
			return c.Series[i].Role
		}
	}
	return theme.Faint
}

func (c Chart) largest() float64 {
	top := 0.0
	for _, s := range c.Series {
		for _, v := range s.Values {
			if v > top && v <= maxFinite {
				top = v
			}
		}
	}
	return top
}

// niceTop is the smallest round number that is at least the largest value: where
// the axis ends.
func niceTop(largest float64, parts int) float64 {
	if largest < minFinite {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(largest)))
	steps := []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8}
	if parts == 4 { // the numbers between are to be round, too
		steps = []float64{1, 2, 4, 6, 8}
	}
	for _, step := range steps {
		if top := step * unit; top >= largest {
			return top
		}
	}
	return 10 * unit
}

// columns gives every column of a plot one value: the largest of those that
// fall into it, so that no spike is lost, or the nearest where there are fewer
// values than columns.
func columns(values []float64, width int) []float64 {
	out := make([]float64, width)
	if len(values) == 0 {
		return out
	}
	for i := range out {
		from, to := i*len(values)/width, (i+1)*len(values)/width
		to = max(to, from+1)
		for _, v := range values[from:min(to, len(values))] {
			if v > out[i] && v <= maxFinite {
				out[i] = v
			}
		}
	}
	return out
}

// spread writes labels evenly over a width, the first at the left and the last
// at the right.
func spread(labels []string, width int) string {
	if len(labels) == 0 {
		return spaces(width)
	}
	out := []rune(spaces(width))
	for i, l := range labels {
		at := 0
		if len(labels) > 1 {
			at = i * (width - 1) / (len(labels) - 1)
		}
		text := []rune(l)
		at = min(max(at-len(text)/2, 0), max(width-len(text), 0))
		if i == 0 {
			at = 0
		}
		copy(out[at:], text)
	}
	return string(out)
}

func whole(v float64) string {
	return control.Compact(int64(math.Round(v)))
}
