package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/assets"
	"tallygate/engine/auth"
	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/providertest"
	"tallygate/providers/sim"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// world is a public plane over a real store, with one gateway, one client, one
// key and the pretend upstream, all of which a test may change before it opens.
type world struct {
	t        testing.TB
	store    storage.Store
	gw       *tally.Gateway
	client   *tally.Client
	key      *tally.Key
	token    string // the key itself
	provider *tally.Provider
	models   []*tally.Model
	settings *tally.Settings
	sealer   *auth.Sealer
	private  string                // the gateway's private key
	apiKey   string                // of the provider
	keys     map[tally.ID][]string // of providers that have several
	more     []tally.Entity
	kinds    []providers.Kind
	clock    tally.Clock
	ready    error
	bodies   int64 // see Options
	built    int   // JavaScript clients that were made
	log      bytes.Buffer

	mu      sync.Mutex // guards catalog
	catalog *tally.Catalog
	meter   *meter.Meter
	router  *route.Router
	server  *Server
	http    *httptest.Server
}

func price(usd int64) *tally.NanoUSD {
	n := tally.NanoUSD(usd) * tally.Dollar
	return &n
}

// newWorld makes a world that is not open yet.
func newWorld(t testing.TB) *world {
	now := time.Now().Add(-time.Hour).UTC()
	meta := func(id tally.ID) tally.Meta { return tally.Meta{ID: id, CreatedAt: now, UpdatedAt: now} }
	w := &world{t: t, clock: time.Now}
	w.gw = &tally.Gateway{Meta: meta("gw_1"), PublicID: "abcdefghi", Slug: "main", Name: "Main", TimeZone: "Europe/Lisbon", Access: tally.AccessByKey, Enabled: true}
	w.client = &tally.Client{Meta: meta("cl_1"), Gateway: "gw_1", Slug: "hotel-aurora", Name: "Hotel Aurora", Status: tally.Active}
	w.key = &tally.Key{Meta: meta("ke_1"), Client: "cl_1", Label: "bot"}
	var d tally.Digest
	var err error
	w.token, d, w.key.Prefix, w.key.Suffix = auth.NewClientKey()
	w.more = []tally.Entity{&tally.Secret{Meta: meta("se_1"), Of: "ke_1", Digest: d}}
	if w.sealer, err = auth.CreateSealer(auth.Keys{Path: filepath.Join(t.TempDir(), "key")}); err != nil {
		t.Fatal(err)
	}
	var private tally.Digest
	w.private, private = auth.NewPrivateKey(w.gw.PublicID)
	w.more = append(w.more, &tally.Secret{Meta: meta("se_2"), Of: "gw_1", Digest: private, Sealed: w.sealer.Seal("gw_1", []byte(w.private))})
	w.provider = &tally.Provider{Meta: meta("pr_1"), Name: "sim", ProviderKind: "sim", Enabled: true}
	for _, name := range []string{sim.Small, sim.Embed} {
		w.models = append(w.models, &tally.Model{Meta: meta(tally.ID("mo_" + name)), Provider: "pr_1", Name: name,
			Prices: []tally.Price{{Input: price(1), Output: price(2)}}, Enabled: true})
	}
	w.settings = &tally.Settings{Meta: meta(tally.SettingsID), RetryFor: new(time.Duration)} // what fails, fails at once
	k := sim.Kind()
	k.New = func(providers.Config) (providers.Provider, error) { return sim.Open(sim.Options{}), nil }
	w.kinds = []providers.Kind{k}
	return w
}

// open puts the world in force and serves it.
func (w *world) open() *world {
	w.t.Helper()
	w.assemble()
	w.http = httptest.NewUnstartedServer(nil)
	w.http.Config, w.http.Listener = w.server.HTTPServer(), w.server.Listen(w.http.Listener, plenty, &outgoing{}, 0)
	w.http.Start()
	w.t.Cleanup(w.http.Close)
	return w
}

// plenty is of a process that may open any number of files.
func plenty() (limit, open int) { return 0, 0 }

// assemble puts the world in force.
func (w *world) assemble() {
	w.t.Helper()
	if w.store == nil {
		w.store = memory.New(nil)
	}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: &w.log}, nil))
	w.meter = meter.New(meter.Options{Store: w.store, Hash: w.sealer.Hash, Logger: log})
	w.router = route.New(route.Options{Kinds: w.kinds, Keys: w.keysOf, Logger: log})
	w.use()
	w.server = New(Options{
		Catalog: w.picture, Verifier: auth.NewVerifier(w.sealer), Country: countryOf, Router: w.router, Meter: w.meter, Clock: w.clock, Logger: log, Version: "1.2.3",
		Ready: func() error { return w.ready }, Bodies: w.bodies, SDK: w.sdk, Widget: assets.Widget, Page: assets.Page(),
	})
	w.t.Cleanup(func() {
		w.router.Close()
		if n, err := w.store.Holds(context.Background(), storage.HoldQuery{}); err != nil || n.Count != 0 {
			w.t.Errorf("%d holds are left (%v)", n, err)
		}
		if w.t.Failed() {
			w.t.Logf("log:\n%s", w.log.String())
		}
	})
}

func (w *world) sdk(publicURL string) (module, types, tarball []byte, err error) {
	w.built++
	s, err := assets.NewSDK(publicURL)
	if err != nil {
		return nil, nil, nil, err
	}
	return s.Module, s.Types, s.Tarball, nil
}

// countryOf is where addresses for documentation are said to be.
func countryOf(ip netip.Addr) string {
	switch {
	case netip.MustParsePrefix("203.0.113.0/24").Contains(ip):
		return "PT"
	case netip.MustParsePrefix("198.51.100.0/24").Contains(ip):
		return "US"
	}
	return ""
}

func (w *world) keysOf(id tally.ID) ([]string, error) {
	if keys := w.keys[id]; keys != nil {
		return keys, nil
	}
	return []string{cmp.Or(w.apiKey, providertest.Key)}, nil
}

// use puts the entities as they are into force.
func (w *world) use() {
	entities := append([]tally.Entity{w.gw, w.client, w.key, w.provider, w.settings}, w.more...)
	for _, m := range w.models {
		entities = append(entities, m)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	rev := int64(1)
	if w.catalog != nil {
		rev = w.catalog.Rev + 1
	}
	w.catalog = tally.NewCatalog(rev, entities)
	w.router.Update(w.catalog)
}

func (w *world) picture() *tally.Catalog {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.catalog
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// answered is an answer that was read to its end.
type answered struct {
	status  int
	header  http.Header
	trailer http.Header
	body    string
}

// send sends a request with the world's key, or with the headers given as
// "Name: value".
func (w *world) send(method, path, body string, headers ...string) answered {
	w.t.Helper()
	return w.sendFrom(method, path, strings.NewReader(body), headers...)
}

// sendFrom sends a body in chunks if it does not know its length.
func (w *world) sendFrom(method, path string, body io.Reader, headers ...string) answered {
	w.t.Helper()
	r, err := http.NewRequest(method, w.http.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v after %q", method, path, err, b)
	}
	return answered{resp.StatusCode, resp.Header, resp.Trailer, string(b)}
}

func (w *world) chat(extra string, headers ...string) answered {
	w.t.Helper()
	return w.send("POST", "/v1/chat/completions", `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]`+extra+`}`, headers...)
}

// refusal reads the error of an answer.
func (a answered) refusal(t testing.TB) (kind, code, message string) {
	t.Helper()
	var e struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("status %d: not an error body: %v in %q", a.status, err, a.body)
	}
	return e.Error.Type, e.Error.Code, e.Error.Message
}

// records returns all records, the oldest first.
func (w *world) records() []tally.Record {
	w.t.Helper()
	w.meter.FlushRefusals(context.Background(), time.Time{})
	list, next, err := w.store.Records(context.Background(), storage.RecordQuery{Limit: 1000})
	if err != nil || next != "" {
		w.t.Fatalf("records: %v, next %q", err, next)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// one returns the only record.
func (w *world) one() tally.Record {
	w.t.Helper()
	list := w.records()
	if len(list) != 1 {
		w.t.Fatalf("got %d records, want 1: %+v", len(list), list)
	}
	return list[0]
}
