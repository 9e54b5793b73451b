package settings

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// mostNodes are drawn; who has more of them asks for all.
const mostNodes = 8

// nodes tells of the nodes that share the store; nothing where there is one.
func (s *Screen) nodes(inner int) []string {
	list := s.Snap.Status.Nodes
	if len(list) == 0 {
		return nil
	}
	t := s.Env.Theme
	name := 0
	for i := range list {
		name = min(max(name, widget.Width(widget.Safe(list[i].Name))), 20)
	}
	lines := []string{"", part.Heading(t, "Nodes", "N tells more", inner)}
	for i := range list[:min(len(list), mostNodes)] {
		v := &list[i]
		tone := v.Tone()
		line := part.ToneSign(t, tone) + " " + widget.Pad(widget.Safe(v.Name), name) + "  " +
			t.Paint(part.ToneRole(tone), widget.Pad(nodeWord(v), nodeWords)) +
			t.Paint(theme.Muted, widget.Safe(nodeHas(v)))
		lines = append(lines, widget.Truncate(line, inner))
	}
	if n := len(list) - mostNodes; n > 0 {
		lines = append(lines, t.Paint(theme.Muted, fmt.Sprintf("and %d more", n)))
	}
	return lines
}

// nodeWords is the room for what a node does.
const nodeWords = 16

// nodeWord is what a node does.
func nodeWord(v *control.NodeView) string {
	switch {
	case v.Me:
		return "answers here"
	case v.IsSilent():
		return "silent for " + control.Ago(v.Silent)
	}
	return v.State
}

// nodeHas is what a node has that others have not, or what is wrong with it.
func nodeHas(v *control.NodeView) string {
	switch {
	case len(v.Faults) > 0:
		return v.Faults[0]
	case v.ClockOff():
		return "its clock is " + v.ClockText()
	case v.IsSilent() && len(v.Lent) > 0:
		return "has " + control.LentText(v.Lent) + " of limits"
	case v.Unshipped > 0:
		return tally.Group(v.Unshipped) + " unshipped"
	}
	return v.Host
}

// widestNodes is the widest that the dialog of nodes is drawn.
const widestNodes = 72

// nodesDialog tells all of each node.
type nodesDialog struct {
	s     *Screen
	lines widget.Scroll
}

// Title implements Dialog, as do the methods below.
func (d *nodesDialog) Title() string { return "Nodes" }
func (d *nodesDialog) Typing() bool  { return false }
func (d *nodesDialog) Esc() tea.Cmd  { return screen.Ask(screen.Close{Dialog: d}) }

func (d *nodesDialog) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok || d.lines.Key(key.String()) {
		return nil
	}
	switch key.String() {
	case "enter", "q", "N":
		return d.Esc()
	}
	return nil
}

func (d *nodesDialog) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, widestNodes)
	var lines []string
	for i := range d.s.Snap.Status.Nodes {
		v := &d.s.Snap.Status.Nodes[i]
		heading := part.ToneSign(t, v.Tone()) + " " + t.Paint(theme.Accent, widget.Safe(v.Name)) + "  " +
			t.Paint(part.ToneRole(v.Tone()), nodeWord(v))
		lines = append(lines, "", widget.Truncate(heading, width))
		lines = append(lines, part.Facts(t, nodeFacts(v), width)...)
		for _, fault := range v.Faults {
			for _, l := range widget.Wrap(t.Glyphs.Alert+" "+widget.Safe(fault), width) {
				lines = append(lines, t.Paint(theme.Warn, l))
			}
		}
	}
	return part.Scrolled(t, &d.lines, lines,
		"↑↓ scroll   esc closes   one that is lost: tallygate nodes forget NAME", "", width, height)
}

// nodeFacts is all that is known of a node.
func nodeFacts(v *control.NodeView) []part.Fact {
	heard := v.HeardText()
	if v.Me {
		heard = ""
	}
	unshipped := ""
	if v.Unshipped > 0 {
		unshipped = tally.Group(v.Unshipped) + " that the database does not have"
	}
	clock := ""
	if v.ClockOff() {
		clock = v.ClockText() + " of the database's"
	}
	asked := ""
	if v.Requests > 0 {
		times := tally.Group(v.Exchanges) + " times"
		if v.Exchanges == 1 {
			times = "once"
		}
		asked = fmt.Sprintf("%s, for which it asked the database %s", tally.Group(v.Requests), times)
	}
	return []part.Fact{
		{"heard", heard}, {"host", widget.Safe(v.Host)}, {"version", widget.Safe(v.Version)}, {"clock", clock},
		{"records", tally.Group(v.Records)}, {"unshipped", unshipped}, {"lent", control.LentText(v.Lent)},
		{"requests", asked},
	}
}
