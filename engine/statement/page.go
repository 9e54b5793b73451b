package statement

import (
	"fmt"
	"html"
	"strings"

	"tallygate/engine/tally"
)

// head is the head of a page to print. The page loads nothing and runs nothing.
const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>%s</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
header { display: flex; justify-content: space-between; gap: 2rem; flex-wrap: wrap }
.issuer { text-align: right }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
h2 { font-size: 1rem; margin: 2rem 0 .25rem }
table { width: 100%%; border-collapse: collapse }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums; vertical-align: top }
th { font-weight: 600 }
th:first-child, td:first-child, td.words { text-align: left; overflow-wrap: anywhere }
.totals { margin-top: 2rem; font-weight: 600 }
.note { margin: 1rem 0 0 }
@media print { body { margin: 0; max-width: none; font-size: 11pt } h2 { break-after: avoid } tr { break-inside: avoid } }
</style>
</head>
<body>
`

// page writes the statement as a page. Whatever is not ours is text there.
func (s *Statement) page(w *strings.Builder) {
	text := func(t string) string { return html.EscapeString(clean(t)) }
	lines := func(list []string) string {
		out := make([]string, len(list))
		for i, l := range list {
			out[i] = text(l)
		}
		return strings.Join(out, "<br>")
	}
	row := func(cell string, cells ...string) {
		w.WriteString("<tr>")
		for _, c := range cells {
			fmt.Fprintf(w, "<%[1]s>%[2]s</%[1]s>", cell, c)
		}
		w.WriteString("</tr>\n")
	}
	whom := s.Whom()
	fmt.Fprintf(w, head, text(s.Heading()+", "+whom[0]+", "+s.Period.Name))
	fmt.Fprintf(w, "<header>\n<div><h1>%s</h1>%s</div>\n<div class=\"issuer\">%s</div>\n</header>\n", text(s.Heading()),
		lines(append(whom, s.Span())), lines(s.Issuer))
	tables, totals := s.parts()
	for _, t := range tables {
		fmt.Fprintf(w, "<h2>%s</h2>\n<table>\n", text(t.Title))
		if t.Usage {
			row("th", "", "requests", "input", "output", text(s.Currency))
		} else {
			row("th", "", "", text(s.Currency))
		}
		for _, l := range t.Lines {
			if t.Usage {
				row("td", text(l.Name), tally.Group(l.Requests), tally.Group(l.Input), tally.Group(l.Output), l.Amount)
			} else {
				fmt.Fprintf(w, "<tr><td>%s</td><td class=\"words\">%s</td><td>%s</td></tr>\n", text(l.Day), text(l.Name), l.Amount)
			}
		}
		w.WriteString("</table>\n")
	}
	w.WriteString("<table class=\"totals\">\n")
	for _, l := range totals {
		row("td", text(l.Name), text(s.Currency)+" "+l.Amount)
	}
	w.WriteString("</table>\n")
	for _, n := range s.Notes() {
		fmt.Fprintf(w, "<p class=\"note\">%s</p>\n", text(n))
	}
	w.WriteString("</body>\n</html>\n")
}
