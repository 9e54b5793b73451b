package engine

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/capture"
	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/gateway"
	"tallygate/engine/geo"
	"tallygate/engine/meter"
	"tallygate/engine/metrics"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/storage"
)

// DefaultBaseURL is where the public plane answers unless the owner says
// otherwise.
const DefaultBaseURL = "http://127.0.0.1:4283/v1"

// Options are what an engine is made of.
type Options struct {
	Store     storage.Store    // stays the caller's: it is closed after the engine
	Feed      *feed.Feed       // the feed that Store's hook publishes to
	Metrics   *metrics.Metrics // that Store's hook publishes to, too
	Kinds     []providers.Kind
	PriceBook []byte // the JSON of package assets
	KeyFile   string // seals the secrets in the store; made for a store that has none
	// Keys is how the key is had if that is not the file KeyFile as it is.
	Keys auth.Keys
	// SDK and Page are what browsers are served; see gateway.Options.
	SDK    func(publicURL string) (module, types, tarball []byte, err error)
	Widget []byte // a chat for pages, a script; nil: none is served
	Page   fs.FS
	Bodies int64 // see gateway.Options
	// ForgetSecrets lets an engine start whose key file is lost: what no key
	// file opens any more is removed from the store.
	ForgetSecrets bool
	Clock         tally.Clock
	Logger        *slog.Logger
	Version       string
	Data          string // where the store is, for people
	// Captures is the folder for what is captured on disk, made when it is needed; "" where
	// nothing may be written.
	Captures string
	// Stop tells the process to end, now or once requests under way have finished. It
	// does not wait. It is nil where nobody may end the process.
	Stop    func(now bool)
	Backups Backups
	// AlertCommand runs the owner's command for an alert, with that as its input, and returns
	// the end of what it says; nil where there is none.
	AlertCommand func(ctx context.Context, message []byte, env ...string) (said string, err error)
	// AlertsOver is what webhooks are asked over; nil: the network.
	AlertsOver http.RoundTripper
	// Upgrade tells the process to become the program that lies in its place, and says which
	// version that is. It does not wait. It is nil where nobody may.
	Upgrade func(context.Context) (version string, err error)
	// Certificates tells what client apps are served HTTPS with; nil where they are not.
	Certificates func(context.Context) []control.Certificate
	// Countries gives the country database of package assets, CountriesAbout is what that
	// says of itself; without it, and without one of the owner's, no country is known.
	Countries      func() ([]byte, error)
	CountriesAbout []byte
}

// Engine is the assembled gateway. Its methods may be called concurrently,
// except Close, which comes last.
type Engine struct {
	opts    Options
	store   storage.Store
	cluster storage.Cluster // the store, if several nodes share it, else nil
	feed    *feed.Feed
	kinds   map[tally.ProviderKind]providers.Kind
	book    *priceBook
	sealer  *auth.Sealer
	clock   tally.Clock // never runs back, not even over a restart, unless the owner says so
	steady  *tally.Steady
	log     *slog.Logger
	started time.Time

	changing sync.Mutex // one change of the catalog at a time; guards nothing else; before those of alerts and reconciled
	booked   nodeLock   // one entry of the book of money at a time; guards nothing else
	recosted nodeLock   // one re-cost at a time, taken before booked; guards nothing else
	rekeying sync.Mutex // one change of the key at a time; before changing
	reading  sync.Mutex // one config file at a time: it takes many times its size; before changing
	catalog  atomic.Pointer[tally.Catalog]
	routing  atomic.Pointer[tally.Catalog]      // the catalog the router is made for: ahead of catalog during a change
	revision atomic.Pointer[revision]           // of catalog
	peers    atomic.Pointer[[]control.NodeView] // the nodes, as their database told last
	known    atomic.Int64                       // the store's revision up to which all of its entities are known here
	checked  atomic.Pointer[control.Checked]    // nil before the first night
	pruned   atomic.Pointer[control.Pruned]     // nil before the retention has removed something
	backedUp atomic.Pointer[control.Backups]    // nil where no backups are scheduled
	// unbrought is whether the latest backup may not have been taken to another place. Only what
	// makes backups uses it.
	unbrought bool
	// othersBackUp is whether another node makes the scheduled backups.
	othersBackUp atomic.Bool
	baseURL      atomic.Pointer[string] // nil while the public plane is down

	countries  atomic.Pointer[geo.DB] // nil if there is none
	verifier   *auth.Verifier
	router     *route.Router
	meter      *meter.Meter
	gateway    *gateway.Server
	captures   *capture.Store
	attention  attention // what the last day tells
	latest     attention // what the last minutes tell
	answers    answers
	others     others
	limitWatch limitWatch
	alerts     alerts
	reconciled reconciliations
	control    *control.Server
}

// New assembles an engine over an open store. It serves nothing yet: the caller
// opens listeners for [Engine.Public] and [Engine.Control] and calls
// [Engine.Run].
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Feed == nil {
		o.Feed = feed.New(1024)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(o.Version)
	}
	if o.Keys.Path == "" && o.Keys.Given == "" {
		o.Keys = auth.Keys{Path: o.KeyFile}
	}
	book, err := readPriceBook(o.PriceBook)
	if err != nil {
		return nil, err
	}
	status, err := o.Store.Status(ctx)
	if err != nil {
		return nil, err
	}
	entities, rev, err := o.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	steady := tally.NewSteady(o.Clock, status.LastSeen)
	clock := tally.Clock(steady.Now)
	cluster, _ := o.Store.(storage.Cluster)
	sealer, lost, err := openSealer(ctx, &o, cluster, entities)
	if err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		if entities, rev, err = forget(ctx, &o, entities, lost, clock()); err != nil {
			return nil, err
		}
	}
	e := &Engine{
		opts: o, store: o.Store, feed: o.Feed, book: book, sealer: sealer, log: o.Logger,
		clock: clock, steady: steady, cluster: cluster,
		kinds: map[tally.ProviderKind]providers.Kind{},
	}
	for _, k := range o.Kinds {
		e.kinds[k.Name] = k
	}
	e.started = e.clock()
	if err := e.seedFeed(ctx); err != nil {
		return nil, err
	}
	e.assemble()
	if err := e.takeOverRefusals(ctx); err != nil {
		return nil, err
	}
	e.known.Store(rev)
	e.use(tally.NewCatalog(rev, entities))
	e.takeOverAlerts(entities)
	e.takeOverReconciled(entities)
	e.openCountries(e.catalog.Load().Settings.CountryFile)
	e.lookForBackups()
	o.Metrics.Watch(e.figures)
	e.handle()
	return e, nil
}

// assemble makes the parts that answer requests, each with what it needs of
// the others.
func (e *Engine) assemble() {
	e.verifier = auth.NewVerifier(e.sealer)
	e.router = route.New(route.Options{Kinds: e.opts.Kinds, Keys: e.providerKeys, Logger: e.log})
	e.meter = meter.New(meter.Options{Store: e.store, Hash: e.sealer.Hash, Tags: e.tagsSeen, Sessions: e.sessionsSeen, Logger: e.log})
	e.captures = capture.Open(e.opts.Captures, e.sealer, e.log, e.clock())
	e.gateway = gateway.New(gateway.Options{
		Catalog: e.catalog.Load, Verifier: e.verifier, Country: e.country, Router: e.router, Meter: e.meter, Clock: e.clock, Revision: e.untilChange,
		Shared: e.shared, Captures: e.captures,
		SDK: e.opts.SDK, Widget: e.opts.Widget, Page: e.opts.Page, Bodies: e.opts.Bodies, Ready: e.ready, Health: e.parts, Logger: e.log, Version: e.opts.Version,
	})
	e.control = control.NewServer(e.events)
	e.control.Logger = e.log
}

// Public is the public plane: what client apps talk to.
func (e *Engine) Public() *gateway.Server { return e.gateway }

// Control answers the owner's operations.
func (e *Engine) Control() *control.Server { return e.control }

// SetBaseURL tells the engine at which address its public plane is reached, ""
// when it is not.
func (e *Engine) SetBaseURL(url string) {
	if url == "" {
		e.baseURL.Store(nil)
		return
	}
	e.baseURL.Store(&url)
}

// publicURL is the base URL that clients are told, and whether it is served.
func (e *Engine) publicURL() (string, bool) {
	if url := e.baseURL.Load(); url != nil {
		return *url, true
	}
	return DefaultBaseURL, false
}

// Part ends connections of client apps that are silent, and returns how many are left once it
// is late. Nobody must come in any more.
func (e *Engine) Part(late time.Time, heir Heir) (left int) { return e.gateway.Part(late, heir) }

// Heir is the process that goes on after this one.
type Heir = gateway.Heir

// Returned is a connection of a client app that the process before has handed on.
type Returned = gateway.Returned

// Drain refuses new requests and waits for those under way, at most until ctx
// ends.
func (e *Engine) Drain(ctx context.Context) error { return e.gateway.Drain(ctx) }

// Close writes what is still in memory and lets go of the upstreams. The
// caller closes the store.
func (e *Engine) Close() error {
	e.meter.FlushRefusals(context.Background(), time.Time{}) // the minute under way, too
	e.captures.Close()
	e.router.Close()
	e.alerts.sender.Close()
	return nil
}
