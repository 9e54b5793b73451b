package process

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers/transport"
)

// Bounds on the life of a serving process.
const (
	DrainPatience = 30 * time.Second // for requests under way, once it was told to stop, where nobody says how long
	cutPatience   = 5 * time.Second  // for those that were cut off then, to be settled
)

// Proxies say which reverse proxies are believed whom they forward for. What is said
// here is kept as a setting.
type Proxies struct {
	Trusted []string // as addresses or networks; nil leaves the setting
	Header  string   // that they write; "" leaves the setting
}

// Front says how client apps are let in.
type Front struct {
	Proxies
	TLS         *TLS          // nil for plain HTTP
	Drain       time.Duration // for requests under way, once the process is to end
	AccessLog   bool          // a line for each request
	Connections int           // at most; 0 for as many as there is room for
	Body        int64         // of a request at most, in bytes; 0 for what the gateway takes
	Hall        Hall          // where people come in over ssh; nil for nowhere
}

// Hall lets people in over ssh.
type Hall interface {
	// Serve lets them in until Close.
	Serve(p *Process, ln net.Listener)
	// Close tells those who are there, and returns once they have left. It may be called
	// more than once.
	Close()
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
func (p *Process) openDoor() error {
	p.door = p.engine.Public().Listen(p.sockets[ForApps], files, transport.Sockets, p.front.Connections)
	connections, requests := p.door.Room()
	limit, _ := files()
	const hint = "raise it with ulimit -n, or LimitNOFILE= of systemd"
	switch {
	case connections < leastRoom:
		return tally.Errorf(tally.Denied, "the process may open %d files, which leaves nothing for connections beside those of the store", limit).WithHint(hint)
	case connections < fewRoom:
		p.Log.Warn("the limit of open files is low", "limit", limit, "connections", connections, "requests_at_once", requests, "hint", hint)
	}
	return nil
}

// Serve starts the engine's work, opens the control socket and serves client apps on
// the sockets, which are the process's from here on. It returns a caller in this
// process. Everything that can fail does so before the first goroutine that serves.
func (p *Process) Serve(sockets Sockets, front Front) (*control.Client, error) {
	p.sockets, p.front = sockets, front
	if err := p.openDoor(); err != nil {
		return nil, err
	}
	path, err := control.SocketPath(p.Dir)
	if err != nil {
		return nil, err
	}
	ln, err := control.ListenUnix(path)
	if err != nil {
		return nil, err
	}
	p.socket = path
	p.caller = p.Start(ln)
	p.caller.Program = "serve"
	var in control.SettingsFields
	if len(front.Trusted) > 0 {
		in.TrustedProxies = &front.Trusted
	}
	if front.Header != "" {
		in.TrustedHeader = &front.Header
	}
	if in != (control.SettingsFields{}) {
		if _, err := control.SettingsSet.Do(context.Background(), p.caller, in); err != nil {
			return nil, err
		}
	}
	p.set(front)
	p.engine.SetBaseURL(p.BaseURL())
	p.letIn()
	p.serveBeside()
	p.obtain()
	p.serveAdmin()
	if ln := sockets[ForSSH]; ln != nil && front.Hall != nil {
		p.running.Go(func() { front.Hall.Serve(p, ln) })
	}
	return p.caller, p.lock.announce(path)
}

// BaseURL is where client apps reach the process.
func (p *Process) BaseURL() string { return baseURL(p.sockets[ForApps], p.front.TLS) }

// set does what can be said anew while the process serves.
func (p *Process) set(front Front) {
	p.patience.Store(int64(cmp.Or(front.Drain, DrainPatience)))
	p.engine.Public().SetAccessLog(front.AccessLog)
}

// letIn serves client apps.
func (p *Process) letIn() {
	p.server = p.engine.Public().HTTPServer()
	p.server.ErrorLog = slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn)
	serve := p.server.Serve
	if t := p.front.TLS; t != nil {
		p.server.TLSConfig = t.config()
		serve = func(ln net.Listener) error { return p.server.ServeTLS(ln, "", "") }
	}
	p.broken, p.serving = make(chan error, 1), make(chan struct{})
	go func() {
		defer close(p.serving)
		if err := serve(p.door); !errors.Is(err, http.ErrServerClosed) {
			p.broken <- err
		}
	}()
}

// obtain gets certificates that come by themselves, once the listeners that the authority
// looks at are served.
func (p *Process) obtain() {
	if t := p.front.TLS; t != nil {
		go t.Obtain(p.life, p.Log) // not waited for: a question to the authority cannot be broken off
	}
}

// Of what is served beside client apps: a few connections, short requests.
const (
	besideConnections = 64
	besidePatience    = 10 * time.Second
)

// serveBeside serves what is no client app's.
func (p *Process) serveBeside() {
	for what, h := range map[string]http.Handler{ForRedirect: p.redirect(), ForMetrics: p.metrics.Handler()} {
		ln := p.sockets[what]
		if ln == nil {
			continue
		}
		server := &http.Server{Handler: h, ReadTimeout: besidePatience, WriteTimeout: 3 * besidePatience, IdleTimeout: besidePatience,
			MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug)}
		p.beside = append(p.beside, server)
		p.running.Go(func() {
			if err := server.Serve(netutil.LimitListener(ln, besideConnections)); !errors.Is(err, http.ErrServerClosed) {
				p.Log.Error("a listener ended", "for", what, "error", err)
			}
		})
	}
}

// redirect answers those who come without TLS.
func (p *Process) redirect() http.Handler {
	_, port, _ := net.SplitHostPort(p.sockets[ForApps].Addr().String())
	if p.front.TLS == nil {
		return http.NotFoundHandler()
	}
	return p.front.TLS.redirect(port)
}

// Reload does what an owner has said anew: it reads certificates again, and goes by front
// in what can change while the process serves.
func (p *Process) Reload(front Front) error {
	p.set(front)
	if p.front.TLS == nil {
		return nil
	}
	return p.front.TLS.Reload()
}

// upgrade tells whoever runs the process to replace it.
func (p *Process) upgrade(ctx context.Context) (version string, err error) {
	if version, err = p.Successor(ctx); err == nil {
		select {
		case p.told.upgrades <- version:
		default: // it was told already
		}
	}
	return version, err
}

// Upgrades gets the version of the program that the process is to become.
func (p *Process) Upgrades() <-chan string { return p.told.upgrades }

// certificates are what client apps are served with.
func (p *Process) certificates(ctx context.Context) []control.Certificate {
	if p.server == nil || p.front.TLS == nil {
		return nil
	}
	return p.front.TLS.State(ctx)
}

// order is the order to end that an owner gives.
type order struct {
	ends, now chan struct{} // closed once it was given
	once      [2]*sync.Once
	upgrades  chan string
}

func newOrder() order {
	return order{make(chan struct{}), make(chan struct{}), [2]*sync.Once{new(sync.Once), new(sync.Once)}, make(chan string, 1)}
}

func (o order) give(now bool) {
	if now {
		o.once[1].Do(func() { close(o.now) })
	}
	o.once[0].Do(func() { close(o.ends) })
}

// Wait returns when there is no going on: nil once done, or once the owner has told
// the process to stop, or else why the process cannot serve any more.
func (p *Process) Wait(done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-p.told.ends:
		return nil
	case <-broken(p.store):
		var ours *tally.Error
		if err := faultOf(p.store); errors.As(err, &ours) {
			return err // another process has taken the place of this node
		}
		return tally.Errorf(tally.Unavailable, "the disk does not keep what it is given: %w", faultOf(p.store)).
			WithHint("look at the disk and its mount, then start again: of what was acknowledged no more than the last second before the fault can be missing")
	case err := <-p.broken:
		return tally.Errorf(tally.Internal, "serving %s: %w", p.sockets[ForApps].Addr(), err)
	}
}

// closeHall sends people away: what they look at, or do, is about to end.
func (p *Process) closeHall() {
	if p.front.Hall != nil && p.sockets[ForSSH] != nil {
		p.front.Hall.Close()
	}
}

// Guests are those who may come in over ssh, and a context that ends when that may have
// changed.
func (p *Process) Guests() ([]*tally.Guest, context.Context) { return p.engine.Guests() }

// Admit gives a guest a way to the engine, until ctx ends. The engine itself holds the
// guest to the role, and calls who that is by name in the audit log. The process is the
// server's: no guest ends it, or makes another program of it.
func (p *Process) Admit(ctx context.Context, g *tally.Guest) control.Dialer {
	ln, dial := control.MemoryFor("ssh " + g.Name)
	p.running.Go(func() {
		if err := p.engine.Control().Serve(ctx, ln, control.MayOf(g.Role), notForGuests...); err != nil {
			p.Log.Error("the control plane of a guest stopped", "guest", g.Name, "error", err)
		}
	})
	return dial
}

// notForGuests are the operations that act on the process.
var notForGuests = []string{control.EngineStop.Name, control.EngineUpgrade.Name}

// serveAdmin lets people and programs with tokens use the control plane.
func (p *Process) serveAdmin() {
	ln := p.sockets[ForAdmin]
	if ln == nil {
		return
	}
	p.Log.Info("serving the control plane", "address", ln.Addr().String(), "tls", p.front.TLS != nil)
	ln = netutil.LimitListener(ln, besideConnections)
	if t := p.front.TLS; t != nil {
		c := t.config().Clone()
		c.NextProtos = []string{"http/1.1"}
		ln = tls.NewListener(ln, c)
	}
	p.running.Go(func() {
		if err := p.engine.Control().ServeAdmin(p.life, ln, p.engine.AdminBy, notForGuests...); err != nil {
			p.Log.Error("the control plane is not served to a network any more", "error", err)
		}
	})
}

// Patience is how long requests under way may take once the process is to end.
func (p *Process) Patience() time.Duration { return time.Duration(p.patience.Load()) }

// drain waits for requests under way. Those that take too long are cut off, and
// settled at what they have delivered.
func (p *Process) drain() {
	p.closeHall()
	for _, server := range p.beside {
		defer server.Close()
	}
	patience := p.Patience()
	if faultOf(p.store) != nil {
		patience = cutPatience // no answer ends before the disk does what it is asked
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		select {
		case <-p.told.now:
			cancel()
		case <-ctx.Done():
		}
	}()
	patient := p.engine.Drain(ctx) == nil
	p.engine.SetBaseURL("")
	late, cut := context.WithTimeout(context.Background(), cutPatience)
	defer cut()
	if patient {
		patient = p.server.Shutdown(late) == nil // last bytes may still be on their way
	}
	if !patient {
		p.Log.Warn("requests under way were cut off")
		p.server.Close()
		if err := p.engine.Drain(late); err != nil {
			p.Log.Error("requests that were cut off have not ended; what they hold is settled at the next start", "error", err)
		}
	}
	<-p.serving
}
