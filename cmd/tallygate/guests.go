package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/cmd/tallygate/process"
	"tallygate/cmd/tallygate/sshd"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/wizard"
)

// hall is where guests come in over ssh: each gets this program's interface or its commands
// over an engine that holds the guest to the role.
type hall struct {
	*sshd.Server
	app *app
	log *slog.Logger

	drawing sync.Mutex // held by the guest whose interface is at work

	mu      sync.Mutex   // guards the fields that follow
	source  *live.Source // one picture for all, as all may look; nil while nobody does
	viewers int
	stop    func() // ends the source, and waits until it has
}

// look returns the picture of the engine that all guests share: however many look on, the
// engine tells of each request once. The function that it returns leaves it.
func (h *hall) look(p *process.Process) (source *live.Source, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.viewers++; h.source == nil {
		ctx, cancel := context.WithCancel(context.Background())
		client := control.NewClient(p.Admit(ctx, &tally.Guest{Name: "guests", Role: tally.RoleViewer}))
		h.source = live.New(client, time.Now)
		var following sync.WaitGroup
		following.Go(func() { h.source.Run(ctx) })
		h.stop = func() {
			cancel()
			following.Wait()
			client.Close()
		}
	}
	return h.source, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.viewers--; h.viewers == 0 {
			h.stop()
			h.source = nil
		}
	}
}

// openHall makes the hall that the flags ask for, nil for none.
func (o *serveOptions) openHall(a *app, dir string, log *slog.Logger) (process.Hall, error) {
	if o.ssh == "" {
		return nil, nil
	}
	s, err := sshd.New(sshd.Options{Dir: dir, Idle: o.sshIdle, Log: log})
	if err != nil {
		return nil, err
	}
	return &hall{Server: s, app: a, log: log}, nil
}

// Serve implements process.Hall.
func (h *hall) Serve(p *process.Process, ln net.Listener) {
	h.log.Info("serving over ssh", "address", ln.Addr().String())
	if guests, _ := p.Guests(); len(guests) == 0 {
		h.log.Warn("nobody may come in over ssh yet; run: tallygate ssh add NAME --key-file FILE --role owner")
	}
	h.Server.Serve(ln, sshd.House{
		Guests: p.Guests,
		Run:    func(ctx context.Context, v *sshd.Visit, args []string) int { return h.command(ctx, p, v, args) },
		Show: func(ctx context.Context, v *sshd.Visit, options ...tea.ProgramOption) (*tea.Program, func()) {
			return h.show(ctx, p, v, options)
		},
	})
}

// command runs a command for a guest, as the local command line would. Nothing of this
// process's environment is the guest's.
func (h *hall) command(ctx context.Context, p *process.Process, v *sshd.Visit, args []string) int {
	dial := p.Admit(ctx, &v.Guest)
	client := control.NewClient(dial)
	defer client.Close()
	b := &app{
		stdin: v.Stdin, stdout: v.Stdout, stderr: v.Stderr, version: h.app.version,
		env:   func(name string) (string, bool) { value, ok := v.Env[name]; return value, ok },
		guest: client, relay: dial,
	}
	if v.Terminal {
		no, _ := b.env("NO_COLOR")
		b.out = terminal{is: true, width: v.Width, colour: no == ""}
		b.err = b.out
	}
	err := b.execute(ctx, args)
	if err != nil {
		tellError(v.Stderr, err)
	}
	return exitCode(err)
}

// show makes the interface for a guest.
func (h *hall) show(ctx context.Context, p *process.Process, v *sshd.Visit, options []tea.ProgramOption) (*tea.Program,
	func()) {
	client := control.NewClient(p.Admit(ctx, &v.Guest))
	h.app.introduce(client, screens)
	source, leave := h.look(p)
	owns := v.Guest.Role == tally.RoleOwner
	env := &screen.Env{
		Theme: theme.New(theme.Resolve(theme.Auto, true, true)), Caller: client, Source: source,
		Clock: time.Now, Zone: time.Local, Write: owns, Away: true,
	}
	o := tui.Options{Env: env, Screens: tui.Screens(env), Theme: theme.Auto, Place: v.Guest.Name + " over ssh",
		Logger: h.log, LogFile: "the log of the server"}
	if owns {
		o.NeedsFirst = wizard.NeedsWizard
		o.First = func() (screen.Dialog, tea.Cmd) {
			w := wizard.New(env, wizard.WizardOf{})
			return w, w.Begin()
		}
	}
	options = append(options, tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())
	program := tea.NewProgram(inTurn{tui.New(o), &h.drawing}, options...)
	return program, func() {
		leave()
		client.Close()
	}
}

// inTurn is an interface that works while no other guest's does: however many look on, they
// take one processor at most from requests.
type inTurn struct {
	*tui.App
	drawing *sync.Mutex
}

// Update implements tea.Model, as does View.
func (i inTurn) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	i.drawing.Lock()
	defer i.drawing.Unlock()
	_, cmd := i.App.Update(msg)
	return i, cmd
}

func (i inTurn) View() tea.View {
	i.drawing.Lock()
	defer i.drawing.Unlock()
	return i.App.View()
}

// notForGuests are the operations that act on the process, or on the machine that it is on.
var notForGuests = []string{control.EngineSetup.Name, control.EngineUpgrade.Name}

// forGuests are commands that guests may use beside those of operations.
var forGuests = []string{"tallygate requests export", "tallygate requests tail", "tallygate config export",
	"tallygate config apply", "tallygate version", "tallygate help", "tallygate relay"}

// checkGuest refuses what a guest cannot do from elsewhere: what starts or ends processes,
// and what reads or writes files of the server. What changes the engine is the engine's
// to refuse.
func (a *app) checkGuest(cmd *cobra.Command) error {
	op, path := cmd.Annotations[madeFrom], cmd.CommandPath()
	if op == "" && !cmd.HasSubCommands() && !slices.Contains(forGuests, path) || slices.Contains(notForGuests, op) ||
		path == "tallygate" {
		return tally.Errorf(tally.Denied, "%s acts on the server itself, which nobody does over ssh to tallygate", path).
			WithHint("log in to the server's own ssh for it; what you can do here: help")
	}
	var err error
	noFile := []string{"", "-"}
	if op == control.PricesImport.Name {
		noFile = append(noFile, string(control.FromBook), string(control.FromProvider))
	}
	if named := cmd.Flags().Arg(0); strings.Contains(cmd.Use, "FILE") && !slices.Contains(noFile, named) {
		err = errFiles(named+" would be a file of the server", "send one of yours: ssh HOST "+strings.TrimPrefix(path, "tallygate ")+" - < FILE")
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		kind, _ := pflag.UnquoteUsage(f)
		// These two may be standard input or output, and are checked for it elsewhere.
		streams := op == control.BackupCreate.Name && f.Name == "to" || f.Name == "key-file"
		if slices.Contains(fileFlags, kind) && !streams {
			err = errFiles("--"+f.Name+" names something of the server",
				"leave it out, and send standard output to a file of yours: ssh HOST … > FILE")
		}
	})
	if op == control.BackupCreate.Name && cmd.Flag("to").Value.String() != "-" {
		err = errFiles("a backup would be a file of the server",
			"send it to one of yours: ssh HOST backup create --to - > all.tgbackup")
	}
	return err
}

// fileFlags are how flags are described whose values lead out of the process.
var fileFlags = []string{"FILE", "DIR", "HOST"}

func errFiles(what, hint string) error {
	return tally.Errorf(tally.Denied, "%s, and files there are not a guest's", what).WithHint("%s", hint)
}

// relayCommand is what --host starts on the other side.
func (a *app) relayCommand() *cobra.Command {
	return &cobra.Command{
		Use: "relay", Short: "carry calls between standard input and output and the engine, for --host",
		Hidden: true, Args: noArguments,
		Example: "  tallygate relay",
		RunE: func(cmd *cobra.Command, _ []string) error {
			dial := a.relay
			if dial == nil {
				dir, err := a.dataDir()
				if err != nil {
					return err
				}
				other := process.ReadHolder(dir)
				if !other.Answers(cmd.Context()) {
					return tally.Errorf(tally.Unavailable, "nothing serves the data folder %s", dir).
						WithHint("start it there with tallygate serve")
				}
				dial = control.DialUnix(other.Socket)
			}
			if a.out.is {
				return tally.Errorf(tally.Invalid, "relay speaks to programs").WithHint("use: tallygate --host HOST COMMAND")
			}
			return relay(cmd.Context(), a.stdin, a.stdout, dial)
		},
	}
}

// relayGreeting is the line behind which calls begin: what a shell says before is not ours.
const relayGreeting = "tallygate relay 1\n"

func relay(ctx context.Context, in io.Reader, out io.Writer, dial control.Dialer) error {
	conn, err := dial(ctx)
	if err != nil {
		return tally.Errorf(tally.Unavailable, "cannot reach the engine: %w", err).
			WithHint("is tallygate serve running there?")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(out, relayGreeting); err != nil {
		return fmt.Errorf("write the greeting: %w", err)
	}
	go func() { // ends with the input, or with the process
		io.Copy(conn, in)
		conn.Close()
	}()
	io.Copy(out, conn) // however it ends, the other side sees it
	return nil
}

// refusesHost says why a command is not for an engine elsewhere.
func (a *app) refusesHost(cmd *cobra.Command) error {
	words := strings.Fields(cmd.CommandPath())
	if len(words) < 2 || !slices.Contains([]string{"serve", "demo", "service", "init", "relay", "run"}, words[1]) {
		return nil
	}
	return tally.Errorf(tally.Invalid, "tallygate %s is for this machine, and --host names another", words[1]).
		WithHint("log in there: ssh %s", tally.ShellWord(a.host))
}
