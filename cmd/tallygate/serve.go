package main

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen       string
	redirect     string // where to listen for plain HTTP beside HTTPS, "" nowhere
	metrics      string // where Prometheus reads figures, "" nowhere
	store        string // where the nodes' database is, "" for a store of the folder's own
	node         string // what this node is called, "" like the machine
	shared       process.Shared
	durability   string
	profile      string
	log          process.Logging
	mouse        string // of an interface; "" where there is none
	forget       bool
	tls          process.TLSOptions
	front        process.Front
	backups      engine.Backups
	afterwards   string // the command for each backup
	alertCommand string // the command for each alert
	inherited    string // the listening sockets that a parent has left open
	ssh          string // where to let people in over ssh, "" nowhere
	sshIdle      time.Duration
	admin        string // where to serve the control plane to those with tokens, "" nowhere
}

// flags adds the flags, with the profile that holds where none is said: what serves
// by itself is on a server, what runs in a terminal on a desktop.
func (o *serveOptions) flags(fs *pflag.FlagSet, profile badgerdb.Profile) {
	fs.StringVar(&o.listen, "listen", "127.0.0.1:4283", "`ADDRESS` to serve client apps on, or unix:PATH")
	fs.StringVar(&o.tls.Cert, "tls-cert", "", "`FILE` with the certificate and its chain, in PEM: serve HTTPS; SIGHUP reads it again")
	fs.StringVar(&o.tls.Key, "tls-key", "", "`FILE` with the certificate's key")
	fs.StringSliceVar(&o.tls.Domains, "tls-domain", nil, "`NAME` to get a certificate for by ACME, and to serve HTTPS with; repeat")
	fs.StringVar(&o.tls.Email, "tls-email", "", "`ADDRESS` for the certificate authority")
	fs.StringVar(&o.tls.Directory, "tls-directory", "", "`URL` of another ACME authority than Let's Encrypt")
	fs.StringVar(&o.redirect, "redirect", "", "`ADDRESS`, like :80, where plain HTTP leads to HTTPS and ACME proves domains")
	fs.StringVar(&o.metrics, "metrics", "",
		"`ADDRESS`, like 127.0.0.1:9283, where Prometheus reads figures at /metrics; whoever reaches it may read")
	fs.StringVar(&o.ssh, "ssh", "", "`ADDRESS`, like :2222, to serve the interface and commands on over ssh; see help ssh")
	fs.StringVar(&o.admin, "admin", "", "`ADDRESS`, like 127.0.0.1:4284, to serve the control plane on to those with a token; beyond this machine with --tls-cert or --tls-domain only; see help admin")
	o.sshIdle = 30 * time.Minute
	fs.Var((*spanFlag)(&o.sshIdle), "ssh-idle", "how `LONG` nothing may come from a guest over ssh; 0s: for ever")
	fs.StringVar(&o.store, "store", "", "`URL` of the database in which several nodes share one store, like postgres://tally@db/tally; its password in TALLYGATE_STORE, PGPASSWORD or PGPASSFILE; see help nodes (default a store of the data folder's own)")
	fs.StringVar(&o.node, "node", "", "`NAME` of this node, with --store (default the machine's)")
	fs.StringVar(&o.durability, "durability", string(badgerdb.Normal), "`MODE`: with normal an answer survives the process, with strict a power cut, too")
	fs.StringVar(&o.profile, "profile", string(profile), "`NAME`: desktop takes little memory, server has more caches")
	fs.StringVar(&o.log.Format, "log-format", "text", "`FORMAT` of the log: text or json")
	fs.StringVar(&o.log.Level, "log-level", "info", "`LEVEL` from which on things are logged: debug, info, warn or error")
	fs.StringVar(&o.log.File, "log-file", "", "`FILE` to log to; SIGHUP opens it again (default standard error, of an interface a file in the data folder)")
	fs.BoolVar(&o.front.AccessLog, "access-log", false, "log a line for each request")
	o.front.Drain = process.DrainPatience
	fs.Var((*spanFlag)(&o.front.Drain), "drain", "how `LONG` requests under way may take once it is to stop")
	fs.IntVar(&o.front.Connections, "max-connections", 0, "`NUMBER` of client connections at most; 0: as many as there are files for")
	fs.StringVar(&o.backups.Dir, "backup-dir", "", "`DIR` for scheduled backups; see help backup")
	o.backups.Every, o.backups.Whole = 24*time.Hour, 7*24*time.Hour
	fs.Var((*spanFlag)(&o.backups.Every), "backup-every", "how `LONG` from one backup to the next")
	fs.Var((*spanFlag)(&o.backups.Whole), "backup-whole-every", "how `LONG` backups go on from a whole one")
	fs.IntVar(&o.backups.Keep, "backup-keep", 4, "`NUMBER` of whole backups to keep, with those that go on from them; 0 keeps all")
	fs.StringVar(&o.afterwards, "backup-command", "", "`COMMAND` of the shell for each backup: its content is the input, its path in TALLYGATE_BACKUP")
	fs.StringVar(&o.alertCommand, "alert-command", "", "`COMMAND` of the shell for each alert: it is the input as JSON, its words are in TALLYGATE_ALERT_…; see help alerts")
	fs.BoolVar(&o.forget, "forget-secrets", false, "start although the key file is lost, and forget the provider keys and private keys it had sealed")
	fs.StringSliceVar(&o.front.Trusted, "trusted-proxy", nil, "reverse proxy, as an address or `CIDR`, that is believed whom it forwards for; repeat; kept as a setting")
	fs.StringVar(&o.front.Header, "trusted-header", "", "`NAME` of the header in which trusted proxies say whom they forward for, like X-Real-IP; kept as a setting (default any of the usual that agree)")
	fs.StringVar(&o.inherited, "inherit", "", "`FILES` that are the listening sockets, from a process that goes")
	fs.MarkHidden("inherit")
}

// interfaceFlags adds the flags of what serves with an interface.
func (o *serveOptions) interfaceFlags(fs *pflag.FlagSet) {
	o.flags(fs, badgerdb.Desktop)
	fs.StringVar(&o.mouse, "mouse", "auto", "`WHEN` the interface takes the mouse: on, off, or auto, which is on but over ssh")
}

func (o *serveOptions) check(a *app, cmd *cobra.Command) error {
	for _, choice := range []struct {
		flag, value string
		of          []string
	}{
		{"durability", o.durability, []string{string(badgerdb.Normal), string(badgerdb.Strict)}},
		{"profile", o.profile, []string{string(badgerdb.Desktop), string(badgerdb.Server)}},
		{"log-format", o.log.Format, process.LogFormats},
		{"log-level", o.log.Level, process.LogLevels},
		{"mouse", o.mouse, []string{"on", "off", "auto", ""}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return wrongUse(cmd, "--%s is one of %s, not %q", choice.flag, strings.Join(choice.of, " "), choice.value)
		}
	}
	switch {
	case o.redirect != "" && o.tls.Cert == "" && len(o.tls.Domains) == 0:
		return wrongUse(cmd, "--redirect leads to HTTPS, which needs --tls-cert or --tls-domain")
	case o.backups.Dir == "" && backupFlag(cmd) != "":
		return wrongUse(cmd, "--%s needs --backup-dir, where backups are made", backupFlag(cmd))
	case o.backups.Every < time.Minute || o.backups.Whole < 0 || o.backups.Keep < 0:
		return wrongUse(cmd, "backups are a minute apart at least, and their numbers are not below zero")
	case o.sshIdle < 0:
		return wrongUse(cmd, "--ssh-idle is a time, or 0s for none")
	case o.front.Connections < 0:
		return wrongUse(cmd, "--max-connections is a number of connections, not %d", o.front.Connections)
	}
	if err := o.checkAdmin(); err != nil {
		return err
	}
	if err := o.readStore(a, cmd); err != nil {
		return err
	}
	for _, address := range o.addresses() {
		if err := process.CheckAddress(address); address != "" && err != nil {
			return err
		}
	}
	return nil
}

// readStore reads where nodes share a store. Arguments and config files are read by others
// and copied about: a password comes from the environment.
func (o *serveOptions) readStore(a *app, cmd *cobra.Command) (err error) {
	if o.store == "" {
		if cmd.Flags().Changed("node") {
			return wrongUse(cmd, "--node names one of several nodes, which share a store: it needs --store")
		}
		return nil
	}
	if process.Password(o.store) && setFrom(cmd.Flag("store")) != variable("store") {
		return tally.Errorf(tally.Invalid, "--store has a password in it, and arguments and config files are read by others").
			WithHint("leave it out of the URL and put it into PGPASSWORD, or a file that PGPASSFILE names; " +
				"or give the whole URL as TALLYGATE_STORE")
	}
	o.shared, err = process.ReadStore(o.store, o.node, a.env)
	return err
}

// backupFlag is a flag that says how scheduled backups are made, if one was given.
func backupFlag(cmd *cobra.Command) (name string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, "backup-") && f.Value.String() != "" {
			name = f.Name
		}
	})
	return name
}

// goOnWith are the flags for a serve that goes on as an interface has served: those that
// were given, by whatever way. What it says of proxies is kept as settings.
func goOnWith(cmd *cobra.Command, o serveOptions) []string {
	args := []string{"--profile=" + o.profile}
	aside := []string{"inherit", "trusted-proxy", "trusted-header", "forget-secrets", "mouse", "profile", "filter"}
	cmd.LocalNonPersistentFlags().Visit(func(f *pflag.Flag) {
		if slices.Contains(aside, f.Name) || f.Name == "store" && setFrom(f) == variable("store") { // it is inherited
			return
		}
		values := []string{f.Value.String()}
		if list, is := f.Value.(pflag.SliceValue); is {
			values = list.GetSlice()
		}
		for _, v := range values {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}

// addresses are where to listen.
func (o *serveOptions) addresses() process.Addresses {
	return process.Addresses{process.ForApps: o.listen, process.ForRedirect: o.redirect, process.ForMetrics: o.metrics, process.ForSSH: o.ssh, process.ForAdmin: o.admin}
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use: "serve", Short: "serve client apps; logs to standard error", GroupID: groupRun, Args: noArguments,
		Example: "  tallygate serve --listen 127.0.0.1:4283 --durability strict",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, o, false) },
	}
	o.flags(cmd.Flags(), badgerdb.Server)
	return cmd
}

// serve is the life of a serving process: lock, store, engine, control, the
// public plane; and back again once it is told to stop. With setup it sets up a
// store that has nothing in it.
func (a *app) serve(cmd *cobra.Command, o serveOptions, setup bool) (err error) {
	ctx := cmd.Context()
	if err := o.check(a, cmd); err != nil {
		return err
	}
	if a.anew != nil {
		a.anew(o)
		return nil
	}
	a.expects.Store(true) // a process that comes up is not stopped by what asks it to reload
	defer a.expects.Store(false)
	if process.UpgradeSignal != nil {
		signal.Ignore(process.UpgradeSignal) // it is the program of now, until it watches
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if err := process.Prepare(dir); err != nil {
		return err
	}
	l, other, err := process.Take(ctx, dir, "serve")
	if err != nil {
		return err
	}
	if l == nil {
		return other.InUse(dir)
	}
	log, err := process.OpenLog(a.stderr, o.log)
	if err != nil {
		return errors.Join(err, l.Release())
	}
	defer log.Close()
	// Before the store is opened: the likeliest failures come first, and cheap.
	if o.front.TLS, err = process.OpenTLS(dir, o.tls); err != nil {
		return errors.Join(err, l.Release())
	}
	if o.front.Hall, err = o.openHall(a, dir, log.Logger); err != nil {
		return errors.Join(err, l.Release())
	}
	sockets, err := o.addresses().Open(o.inherited, a.env)
	if err != nil {
		return errors.Join(err, l.Release())
	}
	how := o.process(a, dir, log.Logger)
	how.MayUpgrade = true
	if how.Keys, err = a.keys(ctx, dir, o.inherited); err != nil {
		return errors.Join(err, sockets.Close(), l.Release())
	}
	p, err := process.Open(ctx, l, how)
	if err != nil {
		return errors.Join(err, sockets.Close(), l.Release())
	}
	ended := false
	defer func() {
		if !ended {
			err = errors.Join(err, p.Close())
		}
	}()
	caller, err := p.Serve(sockets, o.front)
	if err != nil {
		return err
	}
	if err := a.greet(ctx, caller, log.Logger, dir, setup); err != nil && ctx.Err() == nil {
		return err
	}
	if ended, err = a.watch(ctx, p, caller, log, o); ended || err != nil {
		return err
	}
	log.Info("stopping: requests under way may finish", "patience", p.Patience())
	return nil
}

// process is how to run the engine.
func (o *serveOptions) process(a *app, dir string, log *slog.Logger) process.Options {
	backups := o.backups
	if there, err := filepath.Abs(backups.Dir); backups.Dir != "" && err == nil {
		backups.Dir = there
	}
	backups.After = afterBackup(o.afterwards, func(said string) { log.Info("the command for backups says", "words", said) })
	return process.Options{
		Dir: dir, Shared: o.shared, Profile: badgerdb.Profile(o.profile), Durability: badgerdb.Durability(o.durability),
		Log: log, Version: a.version, Forget: o.forget, Backups: backups,
		AlertCommand: alertCommand(o.alertCommand),
	}
}

// greet says what is served where. An empty store is set up if that may be: a
// key must not end in the log of a service.
func (a *app) greet(ctx context.Context, caller control.Caller, log *slog.Logger, dir string, setup bool) error {
	status, err := control.EngineStatus.Do(ctx, caller, control.None{})
	if err != nil {
		return err
	}
	log.Info("serving", "base_url", status.BaseURL, "version", a.version, "data", dir)
	if !setup {
		if status.Gateways == 0 {
			log.Warn("nothing is set up yet, so nothing is served; run: tallygate init --yes", "data", dir)
		}
		return nil
	}
	if status.Gateways == 0 {
		if err := a.firstSetup(ctx, caller); err != nil {
			return err
		}
	}
	if !a.json {
		(&printer{a.stdout, a.out}).say("Serving at %s; interrupt to stop.", status.BaseURL)
	}
	return nil
}
