// Package dialog has what stands on top of a screen and wants an answer first: a form
// that fills the input of an operation, a question, a choice of many, a secret that is
// shown once, an export, a test request.
package dialog

import (
	"cmp"
	"os"
	"path/filepath"
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
type Form[In, Out any] struct {
	FormOf[In, Out]
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
	// Done is what comes after.
	Done func(Out) tea.Cmd
}

// NewForm makes the dialog.
func NewForm[In, Out any](e *screen.Env, o FormOf[In, Out]) *Form[In, Out] {
	f := &Form[In, Out]{FormOf: o, env: e}
	var fields []*widget.Field
	values := map[string]string{}
	for _, d := range FieldsAsked(reflect.TypeFor[In](), o.Asks) {
		x := question{Field: d, given: d.Text(&o.Begin)}
		w := WidgetOf(&d, o.Help[d.Name], slices.Contains(o.Must, d.Name))
		if of := o.Choices[d.Name]; of != nil {
			w.Choices = of
		}
		if check := o.Checks[d.Name]; check != nil {
			w.Check = func(v string) error { return cmp.Or(d.Check(v), check(v)) }
		}
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
func (f *Form[In, Out]) fill() (in In, changed bool, err error) {
	in = f.Fixed
	for i := range f.asks {
		x := &f.asks[i]
		text := f.form.Value(x.Name)
		if text == x.shown && (f.Change || x.given == "") {
			continue
		}
		changed = true
		if err := x.Fill(&in, text, x.given); err != nil {
			return in, changed, err
		}
	}
	return in, changed, nil
}

// typed reports whether a field is not as it was at first.
func (f *Form[In, Out]) typed() bool {
	return slices.ContainsFunc(f.asks, func(x question) bool { return f.form.Value(x.Name) != x.shown })
}

// Title implements Dialog, as do the methods below.
func (f *Form[In, Out]) Title() string { return f.Heading }
func (f *Form[In, Out]) Typing() bool  { return f.form.Typing() }

// Esc leaves the form, at the second press if something was typed. What the engine
// answers after that is told all the same.
func (f *Form[In, Out]) Esc() tea.Cmd {
	if f.left = f.busy; !f.busy && !f.asked && f.typed() {
		f.asked, f.problem = true, "What you typed is lost if you leave: esc once more leaves, ctrl+s saves."
		return nil
	}
	return screen.Ask(screen.Close{Dialog: f})
}

func (f *Form[In, Out]) Update(msg tea.Msg) tea.Cmd {
	if f.busy {
		return nil
	}
	if f.asked {
		f.asked, f.problem = false, ""
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

func (f *Form[In, Out]) save() tea.Cmd {
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
	f.busy = true
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, f.env, f.Op, in)
		return screen.Reply{Take: func() tea.Cmd { return f.answered(out, err) }}
	}
}

func (f *Form[In, Out]) answered(out Out, err error) tea.Cmd {
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

func (f *Form[In, Out]) Draw(t *theme.Theme, width, height int) widget.Block {
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
		for i, l := range widget.Wrap(widget.Safe(asTyped(f.env, control.CommandLine(f.Op.Name, &in))), width-2) {
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

// Shown is the dialog of a secret that is shown once.
type Shown struct {
	Heading string
	Secret  string
	Says    []string                                     // what it is, and what to do with it
	Curl    string                                       // a command that works with it
	Save    func(secret string) (path string, err error) // does I/O
	Enter   string                                       // what enter does, if not to say that it is saved
	sure    bool
	note    string
	bad     bool
}

// Title implements Dialog, as do the methods below.
func (s *Shown) Title() string { return s.Heading }
func (s *Shown) Typing() bool  { return false }

// Esc needs a second press: the secret is gone with the dialog.
func (s *Shown) Esc() tea.Cmd {
	if s.sure {
		return screen.Ask(screen.Close{})
	}
	s.sure, s.bad = true, true
	s.note = "It will not be shown again. Press esc once more, or enter if you saved it."
	return nil
}

// Written says what came of writing a secret to a file.
type Written struct {
	Path string
	Err  error
}

func (s *Shown) Update(msg tea.Msg) tea.Cmd {
	if w, ok := msg.(Written); ok {
		s.note, s.bad = "Written to "+w.Path+", which only you can read.", w.Err != nil
		if s.bad {
			s.note = w.Err.Error()
		}
		return nil
	}
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch key.String() {
	case "enter":
		return screen.Ask(screen.Close{})
	case "y":
		s.note, s.bad = "Sent to the terminal's clipboard. Not every terminal takes it: paste it once to be sure.", false
		return tea.SetClipboard(s.Secret)
	case "Y":
		if s.Curl != "" {
			s.note, s.bad = "The curl was sent to the terminal's clipboard.", false
			return tea.SetClipboard(s.Curl)
		}
	case "w":
		if s.Save == nil {
			return nil
		}
		save, secret := s.Save, s.Secret
		return func() tea.Msg {
			path, err := save(secret)
			return Written{path, err}
		}
	}
	return nil
}

// Draw keeps the secret and the keys in sight: what is said and the command give
// way where there is little room.
func (s *Shown) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(max(width, widget.Width(s.Secret)), 100)
	says := []string{""}
	for _, l := range s.Says {
		says = append(says, widget.Wrap(widget.Safe(l), width)...)
	}
	lines := []string{"", t.Strong(theme.OK, s.Secret), ""}
	var curl []string
	if s.Curl != "" {
		curl = append(curl, t.Paint(theme.Muted, "A command that works:"))
		for l := range strings.SplitSeq(s.Curl, "\n") {
			curl = append(curl, widget.Wrap("  "+widget.Safe(l), width)...)
		}
		curl = append(curl, "")
	}
	var note []string
	if s.note != "" {
		role := theme.OK
		if s.bad {
			role = theme.Warn
		}
		for _, l := range widget.Wrap(widget.Safe(s.note), width) {
			note = append(note, t.Paint(role, l))
		}
		note = append(note, "")
	}
	keys := cmp.Or(s.Enter, "enter I saved it") + "   y copy   w write to a file"
	if s.Curl != "" {
		keys += "   Y copy the curl"
	}
	room := height - len(lines) - len(note) - 1
	if len(says)+len(curl) > room {
		curl = nil
	}
	lines = append(append(append(append(says[:max(min(len(says), room), 0)], lines...), curl...), note...), t.Paint(theme.Muted, keys))
	return widget.NewBlock(width, min(len(lines), height), lines...)
}

// SaveSecret writes a secret to a new file in this user's home, which nobody else can
// read and which is still there tomorrow.
func SaveSecret(secret string) (path string, err error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(home, "tallygate-key-*.txt") // mode 0600
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString(secret + "\n"); err != nil {
		return "", err
	}
	return filepath.Clean(f.Name()), f.Sync()
}
