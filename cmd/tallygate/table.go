package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
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

// column is a column of a table.
type column struct {
	head   string
	number bool // aligned to the right
	// spare columns go when the terminal is too narrow, the highest first; 0
	// stays.
	spare int
}

func text(head string) column               { return column{head: head} }
func number(head string) column             { return column{head: head, number: true} }
func spare(order int, c column) column      { c.spare = order; return c }
func (t *table) add(cells ...string)        { t.addIn(plain, cells...) }
func (p *printer) table(c ...column) *table { return &table{p: p, columns: c} }

// tone is how a row stands out.
type tone string

// The tones, as the attributes of terminals.
const (
	plain tone = ""
	bold  tone = "1"
	faint tone = "2"
	red   tone = "31"
	amber tone = "33"
)

// table is a table in the making.
type table struct {
	p       *printer
	columns []column
	rows    [][]string
	tones   []tone
}

// addIn adds a row in a tone.
func (t *table) addIn(how tone, cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
	t.tones = append(t.tones, how)
}

// gap is the space between two columns.
const gap = 2

// print writes the table. Numbers are aligned to the right, and columns that
// can be spared make room on a narrow terminal. Without rows it writes what
// there is to say instead.
func (t *table) print(empty string) {
	if len(t.rows) == 0 {
		t.p.say("%s", empty)
		return
	}
	shown := t.fit()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, gap, ' ', 0)
	line := func(cells func(column int) string) {
		for n, i := range shown {
			cell := cells(i)
			if t.columns[i].number {
				cell = strings.Repeat(" ", t.width(i)-utf8.RuneCountInString(cell)) + cell
			}
			if n > 0 {
				io.WriteString(w, "\t")
			}
			io.WriteString(w, cell)
		}
		io.WriteString(w, "\n")
	}
	line(func(i int) string { return t.columns[i].head })
	for _, row := range t.rows {
		line(func(i int) string { return row[i] })
	}
	w.Flush()
	for i, text := range strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n") {
		how := bold
		if i > 0 {
			how = t.tones[i-1]
		}
		io.WriteString(t.p, t.p.paint(how, strings.TrimRight(text, " \n"))+"\n")
	}
}

// fit chooses the columns that fit, in the order in which they are needed,
// leaving out those that could be spared and that no row fills.
func (t *table) fit() []int {
	byNeed := make([]int, 0, len(t.columns))
	for i, c := range t.columns {
		if c.spare == 0 || slices.ContainsFunc(t.rows, func(row []string) bool { return row[i] != "" }) {
			byNeed = append(byNeed, i)
		}
	}
	slices.SortStableFunc(byNeed, func(a, b int) int { return t.columns[a].spare - t.columns[b].spare })
	var shown []int
	room := t.p.terminal.width + gap
	for _, i := range byNeed {
		need := t.width(i) + gap
		if t.columns[i].spare == 0 || t.p.terminal.width == 0 || need <= room {
			shown = append(shown, i)
			room -= need
		}
	}
	slices.Sort(shown)
	return shown
}

func (t *table) width(column int) int {
	w := utf8.RuneCountInString(t.columns[column].head)
	for _, row := range t.rows {
		w = max(w, utf8.RuneCountInString(row[column]))
	}
	return w
}

// paint shows text in a tone where there is colour.
func (t terminal) paint(how tone, text string) string {
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

// section writes a heading between parts.
func (p *printer) section(title string) {
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, title))
}
