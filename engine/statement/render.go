package statement

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// Format is how a statement is written for its reader.
type Format string

// The formats. CSV and JSON are those of its lines and of itself.
const (
	Text     Format = "text"
	Markdown Format = "md"
	HTML     Format = "html"
	CSV      Format = "csv"
	JSON     Format = "json"
)

// Words lists the formats.
func (Format) Words() []string {
	return []string{string(Text), string(Markdown), string(CSV), string(JSON), string(HTML)}
}

// part is a table of a statement: lines of one kind below a heading.
type part struct {
	Title string
	Usage bool // it has requests and tokens
	Lines []Line
}

func (s *Statement) parts() (tables []part, totals []Line) {
	titles := map[string]string{"model": "By model", "key": "By key", "tag": "By tag " + s.Tag, "entry": "Beside requests"}
	for _, l := range s.Lines() {
		title, tabled := titles[l.Part]
		switch {
		case !tabled:
			totals = append(totals, l)
		case len(tables) == 0 || tables[len(tables)-1].Title != title:
			tables = append(tables, part{title, l.Part != "entry", []Line{l}})
		default:
			last := &tables[len(tables)-1]
			last.Lines = append(last.Lines, l)
		}
	}
	return tables, totals
}

// Write writes the statement as text, Markdown or HTML.
func (s *Statement) Write(w io.Writer, f Format) error {
	var out strings.Builder
	switch f {
	case HTML:
		s.page(&out)
	case Markdown:
		s.markdown(&out)
	default:
		out.WriteString(s.Plain(textWidth))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// textWidth is that of a text in columns; of these an amount and a count have so many.
const (
	textWidth   = 78
	amountWidth = 14
	countWidth  = 11
)

// Plain is the statement as text of a width, at least 60 columns.
func (s *Statement) Plain(width int) string {
	w := &strings.Builder{}
	line := func(left, right string) {
		pad := max(1, width-utf8.RuneCountInString(left)-utf8.RuneCountInString(right))
		fmt.Fprintln(w, strings.TrimRight(left+strings.Repeat(" ", pad)+right, " "))
	}
	right := func(text string, columns int) string {
		return strings.Repeat(" ", max(1, columns-utf8.RuneCountInString(text))) + text
	}
	for _, l := range s.Issuer {
		line("", clean(l))
	}
	line(s.Heading(), "")
	for _, l := range s.Whom() {
		line(clean(l), "")
	}
	line(s.Span(), "")
	tables, totals := s.parts()
	for _, t := range tables {
		head := right(s.Currency, amountWidth)
		if t.Usage {
			head = right("requests", countWidth) + right("input", countWidth+2) + right("output", countWidth) + head
		}
		fmt.Fprintln(w)
		line(t.Title, head)
		for _, l := range t.Lines {
			cells := right(l.Amount, amountWidth)
			if t.Usage {
				cells = right(tally.Group(l.Requests), countWidth) + right(tally.Group(l.Input), countWidth+2) + right(tally.Group(l.Output), countWidth) + cells
			}
			name := strings.TrimSpace(l.Day + " " + clean(l.Name))
			room := width - utf8.RuneCountInString(cells)
			for utf8.RuneCountInString(name) > room {
				r := []rune(name)
				fmt.Fprintln(w, string(r[:room]))
				name = "  " + string(r[room:])
			}
			line(name, cells)
		}
	}
	fmt.Fprintln(w)
	for _, l := range totals {
		line(clean(l.Name), s.Currency+right(l.Amount, amountWidth))
	}
	for _, n := range s.Notes() {
		fmt.Fprintf(w, "\n%s\n", n)
	}
	return w.String()
}

// clean keeps names from speaking to a terminal.
func clean(s string) string { return tally.Printable(s) }

func (s *Statement) markdown(w *strings.Builder) {
	cell := strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`)
	text := func(t string) string { return cell.Replace(clean(t)) }
	for _, l := range s.Issuer {
		fmt.Fprintf(w, "%s  \n", text(l))
	}
	fmt.Fprintf(w, "\n# %s\n\n", s.Heading())
	for _, l := range append(s.Whom(), s.Span()) {
		fmt.Fprintf(w, "%s  \n", text(l))
	}
	tables, totals := s.parts()
	for _, t := range tables {
		fmt.Fprintf(w, "\n## %s\n\n", t.Title)
		if t.Usage {
			fmt.Fprintf(w, "| | requests | input | output | %s |\n|---|--:|--:|--:|--:|\n", s.Currency)
		} else {
			fmt.Fprintf(w, "| | | %s |\n|---|---|--:|\n", s.Currency)
		}
		for _, l := range t.Lines {
			if t.Usage {
				fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", text(l.Name), tally.Group(l.Requests), tally.Group(l.Input), tally.Group(l.Output), l.Amount)
			} else {
				fmt.Fprintf(w, "| %s | %s | %s |\n", l.Day, text(l.Name), l.Amount)
			}
		}
	}
	fmt.Fprintf(w, "\n| | %s |\n|---|--:|\n", s.Currency)
	for _, l := range totals {
		fmt.Fprintf(w, "| **%s** | **%s** |\n", text(l.Name), l.Amount)
	}
	for _, n := range s.Notes() {
		fmt.Fprintf(w, "\n%s\n", text(n))
	}
}
