package process

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"tallygate/assets"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/metrics"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/openai"
	"tallygate/providers/sim"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// keptEvents is how many events a reader may fall behind.
const keptEvents = 1024

// Options say how to run an engine over a data folder.
type Options struct {
	Dir        string
	Shared     Shared // zero: the folder has a store of its own
	Profile    badgerdb.Profile
	Durability badgerdb.Durability
	Log        *slog.Logger
	Version    string
	Backups    engine.Backups
	// AlertCommand is the engine's of that name.
	AlertCommand func(ctx context.Context, message []byte, env ...string) (said string, err error)
	MayUpgrade   bool // whoever runs it calls Replace when [Process.Upgrades] says so
	Keys         Keys // zero: the key file of the folder, as it is
	Forget       bool // start although the key file is lost
	Reads        bool // for a look at what is there: nothing is settled, pruned or otherwise changed
}

// Process is an engine with its store and the lock of their folder. It serves
// nobody until it is told to.
type Process struct {
	Options
	lock    *Lock
	told    order // to end
	store   storage.Store
	engine  *engine.Engine
	metrics *metrics.Metrics
	life    context.Context    // of what runs in the background
	stop    context.CancelFunc // ends that; nil before Start
	running sync.WaitGroup
	socket  string // where other processes reach it; "" if they cannot

	// Of a process that serves; server is nil before Serve.
	sockets  Sockets
	front    Front
	patience atomic.Int64 // with requests under way, once it is to end, in nanoseconds
	server   *http.Server
	beside   []*http.Server // for other things than client apps
	door     door
	caller   *control.Client
	broken   chan error // gets the error that ended the public plane
	serving  chan struct{}
}

// Open opens the store and assembles the engine. The lock is the process's once it
// has succeeded.
func Open(ctx context.Context, l *Lock, o Options) (*Process, error) {
	events, figures := feed.New(keptEvents), metrics.New(o.Version)
	store, err := o.open(ctx, func(records []tally.Record) {
		events.Publish(records)
		figures.Publish(records)
	})
	if err != nil {
		return nil, err
	}
	p := &Process{Options: o, lock: l, store: store, metrics: figures, told: newOrder()}
	with := o.engine(store, events)
	with.Metrics = figures
	with.Stop = p.told.give
	with.Certificates = p.certificates
	if o.MayUpgrade {
		with.Upgrade = p.upgrade
	}
	if p.engine, err = engine.New(ctx, with); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return p, nil
}

// Fill opens the store of the folder for something that fills it, and closes it again.
func Fill(ctx context.Context, o Options, fill func(context.Context, engine.Options) error) (err error) {
	store, err := o.open(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return fill(ctx, o.engine(store, nil))
}

func (o Options) engine(store storage.Store, events *feed.Feed) engine.Options {
	kept := filepath.Join(o.Dir, captures)
	if o.Reads {
		kept = ""
	}
	return engine.Options{
		Captures: kept,
		Store:    store, Feed: events, Kinds: Kinds(), PriceBook: assets.Prices, Countries: assets.Countries, CountriesAbout: assets.CountriesAbout, SDK: sdk, Widget: assets.Widget, Page: assets.Page(), KeyFile: filepath.Join(o.Dir, keyFile), Keys: o.Keys, Bodies: bodyMemory(),
		Backups: o.Backups, AlertCommand: o.AlertCommand, ForgetSecrets: o.Forget, Logger: o.Log, Version: o.Version, Data: o.Dir,
	}
}

func sdk(publicURL string) (module, types, tarball []byte, err error) {
	made, err := assets.NewSDK(publicURL)
	if err != nil {
		return nil, nil, nil, err
	}
	return made.Module, made.Types, made.Tarball, nil
}

// Kinds are the kinds of upstreams that this program speaks to.
func Kinds() []providers.Kind { return append(openai.Kinds(), sim.Kind()) }

// Start begins the engine's work in the background, unless the process only reads, and
// returns a caller in this process. Further listeners are for callers in others.
func (p *Process) Start(listeners ...net.Listener) *control.Client {
	ctx, stop := context.WithCancel(context.Background())
	p.life, p.stop = ctx, stop
	p.running.Go(func() { limitMemory(ctx, p.Profile) })
	p.running.Go(func() { returnMemory(ctx) })
	inside, dial := control.Memory()
	may := control.Write
	if p.Reads {
		may = control.Read
	}
	for _, ln := range append(listeners, inside) {
		p.running.Go(func() {
			if err := p.engine.Control().Serve(ctx, ln, may); err != nil {
				p.Log.Error("the control plane stopped", "error", err)
			}
		})
	}
	if !p.Reads {
		p.running.Go(func() {
			if err := p.engine.Run(ctx); err != nil {
				p.Log.Error("the background work stopped", "error", err)
			}
		})
	}
	return control.NewClient(dial)
}

// Close ends everything, in the order in which one part needs another: new requests
// are refused while those under way finish, then control and background, the engine,
// the store, and the lock at last.
func (p *Process) Close() error {
	if p.server != nil {
		p.drain()
		p.caller.Close()
		defer p.Log.Info("stopped")
	} else { // it could not serve
		p.sockets.Close()
	}
	if p.stop != nil {
		p.stop()
		p.running.Wait()
	}
	if p.socket != "" {
		control.RemoveSocket(p.socket) // while the lock says that it is ours
	}
	return errors.Join(p.engine.Close(), p.store.Close(), p.lock.Release())
}
