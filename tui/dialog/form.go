// Package dialog has what stands on top of a screen and wants an answer first: a form
// that fills the input of an operation, a question, a choice of many, a secret that is
// shown once, an export, a test request.
package dialog

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Form is a dialog that fills the input of an operation and runs it. What is
// asked, its help and what may stand there are those that the operation declares.
// The dialog stays open while the engine answers, and with what was typed if it
// refuses.
type Form struct {
	FormOf[any, any]
	out     reflect.Type // of what is answered
	env     *screen.Env
	form    *widget.Form
	asks    []question
	busy    bool
	left    bool // while it was busy
	asked   bool // whether what was typed is to be lost
	problem string
}

// question is a field of the input that a form asks for.
type question struct {
	control.Field
	given string // the text of what there is
	shown string // what stood in the form at first
}

// FormOf is what a Form is made of.
type FormOf[In, Out any] struct {
	Heading string
	Op      control.Op[In, Out]
	// Asks are the fields that are asked, in order, by name; nil asks all that have
	// a flag.
	Asks []string
	// Must are those that may not be left empty.
	Must []string
	// Fixed is the input with what is not asked, Begin what stands in the fields at
	// first.
	Fixed, Begin In
	// Change is whether fields that are left as they are stay out of the input.
	Change bool
	// Help says more of a field than the operation does, and Checks what else is
	// wrong with it, by name.
	Help   map[string]string
	Checks map[string]func(string) error
	// Choices are the few that a field is one of, where only the screen knows them.
	Choices map[string][]string
	Save    string // the label of the button that runs it
	Busy    string // what is said while it runs; "saving" if empty
	// Says are lines above the fields, which may depend on what stands in them;
	// nil for none.
	Says func(t *theme.Theme, width int, value func(name string) string) []string
	// Each makes the input of one of several things out of what was typed; Of are their
	// names. It is run for one after the other.
	Each func(in In, i int) In
	Of   []string
	// Done is what comes after; Each leaves it out.
	Done func(Out) tea.Cmd
}

// NewForm makes the dialog. Its types end here: a form holds inputs as they are and has the
// answer put behind a pointer, so that the rest is compiled once.
func NewForm[In, Out any](e *screen.Env, o FormOf[In, Out]) *Form {
	each, done := o.Each, o.Done // a closure over o would have all of it copied
	var eachOf func(any, int) any
	if each != nil {
		eachOf = func(in any, i int) any { return each(in.(In), i) }
	}
	return newForm(e, reflect.TypeFor[Out](), FormOf[any, any]{
		Heading: o.Heading, Op: control.Op[any, any](o.Op), Asks: o.Asks, Must: o.Must, Fixed: o.Fixed, Begin: o.Begin,
		Change: o.Change, Help: o.Help, Checks: o.Checks, Choices: o.Choices, Save: o.Save, Busy: o.Busy, Says: o.Says,
		Each: eachOf, Of: o.Of, Done: func(out any) tea.Cmd { return done(*out.(*Out)) },
	})
}

func newForm(e *screen.Env, out reflect.Type, o FormOf[any, any]) *Form {
	f := &Form{FormOf: o, out: out, env: e}
	var fields []*widget.Field
	values := map[string]string{}
	for _, d := range FieldsAsked(reflect.TypeOf(o.Begin), o.Asks) {
		x := question{Field: d, given: d.Text(o.Begin)}
		w := WidgetOf(&d, o.Help[d.Name], slices.Contains(o.Must, d.Name))
		if of := o.Choices[d.Name]; of != nil {
			w.Choices = of
		}
		if check := o.Checks[d.Name]; check != nil {
			w.Check = func(v string) error { return cmp.Or(d.Check(v), check(v)) }
		}
		w.More = moreOf(&d)
		fields = append(fields, w)
		values[d.Name] = x.given
		f.asks = append(f.asks, x)
	}
	f.form = widget.NewForm(fields, values, o.Save, cancelLabel)
	for i := range f.asks {
		f.asks[i].shown = fields[i].Value()
	}
	return f
}

// FieldsAsked are the fields of an input by name, or all that have a flag.
func FieldsAsked(in reflect.Type, names []string) (out []control.Field) {
	all := control.FieldsOf(in)
	if names == nil {
		for _, f := range all {
			if f.Flag != "" && f.Arg == "" {
				out = append(out, f)
			}
		}
		return out
	}
	for _, name := range names {
		i := slices.IndexFunc(all, func(f control.Field) bool { return f.Name == name })
		out = append(out, all[i])
	}
	return out
}

// WidgetOf makes the question of a field. Where the command line repeats a flag, a
// form has spaces between.
func WidgetOf(f *control.Field, help string, needed bool) *widget.Field {
	w := &widget.Field{Name: f.Name, Label: f.Label, Help: help, Secret: f.IsSecret(), Choices: f.Choices, Check: f.Check}
	if f.IsBool() {
		w.Choices = []string{"yes", "no"}
	}
	if w.Help == "" {
		w.Help = f.Help
		if before, after, ok := strings.Cut(f.Help, "; repeat"); ok {
			w.Help = before + "; spaces between" + after
		}
		w.Help = strings.ReplaceAll(strings.ReplaceAll(w.Help, "none clears: all", "empty: all"), "; none clears", "")
	}
	if needed {
		w.Check = func(v string) error { return cmp.Or(Must(f.Label)(v), f.Check(v)) }
	}
	return w
}

// moreOf is the key that makes a field from a list, in words; "" if none does.
func moreOf(f *control.Field) string {
	switch {
	case f.Segments() != nil:
		return "ctrl+o edits it as rows"
	case slices.Contains([]string{"client", "gateway", "provider", "model", "template"}, f.Of):
		return "ctrl+o chooses from a list"
	}
	return ""
}

// Must refuses an empty field, in words of what it is.
func Must(what string) func(string) error {
	return func(v string) error {
		if strings.TrimSpace(v) == "" {
			return tally.Errorf(tally.Invalid, "%s is empty", what)
		}
		return nil
	}
}

// fill makes the input from what stands in the fields, and says whether any of them
// is another one now.
func (f *Form) fill() (in any, changed bool, err error) {
	filled := reflect.New(reflect.TypeOf(f.Fixed))
	filled.Elem().Set(reflect.ValueOf(f.Fixed))
	for i := range f.asks {
		x := &f.asks[i]
		text := f.form.Value(x.Name)
		if text == x.shown && (f.Change || x.given == "") {
			continue
		}
		changed = true
		if err := x.Fill(filled.Interface(), text, x.given); err != nil {
			return nil, changed, err
		}
	}
	return filled.Elem().Interface(), changed, nil
}

// typed reports whether a field is not as it was at first.
func (f *Form) typed() bool {
	return slices.ContainsFunc(f.asks, func(x question) bool { return f.form.Value(x.Name) != x.shown })
}

// Title implements Dialog, as do the methods below.
func (f *Form) Title() string { return f.Heading }
func (f *Form) Typing() bool  { return f.form.Typing() }

// Press implements screen.Pointed, as does Wheel.
func (f *Form) Press(s widget.Spot) bool    { return !f.busy && f.form.Press(s) }
func (f *Form) Wheel(widget.Spot, int, int) {}

// Esc leaves the form, at the second press if something was typed. What the engine
// answers after that is told all the same.
func (f *Form) Esc() tea.Cmd {
	if f.left = f.busy; !f.busy && !f.asked && f.typed() {
		f.asked, f.problem = true, "What you typed is lost if you leave: esc once more leaves, ctrl+s saves."
		return nil
	}
	return screen.Ask(screen.Close{Dialog: f})
}

func (f *Form) Update(msg tea.Msg) tea.Cmd {
	if f.busy {
		return nil
	}
	if _, typed := msg.(tea.KeyPressMsg); f.asked && typed {
		f.asked, f.problem = false, ""
	}
	if key, _ := msg.(tea.KeyPressMsg); key.String() == "ctrl+o" {
		return f.list()
	}
	chosen, cmd := f.form.Update(msg)
	switch chosen {
	case 0:
		return f.save()
	case 1:
		return screen.Ask(screen.Close{Dialog: f})
	}
	return cmd
}

// list opens what the field of the focus can be made from: rows of its parts, or the
// things that it can name.
func (f *Form) list() tea.Cmd {
	x := f.form.Focused()
	if x == nil {
		return nil
	}
	d := f.asks[slices.IndexFunc(f.asks, func(q question) bool { return q.Name == x.Name })].Field
	if d.Segments() != nil {
		return screen.Ask(screen.Open{Dialog: NewSegments(d, x.Value(), x.Put)})
	}
	names := namesOf(f.env.Source.Snapshot(), &d)
	if len(names) == 0 {
		return nil
	}
	p := NewPick(d.Label, x.Value(), names, func(id string) tea.Cmd {
		x.Put(id)
		return nil
	})
	if d.Repeated() {
		p.Several(func(id string) bool { return slices.Contains(strings.Fields(x.Value()), id) }, func(id string) { x.Put(toggled(x.Value(), id)) })
	}
	return screen.Ask(screen.Open{Dialog: p})
}

func (f *Form) save() tea.Cmd {
	f.problem = ""
	if !f.form.Valid() {
		return nil
	}
	in, changed, err := f.fill()
	if err == nil && f.Change && !changed {
		err = tally.Errorf(tally.Invalid, "nothing was changed").WithHint("esc leaves it as it is")
	}
	if err != nil {
		f.problem = screen.Explain(err)
		return nil
	}
	if f.Each != nil {
		return tea.Sequence(screen.Ask(screen.Close{Dialog: f}), func() tea.Msg {
			return runEach(f.Of, f.Save, func(i int) error {
				return f.run(f.Each(in, i), reflect.New(f.out).Interface())
			})
		})
	}
	f.busy = true
	return func() tea.Msg {
		out := reflect.New(f.out).Interface()
		err := f.run(in, out)
		return screen.Reply{Take: func() tea.Cmd { return f.answered(out, err) }}
	}
}

// run runs the operation; out is a pointer to what it answers.
func (f *Form) run(in, out any) error {
	return f.env.Run(screen.Patience, f.Op.Name, f.Op.Need, in, out)
}

func (f *Form) answered(out any, err error) tea.Cmd {
	f.busy = false
	switch {
	case err == nil:
		return tea.Sequence(screen.Ask(screen.Close{Dialog: f}), f.Done(out))
	case f.left:
		return screen.Fail(err)
	}
	f.problem = screen.Explain(err)
	return nil
}

// minForm is the least height of a form that is left by what is said above it.
const minForm = 8

func (f *Form) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 84)
	var above []string
	if f.Says != nil {
		above = f.Says(t, width, f.form.Value)
		above = above[:min(len(above), max(height-3-minForm, 0))]
	}
	rows := min(f.form.Height(t, width), height-3-len(above))
	foot := t.Paint(theme.Muted, "tab next field   ctrl+s save   esc cancel")
	if f.busy {
		foot = t.Paint(theme.Info, cmp.Or(f.Busy, "saving")+t.Glyphs.Ellipsis)
	}
	lines := []string{""}
	if in, changed, err := f.fill(); err == nil && changed && height > rows+6 {
		if f.Each != nil {
			in = f.Each(in, 0)
		}
		for i, l := range widget.Wrap(widget.Safe(asTyped(f.env, control.CommandLine(f.Op.Name, in))), width-2) {
			lead := "  "
			if i == 0 {
				lead = t.Paint(theme.Faint, "$ ")
			}
			if len(lines) < 4 {
				lines = append(lines, lead+t.Paint(theme.Info, l))
			}
		}
	}
	if f.problem != "" {
		lines = nil
		sign := t.Glyphs.Wrong
		for _, l := range widget.Wrap(widget.Safe(f.problem), width-2) {
			lines = append(lines, t.Paint(theme.Bad, sign+" "+l))
			sign = " "
		}
	}
	return widget.Below(widget.NewBlock(width, len(above), above...), f.form.Draw(t, width, rows), widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, 1, foot))
}

// asTyped is a command line as somebody would type it: gateways and clients by their
// slugs.
func asTyped(e *screen.Env, line string) string {
	snap := e.Source.Snapshot()
	for i := range snap.Gateways {
		line = strings.ReplaceAll(line, string(snap.Gateways[i].ID), snap.Gateways[i].Slug)
	}
	for i := range snap.Clients {
		line = strings.ReplaceAll(line, string(snap.Clients[i].ID), snap.Clients[i].Slug)
	}
	return line
}
