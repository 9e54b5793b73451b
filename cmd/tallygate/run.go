package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// runOptions are what a command may spend, and of whose.
type runOptions struct {
	Budget  tally.NanoUSD     `json:"budget" help:"what it may spend, like 2 or 0.50"`
	Client  string            `json:"client,omitempty" of:"client" help:"client whose key it is, by slug or id; default: the oldest"`
	Limits  []tally.LimitEdit `json:"limits,omitempty" flag:"limit" help:"another limit of the key, like requests=100/hour; repeat"`
	Tags    []string          `json:"tags,omitempty" flag:"tag" help:"KEY=VALUE that its requests are tagged with, like run=nightly; repeat; default: run=COMMAND"`
	Expires control.Expiry    `json:"expires,omitempty" help:"how long the key works at most, like 8h"`
	Model   string            `json:"model,omitempty" of:"model" help:"model for clients that take it from the environment"`
}

// runCommand runs another command with a key of its own.
func (a *app) runCommand() *cobra.Command {
	o := &runOptions{Expires: "12h"}
	fields := control.FieldsOf(reflect.TypeFor[runOptions]())
	cmd := &cobra.Command{
		Use: "run --budget USD -- COMMAND...", Short: "run a command with a key of its own that has a budget", GroupID: groupRun,
		Long: `Runs a command, such as a coding agent, with a key that is made for it: it may spend
the budget, within all limits of its client, and no more. Where the common clients
look for them the environment has the address and the key: OPENAI_BASE_URL,
OPENAI_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN, TALLYGATE_BASE_URL and
TALLYGATE_KEY; with --model also OPENAI_MODEL and ANTHROPIC_MODEL. When the command
ends, the key is revoked, and what was spent is told on standard error. The exit code
is the command's.

Should this process be killed, the key ends by itself after --expires.`,
		Example: "  tallygate run --budget 2 -- claude\n  tallygate run --budget 0.50 --client hotel-aurora -- python report.py",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUse(cmd, "say what to run: tallygate run --budget 2 -- COMMAND")
			}
			if err := required(cmd, fields, o); err != nil {
				return err
			}
			return a.runWith(cmd, o, args)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows is the command's own
	addFlags(cmd.Flags(), o)
	a.completeFlags(cmd, fields)
	return cmd
}

func (a *app) runWith(cmd *cobra.Command, o *runOptions, args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return tally.Errorf(tally.NotFound, "there is no program %q: %w", args[0], errors.Unwrap(err)).WithHint("name one in your PATH, or its file")
	}
	for _, l := range o.Limits {
		if l.Metric == tally.Cost && l.Window.Unit == tally.Total && l.Window.Per == "" {
			return wrongUse(cmd, "--budget is the limit cost/total: give it once")
		}
	}
	if o.Expires == "never" || o.Expires == "" {
		return wrongUse(cmd, "--expires: the key must end by itself, should this process be killed; like 12h")
	}
	budget := tally.LimitEdit{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Total}, Max: int64(o.Budget)}}
	if tag, err := tally.Tag("run", filepath.Base(args[0])); err == nil && len(o.Tags) == 0 {
		o.Tags = []string{tag}
	}
	in := control.CreateKey{Client: o.Client, Tags: &o.Tags, Expires: o.Expires, Limits: append([]tally.LimitEdit{budget}, o.Limits...),
		Label: "run " + filepath.Base(args[0]) + " " + time.Now().Format("2006-01-02 15:04:05.000")}
	var key control.KeyCreated
	var base string
	err = a.withEngine(cmd, control.Write, false, func(ctx context.Context, c control.Caller) error {
		status, err := control.EngineStatus.Do(ctx, c, control.None{})
		if err != nil {
			return err
		}
		if base = strings.TrimSuffix(status.BaseURL, "/v1"); !status.Serving || base == "" {
			return tally.Errorf(tally.Unavailable, "nothing serves, so the command would have nobody to ask").WithHint("start it in another terminal: tallygate serve")
		}
		if in.Client == "" {
			clients, err := control.ClientsList.Do(ctx, c, control.Listing{})
			if err != nil {
				return err
			}
			if len(clients) == 0 {
				return tally.Errorf(tally.NotFound, "there is no client whose key it could be").WithHint("tallygate clients create --name \"Me\"")
			}
			in.Client = slices.MinFunc(clients, func(a, b control.ClientView) int { return a.CreatedAt.Compare(b.CreatedAt) }).Slug
		}
		key, err = control.KeysCreate.Do(ctx, c, in)
		return err
	})
	if err != nil {
		return err
	}
	ended := a.runChild(program, args, environmentOf(process.WithoutStore(os.Environ()), base, key.Key, o.Model))
	// The context may be over by a signal that was the command's as well.
	cmd.SetContext(context.WithoutCancel(cmd.Context()))
	if err := a.withEngine(cmd, control.Write, false, func(ctx context.Context, c control.Caller) error { return a.endRun(ctx, c, &key, args[0]) }); err != nil {
		tellError(a.stderr, err)
		fmt.Fprintf(a.stderr, "the key could not be revoked; it ends by itself: tallygate keys revoke %s\n", key.ID)
	}
	return ended
}

// endRun revokes the key and tells what was spent with it.
func (a *app) endRun(ctx context.Context, c control.Caller, key *control.KeyCreated, name string) error {
	v, err := control.KeysRevoke.Do(ctx, c, control.PickKey{Key: string(key.ID)})
	if err != nil {
		return err
	}
	keys, err := control.KeysList.Do(ctx, c, control.ListKeys{Client: v.ClientSlug, All: true})
	if err != nil {
		return err
	}
	for i := range keys {
		if keys[i].ID == v.ID {
			v = keys[i]
		}
	}
	s, left := v.Last30Days, ""
	for _, l := range v.LimitStates {
		if l.Metric == tally.Cost && l.Window.Unit == tally.Total && l.Window.Per == "" {
			left = " of " + tally.NanoUSD(l.Max).Display()
			s.CostNanoUSD = tally.NanoUSD(l.Used)
			if l.Held > 0 {
				left += ", and " + tally.NanoUSD(l.Held).Display() + " are held by requests under way"
			}
		}
	}
	refused := ""
	if s.Refused > 0 {
		refused = ", " + things(int(s.Refused), "refusal")
	}
	fmt.Fprintln(a.stderr, clean(fmt.Sprintf("%s, for client %s: %s, %s tokens%s; %s%s; the key is revoked", filepath.Base(name), v.ClientSlug,
		things(int(s.Requests), "request"), tally.Group(s.InputTokens+s.OutputTokens), refused, s.CostNanoUSD.Display(), left)))
	return nil
}

// runChild runs the command in the place of this process, as far as its terminal and its
// signals go.
func (a *app) runChild(program string, args, env []string) error {
	child := exec.Command(program, args[1:]...)
	child.Args[0], child.Env = args[0], env
	child.Stdin, child.Stdout, child.Stderr = a.stdin, a.stdout, a.stderr
	// A terminal sends SIGINT to both: it is for the command to end by it. What is sent to
	// this process alone is passed on.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	a.running.Store(true)
	defer a.running.Store(false)
	if err := a.newFiles(child.Start); err != nil {
		return tally.Errorf(tally.Invalid, "%s cannot be run: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			if s != os.Interrupt && s != syscall.SIGQUIT || !a.interactive() {
				child.Process.Signal(s)
			}
		case err := <-ended:
			if code, ok := errors.AsType[*exec.ExitError](err); ok {
				return childEnded(code.ProcessState)
			}
			return err
		}
	}
}

// childError is that a command has failed. It has said so itself.
type childError int

func (e childError) Error() string { return fmt.Sprintf("the command ended with %d", int(e)) }

// childEnded is how a command has ended, as shells say it: its code, or 128 and the signal.
func childEnded(s *os.ProcessState) error {
	if w, ok := s.Sys().(interface {
		Signaled() bool
		Signal() syscall.Signal
	}); ok && w.Signaled() {
		return childError(128 + int(w.Signal()))
	}
	return childError(s.ExitCode())
}

// environmentOf is the environment with the address and the key where clients look for
// them. What would be taken in their place is left out.
func environmentOf(env []string, base, key, model string) (out []string) {
	set := map[string]string{
		"OPENAI_BASE_URL": base + "/v1", "OPENAI_API_BASE": base + "/v1", "OPENAI_API_KEY": key,
		"ANTHROPIC_BASE_URL": base, "ANTHROPIC_AUTH_TOKEN": key, "ANTHROPIC_API_KEY": "", "TALLYGATE_KEY": key, "TALLYGATE_BASE_URL": base,
	}
	if model != "" {
		set["ANTHROPIC_MODEL"], set["OPENAI_MODEL"] = model, model
	}
	for _, line := range env {
		name, _, _ := strings.Cut(line, "=")
		if _, ours := set[name]; !ours {
			out = append(out, line)
		}
	}
	for name, value := range set {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}
