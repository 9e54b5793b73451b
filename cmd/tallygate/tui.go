package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/tui"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/wizard"
)

// What the interface keeps in a data folder.
const (
	logFile   = "tallygate.log"
	themeFile = "theme" // what the user chose
)

// framesPerSecond is the most the interface draws; it draws only what changed. A
// key waits for the next frame: at 20 it took 50 ms to be seen, at 30 it takes 33.
const framesPerSecond = 30

// interactive reports whether there is somebody to show an interface to.
func (a *app) interactive() bool { return a.out.is && a.in && !a.json }

// open is what the program does without a command: it shows the interface over
// the engine of the data folder, which it starts if no other process has.
func (a *app) open(cmd *cobra.Command, o serveOptions) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	s, err := a.openSession(cmd.Context(), dir, o)
	if err != nil {
		return err
	}
	return s.show(cmd.Context(), false)
}

// session is an interface with the engine that it shows: one inside, or one
// that another process runs.
type session struct {
	app   *app
	dir   string
	opts  serveOptions
	other holder // who runs the engine, if that is not this process
	lock  *lock
	logTo *os.File
	log   *slog.Logger

	caller *lateCaller
	run    *service // the engine inside, once it is open
	attach connection
	opened chan error                  // says once whether the engine came up
	fill   func(context.Context) error // makes the store first, nil if it is there
	begin  func(*service)              // what else begins with the engine, nil for nothing
	end    func()                      // and ends before it

	leave leaving
}

// openSession takes the data folder, so that whatever is wrong with it is said
// before the terminal changes. The store is opened later, behind the first
// frame.
func (a *app) openSession(ctx context.Context, dir string, o serveOptions) (_ *session, err error) {
	if err := prepareData(dir); err != nil {
		return nil, err
	}
	s := &session{app: a, dir: dir, opts: o, caller: newLateCaller(), opened: make(chan error, 1)}
	if s.lock, s.other, err = lockOrServer(ctx, dir, "interface"); err != nil {
		return nil, err
	}
	s.logTo, err = os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, errors.Join(folderError(dir, err), s.unlock())
	}
	s.log = loggerTo(s.logTo, o.logFormat)
	if s.lock == nil {
		return s, nil
	}
	public, err := listen(o.listen)
	if err != nil {
		return nil, errors.Join(err, s.unlock(), s.logTo.Close())
	}
	s.run = &service{public: public, trusted: o.trusted, header: o.header}
	return s, nil
}

func (s *session) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.release()
}

// show runs the interface until the user leaves, and then does what the user
// chose.
func (s *session) show(ctx context.Context, pretend bool) error {
	defer s.logTo.Close()
	// Whatever writes to the standard logger would tear the picture.
	log.SetOutput(s.logTo)
	defer log.SetOutput(os.Stderr)
	following, stop := context.WithCancel(ctx)
	app, source := s.interfaceOf(pretend)
	program := tea.NewProgram(app, tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(),
		tea.WithInput(s.app.stdin), tea.WithOutput(s.app.stdout))
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
		select {
		case <-s.run.store.Broken():
			s.leave.failed = s.run.diskBroken()
			program.Quit()
		case <-following.Done():
		case err := <-s.run.broken:
			s.leave.failed = tally.Errorf(tally.Internal, "serving %s: %w", s.run.public.Addr(), err)
			program.Quit()
		}
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

// guard keeps a failure inside from leaving the terminal as it is.
func (s *session) guard(program *tea.Program) {
	if p := recover(); p != nil {
		s.log.Error("the engine failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.leave.failed = tally.Errorf(tally.Internal, "tallygate failed inside: %v", p).WithHint("details: %s", s.logTo.Name())
		program.Quit()
	}
}

// start opens the engine, or reaches the one of another process.
func (s *session) start(ctx context.Context) error {
	if s.lock == nil {
		s.attach = attachTo(s.other.Socket, screens)
		s.caller.set(s.attach)
		return nil
	}
	if s.fill != nil {
		if err := s.fill(ctx); err != nil {
			return err
		}
	}
	var err error
	s.run.node, err = openNode(ctx, s.lock, nodeOptions{
		dir: s.dir, profile: badgerdb.Profile(s.opts.profile), durability: badgerdb.Durability(s.opts.durability), log: s.log, version: s.app.version, forget: s.opts.forget,
	})
	if err != nil {
		return err
	}
	if err := s.run.start(s.dir); err != nil {
		return err
	}
	s.log.Info("serving", "base_url", baseURL(s.run.public.Addr()), "version", s.app.version, "data", s.dir)
	s.run.caller.Program = screens
	s.caller.set(s.run.caller)
	if s.begin != nil {
		s.begin(s.run)
	}
	return nil
}

func (s *session) interfaceOf(pretend bool) (*tui.App, *live.Source) {
	source := live.New(s.caller, time.Now)
	chosen := s.theme()
	env := &screen.Env{
		Theme: theme.New(theme.Resolve(chosen, true, s.app.out.colour)), Caller: s.caller, Source: source,
		Clock: time.Now, Zone: time.Local, Write: true,
	}
	options := tui.Options{
		Env: env, Screens: tui.Screens(env), Theme: chosen, Pretend: pretend,
		KeepTheme: s.keepTheme, Logger: s.log, LogFile: s.logTo.Name(),
	}
	if s.lock == nil {
		options.Place = fmt.Sprintf("attached to process %d", s.other.PID)
	}
	options.Leaving = s.leavingDialog(env, pretend)
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

// theme is what the user chose earlier.
func (s *session) theme() theme.Name {
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
