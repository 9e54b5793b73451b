package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"

	"tallygate/assets"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/providers"
	"tallygate/providers/openai"
	"tallygate/providers/sim"
	"tallygate/storage/badgerdb"
)

// keptEvents is how many events a reader may fall behind.
const keptEvents = 1024

// nodeOptions say how to run an engine over a data folder.
type nodeOptions struct {
	dir        string
	profile    badgerdb.Profile
	durability badgerdb.Durability
	log        *slog.Logger
	version    string
	forget     bool // start although the key file is lost
	reads      bool // for a look at what is there: nothing is settled, pruned or otherwise changed
}

// node is an engine with its store and the lock of their folder. It serves
// nobody until it is told to.
type node struct {
	lock    *lock
	profile badgerdb.Profile
	reads   bool
	store   *badgerdb.Store
	engine  *engine.Engine
	log     *slog.Logger
	stop    context.CancelFunc // ends what runs in the background; nil before start
	running sync.WaitGroup
	socket  string // where other processes reach it; "" if they cannot
}

// openNode opens the store and assembles the engine. The lock is the node's
// once it has succeeded.
func openNode(ctx context.Context, l *lock, o nodeOptions) (*node, error) {
	events := feed.New(keptEvents)
	store, err := badgerdb.Open(ctx, badgerdb.Options{
		Dir: filepath.Join(o.dir, storeFolder), Profile: o.profile, Durability: o.durability, Logger: o.log, Hook: events.Publish, Version: o.version, Reads: o.reads,
	})
	if err != nil {
		return nil, err
	}
	e, err := engine.New(ctx, engine.Options{
		Store: store, Feed: events, Kinds: kinds(), PriceBook: assets.Prices, Countries: assets.Countries, SDK: sdk, Page: assets.Page(), KeyFile: filepath.Join(o.dir, keyFile), Bodies: bodyMemory(),
		ForgetSecrets: o.forget, Logger: o.log, Version: o.version, Data: o.dir,
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &node{lock: l, profile: o.profile, reads: o.reads, store: store, engine: e, log: o.log}, nil
}

func sdk(publicURL string) (module, types, tarball []byte, err error) {
	made, err := assets.NewSDK(publicURL)
	if err != nil {
		return nil, nil, nil, err
	}
	return made.Module, made.Types, made.Tarball, nil
}

// kinds are the kinds of upstreams that this program speaks to.
func kinds() []providers.Kind { return append(openai.Kinds(), sim.Kind()) }

// start begins the engine's work in the background, unless the node only reads, and
// returns a caller in this process. Further listeners are for callers in others.
func (n *node) start(listeners ...net.Listener) *control.Client {
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.running.Go(func() { limitMemory(ctx, n.profile) })
	n.running.Go(func() { returnMemory(ctx) })
	inside, dial := control.Memory()
	may := control.Write
	if n.reads {
		may = control.Read
	}
	for _, ln := range append(listeners, inside) {
		n.running.Go(func() {
			if err := n.engine.Control().Serve(ctx, ln, may); err != nil {
				n.log.Error("the control plane stopped", "error", err)
			}
		})
	}
	if n.reads {
		return control.NewClient(dial)
	}
	n.running.Go(func() {
		if err := n.engine.Run(ctx); err != nil {
			n.log.Error("the background work stopped", "error", err)
		}
	})
	return control.NewClient(dial)
}

// close ends everything, in the order in which one part needs another: control
// and background, the engine, the store, and the lock at last.
func (n *node) close() error {
	if n.stop != nil {
		n.stop()
		n.running.Wait()
	}
	if n.socket != "" {
		control.RemoveSocket(n.socket) // while the lock says that it is ours
	}
	return errors.Join(n.engine.Close(), n.store.Close(), n.lock.release())
}
