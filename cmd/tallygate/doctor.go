package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// gravity is how grave a finding is.
type gravity string

const (
	fine    gravity = "ok"
	note    gravity = "note"    // worth knowing
	warning gravity = "warning" // it will be a fault, or may be one
	fault   gravity = "fault"   // requests fail, or money and secrets are at risk
)

// gravities ascend.
var gravities = []gravity{fine, note, warning, fault}

var gravityTones = map[gravity]control.Tone{
	fine: control.Good, note: control.Faint, warning: control.Warn, fault: control.Bad,
}

// finding is what was found of a thing, and what to do about it.
type finding struct {
	Gravity  gravity `json:"gravity"`
	Thing    string  `json:"thing"`
	Sentence string  `json:"sentence"`
	Next     string  `json:"next,omitempty"`
}

// examined is all that the doctor has found.
type examined struct {
	Gravity  gravity   `json:"gravity"` // of the gravest
	Data     string    `json:"data"`
	PID      int       `json:"pid,omitempty"` // of the process that serves
	Findings []finding `json:"findings"`
}

// Patience with what may never answer: a disk that hangs, a process that is stopped, an
// upstream that is far away. Opening a store may replay a log first.
const (
	lookPatience = 10 * time.Second
	openPatience = time.Minute
)

const (
	littleFree = 1 << 30 // bytes: an owner should look
	atOnce     = 8       // upstreams that are asked together
)

// look is one look at something.
type look func(context.Context) []finding

// checkup is one examination of a data folder.
type checkup struct {
	app   *app
	opts  serveOptions
	found examined
}

func (a *app) doctorCommand() *cobra.Command {
	var o serveOptions
	verify := false
	cmd := &cobra.Command{
		Use: "doctor", Short: "look at all that serving needs, and say what to do", GroupID: groupSee, Args: noArguments,
		Long: `Looks at the data folder and who may read it, the disk, the limits of the process, the
addresses, the certificates, the providers, the clock, prices and countries, backups and
the books, whether something serves the folder or not. Each finding is ok, a note, a
warning or a fault, with what to do. It changes nothing, asks each provider for its
models, which costs nothing, and ends in any case: what does not answer in time is found
to do so.

It goes by the flags, variables and config file that serve would go by: run it as the
user of the service, with the environment of the service. The exit code is 0 if nothing
is worse than a note, else 1.`,
		Example: "  tallygate doctor\n  tallygate doctor --verify --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd, o, verify) },
	}
	o.flags(cmd.Flags(), badgerdb.Server)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		shown := []string{"listen", "redirect", "metrics", "tls-cert", "tls-key", "tls-domain", "backup-dir"}
		f.Hidden = !slices.Contains(shown, f.Name) // the others are taken, too
	})
	cmd.Flags().BoolVar(&verify, "verify", false,
		"replay all records, and prove counters, rollups and the audit log; may take minutes")
	return cmd
}

func (a *app) doctor(cmd *cobra.Command, o serveOptions, verify bool) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	done := a.progress("looking")
	d := &checkup{app: a, opts: o, found: examined{Gravity: fine, Data: dir}}
	d.within(ctx, lookPatience, "settings", func(context.Context) []finding {
		if err := o.check(a, cmd); err != nil {
			return []finding{wrong(fault, "settings", err)}
		}
		return nil
	})
	d.within(ctx, lookPatience, "folder", d.folder)
	d.within(ctx, lookPatience, "disk", d.disk)
	var c connection
	pid := 0
	if opened := d.within(ctx, openPatience, "engine", func(ctx context.Context) (found []finding) {
		c, pid, found = d.engine(ctx)
		return found
	}); opened {
		if d.found.PID = pid; c.Caller != nil {
			defer c.close()
			d.ask(ctx, c, verify)
		}
	}
	d.within(ctx, lookPatience, "limits", func(context.Context) []finding { return limits(d.found.PID) })
	if d.found.PID == 0 {
		d.within(ctx, lookPatience, "addresses", d.addresses)
		d.within(ctx, lookPatience, "certificates", d.certificates)
		d.within(ctx, lookPatience, "backups", func(context.Context) []finding { return d.backups(nil) })
	}
	if done(); ctx.Err() != nil {
		return ctx.Err()
	}
	for _, f := range d.found.Findings {
		if slices.Index(gravities, f.Gravity) > slices.Index(gravities, d.found.Gravity) {
			d.found.Gravity = f.Gravity
		}
	}
	if err := a.print(d.show, func() any { return d.found }); err != nil {
		return err
	}
	if slices.Index(gravities, d.found.Gravity) > slices.Index(gravities, note) {
		return tally.Errorf(tally.Internal, "not all is well: the gravest is a %s", d.found.Gravity).
			WithHint("do what stands below it; tallygate help server and help troubleshooting say more")
	}
	return nil
}

func (d *checkup) show(p *printer) {
	widest := 0
	for _, f := range d.found.Findings {
		widest = max(widest, len(f.Thing))
	}
	for _, f := range d.found.Findings {
		tone := gravityTones[f.Gravity]
		sign := p.paint(inks[tone], tone.Sign())
		fmt.Fprintf(p, "%s %-*s  %s\n", sign, widest, clean(f.Thing), p.wrapped(clean(f.Sentence), widest+4))
		if f.Next != "" {
			fmt.Fprintf(p, "  %*s  %s\n", widest, "", p.paint(command, clean(f.Next)))
		}
	}
}

func (d *checkup) add(list ...finding) { d.found.Findings = append(d.found.Findings, list...) }

// within adds what a look finds, or that it takes too long; then it is left alone, and
// within reports false.
func (d *checkup) within(ctx context.Context, patience time.Duration, thing string, look look) bool {
	looking, cancel := context.WithTimeout(ctx, patience)
	found := make(chan []finding, 1)
	go func() {
		defer cancel()
		found <- look(looking)
	}()
	late := time.NewTimer(patience + time.Second) // what minds its context has said so by then
	defer late.Stop()
	select {
	case list := <-found:
		d.add(list...)
		return true
	case <-ctx.Done():
		return false
	case <-late.C:
		d.add(finding{fault, thing, "nothing answers within " + control.FormatSpan(patience),
			"look whether the disk hangs: its file system may be away"})
		return false
	}
}

// wrong is an error as a finding.
func wrong(g gravity, thing string, err error) finding {
	e := tally.AsError(err)
	return finding{g, thing, e.Message, e.Hint}
}
