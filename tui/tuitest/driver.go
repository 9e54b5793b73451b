package tuitest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Setup says what an interface starts with.
type Setup struct {
	Size string // "120x36", which is also the default
	// World starts the engine; nil means [Full].
	World func(tb testing.TB, clock func() time.Time) *World
	// Screens makes the screens; nil means all.
	Screens func(*screen.Env) []screen.Screen
	Theme   theme.Name // default dark
	Viewer  bool       // may look, not change
	Pretend bool
	Place   string
	Leaving func() screen.Dialog
	// Lost starts the interface while the engine cannot be reached.
	Lost error
}

// Driver is a user at an interface.
type Driver struct {
	T      *testing.T
	World  *World
	App    *tui.App
	Env    *screen.Env
	Copied []string // what was put on the clipboard
	Quit   bool     // whether the program has ended
	// Failures are panics that the app survived. A test that provokes them
	// clears the list; any other fails.
	Failures []string

	msgs          chan tea.Msg
	running       sync.WaitGroup // commands
	done          chan struct{}
	width, height int
	checked       string // the picture that was found good last
}

// Run starts an interface, lets it load, and hands it to a test.
func Run(t *testing.T, s Setup, test func(d *Driver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if s.World == nil {
			s.World = Full
		}
		world, clock := Begin(t, s.World)
		d := &Driver{T: t, World: world, msgs: make(chan tea.Msg), done: make(chan struct{})}
		if s.Lost != nil {
			d.World.Lose(s.Lost)
		}
		if s.Size == "" {
			s.Size = "120x36"
		}
		if s.Theme == "" {
			s.Theme = theme.Dark
		}
		if s.Screens == nil {
			s.Screens = tui.Screens
		}
		d.Env = &screen.Env{Theme: theme.New(s.Theme), Caller: d.World, Source: live.New(d.World, clock), Clock: clock, Zone: time.UTC, Write: !s.Viewer}
		d.App = tui.New(tui.Options{Env: d.Env, Screens: s.Screens(d.Env), Theme: s.Theme, Place: s.Place, Pretend: s.Pretend, Leaving: s.Leaving,
			Logger: slog.New(failures{d}), LogFile: "tallygate.log"})
		ctx, stop := context.WithCancel(t.Context())
		followed := make(chan struct{})
		go func() {
			defer close(followed)
			d.Env.Source.Run(ctx)
		}()
		defer func() {
			stop()
			close(d.done)
			<-followed
			d.running.Wait() // time runs on, so that timers end
			if len(d.Failures) > 0 {
				t.Errorf("the interface failed inside: %s", strings.Join(d.Failures, "\n"))
			}
		}()
		d.run(d.App.Init())
		d.Resize(s.Size)
		d.Ticks(2)
		test(d)
	})
}

// Press presses keys, as bubbletea writes them: "n", "enter", "shift+tab",
// "ctrl+s". After each it waits until nothing more happens.
func (d *Driver) Press(keys ...string) *Driver {
	d.T.Helper()
	for _, k := range keys {
		d.Send(key(k))
	}
	return d
}

// Type presses the keys of a text.
func (d *Driver) Type(text string) *Driver {
	d.T.Helper()
	for _, r := range text {
		d.handle(key(string(r)))
		d.settle()
	}
	d.check()
	return d
}

// Click presses the pointer on a text that is seen.
func (d *Driver) Click(text string) *Driver {
	d.T.Helper()
	x, y := d.find(text)
	return d.Send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
}

// Wheel turns the wheel over a text that is seen, down if the notches are more than 0.
func (d *Driver) Wheel(text string, notches int) *Driver {
	d.T.Helper()
	x, y := d.find(text)
	button := tea.MouseWheelDown
	if notches < 0 {
		button, notches = tea.MouseWheelUp, -notches
	}
	for range notches {
		d.Send(tea.MouseWheelMsg{X: x, Y: y, Button: button})
	}
	return d
}

// find is where a text is seen, the lowest of them.
func (d *Driver) find(text string) (x, y int) {
	d.T.Helper()
	lines := d.Lines()
	for y := range slices.Backward(lines) {
		if before, _, ok := strings.Cut(lines[y], text); ok {
			return widget.Width(before), y
		}
	}
	d.T.Fatalf("there is no %q on the screen:\n%s", text, d.Screen())
	return 0, 0
}

// Paste pastes a text as a terminal does.
func (d *Driver) Paste(text string) *Driver {
	d.T.Helper()
	return d.Send(tea.PasteMsg{Content: text})
}

// Resize changes the terminal's size: "80x24".
func (d *Driver) Resize(size string) *Driver {
	d.T.Helper()
	d.checked = ""
	if _, err := fmt.Sscanf(size, "%dx%d", &d.width, &d.height); err != nil {
		d.T.Fatalf("%q is not a size", size)
	}
	return d.Send(tea.WindowSizeMsg{Width: d.width, Height: d.height})
}

// Send hands a message to the interface and waits until nothing more happens.
func (d *Driver) Send(msg tea.Msg) *Driver {
	d.T.Helper()
	d.handle(msg)
	d.settle()
	d.check()
	return d
}

// Ticks lets so many half seconds pass.
func (d *Driver) Ticks(n int) *Driver {
	d.T.Helper()
	return d.Wait(time.Duration(n)*500*time.Millisecond + time.Millisecond)
}

// Wait lets time pass.
func (d *Driver) Wait(long time.Duration) *Driver {
	d.T.Helper()
	over := time.After(long)
	for waiting := true; waiting; {
		select {
		case msg := <-d.msgs:
			d.handle(msg)
		case <-over:
			waiting = false
		}
	}
	d.settle()
	d.check()
	return d
}

// settle runs what has been started until only time could change something.
func (d *Driver) settle() {
	for {
		synctest.Wait()
		select {
		case msg := <-d.msgs:
			d.handle(msg)
		default:
			return
		}
	}
}

func (d *Driver) handle(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
		return
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
		return
	case tea.QuitMsg:
		d.Quit = true
		return
	}
	if seq, ok := sequence(msg); ok {
		d.running.Go(func() { d.inOrder(seq) })
		return
	}
	if fmt.Sprintf("%T", msg) == "tea.setClipboardMsg" {
		d.Copied = append(d.Copied, fmt.Sprint(msg))
	}
	_, cmd := d.App.Update(msg)
	d.run(cmd)
}

// run starts a command, as a bubbletea program does.
func (d *Driver) run(cmd tea.Cmd) {
	if cmd != nil {
		d.running.Go(func() { d.deliver(cmd()) })
	}
}

func (d *Driver) deliver(msg tea.Msg) {
	select {
	case d.msgs <- msg:
	case <-d.done:
	}
}

// inOrder runs the commands of a sequence, each after the one before.
func (d *Driver) inOrder(cmds []tea.Cmd) {
	for _, c := range cmds {
		if c == nil {
			continue
		}
		msg := c()
		if inner, ok := sequence(msg); ok {
			d.inOrder(inner)
			continue
		}
		d.deliver(msg)
	}
}

// sequence recognises what tea.Sequence makes, whose type has no public name.
func sequence(msg tea.Msg) ([]tea.Cmd, bool) {
	v := reflect.ValueOf(msg)
	if _, batch := msg.(tea.BatchMsg); batch || !v.IsValid() || !v.Type().ConvertibleTo(reflect.TypeFor[[]tea.Cmd]()) {
		return nil, false
	}
	return v.Convert(reflect.TypeFor[[]tea.Cmd]()).Interface().([]tea.Cmd), true
}

// View is what the interface draws, with its styles.
func (d *Driver) View() string { return d.App.View().Content }

// Lines are the lines of the screen without styles or blanks at their ends.
func (d *Driver) Lines() []string {
	lines := strings.Split(widget.Strip(d.View()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// Screen is the screen without styles.
func (d *Driver) Screen() string { return strings.Join(d.Lines(), "\n") }

// Has reports whether all the texts are on the screen.
func (d *Driver) Has(texts ...string) bool {
	s := d.Screen()
	for _, t := range texts {
		if !strings.Contains(s, t) {
			return false
		}
	}
	return true
}

// Expect fails the test unless all the texts are on the screen.
func (d *Driver) Expect(texts ...string) *Driver {
	d.T.Helper()
	for _, t := range texts {
		if !d.Has(t) {
			d.T.Errorf("the screen does not say %q:\n%s", t, d.Screen())
		}
	}
	return d
}

// ExpectNot fails the test if any of the texts is on the screen.
func (d *Driver) ExpectNot(texts ...string) *Driver {
	d.T.Helper()
	for _, t := range texts {
		if d.Has(t) {
			d.T.Errorf("the screen says %q:\n%s", t, d.Screen())
		}
	}
	return d
}

// failures is a log handler that remembers the panics a driver's app survived.
type failures struct{ d *Driver }

func (f failures) Enabled(context.Context, slog.Level) bool { return true }
func (f failures) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f failures) WithGroup(string) slog.Handler            { return f }
func (f failures) Handle(ctx context.Context, r slog.Record) error {
	var out bytes.Buffer
	err := slog.NewTextHandler(&out, nil).Handle(ctx, r)
	f.d.Failures = append(f.d.Failures, strings.ReplaceAll(out.String(), `\n`, "\n"))
	return err
}
