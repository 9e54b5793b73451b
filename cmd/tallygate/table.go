package main

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"tallygate/engine/control"
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
	plain ink = ""
	bold  ink = "1"
)

// inks are the tones of rows. What is as it should be does not stand out.
var inks = map[control.Tone]ink{control.Faint: "2", control.Bad: "31", control.Warn: "33"}

// gap is the space between two columns.
const gap = 2

// rows writes a table. Numbers are aligned to the right, and columns that can be
// spared make room on a narrow terminal; what no row fills is left out. Without
// rows it writes what there is to say instead.
func rows[V any](p *printer, t *control.Table[V], list []V, empty string) {
	if len(list) == 0 {
		if empty != "" {
			p.say("%s", empty)
		}
		return
	}
	g := grid{p: p}
	var columns []*control.Column[V]
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Hidden {
			columns = append(columns, c)
		}
	}
	slices.SortStableFunc(columns, func(a, b *control.Column[V]) int { return last(a.Name) - last(b.Name) })
	for _, c := range columns {
		g.columns = append(g.columns, gridColumn{strings.ToUpper(c.Head()), c.Unit().Number() && c.Unit() != control.UnitMoment, c.Spare})
	}
	for i := range list {
		cells := make([]string, len(columns))
		for n, c := range columns {
			cells[n] = clean(c.Get(&list[i]).Long(time.Local))
		}
		tone := control.Plain
		if t.Tone != nil {
			tone = t.Tone(&list[i])
		}
		g.add(inks[tone], cells)
	}
	g.print()
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
	inks    []ink
}

type gridColumn struct {
	head  string
	right bool
	spare int
}

func (g *grid) add(how ink, cells []string) {
	g.lines = append(g.lines, cells)
	g.inks = append(g.inks, how)
}

func (g *grid) print() {
	shown := g.fit()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, gap, ' ', 0)
	line := func(cells func(column int) string) {
		for n, i := range shown {
			cell := cells(i)
			if g.columns[i].right {
				cell = strings.Repeat(" ", g.width(i)-utf8.RuneCountInString(cell)) + cell
			}
			if n > 0 {
				io.WriteString(w, "\t")
			}
			io.WriteString(w, cell)
		}
		io.WriteString(w, "\n")
	}
	line(func(i int) string { return g.columns[i].head })
	for _, cells := range g.lines {
		line(func(i int) string { return cells[i] })
	}
	w.Flush()
	for i, text := range strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n") {
		how := bold
		if i > 0 {
			how = g.inks[i-1]
		}
		io.WriteString(g.p, g.p.paint(how, strings.TrimRight(text, " \n"))+"\n")
	}
}

// fit chooses the columns that fit, in the order in which they are needed,
// leaving out those that no row fills.
func (g *grid) fit() []int {
	byNeed := make([]int, 0, len(g.columns))
	for i := range g.columns {
		if slices.ContainsFunc(g.lines, func(cells []string) bool { return cells[i] != "" }) {
			byNeed = append(byNeed, i)
		}
	}
	slices.SortStableFunc(byNeed, func(a, b int) int { return g.columns[a].spare - g.columns[b].spare })
	var shown []int
	room := g.p.terminal.width + gap
	for _, i := range byNeed {
		room -= g.width(i) + gap
		if g.columns[i].spare > 0 && g.p.terminal.width > 0 && room < 0 {
			break
		}
		shown = append(shown, i)
	}
	slices.Sort(shown)
	return shown
}

func (g *grid) width(column int) int {
	w := utf8.RuneCountInString(g.columns[column].head)
	for _, cells := range g.lines {
		w = max(w, utf8.RuneCountInString(cells[column]))
	}
	return w
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
func thing[V, Fields any](p *printer, t *control.Table[V], v *V, set *Fields, more ...string) {
	var pairs []string
	said := map[string]bool{}
	for i := range t.Columns {
		c := &t.Columns[i]
		said[c.Name] = true
		if !strings.HasPrefix(c.Field, "last_30d.") {
			pairs = append(pairs, c.Head(), c.Get(v).Long(time.Local))
		}
	}
	if set != nil {
		for _, f := range control.FieldsOf(reflect.TypeFor[Fields]()) {
			switch {
			case said[f.Name] || f.Flag == "":
			case !f.Zero(set):
				pairs = append(pairs, strings.ToLower(f.Label[:1])+f.Label[1:], f.Text(set))
			case f.Unset != "":
				pairs = append(pairs, strings.ToLower(f.Label[:1])+f.Label[1:], f.Unset)
			}
		}
	}
	p.pairs(append(pairs, more...)...)
}

// section writes a heading between parts.
func (p *printer) section(title string) {
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, title))
}
