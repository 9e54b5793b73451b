package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/wizard"
)

// themeFile keeps in a data folder what the user chose.
const themeFile = "theme"

// framesPerSecond is the most the interface draws; it draws only what changed. A
// key waits for the next frame, at 24 for 42 ms at most, and each frame wakes the process,
// drawn or not.
const framesPerSecond = 24

// interactive reports whether there is somebody to show an interface to.
func (a *app) interactive() bool { return a.out.is && a.in && !a.json }

// open is what the program does without a command: it shows the interface over
// the engine of the data folder, which it starts if no other process has.
func (a *app) open(cmd *cobra.Command, o serveOptions, at screen.Goto) error {
	if err := o.check(a, cmd); err != nil {
		return err
	}
	if a.host != "" {
		s, err := a.openElsewhere(cmd.Context(), o)
		if err != nil {
			return err
		}
		s.at = at
		return s.show(cmd.Context(), false)
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	s, err := a.openSession(cmd.Context(), dir, o, false)
	if err != nil {
		return err
	}
	s.at, s.goOn = at, goOnWith(cmd, o)
	return s.show(cmd.Context(), false)
}

// tuiCommand opens the interface at a place.
func (a *app) tuiCommand() *cobra.Command {
	var o serveOptions
	var at screen.Goto
	cmd := &cobra.Command{
		Use: "tui [SCREEN]", Short: "open the interface, at a screen if one is named", GroupID: groupRun,
		Long: `Opens the interface, as tallygate does without a command: it serves as long as it
is open, or attaches to the tallygate that serves already. SCREEN is one of those
whose names stand at the top of the interface, like requests.`,
		Example: "  tallygate tui requests --filter \"outcome:limited client:hotel-aurora\"\n  tallygate tui clients",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return screenNames(), cobra.ShellCompDirectiveNoFileComp
		},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if at.Screen = args[0]; !slices.Contains(screenNames(), at.Screen) {
				e := tally.Errorf(tally.Invalid, "there is no screen %q", at.Screen)
				if near := control.Nearest(at.Screen, screenNames()); near != "" {
					return e.WithHint("did you mean: tallygate tui %s", near)
				}
				return e.WithHint("one of %s", strings.Join(screenNames(), ", "))
			}
			return noArguments(cmd, args[1:])
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !a.interactive():
				return tally.Errorf(tally.Invalid, "the interface needs a terminal").WithHint("run it in a terminal, without --json; to serve without one: tallygate serve")
			case at.Filter != "" && at.Screen == "":
				return wrongUse(cmd, "--filter needs a screen, like tallygate tui requests")
			}
			return a.open(cmd, o, at)
		},
	}
	o.interfaceFlags(cmd.Flags())
	cmd.Flags().StringVar(&at.Filter, "filter", "", "what the list begins with, `TERMS` as in help filters")
	return cmd
}

func screenNames() []string {
	var out []string
	for _, s := range tui.Screens(&screen.Env{Theme: theme.New(theme.Resolve(theme.Auto, true, false))}) {
		out = append(out, s.Name())
	}
	return out
}

// session is an interface with the engine that it shows: one inside, or one
// that another process runs.
type session struct {
	app   *app
	dir   string
	opts  serveOptions
	other process.Holder // who runs the engine, if that is not this process
	lock  *process.Lock
	keys  process.Keys // of the store in the folder
	log   *process.Log

	caller  *process.Late
	sockets process.Sockets             // nil where the engine is another process's
	run     *process.Process            // the engine inside, once it is open
	attach  connection                  // to an engine that is another process's; one elsewhere is reached at once
	viewer  bool                        // of the other engine: it lets nothing be changed
	opened  chan error                  // says once whether the engine came up
	fill    func(context.Context) error // makes the store first, nil if it is there
	begin   func()                      // what else begins with the engine, nil for nothing
	end     func()                      // and ends before it

	at screen.Goto // where the interface opens

	goOn      []string // the flags of a serve that goes on in its place
	throwaway bool     // nothing of it is worth going on with
	leave     leaving
}

// openSession takes the data folder, so that whatever is wrong with it is said
// before the terminal changes, and a passphrase asked for. A folder that is thrown
// away has a key of its own. The store is opened later, behind the first frame.
func (a *app) openSession(ctx context.Context, dir string, o serveOptions, throwaway bool) (_ *session, err error) {
	if err := process.Prepare(dir); err != nil {
		return nil, err
	}
	s := &session{app: a, dir: dir, opts: o, throwaway: throwaway, caller: process.NewLate(), opened: make(chan error, 1)}
	if s.lock, s.other, err = process.Take(ctx, dir, "interface"); err != nil {
		return nil, err
	}
	o.log.File = cmp.Or(o.log.File, process.LogIn(dir))
	s.opts = o
	if s.lock != nil && !throwaway {
		if s.keys, err = a.keys(ctx, dir, ""); err != nil {
			return nil, errors.Join(err, s.unlock())
		}
	}
	if s.log, err = process.OpenLog(nil, o.log); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	if s.lock == nil {
		return s, nil
	}
	if s.opts.front.TLS, err = process.OpenTLS(dir, o.tls); err == nil {
		s.opts.front.Hall, err = o.openHall(a, dir, s.log.Logger)
	}
	if err == nil {
		s.sockets, err = o.addresses().Open(o.inherited, a.env)
	}
	if err != nil {
		return nil, errors.Join(err, s.unlock(), s.log.Close())
	}
	return s, nil
}

// openElsewhere is openSession for the engine of another machine, which is asked before the
// terminal changes.
func (a *app) openElsewhere(ctx context.Context, o serveOptions) (*session, error) {
	s := &session{app: a, opts: o, caller: process.NewLate(), opened: make(chan error, 1)}
	var err error
	o.log.File = cmp.Or(o.log.File, os.DevNull)
	if s.log, err = process.OpenLog(nil, o.log); err != nil {
		return nil, err
	}
	if s.attach, err = a.reach(screens); err == nil {
		defer a.progress("asking " + a.host)()
		var may control.Need
		may, err = s.attach.Caller.(*control.Client).May(ctx)
		s.viewer = may == control.Read
	}
	if err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	return s, nil
}

func (s *session) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Release()
}

// show runs the interface until the user leaves, and then does what the user
// chose.
func (s *session) show(ctx context.Context, pretend bool) error {
	defer s.log.Close()
	// Whatever writes to the standard logger would tear the picture.
	log.SetOutput(s.log.Output())
	defer log.SetOutput(os.Stderr)
	following, stop := context.WithCancel(ctx)
	app, source := s.interfaceOf(pretend)
	program := tea.NewProgram(app, tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(),
		tea.WithInput(s.app.stdin), tea.WithOutput(s.app.stdout))
	defer s.atHangup(following, program)()
	// A signal ends it as a user does: its reader of the keyboard has stopped
	// before the terminal is given back. With a context it would be cut off.
	defer context.AfterFunc(ctx, program.Quit)()
	var own sync.WaitGroup
	own.Go(func() { source.Run(following) })
	own.Go(func() {
		defer s.guard(program)
		if err := s.start(ctx); err != nil {
			s.opened <- err
			program.Quit()
			return
		}
		s.opened <- nil
		if s.run == nil {
			return
		}
		s.leave.failed = s.run.Wait(following.Done())
		program.Quit()
	})
	_, err := program.Run()
	stop()
	own.Wait()
	switch {
	case errors.Is(err, tea.ErrProgramPanic):
		s.log.Error("the interface failed", "error", err)
	case errors.Is(err, tea.ErrInterrupted):
		err = nil // told to stop
	}
	return errors.Join(err, s.close())
}

// atHangup has the session leave when its terminal is gone: what it serves goes on in the
// background, as if the user had left so. The function that it returns ends that.
func (s *session) atHangup(ctx context.Context, program *tea.Program) (forget func()) {
	if s.lock == nil || s.throwaway || process.CannotHandOver != "" {
		return func() {}
	}
	s.app.expects.Store(true)
	go func() {
		select {
		case <-s.app.hangups:
			s.log.Info("the terminal is gone: serving goes on in the background")
			s.leave.background = true
			program.Quit()
		case <-ctx.Done():
		}
	}()
	return func() { s.app.expects.Store(false) }
}

// guard keeps a failure inside from leaving the terminal as it is.
func (s *session) guard(program *tea.Program) {
	if p := recover(); p != nil {
		s.log.Error("the engine failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.leave.failed = tally.Errorf(tally.Internal, "tallygate failed inside: %v", p).WithHint("details: %s", s.log.Name())
		program.Quit()
	}
}

// start opens the engine, or reaches the one of another process.
func (s *session) start(ctx context.Context) error {
	if s.lock == nil {
		if s.attach.Caller == nil {
			s.attach = s.app.attachTo(s.other, s.dir, screens)
		}
		s.caller.Set(s.attach)
		return nil
	}
	if s.fill != nil {
		if err := s.fill(ctx); err != nil {
			return err
		}
	}
	var err error
	how := s.opts.process(s.app, s.dir, s.log.Logger)
	how.Keys = s.keys
	if s.run, err = process.Open(ctx, s.lock, how); err != nil {
		return err
	}
	caller, err := s.run.Serve(s.sockets, s.opts.front)
	if err != nil {
		return err
	}
	s.log.Info("serving", "base_url", s.run.BaseURL(), "version", s.app.version, "data", s.dir)
	s.app.introduce(caller, screens)
	s.caller.Set(caller)
	if s.begin != nil {
		s.begin()
	}
	return nil
}

func (s *session) interfaceOf(pretend bool) (*tui.App, *live.Source) {
	source := live.New(s.caller, time.Now)
	chosen := s.theme()
	env := &screen.Env{
		Theme: theme.New(theme.Resolve(chosen, true, s.app.out.colour)), Caller: s.caller, Source: source,
		Clock: time.Now, Zone: time.Local, Write: !s.viewer, Mouse: s.mouse(),
	}
	options := tui.Options{
		Env: env, Screens: tui.Screens(env), Theme: chosen, At: s.at, Pretend: pretend,
		KeepTheme: s.keepTheme, Logger: s.log.Logger, LogFile: s.log.Name(),
	}
	switch {
	case s.dir == "":
		options.Place, options.KeepTheme = "at "+s.app.host, nil
	case s.lock == nil:
		options.Place = fmt.Sprintf("attached to process %d", s.other.PID)
	}
	options.Leaving = s.leavingDialog(env, pretend)
	if s.viewer {
		return tui.New(options), source
	}
	options.NeedsFirst = wizard.NeedsWizard
	options.First = func() (screen.Dialog, tea.Cmd) {
		w := wizard.New(env, wizard.WizardOf{
			Found:     s.app.providersFromEnvironment(),
			Elsewhere: "To keep it in another folder, leave and start again with tallygate --data DIR.",
		})
		return w, w.Begin()
	}
	return tui.New(options), source
}

// mouse is whether to listen to the pointer. Over ssh a terminal's own selection is
// worth more, and every move would travel.
func (s *session) mouse() bool {
	if s.opts.mouse == "on" || s.opts.mouse == "off" {
		return s.opts.mouse == "on"
	}
	over, _ := s.app.env("SSH_CONNECTION")
	return over == ""
}

// theme is what the user chose earlier.
func (s *session) theme() theme.Name {
	if s.dir == "" {
		return theme.Auto
	}
	text, _ := os.ReadFile(filepath.Join(s.dir, themeFile)) // it need not be there
	name := theme.Name(strings.TrimSpace(string(text)))
	for _, n := range theme.Names {
		if n == name {
			return n
		}
	}
	return theme.Auto
}

func (s *session) keepTheme(name theme.Name) error {
	return os.WriteFile(filepath.Join(s.dir, themeFile), []byte(name+"\n"), 0o600)
}
