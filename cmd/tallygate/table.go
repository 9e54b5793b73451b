package main

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// printer writes results for people.
type printer struct {
	io.Writer
	terminal
}

// say writes a line of which every argument is made safe for a terminal.
func (p *printer) say(format string, args ...any) {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = clean(s)
		}
	}
	fmt.Fprintf(p, format+"\n", args...)
}

// ink is how text stands out, as the attributes of terminals.
type ink string

const (
	plain   ink = ""
	bold    ink = "1"
	command ink = "36" // what can be typed
)

// inks are the tones of rows. What is as it should be does not stand out.
var inks = map[control.Tone]ink{control.Faint: "2", control.Bad: "31", control.Warn: "33"}

// gap is the space between two columns.
const gap = 2

// rows writes a table. Numbers are aligned to the right, and columns that can be
// spared make room on a narrow terminal; what no row fills is left out. The last line
// has the sums of columns that add up. Without rows it writes what there is to say
// instead.
func rows[V any](p *printer, t *control.Table[*V], list []V, empty string) {
	rowsOf(p, t, control.Pointers(list), empty)
}

func rowsOf[P any](p *printer, t *control.Table[P], list []P, empty string) {
	if len(list) == 0 {
		if empty != "" {
			p.say("%s", empty)
		}
		return
	}
	g, columns := gridOf(p, t)
	for _, v := range list {
		g.add(cellsOf(p, columns, v), t.ToneOf(v))
	}
	if sums := sumsOf(t, columns, list); sums != nil && len(list) > 1 {
		g.add(sums, control.Plain)
	}
	shown := g.fit()
	g.line(bold, shown, g.heads())
	for i, cells := range g.lines {
		g.line(inks[g.tones[i]], shown, g.signed(cells, g.tones[i]))
	}
}

// mostRefusals are told below a list; its rows tell of the others.
const mostRefusals = 10

// refusals says of what is refused by limits of its own by which, since when, until when,
// and which command raises it.
func refusals[P any](p *printer, t *control.Table[P], list []P) {
	if t.Refused == nil {
		return
	}
	told := map[string]bool{}
	for _, v := range list {
		whose, r := t.Refused(v)
		if r == nil || told[whose] || len(told) == mostRefusals {
			continue
		}
		if told[whose] = true; len(told) == 1 {
			p.say("")
		}
		p.warning(control.Bad, whose+" is "+r.Says(time.Local), "", r.Raise, 0)
	}
}

// stream writes a head, and returns what writes rows below it that are yet to come,
// one a line. Its columns are as wide as those of the latest rows, or as is usual.
func stream[P any](p *printer, t *control.Table[P], latest []P) func(P) {
	g, columns := gridOf(p, t)
	cells := func(v P) []string {
		out := cellsOf(p, columns, v)
		for i, c := range columns {
			if x := c.Get(v); x.Unit == control.UnitMoment && !x.Void {
				out[i] = x.At.Local().Format(time.TimeOnly) // they have just happened
			}
		}
		return out
	}
	for i, c := range columns {
		g.columns[i].least = usual[c.Unit()]
	}
	for _, v := range latest {
		g.add(cells(v), t.ToneOf(v))
	}
	shown := g.fit()
	g.line(bold, shown, g.heads())
	return func(v P) {
		tone := t.ToneOf(v)
		g.line(inks[tone], shown, g.signed(cells(v), tone))
	}
}

// usual is how wide a value of a unit is, at least.
var usual = map[control.Unit]int{control.UnitWord: 10, control.UnitCount: 6, control.UnitMoney: 8, control.UnitLatency: 6, control.UnitMoment: 8}

// gridOf makes the grid of a table, and the columns of the table that it shows.
func gridOf[P any](p *printer, t *control.Table[P]) (*grid, []*control.Column[P]) {
	g := &grid{p: p, signs: t.Signs}
	var columns []*control.Column[P]
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Hidden {
			columns = append(columns, c)
		}
	}
	tally.OrderStable(columns, func(a, b *control.Column[P]) int { return last(a.Name) - last(b.Name) })
	for _, c := range columns {
		unit, head := c.Unit(), strings.ToUpper(c.Head())
		if unit == control.UnitMoment {
			head += " " + zoneName()
		}
		g.columns = append(g.columns, gridColumn{head: head, right: unit.Number() && unit != control.UnitMoment, spare: c.Spare, word: unit == control.UnitWord})
	}
	return g, columns
}

// zoneName is what the zone is called that times of tables are in.
func zoneName() string { return time.Now().Format("MST") }

func cellsOf[P any](p *printer, columns []*control.Column[P], v P) []string {
	cells := make([]string, len(columns))
	for n, c := range columns {
		x := c.Cell(v)
		cells[n] = clean(x.Long(time.Local))
		switch {
		case x.Void:
		case x.Unit == control.UnitMoment && x.At.Local().Format("MST") != zoneName(): // of the other half of the year
			cells[n] += " " + x.At.Local().Format("MST")
		case x.Unit == control.UnitShare && p.is:
			cells[n] = bar(x.N) + fmt.Sprintf("%5s", cells[n])
		}
	}
	return cells
}

// barWidth is how long a bar is that shows a share.
const barWidth = 6

func bar(millionths int64) string {
	full := min(max(int(millionths*barWidth/1_000_000), 0), barWidth)
	return strings.Repeat("━", full) + strings.Repeat("─", barWidth-full)
}

// sumsOf is the line of what columns add up to, nil if none does.
func sumsOf[P any](t *control.Table[P], columns []*control.Column[P], list []P) []string {
	sums := make([]string, len(columns))
	any := false
	for n, c := range columns {
		if c.Sum {
			any = true
			sums[n] = c.SumOf(list).Long(time.Local)
		}
	}
	if !any {
		return nil
	}
	sums[0] = tally.Group(int64(len(list))) + " " + t.Things()
	return sums
}

func last(column string) int {
	if column == "id" {
		return 1
	}
	return 0
}

// grid is a table of texts.
type grid struct {
	p       *printer
	columns []gridColumn
	lines   [][]string
	tones   []control.Tone
	signs   bool // each line begins with the sign of its tone
	widths  []int
}

type gridColumn struct {
	head  string
	right bool
	word  bool // it may be cut
	spare int
	least int // how wide it is, whatever stands in it
}

func (g *grid) add(cells []string, tone control.Tone) {
	g.lines = append(g.lines, cells)
	g.tones = append(g.tones, tone)
}

func (g *grid) heads() []string {
	out := make([]string, len(g.columns))
	for i, c := range g.columns {
		out[i] = c.head
	}
	if g.signs {
		out = append(out, " ")
	}
	return out
}

// signed adds the sign of a tone to cells.
func (g *grid) signed(cells []string, tone control.Tone) []string {
	if !g.signs {
		return cells
	}
	return append(slices.Clip(cells), tone.Sign())
}

// line writes the cells that are shown; the sign, if there is one, is the last cell
// and stands first.
func (g *grid) line(how ink, shown []int, cells []string) {
	var b strings.Builder
	if g.signs {
		b.WriteString(cells[len(g.columns)] + " ")
	}
	for n, i := range shown {
		cell, room := cells[i], g.widths[i]
		if g.p.width > 0 {
			cell = cut(cell, room)
		}
		pad := strings.Repeat(" ", max(room-utf8.RuneCountInString(cell), 0))
		if g.columns[i].right {
			cell = pad + cell
		} else {
			cell += pad
		}
		if n > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		b.WriteString(cell)
	}
	io.WriteString(g.p, g.p.paint(how, strings.TrimRight(b.String(), " "))+"\n")
}

// cut leaves out the end of what is too long.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// leastWord is the least that is left of a word, in columns.
const leastWord = 8

// fit chooses the columns that fit, in the order in which they are needed, leaving
// out those that no row fills; where those that stay do not fit either, the longest
// words are cut.
func (g *grid) fit() []int {
	g.widths = make([]int, len(g.columns))
	byNeed := make([]int, 0, len(g.columns))
	for i, c := range g.columns {
		g.widths[i] = max(utf8.RuneCountInString(c.head), c.least)
		filled := c.least > 0
		for _, cells := range g.lines {
			filled = filled || cells[i] != ""
			g.widths[i] = max(g.widths[i], utf8.RuneCountInString(cells[i]))
		}
		if filled {
			byNeed = append(byNeed, i)
		}
	}
	tally.OrderStable(byNeed, func(a, b int) int { return g.columns[a].spare - g.columns[b].spare })
	var shown []int
	room := g.p.width + gap
	if g.signs {
		room -= gap
	}
	for _, i := range byNeed {
		if g.columns[i].spare > 0 && g.p.width > 0 && room < g.widths[i]+gap {
			break
		}
		room -= g.widths[i] + gap
		shown = append(shown, i)
	}
	for g.p.width > 0 && room < 0 {
		longest := -1
		for _, i := range shown {
			if c := g.columns[i]; c.word && g.widths[i] > leastWord && (longest < 0 || g.widths[i] > g.widths[longest]) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		g.widths[longest]--
		room++
	}
	slices.Sort(shown)
	return shown
}

// paint shows text in an ink where there is colour.
func (t terminal) paint(how ink, text string) string {
	if !t.colour || how == plain || text == "" {
		return text
	}
	return "\x1b[" + string(how) + "m" + text + "\x1b[0m"
}

// pairs writes names and values below each other, leaving out empty values.
func (p *printer) pairs(pairs ...string) {
	w := tabwriter.NewWriter(p, 0, 0, gap, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], clean(pairs[i+1]))
		}
	}
	w.Flush()
}

// thing writes one thing: what its row says, and what is set of it, as the fields
// of an input; further pairs follow. What is empty is left out.
func thing[P any](p *printer, t *control.Table[P], v P, set any, more ...string) {
	var pairs []string
	said := map[string]bool{}
	for i := range t.Columns {
		c := &t.Columns[i]
		said[c.Name] = true
		if !strings.HasPrefix(c.Field, "last_30d.") && !strings.HasPrefix(c.Field, "month.") { // said below, as sums
			pairs = append(pairs, c.Head(), c.Cell(v).Long(time.Local))
		}
	}
	for _, f := range control.FieldsOf(reflect.TypeOf(set)) {
		switch {
		case said[f.Name] || f.Flag == "":
		case !f.Zero(set):
			pairs = append(pairs, strings.ToLower(f.Label[:1])+f.Label[1:], f.Text(set))
		case f.Unset != "":
			pairs = append(pairs, strings.ToLower(f.Label[:1])+f.Label[1:], f.Unset)
		}
	}
	p.pairs(append(pairs, more...)...)
}

// section writes a heading between parts.
func (p *printer) section(title string) {
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, title))
}
