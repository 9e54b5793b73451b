package tuitest

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"testing"

	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// The size of a terminal's cell in a picture, in pixels, and where letters stand in it.
const (
	cellWidth  = 8.4
	cellHeight = 17
	baseline   = 13
	fontSize   = 14
	margin     = 12
)

// paper is the background and the colour of plain text of a theme's picture.
var paper = map[theme.Name][2]string{theme.Dark: {"#1e1e2e", "#e6e6ea"}, theme.Light: {"#fafafa", "#1c1b22"}}

// SVG is the screen as a picture: each stretch of one style is a text of its own, stretched
// to its cells, so that the columns hold in whatever font the reader has.
func (d *Driver) SVG() string {
	d.T.Helper()
	colours := paper[d.Env.Theme.Name]
	width, height := float64(d.width)*cellWidth+2*margin, d.height*cellHeight+2*margin
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-size="%d" `, width, height, fontSize)
	out.WriteString(`font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace">` + "\n")
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" rx="10" fill="%s"/>`+"\n", colours[0])
	for y, line := range strings.Split(d.View(), "\n") {
		x := 0
		for _, r := range stretches(d.T, line) {
			cells := widget.Width(r.text)
			left, top, long := margin+float64(x)*cellWidth, margin+y*cellHeight, float64(cells)*cellWidth
			x += cells
			if r.back != "" {
				fmt.Fprintf(&out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, top, long, cellHeight, r.back)
			}
			if strings.TrimSpace(r.text) == "" {
				continue
			}
			ink, weight := r.ink, ""
			if ink == "" {
				ink = colours[1]
			}
			if r.bold {
				weight = ` font-weight="bold"`
			}
			fmt.Fprintf(&out, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s xml:space="preserve">%s</text>`+"\n",
				left, top+baseline, long, ink, weight, html.EscapeString(r.text))
		}
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// stretch is a text in one style; a colour that is not set is "".
type stretch struct {
	text, ink, back string
	bold            bool
}

// stretches splits a line that has colours where its style changes.
func stretches(tb testing.TB, line string) []stretch {
	tb.Helper()
	var out []stretch
	var style stretch
	for i, part := range strings.Split(line, "\x1b[") {
		if i > 0 {
			sequence, text, _ := strings.Cut(part, "m")
			style, part = style.with(tb, sequence), text
		}
		if part == "" {
			continue
		}
		// A blank that begins or ends a text is not stretched alike everywhere.
		word := strings.TrimLeft(part, " ")
		for _, text := range []string{part[:len(part)-len(word)], strings.TrimRight(word, " "), word[len(strings.TrimRight(word, " ")):]} {
			if text != "" {
				out = append(out, stretch{text, style.ink, style.back, style.bold})
			}
		}
	}
	return out
}

// with is the style after a sequence of numbers, as the themes write them: 0, 1, and
// 38 or 48 with the three parts of a colour.
func (r stretch) with(tb testing.TB, sequence string) stretch {
	tb.Helper()
	codes := strings.Split(sequence, ";")
	for len(codes) > 0 {
		switch code := codes[0]; {
		case code == "" || code == "0":
			r = stretch{}
		case code == "1":
			r.bold = true
		case (code == "38" || code == "48") && len(codes) >= 5 && codes[1] == "2":
			colour := "#"
			for _, part := range codes[2:5] {
				n, err := strconv.Atoi(part)
				if err != nil {
					tb.Fatalf("%q is no colour", sequence)
				}
				colour += fmt.Sprintf("%02x", n)
			}
			if code == "38" {
				r.ink = colour
			} else {
				r.back = colour
			}
			codes = codes[4:]
		default:
			tb.Fatalf("nothing says how to draw the style %q", sequence)
		}
		codes = codes[1:]
	}
	return r
}
