package widget

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/theme"
)

// Field is one question of a form: a text, a secret, or a choice.
type Field struct {
	Name  string // of the input it fills
	Label string
	Help  string // beneath it while it is focused
	// Choices makes it a choice of a few; Value is then one of them.
	Choices []string
	Secret  bool // shown as dots until revealed
	// Check says in a sentence what is wrong with a value; nil lets all pass.
	Check func(string) error

	input    Input
	given    string // what stood in it at first
	choice   int
	problem  string
	revealed bool
	touched  bool
}

// Form asks questions, one line each. It checks a field when it is left and all
// of them on saving, says what is wrong beside the field, and keeps what was
// typed.
type Form struct {
	Fields []*Field
	// Buttons follow the fields; the first is the one enter chooses.
	Buttons []string
	Danger  int // index of the button that cannot be undone, -1 if none

	at  int // focused: a field, or len(Fields)+button
	top int // first field drawn
}

// maxTyped bounds a field in characters, so that a megabyte pasted by mistake does no harm.
const maxTyped = 16 << 10

// NewForm makes a form. Values holds what stands in the fields at first, by
// name.
func NewForm(fields []*Field, values map[string]string, buttons ...string) *Form {
	f := &Form{Fields: fields, Buttons: buttons, Danger: -1}
	for _, x := range fields {
		x.input = NewInput("", "", maxTyped)
		x.set(values[x.Name])
	}
	f.focus(0)
	return f
}

func (x *Field) set(v string) {
	for i, c := range x.Choices {
		if c == v {
			x.choice = i
		}
	}
	x.given = v
	x.input.SetValue(v)
}

// Value is what stands in the field.
func (x *Field) Value() string {
	if len(x.Choices) > 0 {
		return x.Choices[x.choice]
	}
	if v := x.input.Value(); v != Safe(x.given) {
		return v
	}
	return x.given // as it was, whatever had to be left out to show it
}

// Field returns a field by name, nil if there is none.
func (f *Form) Field(name string) *Field {
	for _, x := range f.Fields {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// Value returns what stands in a field, "" if there is no such field.
func (f *Form) Value(name string) string {
	if x := f.Field(name); x != nil {
		return x.Value()
	}
	return ""
}

// Fail puts a sentence beside a field and goes there.
func (f *Form) Fail(name, problem string) {
	for i, x := range f.Fields {
		if x.Name == name {
			x.problem = Safe(problem)
			f.focus(i)
		}
	}
}

// Typing reports whether a text field is focused, which owns every printable
// key.
func (f *Form) Typing() bool { return f.at < len(f.Fields) && len(f.Fields[f.at].Choices) == 0 }

func (f *Form) focus(at int) {
	n := len(f.Fields) + len(f.Buttons)
	if n == 0 {
		return
	}
	f.at = (at%n + n) % n
	for i, x := range f.Fields {
		if i == f.at {
			x.input.Focus()
		} else {
			x.input.Blur()
		}
	}
}

// leave checks the focused field.
func (f *Form) leave() {
	if f.at < len(f.Fields) {
		f.Fields[f.at].check()
	}
}

func (x *Field) check() bool {
	x.problem, x.touched = "", true
	if x.Check != nil {
		if err := x.Check(x.Value()); err != nil {
			x.problem = Safe(err.Error())
		}
	}
	return x.problem == ""
}

// Valid checks all fields and goes to the first that is wrong.
func (f *Form) Valid() bool {
	first := -1
	for i, x := range f.Fields {
		if !x.check() && first < 0 {
			first = i
		}
	}
	if first >= 0 {
		f.focus(first)
	}
	return first < 0
}

// Update takes a message. It returns the index of the button that was chosen,
// -1 for none.
func (f *Form) Update(msg tea.Msg) (chosen int, cmd tea.Cmd) {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return -1, f.pass(msg)
	}
	switch key.String() {
	case "tab", "down":
		f.leave()
		f.focus(f.at + 1)
		return -1, nil
	case "shift+tab", "up":
		f.leave()
		f.focus(f.at - 1)
		return -1, nil
	case "ctrl+s":
		f.leave()
		return 0, nil
	case "ctrl+r":
		if f.at < len(f.Fields) {
			f.Fields[f.at].revealed = !f.Fields[f.at].revealed
		}
		return -1, nil
	case "enter":
		f.leave()
		if f.at >= len(f.Fields) {
			return f.at - len(f.Fields), nil
		}
		f.focus(f.at + 1)
		return -1, nil
	}
	if f.at >= len(f.Fields) {
		switch key.String() {
		case "left", "h":
			f.focus(max(f.at-1, len(f.Fields)))
		case "right", "l":
			f.focus(min(f.at+1, len(f.Fields)+len(f.Buttons)-1))
		case "space":
			return f.at - len(f.Fields), nil
		}
		return -1, nil
	}
	if x := f.Fields[f.at]; len(x.Choices) > 0 {
		switch key.String() {
		case "left", "h":
			x.choice = (x.choice + len(x.Choices) - 1) % len(x.Choices)
		case "right", "l", "space":
			x.choice = (x.choice + 1) % len(x.Choices)
		}
		return -1, nil
	}
	return -1, f.pass(msg)
}

// pass hands a message to the focused text field.
func (f *Form) pass(msg tea.Msg) (cmd tea.Cmd) {
	if f.Typing() {
		x := f.Fields[f.at]
		cmd = x.input.Update(msg)
		if x.problem != "" && x.touched {
			x.check()
		}
	}
	return cmd
}

// Draw draws the form into a width and a height. Fields that do not fit scroll;
// the buttons always show.
func (f *Form) Draw(t *theme.Theme, width, height int) Block {
	labels := f.labels(width)
	var lines []string
	starts := make([]int, len(f.Fields)+1)
	for i, x := range f.Fields {
		starts[i] = len(lines)
		lines = append(lines, x.lines(t, labels, width, i == f.at)...)
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
		n += len(x.lines(t, f.labels(width), width, i == f.at))
	}
	return n
}

func (x *Field) lines(t *theme.Theme, labels, width int, on bool) []string {
	label := t.Paint(theme.Muted, Pad(x.Label, labels))
	if on {
		label = t.Strong(theme.Accent, Pad(x.Label, labels))
	}
	room := max(width-labels, 8)
	out := []string{label + x.draw(t, room, on)}
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
	return out
}

func (x *Field) draw(t *theme.Theme, room int, on bool) string {
	if len(x.Choices) > 0 {
		var out []string
		for i, c := range x.Choices {
			mark, role := t.Glyphs.Unchosen, theme.Muted
			if i == x.choice {
				mark, role = t.Glyphs.Chosen, theme.Text
			}
			s := mark + " " + Safe(c)
			if on && i == x.choice {
				out = append(out, t.FieldOn.Render(s))
			} else {
				out = append(out, t.Paint(role, s))
			}
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
		out = append(out, style.Render(" "+b+" "))
	}
	return strings.Join(out, "  ")
}
