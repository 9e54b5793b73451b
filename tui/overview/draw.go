package overview

import (
	"fmt"
	"strings"

	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Screen) Draw() widget.Block {
	if s.snap.Loaded && s.snap.Status.Records == 0 && s.snap.Seen == 0 {
		return s.drawFirst()
	}
	if s.large {
		return [panes]func(width, height int) widget.Block{s.drawClients, s.drawNeeds, s.drawTraffic, s.drawCost}[s.pane](s.width, s.height)
	}
	tiles := 4
	if s.height >= 30 {
		tiles = 5
	}
	head, rest := s.drawTiles(s.width, tiles), s.height-tiles
	if s.width >= screen.Wide {
		below := min(max(len(s.shown)+3, 2*len(s.needs)+8, 11), max(rest-12, 11))
		if rest-below < widget.MinChart+2 {
			return widget.Below(head, s.drawBelow(rest))
		}
		return widget.Below(head, s.drawCharts(rest-below), s.drawBelow(below))
	}
	// One above the other: who is close to a cap matters more than a chart.
	attention := min(max(len(s.needs)+2, 3), max(rest/3, 4))
	clients := rest - attention
	if spare := clients - len(s.shown) - 3; spare >= widget.MinChart+4 {
		clients -= spare
		return widget.Below(head, s.drawCharts(spare), s.drawClients(s.width, clients), s.drawNeeds(s.width, attention))
	}
	return widget.Below(head, s.drawClients(s.width, clients), s.drawNeeds(s.width, attention))
}

func (s *Screen) drawBelow(height int) widget.Block {
	left := s.width * 62 / 100
	return widget.Beside(s.drawClients(left, height), s.drawNeeds(s.width-left, height))
}

// drawNeeds draws what wants attention, and where there is room the models by
// spend below.
func (s *Screen) drawNeeds(width, height int) widget.Block {
	t := s.env.Theme
	inner, rows := widget.Inner(width, height)
	var lines []string
	switch {
	case !s.snap.Loaded:
		for _, l := range screen.Unread(s.snap) {
			for _, l := range widget.Wrap(widget.Safe(l), inner) {
				lines = append(lines, t.Paint(theme.Muted, l))
			}
		}
	case len(s.needs) == 0:
		lines = append(lines, t.Paint(theme.OK, t.Glyphs.Good)+" Nothing: no cap is near, all providers answer.")
	}
	room := rows
	// What is chosen is seen whole, as are the gravest before it.
	tall := func(from int) (n int) {
		for i := from; i <= s.at && i < len(s.needs); i++ {
			n += len(s.needLines(t, i, inner))
		}
		return n
	}
	for s.top = min(s.top, s.at); s.top < s.at && tall(s.top) > room; s.top++ {
	}
	seen := 0
	for i := s.top; i < len(s.needs); i++ {
		next := s.needLines(t, i, inner)
		for j := range next {
			next[j] = widget.Mark(widget.Spot{What: widget.RowSpot, Of: needsNumber, N: i}, widget.Pad(next[j], inner))
		}
		if seen > 0 && len(lines)+len(next) > room {
			break
		}
		lines = append(lines, next...)
		seen++
	}
	lines = lines[:min(len(lines), rows)]
	if models := rows - len(lines) - 1; s.snap.Loaded && models >= 3 && s.width >= screen.Wide {
		lines = append(append(lines, ""), s.modelLines(t, inner, models)...)
	}
	note := ""
	switch n := len(s.needs); {
	case n > seen:
		note = fmt.Sprintf("%d-%d of %d", s.top+1, s.top+seen, n)
	case n > 0:
		note = fmt.Sprint(n)
	}
	if n := s.snap.Status.Refused.Total(); n > 0 {
		note += fmt.Sprintf(" · %d refused", n)
		if inner >= 50 {
			note += " now"
		}
	}
	return widget.Box{Title: "Needs attention", Note: note, Focused: s.pane == attention}.Draw(t, width, height, lines)
}

func (s *Screen) needLines(t *theme.Theme, i, width int) []string {
	n := &s.needs[i]
	sign := t.Glyphs.Alert
	if n.role == theme.Bad {
		sign = t.Glyphs.Wrong
	}
	text, note := widget.Truncate(widget.Safe(n.text), width-2), widget.Truncate(widget.Safe(n.note), width-2)
	if s.width < screen.Wide && !s.large { // one line: the text, and the note if there is room
		line := sign + " " + text
		if room := width - widget.Width(line) - 2; room < widget.Width(note) {
			note = ""
		}
		if s.pane == attention && i == s.at {
			return []string{t.Selection.Render(widget.Between(line, note, width))}
		}
		return []string{widget.Between(t.Paint(n.role, sign)+" "+text, t.Paint(theme.Muted, note), width)}
	}
	lines := []string{text}
	for _, l := range []string{n.note, n.more} {
		if l != "" {
			lines = append(lines, widget.Truncate(widget.Safe(l), width-2))
		}
	}
	if s.pane == attention && i == s.at && n.line != "" && widget.Width(n.line) <= width-4 { // whole, or nobody can type it
		lines = append(lines, "$ "+widget.Safe(n.line))
	}
	if s.pane == attention && i == s.at && n.alert != "" {
		lines = append(lines, "A acknowledges it: it is known")
	}
	for j, l := range lines {
		lead := "  "
		if j == 0 {
			lead = sign + " "
		}
		switch {
		case s.pane == attention && i == s.at:
			lines[j] = t.Selection.Render(widget.Pad(lead+l, width))
		case j == 0:
			lines[j] = t.Paint(n.role, sign) + " " + l
		default:
			lines[j] = lead + t.Paint(theme.Muted, l)
		}
	}
	return lines
}

// modelLines are the models by what they cost in the last 24 hours.
func (s *Screen) modelLines(t *theme.Theme, width, rows int) []string {
	out := []string{part.Heading(t, "Models by spend", "24 h", width)}
	for _, r := range s.snap.ByModel.Rows {
		if len(out) == rows || r.Requests == 0 {
			break
		}
		share := widget.Share(int64(r.CostNanoUSD), int64(s.snap.ByModel.Total.CostNanoUSD))
		if s.snap.ByModel.Total.CostNanoUSD == 0 { // all of them are free
			share = widget.Share(r.Requests, s.snap.ByModel.Total.Requests)
		}
		right := fmt.Sprintf(" %4s %8s", part.Percent(share), widget.Money(r.CostNanoUSD))
		name := min(max(width-widget.Width(right)-10, 6), 18)
		out = append(out, widget.Pad(widget.Safe(r.Name), name)+" "+widget.Bar(t, share, max(width-name-1-widget.Width(right), 2), theme.Accent)+right)
	}
	if len(out) == 1 {
		out = append(out, t.Paint(theme.Muted, "no request in 24 h"))
	}
	return out
}

// drawFirst is what there is to see before the first request: the way to it.
func (s *Screen) drawFirst() widget.Block {
	t := s.env.Theme
	width, height := s.width, s.height
	inner, _ := widget.Inner(width, height)
	st := &s.snap.Status
	provider := "none yet: 5 opens Providers, n adds one (the pretend kind, sim, costs nothing)"
	if len(s.snap.Providers) > 0 {
		provider = fmt.Sprintf("%s, %s to ask for", widget.Safe(s.snap.Providers[0].Name), part.Plural(int64(st.Models), "model"))
	}
	client := "none yet: 3 opens Clients, n makes one, and its key is shown once"
	if len(s.snap.Clients) > 0 {
		client = fmt.Sprintf("%s, with %s", widget.Safe(s.snap.Clients[0].Slug), part.Plural(int64(st.Keys), "key"))
	}
	lines := []string{"", t.Strong(theme.Text, " No request yet. The first one shows up here within a second."), ""}
	step := func(n int, done bool, name, text string) {
		sign := t.Strong(theme.Accent, fmt.Sprint(n))
		if done {
			sign = t.Paint(theme.OK, t.Glyphs.Good)
		}
		for i, l := range widget.Wrap(text, max(inner-16, 20)) {
			if i > 0 {
				sign, name = " ", ""
			}
			lines = append(lines, " "+sign+"  "+widget.Pad(name, 12)+t.Paint(theme.Muted, l))
		}
	}
	step(1, len(s.snap.Providers) > 0, "provider", provider)
	step(2, st.Keys > 0, "client", client)
	step(3, false, "request", "T  sends a test request through every check and explains them")
	lines = append(lines, "")
	if st.Serving {
		lines = append(lines, t.Paint(theme.Muted, " Or as an app would, with your key in its place (Y copies this):"))
		for l := range strings.SplitSeq(s.curl(), "\n") {
			lines = append(lines, "   "+t.Paint(theme.Info, widget.Safe(l)))
		}
	} else {
		lines = append(lines, t.Paint(theme.Warn, " "+t.Glyphs.Off+" tallygate does not serve at the moment: Settings has its address."))
	}
	lines = append(lines, "", t.Paint(theme.Muted, " In another terminal:"), "   "+t.Paint(theme.Info, "tallygate try"))
	return widget.Box{Title: "Overview", Focused: true}.Draw(t, width, height, lines)
}
