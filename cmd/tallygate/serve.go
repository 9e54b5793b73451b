package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers/transport"
	"tallygate/storage/badgerdb"
)

// Bounds on the life of a serving process.
const (
	drainPatience = 30 * time.Second // for requests under way, once it was told to stop
	cutPatience   = 5 * time.Second  // for those that were cut off then, to be settled
	retireEvery   = 5 * time.Millisecond
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen     string
	durability string
	profile    string
	logFormat  string
	forget     bool
	trusted    []string
	header     string
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
	fs.StringSliceVar(&o.trusted, "trusted-proxy", nil, "reverse proxy, as an address or `CIDR`, that is believed whom it forwards for; repeat; kept as a setting")
	fs.StringVar(&o.header, "trusted-header", "", "`NAME` of the header in which trusted proxies say whom they forward for, like X-Real-IP; kept as a setting (default any of the usual that agree)")
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
	_, _, err := splitAddress(o.listen)
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
	if err := prepareData(dir); err != nil {
		return err
	}
	l, other, err := lockOrServer(ctx, dir, "serve")
	if err != nil {
		return err
	}
	if l == nil {
		return inUse(dir, other)
	}
	// Before the store is opened: the likeliest failure comes first, and cheap.
	public, err := o.open()
	if err != nil {
		return errors.Join(err, l.release())
	}
	log := a.logger(o.logFormat)
	n, err := openNode(ctx, l, nodeOptions{dir: dir, profile: badgerdb.Profile(o.profile), durability: badgerdb.Durability(o.durability), log: log, version: a.version, forget: o.forget})
	if err != nil {
		return errors.Join(err, public.Close(), l.release())
	}
	s := &service{node: n, public: public, trusted: o.trusted, header: o.header}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(dir); err != nil {
		return err
	}
	if err := a.greet(ctx, s, dir, setup); err != nil && ctx.Err() == nil {
		return err
	}
	select {
	case <-ctx.Done():
		log.Info("stopping: requests under way may finish", "patience", drainPatience)
		return nil
	case <-n.store.Broken():
		return n.diskBroken()
	case err := <-s.broken:
		return tally.Errorf(tally.Internal, "serving %s: %w", public.Addr(), err)
	}
}

// diskBroken is why a process ends whose disk does not keep what it is given.
func (n *node) diskBroken() error {
	return tally.Errorf(tally.Unavailable, "the disk does not keep what it is given: %w", n.store.Fault()).
		WithHint("look at the disk and its mount, then start again: of what was acknowledged no more than the last second before the fault can be missing")
}

func (a *app) logger(format string) *slog.Logger { return loggerTo(a.stderr, format) }

func loggerTo(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// open opens the public listener, or takes over the one that a parent left.
func (o *serveOptions) open() (net.Listener, error) {
	if o.inherited > 0 {
		return inheritedListener(o.inherited)
	}
	return listen(o.listen)
}

// greet says what is served where. An empty store is set up if that may be: a
// key must not end in the log of a service.
func (a *app) greet(ctx context.Context, s *service, dir string, setup bool) error {
	status, err := control.EngineStatus.Do(ctx, s.caller, control.None{})
	if err != nil {
		return err
	}
	s.log.Info("serving", "base_url", status.BaseURL, "version", a.version, "data", dir)
	if !setup {
		if status.Gateways == 0 {
			s.log.Warn("nothing is set up yet, so nothing is served; run: tallygate init --yes", "data", dir)
		}
		return nil
	}
	if status.Gateways == 0 {
		if err := a.firstSetup(ctx, s.caller); err != nil {
			return err
		}
	}
	if !a.json {
		(&printer{a.stdout, a.out}).say("Serving at %s; interrupt to stop.", status.BaseURL)
	}
	return nil
}

// service is a node that client apps and other processes can reach.
type service struct {
	*node
	public  net.Listener
	trusted []string // proxies to keep in the settings; nil leaves them
	header  string   // that they write, to keep there; "" leaves it
	server  *http.Server
	door    door
	caller  *control.Client
	broken  chan error // gets the error that ended the public plane
	serving chan struct{}
}

// door is where connections of client apps come in.
type door interface {
	net.Listener
	Open() int
	Room() (connections, requests int)
}

const (
	leastRoom = 8    // connections that are worth starting for
	fewRoom   = 2000 // connections that an owner may run out of
)

// openDoor says what the limit of open files allows if that is little. The store is
// open by now, so what it needs is known.
func (s *service) openDoor() error {
	s.door = s.engine.Public().Listen(s.public, files, transport.Sockets)
	connections, requests := s.door.Room()
	limit, _ := files()
	const hint = "raise it with ulimit -n, or LimitNOFILE= of systemd"
	switch {
	case connections < leastRoom:
		return tally.Errorf(tally.Denied, "the process may open %d files, which leaves nothing for connections beside those of the store", limit).WithHint(hint)
	case connections < fewRoom:
		s.log.Warn("the limit of open files is low", "limit", limit, "connections", connections, "requests_at_once", requests, "hint", hint)
	}
	return nil
}

// start opens the control socket and serves. Everything that can fail does so
// before the first goroutine.
func (s *service) start(dir string) error {
	if err := s.openDoor(); err != nil {
		return err
	}
	path, err := control.SocketPath(dir)
	if err != nil {
		return err
	}
	ln, err := control.ListenUnix(path)
	if err != nil {
		return err
	}
	s.socket = path
	s.caller = s.node.start(ln)
	s.caller.Program = "serve"
	var in control.SettingsFields
	if len(s.trusted) > 0 {
		in.TrustedProxies = &s.trusted
	}
	if s.header != "" {
		in.TrustedHeader = &s.header
	}
	if in != (control.SettingsFields{}) {
		if _, err := control.SettingsSet.Do(context.Background(), s.caller, in); err != nil {
			return err
		}
	}
	s.server = s.engine.Public().HTTPServer()
	s.server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	s.engine.SetBaseURL(baseURL(s.public.Addr()))
	s.broken, s.serving = make(chan error, 1), make(chan struct{})
	go func() {
		defer close(s.serving)
		if err := s.server.Serve(s.door); !errors.Is(err, http.ErrServerClosed) {
			s.broken <- err
		}
	}()
	return s.lock.announce(path)
}

// retire stops accepting and finishes what was accepted. Whoever has the
// listening socket as well goes on from there: connections that come meanwhile
// wait in its backlog.
//
// [http.Server.Shutdown] would not do: it closes a connection whose first
// request it reads after it was called.
func (s *service) retire() {
	s.door.Close()
	<-s.serving // no connection is between being accepted and being counted
	s.server.SetKeepAlivesEnabled(false)
	for late := time.Now().Add(drainPatience); s.door.Open() > 0; time.Sleep(retireEvery) {
		if time.Now().After(late) {
			s.log.Warn("requests under way take long", "connections", s.door.Open())
			return // drain cuts them off
		}
	}
}

// stop ends a service: new requests are refused while those under way finish,
// then everything that they need is closed.
func (s *service) stop() error {
	if s.server == nil { // it has not started
		return errors.Join(s.public.Close(), s.node.close())
	}
	s.drain()
	s.caller.Close()
	err := s.node.close()
	s.log.Info("stopped")
	return err
}

// drain waits for requests under way. Those that take too long are cut off, and
// settled at what they have delivered.
func (s *service) drain() {
	patience := drainPatience
	if s.store.Fault() != nil {
		patience = cutPatience // no answer ends before the disk does what it is asked
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	patient := s.engine.Drain(ctx) == nil
	s.engine.SetBaseURL("")
	late, cut := context.WithTimeout(context.Background(), cutPatience)
	defer cut()
	if patient {
		patient = s.server.Shutdown(late) == nil // last bytes may still be on their way
	}
	if !patient {
		s.log.Warn("requests under way were cut off")
		s.server.Close()
		if err := s.engine.Drain(late); err != nil {
			s.log.Error("requests that were cut off have not ended; what they hold is settled at the next start", "error", err)
		}
	}
	<-s.serving
}
