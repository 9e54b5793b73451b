package statement

import (
	"fmt"
	"html/template"
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
	titles := map[string]string{"model": "By model", "key": "By key", "entry": "Beside requests"}
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
	var err error
	switch f {
	case HTML:
		err = page.Execute(&out, s.sheet())
	case Markdown:
		s.markdown(&out)
	default:
		out.WriteString(s.Plain(textWidth))
	}
	if err == nil {
		_, err = io.WriteString(w, out.String())
	}
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
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`)
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

type sheet struct {
	*Statement
	Tables []part
	Totals []Line
}

func (s *Statement) sheet() sheet {
	tables, totals := s.parts()
	return sheet{s, tables, totals}
}

// page is a page to print: it loads nothing and runs nothing.
var page = template.Must(template.New("statement").Funcs(template.FuncMap{"group": tally.Group, "clean": clean}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Heading}}, {{clean (index .Whom 0)}}, {{.Period.Name}}</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
header { display: flex; justify-content: space-between; gap: 2rem; flex-wrap: wrap }
.issuer { text-align: right; white-space: pre-line }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
h2 { font-size: 1rem; margin: 2rem 0 .25rem }
table { width: 100%; border-collapse: collapse }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums; vertical-align: top }
th { font-weight: 600 }
th:first-child, td:first-child, td.words { text-align: left; overflow-wrap: anywhere }
.totals { margin-top: 2rem; font-weight: 600 }
.note { margin: 1rem 0 0 }
@media print { body { margin: 0; max-width: none; font-size: 11pt } h2 { break-after: avoid } tr { break-inside: avoid } }
</style>
</head>
<body>
<header>
<div><h1>{{.Heading}}</h1>{{range .Whom}}{{clean .}}<br>{{end}}{{.Span}}</div>
<div class="issuer">{{range .Issuer}}{{clean .}}
{{end}}</div>
</header>
{{$currency := .Currency}}{{range .Tables}}{{$usage := .Usage}}<h2>{{.Title}}</h2>
<table>
<tr>{{if $usage}}<th></th><th>requests</th><th>input</th><th>output</th>{{else}}<th></th><th></th>{{end}}<th>{{$currency}}</th></tr>
{{range .Lines}}<tr>{{if $usage}}<td>{{clean .Name}}</td><td>{{group .Requests}}</td><td>{{group .Input}}</td><td>{{group .Output}}</td>{{else}}<td>{{.Day}}</td><td class="words">{{clean .Name}}</td>{{end}}<td>{{.Amount}}</td></tr>
{{end}}</table>
{{end}}<table class="totals">
{{range .Totals}}<tr><td>{{clean .Name}}</td><td>{{$currency}} {{.Amount}}</td></tr>
{{end}}</table>
{{range .Notes}}<p class="note">{{.}}</p>
{{end}}</body>
</html>
`))
