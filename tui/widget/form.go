package widget

import (
	tea "charm.land/bubbletea/v2"
)

// Field is one question of a form: a text, a secret, or a choice.
type Field struct {
	Name  string // of the input it fills
	Label string
	Help  string // beneath it while it is focused
	More  string // and after that, a key that helps with it
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

// Press goes to the field or the button that was pressed, and takes the choice. It
// reports whether enter is to follow.
func (f *Form) Press(s Spot) (enter bool) {
	switch {
	case s.What == FieldSpot && s.N < len(f.Fields):
		f.leave()
		f.focus(s.N)
	case s.What == ChoiceSpot && s.Of < len(f.Fields) && s.N < len(f.Fields[s.Of].Choices):
		f.leave()
		f.focus(s.Of)
		f.Fields[s.Of].choice = s.N
	case s.What == ButtonSpot && s.N < len(f.Buttons):
		f.leave()
		f.focus(len(f.Fields) + s.N)
		return true
	}
	return false
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
		x.choose(key.String())
		return -1, nil
	}
	return -1, f.pass(msg)
}

// choose takes the choice before or after.
func (x *Field) choose(key string) {
	n := len(x.Choices)
	switch {
	case n == 0:
	case key == "left", key == "h":
		x.choice = (x.choice + n - 1) % n
	case key == "right", key == "l", key == "space":
		x.choice = (x.choice + 1) % n
	}
}

// Focused is the field that has the focus, nil if a button has it.
func (f *Form) Focused() *Field {
	if f.at < len(f.Fields) {
		return f.Fields[f.at]
	}
	return nil
}

// Put puts a text into the field, as if it had been typed.
func (x *Field) Put(text string) {
	x.input.SetValue(text)
	x.check()
}

// pass hands a message to the focused text field.
func (f *Form) pass(msg tea.Msg) (cmd tea.Cmd) {
	if f.Typing() {
		x := f.Fields[f.at]
		before := x.Value()
		cmd = x.input.Update(msg)
		if x.problem != "" && x.touched && x.Value() != before { // what comes by itself leaves it
			x.check()
		}
	}
	return cmd
}
