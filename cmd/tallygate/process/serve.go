package process

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers/transport"
)

// Bounds on the life of a serving process.
const (
	DrainPatience = 30 * time.Second // for requests under way, once it was told to stop
	cutPatience   = 5 * time.Second  // for those that were cut off then, to be settled
	retireEvery   = 5 * time.Millisecond
)

// Proxies say which reverse proxies are believed whom they forward for. What is said
// here is kept as a setting.
type Proxies struct {
	Trusted []string // as addresses or networks; nil leaves the setting
	Header  string   // that they write; "" leaves the setting
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
	p.door = p.engine.Public().Listen(p.public, files, transport.Sockets)
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
// a listener, which is the process's from here on. It returns a caller in this
// process. Everything that can fail does so before the first goroutine that serves.
func (p *Process) Serve(public net.Listener, proxies Proxies) (*control.Client, error) {
	p.public = public
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
	if len(proxies.Trusted) > 0 {
		in.TrustedProxies = &proxies.Trusted
	}
	if proxies.Header != "" {
		in.TrustedHeader = &proxies.Header
	}
	if in != (control.SettingsFields{}) {
		if _, err := control.SettingsSet.Do(context.Background(), p.caller, in); err != nil {
			return nil, err
		}
	}
	p.server = p.engine.Public().HTTPServer()
	p.server.ErrorLog = slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn)
	p.engine.SetBaseURL(BaseURL(public.Addr()))
	p.broken, p.serving = make(chan error, 1), make(chan struct{})
	go func() {
		defer close(p.serving)
		if err := p.server.Serve(p.door); !errors.Is(err, http.ErrServerClosed) {
			p.broken <- err
		}
	}()
	return p.caller, p.lock.announce(path)
}

// order is the order to end that an owner gives.
type order struct {
	ends, now chan struct{} // closed once it was given
	once      [2]*sync.Once
}

func newOrder() order {
	return order{make(chan struct{}), make(chan struct{}), [2]*sync.Once{new(sync.Once), new(sync.Once)}}
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
	case <-p.store.Broken():
		return tally.Errorf(tally.Unavailable, "the disk does not keep what it is given: %w", p.store.Fault()).
			WithHint("look at the disk and its mount, then start again: of what was acknowledged no more than the last second before the fault can be missing")
	case err := <-p.broken:
		return tally.Errorf(tally.Internal, "serving %s: %w", p.public.Addr(), err)
	}
}

// retire stops accepting and finishes what was accepted. Whoever has the
// listening socket as well goes on from there: connections that come meanwhile
// wait in its backlog.
//
// [http.Server.Shutdown] would not do: it closes a connection whose first
// request it reads after it was called.
func (p *Process) retire() {
	p.door.Close()
	<-p.serving // no connection is between being accepted and being counted
	p.server.SetKeepAlivesEnabled(false)
	for late := time.Now().Add(DrainPatience); p.door.Open() > 0; time.Sleep(retireEvery) {
		if time.Now().After(late) {
			p.Log.Warn("requests under way take long", "connections", p.door.Open())
			return // drain cuts them off
		}
	}
}

// drain waits for requests under way. Those that take too long are cut off, and
// settled at what they have delivered.
func (p *Process) drain() {
	patience := DrainPatience
	if p.store.Fault() != nil {
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
