package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/storage/badgerdb"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen     string
	durability string
	profile    string
	logFormat  string
	forget     bool
	proxies    process.Proxies
	inherited  int // where a parent has left its listening socket, 0 if none has
}

// flags adds the flags, with the profile that holds where none is said: what serves
// by itself is on a server, what runs in a terminal on a desktop.
func (o *serveOptions) flags(fs *pflag.FlagSet, profile badgerdb.Profile) {
	fs.StringVar(&o.listen, "listen", "127.0.0.1:4283", "`ADDRESS` to serve client apps on")
	fs.StringVar(&o.durability, "durability", string(badgerdb.Normal), "`MODE`: with normal an answer survives the process, with strict a power cut, too")
	fs.StringVar(&o.profile, "profile", string(profile), "`NAME`: desktop takes little memory, server has more caches")
	fs.StringVar(&o.logFormat, "log-format", "text", "`FORMAT` of the log: text or json")
	fs.BoolVar(&o.forget, "forget-secrets", false, "start although the key file is lost, and forget the provider keys and private keys it had sealed")
	fs.StringSliceVar(&o.proxies.Trusted, "trusted-proxy", nil, "reverse proxy, as an address or `CIDR`, that is believed whom it forwards for; repeat; kept as a setting")
	fs.StringVar(&o.proxies.Header, "trusted-header", "", "`NAME` of the header in which trusted proxies say whom they forward for, like X-Real-IP; kept as a setting (default any of the usual that agree)")
	fs.IntVar(&o.inherited, "inherit", 0, "`FILE` that is the listening socket, from a process that goes")
	fs.MarkHidden("inherit")
}

func (o *serveOptions) check(cmd *cobra.Command) error {
	for _, choice := range []struct{ flag, value, one, other string }{
		{"durability", o.durability, string(badgerdb.Normal), string(badgerdb.Strict)},
		{"profile", o.profile, string(badgerdb.Desktop), string(badgerdb.Server)},
		{"log-format", o.logFormat, "text", "json"},
	} {
		if choice.value != choice.one && choice.value != choice.other {
			return wrongUse(cmd, "--%s is %s or %s, not %q", choice.flag, choice.one, choice.other, choice.value)
		}
	}
	_, _, err := process.SplitAddress(o.listen)
	return err
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
	if err := o.check(cmd); err != nil {
		return err
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
	// Before the store is opened: the likeliest failure comes first, and cheap.
	public, err := o.open()
	if err != nil {
		return errors.Join(err, l.Release())
	}
	log := loggerTo(a.stderr, o.logFormat)
	p, err := process.Open(ctx, l, o.process(a, dir, log))
	if err != nil {
		return errors.Join(err, public.Close(), l.Release())
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	caller, err := p.Serve(public, o.proxies)
	if err != nil {
		return err
	}
	if err := a.greet(ctx, caller, log, dir, setup); err != nil && ctx.Err() == nil {
		return err
	}
	if err := p.Wait(ctx.Done()); err != nil {
		return err
	}
	log.Info("stopping: requests under way may finish", "patience", process.DrainPatience)
	return nil
}

// process is how to run the engine.
func (o *serveOptions) process(a *app, dir string, log *slog.Logger) process.Options {
	return process.Options{Dir: dir, Profile: badgerdb.Profile(o.profile), Durability: badgerdb.Durability(o.durability), Log: log, Version: a.version, Forget: o.forget}
}

func loggerTo(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// open opens the public listener, or takes over the one that a parent left.
func (o *serveOptions) open() (net.Listener, error) {
	if o.inherited > 0 {
		return process.Inherited(o.inherited)
	}
	return process.Listen(o.listen)
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
