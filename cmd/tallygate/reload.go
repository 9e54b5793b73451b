package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// watch serves until there is no going on. At SIGHUP it goes by what flags, environment
// and config file say by then, and opens its files again. At the signal to upgrade it
// becomes the program that lies in its place by then; ended is whether the process has
// ended its work for that.
func (a *app) watch(ctx context.Context, p *process.Process, caller control.Caller, log *process.Log, is serveOptions) (ended bool, err error) {
	upgrades := make(chan os.Signal, 1)
	if process.UpgradeSignal != nil {
		signal.Notify(upgrades, process.UpgradeSignal)
		defer signal.Stop(upgrades)
	}
	over := make(chan error, 1)
	go func() { over <- p.Wait(ctx.Done()) }()
	for {
		select {
		case err := <-over:
			return false, err
		case <-a.hangups:
			a.reload(ctx, p, log, &is)
		case <-upgrades:
			if _, err := control.EngineUpgrade.Do(ctx, caller, control.None{}); err != nil {
				e := tally.AsError(err)
				log.Error("not upgraded", "error", e.Message, "hint", e.Hint)
			}
		case version := <-p.Upgrades():
			log.Info("upgrading: requests under way finish first, new ones wait", "from", a.version, "to", version, "patience", p.Patience())
			return true, p.Replace()
		}
	}
}

// reload does what was said anew, as far as it can while it serves.
func (a *app) reload(ctx context.Context, p *process.Process, log *process.Log, is *serveOptions) {
	if err := log.Reopen(); err != nil {
		log.Error("the log goes on where it was", "error", err)
	}
	next, err := a.again(ctx)
	if err != nil {
		e := tally.AsError(err)
		log.Error("flags and config file go on as they were", "error", e.Message, "hint", e.Hint)
		next = *is
	}
	log.SetLevel(next.log.Level)
	next.front.TLS = is.front.TLS
	if err := p.Reload(next.front); err != nil {
		e := tally.AsError(err)
		log.Error("the certificate in use stays", "error", e.Message, "hint", e.Hint)
	}
	if later := next.later(is); len(later) > 0 {
		log.Warn("some of what has changed needs a restart", "flags", later)
	}
	// What needs a restart is compared with what is in force the next time, too.
	is.log.Level, is.front.AccessLog, is.front.Drain = next.log.Level, next.front.AccessLog, next.front.Drain
	log.Info("reloaded", "log_level", is.log.Level, "access_log", is.front.AccessLog, "drain", p.Patience())
}

// again reads the arguments of this run once more, with environment and config file.
func (a *app) again(ctx context.Context) (next serveOptions, err error) {
	b := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, out: a.out, err: a.err, in: a.in, env: a.env, version: a.version}
	found := false
	b.anew = func(o serveOptions) { next, found = o, true }
	err = b.execute(ctx, a.args)
	if err == nil && !found {
		err = errors.New("they lead elsewhere")
	}
	return next, err
}

// later names the flags that differ from others and are not reloaded.
func (o *serveOptions) later(is *serveOptions) (flags []string) {
	for _, f := range []struct {
		name    string
		differs bool
	}{
		{"listen", o.listen != is.listen}, {"redirect", o.redirect != is.redirect}, {"metrics", o.metrics != is.metrics}, {"ssh", o.ssh != is.ssh}, {"admin", o.admin != is.admin}, {"ssh-idle", o.sshIdle != is.sshIdle}, {"store", o.shared.URL != is.shared.URL}, {"node", o.shared.Node != is.shared.Node}, {"durability", o.durability != is.durability}, {"profile", o.profile != is.profile},
		{"log-format", o.log.Format != is.log.Format}, {"log-file", o.log.File != is.log.File}, {"max-connections", o.front.Connections != is.front.Connections},
		{"tls-cert", o.tls.Cert != is.tls.Cert || o.tls.Key != is.tls.Key}, {"tls-domain", !slices.Equal(o.tls.Domains, is.tls.Domains)},
		{"tls-email", o.tls.Email != is.tls.Email}, {"tls-directory", o.tls.Directory != is.tls.Directory},
		{"backup-dir", o.backups.Dir != is.backups.Dir}, {"backup-every", o.backups.Every != is.backups.Every},
		{"backup-whole-every", o.backups.Whole != is.backups.Whole}, {"backup-keep", o.backups.Keep != is.backups.Keep},
		{"backup-command", o.afterwards != is.afterwards}, {"alert-command", o.alertCommand != is.alertCommand},
	} {
		if f.differs {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// upgradeCommand tells a serving process to become the program that lies in its place.
func (a *app) upgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "upgrade", Short: control.EngineUpgrade.Help, GroupID: groupRun, Args: noArguments,
		Long: `Has the process that serves the data folder go on as the new program that a package
manager, or you, have put where it was started from. The new program is asked first
whether it runs and reads the store. Then requests under way finish, new connections
wait, and the process becomes the new program: it keeps its number and its listening
sockets, so that no connection is refused and a service manager sees no restart.
SIGUSR2 does the same.`,
		Example:     "  tallygate upgrade",
		Annotations: map[string]string{madeFrom: control.EngineUpgrade.Name},
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.upgrade(cmd) },
	}
}

// upgradePatience is how long a program may take to come up again, with what requests
// under way take before.
const upgradePatience = 3 * time.Minute

// gonePatience is how long nothing may have the data folder meanwhile: the new program takes it
// at once, and a service manager starts one that has failed after some seconds.
const gonePatience = 10 * time.Second

func (a *app) upgrade(cmd *cobra.Command) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), upgradePatience)
	defer cancel()
	c, err := a.attach(ctx)
	if err != nil {
		return err
	}
	before, err := control.EngineStatus.Do(ctx, c, control.None{})
	if err == nil {
		_, err = control.EngineUpgrade.Do(ctx, c, control.None{})
	}
	c.close()
	if err != nil {
		return err
	}
	done := a.progress("requests under way finish")
	after, err := a.cameUp(ctx, before.StartedAt)
	done()
	if err != nil {
		return err
	}
	return a.print(func(p *printer) {
		p.say("process %d serves %s as tallygate %s; it was %s", after.PID, after.BaseURL, after.Version, before.Version)
	}, func() any { return control.Upgrading{PID: after.PID, From: before.Version, To: after.Version} })
}

// cameUp waits for an engine that started later than another one.
func (a *app) cameUp(ctx context.Context, than time.Time) (control.Status, error) {
	gone := tally.Errorf(tally.Unavailable, "the process does not come up again").
		WithHint("its log says why; start it with: tallygate serve")
	for had := time.Now(); ; {
		if c, err := a.attach(ctx); err == nil {
			is, err := control.EngineStatus.Do(ctx, c, control.None{})
			c.close()
			if err == nil && is.StartedAt.After(than) {
				return is, nil
			}
		}
		if !a.nobodyHas() {
			had = time.Now()
		} else if time.Since(had) > gonePatience {
			return control.Status{}, gone
		}
		select {
		case <-ctx.Done():
			return control.Status{}, gone
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// nobodyHas reports whether no process has the data folder, as far as that is seen from here.
func (a *app) nobodyHas() bool {
	if a.elsewhere() {
		return false
	}
	dir, err := a.dataDir()
	if err != nil {
		return false
	}
	free, err := process.IsFree(dir)
	return free && err == nil
}
