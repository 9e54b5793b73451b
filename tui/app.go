// Package tui is the terminal interface: one bubbletea model that owns layout,
// focus, dialogs and the word at the bottom, over screens that are plain
// structs.
//
// It knows the engine by control.Caller alone, so it is the same whether the
// engine runs in this process, in another one, or behind ssh. Nothing here does
// I/O in Update, and no number of requests makes it draw more often: screens
// read one snapshot twice a second (package live).
package tui

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Options are what an interface is made of.
type Options struct {
	Env     *screen.Env
	Screens []screen.Screen
	// Theme is what the user chose; Auto follows the terminal.
	Theme theme.Name
	// Place says where this runs, in the header: "" for an engine inside.
	Place string
	// At is where it opens; the zero value is the first screen.
	At screen.Goto
	// Pretend marks a store of pretend traffic on every screen.
	Pretend bool
	// Leaving makes the dialog that a quit at the top asks with; nil quits at
	// once.
	Leaving func() screen.Dialog
	// First makes the dialog that comes before everything else, with what it
	// starts with, once the first snapshot is there; nil if none is wanted.
	First func() (screen.Dialog, tea.Cmd)
	// NeedsFirst reports whether the dialog of First is to come by itself.
	NeedsFirst func(*live.Snapshot) bool
	// KeepTheme keeps a theme that the user chose for the next time; nil forgets
	// it. It may do I/O.
	KeepTheme func(theme.Name) error
	Logger    *slog.Logger
	LogFile   string // where the log is, for the user
}

// App is the bubbletea model.
type App struct {
	opts    Options
	env     *screen.Env
	log     *slog.Logger
	screens []screen.Screen
	at      int
	layout  layout
	width   int
	height  int
	dialogs []screen.Dialog
	words   []word        // the latest messages; the last may be at the bottom
	said    int           // how many messages there have been
	telling bool          // the last message is shown at the bottom
	leaving screen.Dialog // the question of leaving, while it is asked
	blurred bool          // the terminal has lost the focus
	still   string        // what is drawn while blurred
	unseen  int           // ticks while blurred
	quits   int           // how often ctrl+c was pressed in a row
	loaded  bool          // the first snapshot has come
	dark    bool
	colour  bool
	broken  string        // the failure that was logged last
	untold  bool          // broken is still to be shown
	places  widget.Places // of what can be pressed in the picture
}

// New makes an interface.
func New(o Options) *App {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Env.Chosen, o.Env.LogFile = cmp.Or(o.Theme, theme.Auto), o.LogFile
	return &App{opts: o, env: o.Env, log: o.Logger, screens: o.Screens, dark: true, colour: true}
}

const (
	tickEvery = 500 * time.Millisecond
	tickSoon  = 50 * time.Millisecond // while the first snapshot is awaited
	seldom    = 20                    // ticks from one picture to the next in a terminal without the focus
)

type tickMsg time.Time

// Init implements tea.Model.
func (a *App) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, a.tick())
}

func (a *App) tick() tea.Cmd {
	every := tickEvery
	if !a.loaded && a.env.Source.Snapshot().Lost == nil {
		every = tickSoon
	}
	return tea.Tick(every, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// Update implements tea.Model. A panic in a screen is logged and told; the
// engine behind goes on.
func (a *App) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if p := recover(); p != nil {
			a.failed("update", p)
			a.untold = true
		}
		if a.untold { // View cannot say it
			a.untold = false
			cmd = tea.Batch(cmd, a.say("This screen failed inside; the gateway goes on serving. Details: "+a.opts.LogFile, true))
		}
	}()
	return a, a.update(msg)
}

// failed logs a panic once, however often it is drawn.
func (a *App) failed(where string, p any) {
	a.dialogs = nil // one of them may be the cause
	if what := fmt.Sprint(a.screen().Name(), " ", where, ": ", p); what != a.broken {
		a.broken, a.untold = what, true
		a.log.Error("screen failed", "screen", a.screen().Name(), "in", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

func (a *App) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if plausible(msg.Width) && plausible(msg.Height) {
			a.resize(msg.Width, msg.Height)
		}
		return nil
	case tea.BackgroundColorMsg:
		a.dark = msg.IsDark()
		a.retheme()
		return nil
	case tea.ColorProfileMsg:
		a.colour = hasColour(msg)
		a.retheme()
		return nil
	case tea.BlurMsg:
		a.blurred, a.still = true, ""
		return nil
	case tea.FocusMsg:
		a.blurred = false
		return a.show()
	case tickMsg:
		if a.blurred {
			if a.unseen++; a.unseen%seldom != 0 {
				return a.tick()
			}
			a.still = ""
		}
		seen := a.show()
		return tea.Batch(a.tick(), seen)
	case hushMsg:
		a.telling = a.telling && int(msg) != a.said
		return nil
	case screen.Open:
		a.dialogs = append(a.dialogs, msg.Dialog)
		return nil
	case screen.Close:
		a.close(msg.Dialog)
		return nil
	case screen.Reply:
		return msg.Take()
	case screen.Say:
		return a.say(msg.Text, msg.Bad)
	case screen.Copy:
		return tea.Batch(tea.SetClipboard(msg.Text), a.say(msg.What+" sent to the terminal's clipboard, if it takes it.", false))
	case screen.Goto:
		return a.goTo(msg)
	case screen.Retheme:
		return a.choose(msg.Name)
	case screen.Answer:
		return a.answer(msg)
	case tea.KeyPressMsg:
		return a.key(msg)
	case tea.MouseClickMsg:
		return a.press(msg.Mouse())
	case tea.MouseWheelMsg:
		return a.wheel(msg.Mouse())
	}
	if d := a.dialog(); d != nil {
		return d.Update(msg)
	}
	return a.screen().Update(msg)
}

func (a *App) screen() screen.Screen { return a.screens[a.at] }

func (a *App) dialog() screen.Dialog {
	if n := len(a.dialogs); n > 0 {
		return a.dialogs[n-1]
	}
	return nil
}

// close takes a dialog away, the one on top if it is not named.
func (a *App) close(d screen.Dialog) {
	if d == nil {
		d = a.dialog()
	}
	a.dialogs = slices.DeleteFunc(a.dialogs, func(x screen.Dialog) bool { return x == d })
}

// plausible reports whether a terminal can have so many cells in a row or a column: what
// one says of itself may be anything, and pictures of that size are made.
func plausible(cells int) bool { return 0 < cells && cells <= 1000 }

func (a *App) resize(width, height int) {
	a.width, a.height, a.still = width, height, ""
	a.layout = arrange(width, height)
	for _, s := range a.screens {
		s.Resize(a.layout.body.Width, a.layout.body.Height)
	}
}

func (a *App) retheme() {
	*a.env.Theme = *theme.New(theme.Resolve(a.env.Chosen, a.dark, a.colour))
}

// choose changes the theme, and keeps it for the next time.
func (a *App) choose(name theme.Name) tea.Cmd {
	a.env.Chosen = name
	a.retheme()
	word := screen.Say{Text: "The theme is " + string(name) + "."}
	keep := a.opts.KeepTheme
	return tea.Batch(a.show(), func() tea.Msg {
		if keep != nil {
			if err := keep(name); err != nil {
				return screen.Say{Text: "The theme is " + string(name) + " until you quit: it could not be kept: " + widget.Safe(err.Error()), Bad: true}
			}
		}
		return word
	})
}

// show hands the latest snapshot to the screen that is seen, and returns what
// the screen then wants to know from the engine.
func (a *App) show() tea.Cmd {
	snap, s := a.env.Source.Snapshot(), a.screen()
	s.Show(snap)
	if snap.Loaded && !a.loaded {
		a.loaded = true
		if a.opts.NeedsFirst != nil && a.opts.NeedsFirst(snap) {
			return a.first()
		}
		if a.opts.At.Screen != "" {
			return a.goTo(a.opts.At)
		}
	}
	if asker, ok := s.(screen.Asker); ok {
		return asker.Ask()
	}
	return nil
}

// first opens the dialog that leads through the first steps.
func (a *App) first() tea.Cmd {
	d, begin := a.opts.First()
	a.dialogs = append(a.dialogs, d)
	return begin
}

func (a *App) goTo(to screen.Goto) tea.Cmd {
	for i, s := range a.screens {
		if s.Name() == to.Screen {
			a.at = i
			asks := a.show()
			return tea.Batch(s.Update(to), asks)
		}
	}
	return a.say("There is no screen "+to.Screen+" here.", true)
}

// answer hands the answer of a call to the dialog on top, which may have made
// it, and to its screen.
func (a *App) answer(msg screen.Answer) tea.Cmd {
	var cmds []tea.Cmd
	if d := a.dialog(); d != nil {
		cmds = append(cmds, d.Update(msg))
	}
	for _, s := range a.screens {
		if s.Name() == msg.Screen {
			cmds = append(cmds, s.Update(msg))
		}
	}
	return tea.Batch(cmds...)
}

// Screens are the names of the screens in order.
func (a *App) Screens() []string {
	var out []string
	for _, s := range a.screens {
		out = append(out, s.Name())
	}
	return slices.Clip(out)
}
