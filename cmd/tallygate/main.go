// Command tallygate is the gateway and its command line: the only package that
// sees all others. It reads flags, environment and config file, finds the
// engine of a data folder or starts one, and turns operations of the control
// plane into commands.
//
// The chapters: root.go has the tree of commands and what is common to them;
// verb.go, ops.go and flags.go make a command from the declaration of an operation, so
// that none is written twice; the families (clients.go, keys.go and so on) say
// how results look to people; attach.go finds the engine of a data folder, serve.go is the
// life of a serving process, tui.go that of the interface, leave.go how it ends.
//
// Package process has what such a life needs. Nothing here knows the store or the
// engine: a command speaks to the engine through control.Caller only, whether it runs in
// this process or in another.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	_ "time/tzdata" // windows are civil time in the owner's zone, also where the system has no zones

	"golang.org/x/term"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
)

// version is set by the linker in releases.
var version string

func main() {
	os.Exit(run())
}

func run() int {
	newFiles := process.RestrictNewFiles()
	a := &app{
		newFiles: newFiles,
		stdin:    os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		env:     os.LookupEnv,
		version: programVersion(),
		hangups: make(chan os.Signal, 1),
	}
	ctx, stop := a.untilSignal()
	defer stop()
	a.givenKey, _ = a.env(process.KeyVariable)
	os.Unsetenv(process.KeyVariable)
	a.out = terminalOf(os.Stdout, a.env)
	a.err = terminalOf(os.Stderr, a.env)
	a.in = term.IsTerminal(int(os.Stdin.Fd()))
	err := a.execute(ctx, os.Args[1:])
	if err != nil {
		tellError(a.stderr, err)
	}
	return exitCode(err)
}

// app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	out, err       terminal // what is known of the two
	in             bool     // standard input is a terminal
	env            func(string) (string, bool)
	version        string
	args           []string // that it was started with

	hangups chan os.Signal // to those who do something at one but end
	expects atomic.Bool    // whether there is one of those

	running  atomic.Bool                    // a command of another's runs, which gets the signals
	newFiles func(start func() error) error // starts a program for whose new files we do not care

	// anew gets the flags of serve instead of its serving; nil if it is to serve.
	anew func(serveOptions)

	// Of a guest over ssh: the engine, which holds the guest to the role, and the way to it.
	guest *control.Client
	relay control.Dialer

	givenKey   string // the key of the store, from the environment
	passphrase []byte // that wraps the key, once somebody has said it

	// The global flags.
	data           string
	json           bool
	config         string
	host           string
	keyFile        string
	passphraseFile string
}

// onceMore is how long after the first signal to stop another one says the same: a shell, or
// timeout, sends it to the process and to its group.
const onceMore = 300 * time.Millisecond

// untilSignal returns a context that ends with the first signal to stop. The second
// ends the process, whatever it is doing.
func (a *app) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	go func() {
		for ended := (time.Time{}); ; {
			switch s := <-signals; {
			case a.running.Load():
			case s == syscall.SIGHUP && a.expects.Load():
				select {
				case a.hangups <- s:
				default: // one is waiting already
				}
			case ended.IsZero():
				ended = time.Now()
				cancel()
			case time.Since(ended) > onceMore:
				os.Exit(exitInterrupted)
			}
		}
	}()
	return ctx, cancel
}

// stopSignals are the signals that ask the process to stop. One that was
// ignored when it started, as nohup does, stays ignored. SIGHUP asks that only where
// nobody expects it.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// terminal says what is known of where output goes.
type terminal struct {
	is     bool // it is a terminal
	width  int  // in columns, 0 if unknown
	colour bool
}

func terminalOf(f *os.File, env func(string) (string, bool)) terminal {
	if !term.IsTerminal(int(f.Fd())) {
		return terminal{}
	}
	t := terminal{is: true, colour: true}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		t.width = width
	}
	if no, set := env("NO_COLOR"); set && no != "" {
		t.colour = false
	}
	if kind, _ := env("TERM"); kind == "dumb" {
		t.colour = false
	}
	return t
}
