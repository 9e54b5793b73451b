package widget

import (
	"fmt"
	"strings"

	"tallygate/tui/theme"
)

// Draw draws the form into a width and a height. Fields that do not fit scroll;
// the buttons always show.
func (f *Form) Draw(t *theme.Theme, width, height int) Block {
	labels := f.labels(width)
	var lines []string
	starts := make([]int, len(f.Fields)+1)
	for i, x := range f.Fields {
		starts[i] = len(lines)
		for _, l := range x.lines(t, i, labels, width, i == f.at) {
			lines = append(lines, Mark(Spot{FieldSpot, 0, i}, Pad(l, width)))
		}
	}
	starts[len(f.Fields)] = len(lines)
	rows := max(height-2, 1) // a blank line and the buttons
	if f.at < len(f.Fields) {
		f.top = max(f.top, starts[f.at+1]-rows)
		f.top = min(f.top, starts[f.at]) // the line one types in goes before its help
	}
	f.top = max(min(f.top, len(lines)-rows), 0)
	shown := NewBlock(width, min(rows, max(len(lines), 1)), lines[min(f.top, len(lines)):]...)
	return NewBlock(width, height, append(shown.Lines(), "", f.buttons(t))...)
}

// labels is how many cells the labels get.
func (f *Form) labels(width int) int {
	widest := 0
	for _, x := range f.Fields {
		widest = max(widest, Width(x.Label))
	}
	return min(widest+2, width/2)
}

// Height is how many rows the form would like, for a width.
func (f *Form) Height(t *theme.Theme, width int) int {
	n := 2
	for i, x := range f.Fields {
		n += len(x.lines(t, i, f.labels(width), width, i == f.at))
	}
	return n
}

func (x *Field) lines(t *theme.Theme, at, labels, width int, on bool) []string {
	label := t.Paint(theme.Muted, Pad(x.Label, labels))
	if on {
		label = t.Strong(theme.Accent, Pad(x.Label, labels))
	}
	room := max(width-labels, 8)
	out := []string{label + x.draw(t, at, room, on)}
	note := func(r theme.Role, s string) {
		for _, l := range Wrap(s, room) {
			out = append(out, spaces(labels)+t.Paint(r, l))
		}
	}
	switch {
	case x.problem != "":
		note(theme.Bad, t.Glyphs.Wrong+" "+x.problem)
	case on && x.Help != "":
		note(theme.Faint, x.Help)
	}
	if on && x.More != "" {
		note(theme.Info, x.More)
	}
	return out
}

func (x *Field) draw(t *theme.Theme, at, room int, on bool) string {
	if len(x.Choices) > 0 {
		var out []string
		for i, c := range x.Choices {
			mark, role := t.Glyphs.Unchosen, theme.Muted
			if i == x.choice {
				mark, role = t.Glyphs.Chosen, theme.Text
			}
			s := mark + " " + Safe(c)
			text := t.Paint(role, s)
			if on && i == x.choice {
				text = t.FieldOn.Render(s)
			}
			out = append(out, Mark(Spot{ChoiceSpot, at, i}, text))
		}
		if all := strings.Join(out, "  "); Width(all) <= room {
			return all
		}
		one := fmt.Sprintf("%s %s   %d of %d", t.Glyphs.Chosen, Safe(x.Value()), x.choice+1, len(x.Choices))
		if on {
			return Truncate(t.FieldOn.Render(one), room)
		}
		return Truncate(one, room)
	}
	style := t.Field
	if on {
		style = t.FieldOn
	}
	room = min(room, 60)
	if !on {
		v := x.input.Value()
		if x.Secret && !x.revealed {
			v = strings.Repeat(t.Glyphs.Mask, min(len([]rune(v)), room-1))
		}
		return theme.Render(style, Pad(Safe(v), room))
	}
	x.input.mask = x.Secret && !x.revealed
	return x.input.drawIn(t, style, room)
}

func (f *Form) buttons(t *theme.Theme) string {
	var out []string
	for i, b := range f.Buttons {
		style := t.Button
		if on := f.at == len(f.Fields)+i; on && i == f.Danger {
			style = t.Danger
		} else if on {
			style = t.ButtonOn
		}
		out = append(out, Mark(Spot{ButtonSpot, 0, i}, style.Render(" "+b+" ")))
	}
	return strings.Join(out, "  ")
}
