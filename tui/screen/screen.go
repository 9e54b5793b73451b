// Package screen has the screens of the interface, one file or two for each.
//
// A screen is a plain struct. The app tells it its size and the latest
// snapshot, hands it the messages that are for it, and asks it to draw. A
// screen does no I/O in Update: it returns a command made by [Call], whose
// answer comes back as an [Answer] with the screen's name. What it wants from
// the app (a dialog, another screen, a word to the user) it asks for with a
// message, too.
package screen

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is one of the screens.
type Screen interface {
	// Name is short and unique: "clients".
	Name() string
	// Resize tells the size that Draw must fill.
	Resize(width, height int)
	// Show tells the latest snapshot; it comes at least twice a second while
	// the terminal has the focus.
	Show(s *live.Snapshot)
	// Update takes answers of the screen's own commands, and keys that belong
	// to no action.
	Update(msg tea.Msg) tea.Cmd
	// Draw fills exactly the size that Resize told.
	Draw() widget.Block
	// Actions are what can be done now, the most useful first: those that fit
	// stand in the footer.
	Actions() []action.Action
	// Typing reports whether a text field has the focus, which then owns every
	// printable key.
	Typing() bool
	// Back undoes one step: it clears a filter or leaves a detail. It reports
	// whether there was one.
	Back() bool
}

// Asker is a screen that needs more of the engine than the snapshot has. It is
// asked after every [Screen.Show], so most of the time it returns nil.
type Asker interface {
	// Ask returns the command that gets what is missing or has become old.
	Ask() tea.Cmd
}

// Pointed is a screen or a dialog with spots that a pointer can press.
type Pointed interface {
	// Press is told which spot was pressed. It reports whether enter is to follow: what
	// was chosen is pressed once more, or a button.
	Press(widget.Spot) (enter bool)
	// Wheel is told over which spot and column of cells the wheel went so many notches,
	// down if they are more than 0.
	Wheel(over widget.Spot, x, notches int)
}

// Env is what every screen works with.
type Env struct {
	Theme  *theme.Theme
	Caller control.Caller
	Source *live.Source
	Clock  func() time.Time
	// Zone is the zone of times on the screen.
	Zone *time.Location
	// Write is whether this session may change things; a viewer may not.
	Write bool
	// Chosen is the theme that the user chose, which may be theme.Auto.
	Chosen theme.Name
	// Mouse is whether the pointer is listened to; the terminal then selects text only
	// while shift is held.
	Mouse bool
	// LogFile is where the log of this interface is, "" if it has none.
	LogFile string
	// Away is whether the user sits at another machine than this: files would be written
	// where the user does not look.
	Away bool
}

// NoFile is why nothing can be written to a file, "" if it can.
func (e *Env) NoFile() string {
	if why := e.ReadOnly(); why != "" || !e.Away {
		return why
	}
	return "a file would be written on the server: name a command instead, like ssh HOST requests export > FILE"
}

// ReadOnly is why a viewer cannot do something, "" for an owner.
func (e *Env) ReadOnly() string {
	if e.Write {
		return ""
	}
	return "you may look, not change: ask the owner"
}

// Answer is what came of a call.
type Answer struct {
	Screen string
	Tag    string // which of the screen's calls
	Seq    int    // a screen drops answers to calls it has repeated since
	Value  any
	Err    error
}

// Patience bounds a call.
const Patience = 30 * time.Second

// Call makes the command that runs an operation and answers to a screen.
func Call[In, Out any](e *Env, screen, tag string, seq int, op control.Op[In, Out], in In) tea.Cmd {
	return CallFor(Patience, e, screen, tag, seq, op, in)
}

// CallFor is Call for what may take longer than a user would wait for.
func CallFor[In, Out any](longest time.Duration, e *Env, screen, tag string, seq int, op control.Op[In, Out], in In) tea.Cmd {
	return func() tea.Msg {
		out, err := Run(longest, e, op, in)
		return Answer{Screen: screen, Tag: tag, Seq: seq, Value: out, Err: err}
	}
}

// Do makes the command that runs an operation whose output nobody needs, and
// says what came of it: done, or why it was not.
func Do[In, Out any](e *Env, op control.Op[In, Out], in In, done string) tea.Cmd {
	return func() tea.Msg {
		if _, err := Run(Patience, e, op, in); err != nil {
			return failure(err)
		}
		return Say{Text: done}
	}
}

// Run runs an operation.
func Run[In, Out any](longest time.Duration, e *Env, op control.Op[In, Out], in In) (out Out, err error) {
	err = e.Run(longest, op.Name, op.Need, in, &out)
	return out, err
}

// Run runs an operation by its name; out is a pointer to what it answers.
func (e *Env) Run(longest time.Duration, op string, need control.Need, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	err := e.Caller.Call(ctx, op, in, out)
	if err == nil && need == control.Write {
		e.Source.Refresh()
	}
	return err
}

// Each makes what runs an operation for one of several things.
func Each[V, In, Out any](e *Env, op control.Op[In, Out], in func(*V) In) func(*V) error {
	return func(v *V) error {
		_, err := Run(Patience, e, op, in(v))
		return err
	}
}

// Open asks the app to put a dialog on top.
type Open struct{ Dialog Dialog }

// Close asks the app to take a dialog away: the topmost if it names none.
type Close struct{ Dialog Dialog }

// Reply is what came of a dialog's call. The app runs Take in Update, whether
// or not the dialog is still there, so that nothing that happened is lost.
type Reply struct{ Take func() tea.Cmd }

// Goto asks the app for another screen, with a filter for its list.
type Goto struct{ Screen, Filter string }

// Is is the term of a filter for what a column has as its whole value.
func Is(column, value string) string {
	if strings.Contains(value, " ") {
		value = `"` + value + `"`
	}
	return column + ":=" + value
}

// Say asks the app to show a word at the bottom for a moment.
type Say struct {
	Text string
	Bad  bool
}

// Copy asks the app to put text on the terminal's clipboard.
type Copy struct{ Text, What string }

// Retheme asks the app for another theme, at once and from now on.
type Retheme struct{ Name theme.Name }

// Ask makes a message into a command.
func Ask(msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }

// Fail tells of an error: what happened and the next step.
func Fail(err error) tea.Cmd { return Ask(failure(err)) }

func failure(err error) Say { return Say{Text: widget.Safe(Explain(err)), Bad: true} }

// Explain is an error in words: what happened and the next step. A step for the
// command line, with a command or a flag to type, is no help here, unless the
// engine is away.
func Explain(err error) string {
	e := tally.AsError(err)
	typed := strings.Contains(e.Hint, "tallygate ") || strings.Contains(e.Hint, "--")
	if e.Hint == "" || typed && e.Code != tally.Unavailable {
		return e.Message
	}
	return e.Message + " — " + e.Hint
}

// Unread says why there are no rows before the lists have been read: what cannot be read
// is not empty.
func Unread(s *live.Snapshot) []string {
	if s.Lost != nil {
		return []string{"This cannot be shown: " + Explain(s.Lost), "It is tried again."}
	}
	return []string{"loading…"}
}

// Dialog is something on top of a screen that wants an answer first.
type Dialog interface {
	// Title stands in its frame.
	Title() string
	// Update takes every message but those that are the app's own.
	Update(msg tea.Msg) tea.Cmd
	// Draw draws the inside within at most a size.
	Draw(t *theme.Theme, width, height int) widget.Block
	// Typing is as for a screen.
	Typing() bool
	// Esc is what the escape key does; most dialogs close.
	Esc() tea.Cmd
}

// Cover is a dialog with nothing behind it: what it asks comes before there is
// anything to show.
type Cover interface {
	Dialog
	Covers()
}
