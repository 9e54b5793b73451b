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
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"tallygate/tui/action"
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
	// Pretend marks a store of pretend traffic on every screen.
	Pretend bool
	// Leaving makes the dialog that a quit at the top asks with; nil quits at
	// once.
	Leaving func() screen.Dialog
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
	word    word
	words   int  // how many words there have been
	blurred bool // the terminal is not looked at
	quits   int  // ctrl+c in a row
	frame   int
	dark    bool
	colour  bool
	broken  string // what failed while drawing, "" if nothing
}

// word is something said to the user at the bottom, for a moment.
type word struct {
	text string
	bad  bool
	id   int
}

// New makes an interface.
func New(o Options) *App {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Env.Chosen, o.Env.LogFile = cmp.Or(o.Theme, theme.Auto), o.LogFile
	return &App{opts: o, env: o.Env, log: o.Logger, screens: o.Screens, dark: true, colour: true}
}

// The times of the interface.
const (
	tickEvery = 500 * time.Millisecond
	wordFor   = 3 * time.Second
	badFor    = 6 * time.Second
)

type (
	tickMsg time.Time
	hushMsg int
)

// Init implements tea.Model.
func (a *App) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, tick())
}

func tick() tea.Cmd { return tea.Tick(tickEvery, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Update implements tea.Model. A panic in a screen is logged and told; the
// engine behind goes on.
func (a *App) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if p := recover(); p != nil {
			cmd = a.panicked("update", p)
		}
	}()
	return a, a.update(msg)
}

func (a *App) panicked(where string, p any) tea.Cmd {
	a.log.Error("screen failed", "screen", a.screen().Name(), "in", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	a.dialogs = nil
	a.broken = ""
	return a.say("This screen failed inside; the gateway goes on serving. Details: "+a.opts.LogFile, true)
}

func (a *App) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.resize(msg.Width, msg.Height)
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
		a.blurred = true
		return nil
	case tea.FocusMsg:
		a.blurred = false
		return a.show()
	case tickMsg:
		a.frame++
		if a.blurred {
			return tick()
		}
		return tea.Batch(tick(), a.show())
	case hushMsg:
		if int(msg) == a.word.id {
			a.word = word{}
		}
		return nil
	case screen.Open:
		a.dialogs = append(a.dialogs, msg.Dialog)
		return nil
	case screen.Close:
		if n := len(a.dialogs); n > 0 {
			a.dialogs = a.dialogs[:n-1]
		}
		return nil
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

func (a *App) resize(width, height int) {
	a.width, a.height = width, height
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
	s := a.screen()
	s.Show(a.env.Source.Snapshot())
	if asker, ok := s.(screen.Asker); ok {
		return asker.Ask()
	}
	return nil
}

func (a *App) say(text string, bad bool) tea.Cmd {
	a.words++
	a.word = word{text, bad, a.words}
	id, long := a.words, wordFor
	if bad {
		long = badFor
	}
	return tea.Tick(long, func(time.Time) tea.Msg { return hushMsg(id) })
}

func (a *App) goTo(to screen.Goto) tea.Cmd {
	for i, s := range a.screens {
		if s.Name() == to.Screen {
			a.at = i
			asks := a.show()
			return tea.Batch(s.Update(to), asks)
		}
	}
	return nil
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

// key finds out whose a key is.
func (a *App) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if key == "ctrl+c" {
		if a.quits++; a.quits > 1 || a.opts.Leaving == nil {
			return tea.Quit
		}
		return a.leave()
	}
	a.quits = 0
	if d := a.dialog(); d != nil {
		if key == "esc" {
			return d.Esc()
		}
		return d.Update(msg)
	}
	s := a.screen()
	if key == "esc" {
		s.Back()
		return nil
	}
	if s.Typing() && (msg.Text != "" || key == "backspace" || key == "enter" || key == "left" || key == "right") {
		return s.Update(msg)
	}
	if act := action.Find(a.Actions(), key); act != nil {
		return a.Do(*act)
	}
	return s.Update(msg)
}

// Do runs an action, or says why it cannot be done.
func (a *App) Do(act action.Action) tea.Cmd {
	if why := act.Why(); why != "" {
		return a.say(strings.ToUpper(why[:1])+why[1:]+".", true)
	}
	return act.Run()
}

func (a *App) leave() tea.Cmd {
	if a.opts.Leaving == nil {
		return tea.Quit
	}
	a.dialogs = append(a.dialogs, a.opts.Leaving())
	return nil
}

// View implements tea.Model.
func (a *App) View() (v tea.View) {
	v.AltScreen, v.ReportFocus = true, true
	v.WindowTitle = "tallygate"
	defer func() {
		if p := recover(); p != nil {
			a.panicked("draw", p)
			v.Content = widget.NewBlock(a.width, a.height, " This screen failed inside; the gateway goes on serving.",
				" Details: "+a.opts.LogFile, " 1-9 opens another screen, q quits.").String()
		}
	}()
	if v.Content = a.draw(); a.env.Theme.Name == theme.ASCII {
		v.Content = inASCII.Replace(v.Content)
	}
	return v
}

// inASCII replaces the signs of running text; those that draw are in the theme.
// Each is one cell wide.
var inASCII = strings.NewReplacer("…", "~", "–", "-", "—", "-", "·", "-", "×", "x", "→", ">", "↑", "^", "↓", "v", "←", "<", "›", ">", "−", "-")

func (a *App) draw() string {
	if a.layout.TooSmall != "" || a.width == 0 {
		return widget.NewBlock(a.width, a.height, widget.Wrap(a.layout.TooSmall, max(a.width, 1))...).String()
	}
	t := a.env.Theme
	page := widget.Below(a.header(t), a.tabs(t), a.screen().Draw(), a.footer(t))
	if len(a.dialogs) == 0 {
		return page.String()
	}
	layers := []*lipgloss.Layer{lipgloss.NewLayer(page.String())}
	for i, d := range a.dialogs {
		b := a.frameOf(t, d)
		w, h := b.Size()
		layers = append(layers, lipgloss.NewLayer(b.String()).X((a.width-w)/2).Y(max((a.height-h)/2, 0)).Z(i+1))
	}
	canvas := lipgloss.NewCanvas(a.width, a.height)
	canvas.Compose(lipgloss.NewCompositor(layers...))
	// A canvas drops blank cells at the end of lines.
	return widget.NewBlock(a.width, a.height, strings.Split(canvas.Render(), "\n")...).String()
}

// frameOf draws a dialog in its frame, as large as it likes within the screen.
func (a *App) frameOf(t *theme.Theme, d screen.Dialog) widget.Block {
	inner := d.Draw(t, min(a.width-8, 100), a.height-6)
	w, h := inner.Size()
	return widget.Box{Title: d.Title(), Focused: true}.Draw(t, w+4, h+2, inner.Lines())
}

func (a *App) header(t *theme.Theme) widget.Block {
	s := a.env.Source.Snapshot()
	left := " " + t.Strong(theme.Accent, t.Glyphs.Logo+" tallygate")
	if a.opts.Pretend {
		left += "  " + t.Danger.Render(" PRETEND DATA ")
	}
	if a.opts.Place != "" {
		left += "  " + t.Paint(theme.Muted, a.opts.Place)
	}
	left += "   " + serving(t, s)
	if a.width >= 100 && s.Loaded {
		left += "   " + providersLine(t, s)
	}
	right := ""
	if !a.env.Write {
		right = t.Paint(theme.Info, "viewer") + "  "
	}
	right += t.Paint(theme.Muted, a.env.Clock().In(a.env.Zone).Format("15:04:05")) + " "
	return widget.NewBlock(a.width, 1, widget.Between(left, right, a.width))
}

func serving(t *theme.Theme, s *live.Snapshot) string {
	switch {
	case s.Lost != nil:
		return t.Paint(theme.Bad, t.Glyphs.Wrong+" reconnecting"+t.Glyphs.Ellipsis)
	case !s.Loaded:
		return t.Paint(theme.Muted, "opening"+t.Glyphs.Ellipsis)
	case !s.Status.Serving:
		return t.Paint(theme.Warn, t.Glyphs.Off+" not serving")
	}
	address := strings.TrimSuffix(strings.TrimPrefix(s.Status.BaseURL, "http://"), "/v1")
	return t.Paint(theme.OK, t.Glyphs.On+" serving ") + t.Paint(theme.Text, widget.Safe(address))
}

func providersLine(t *theme.Theme, s *live.Snapshot) string {
	on := 0
	for i := range s.Providers {
		if s.Providers[i].Provider.Enabled {
			on++
		}
	}
	return t.Paint(theme.Muted, fmt.Sprintf("providers %d/%d   models %d", on, len(s.Providers), s.Status.Models))
}

func (a *App) tabs(t *theme.Theme) widget.Block {
	var out strings.Builder
	for i, s := range a.screens {
		label := fmt.Sprintf("%d %s", i+1, title(s.Name()))
		switch {
		case i == a.at:
		case a.width < 78:
			label = fmt.Sprint(i + 1)
		case a.width < 110:
			label = fmt.Sprintf("%d %.4s", i+1, title(s.Name()))
		}
		if i == a.at {
			out.WriteString(" " + t.Selection.Render(" "+label+" "))
		} else {
			out.WriteString(" " + t.Paint(theme.Muted, " "+label+" "))
		}
	}
	return widget.NewBlock(a.width, 1, out.String())
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// footer says a word to the user, or else what the keys do here.
func (a *App) footer(t *theme.Theme) widget.Block {
	if a.word.text != "" {
		role, mark := theme.OK, t.Glyphs.Good
		if a.word.bad {
			role, mark = theme.Bad, t.Glyphs.Wrong
		}
		return widget.NewBlock(a.width, 1, " "+t.Paint(role, mark+" "+a.word.text))
	}
	const more = "? all keys "
	room := a.width - len(more) - 1
	var out strings.Builder
	if a.dialog() == nil {
		for _, act := range a.screen().Actions() {
			if act.Key() == "" || act.Why() != "" {
				continue
			}
			hint := act.Key() + " " + short(act.Title)
			if widget.Width(out.String())+widget.Width(hint)+3 > room {
				continue
			}
			out.WriteString(" " + t.Paint(theme.Accent, act.Key()) + " " + t.Paint(theme.Muted, short(act.Title)) + " ")
		}
	}
	return widget.NewBlock(a.width, 1, widget.Between(out.String(), t.Paint(theme.Muted, more), a.width))
}

// short is the first words of a title, for the footer.
func short(s string) string {
	if before, _, ok := strings.Cut(s, ":"); ok {
		return before
	}
	return s
}

// Screens are the names of the screens in order.
func (a *App) Screens() []string {
	var out []string
	for _, s := range a.screens {
		out = append(out, s.Name())
	}
	return slices.Clip(out)
}
