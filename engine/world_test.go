package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/assets"
	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/openai"
	"tallygate/providers/sim"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// world is an engine over a store in memory, and the owner's caller: every
// operation goes over the wire, as it does for commands and screens.
type world struct {
	testing.TB
	engine *Engine
	store  *memory.Store
	owner  *control.Client
	log    *lockedBuffer
	from   string // whom a proxy says that requests come from; "" for none
	node   *node  // what the engine has of the store, if several share it

	mu  sync.Mutex // guards now
	now time.Time
}

// noon is seven minutes past the hour, so that nothing is a round bucket.
var noon = time.Date(2026, 11, 21, 12, 7, 30, 0, time.UTC)

// book is a price book of four models.
const book = `{"version":2,"as_of":"2026-11-01","sources":["its page"],"models":[
	{"model":"gpt-mini","publisher":"openai","mode":"chat","status":"live","confidence":"high","source":1,"seen":"2026-11-01","context_tokens":128000,"max_output_tokens":16384,
	 "prices":[{"rates":{"input":"0.15","cached_input":"0.075","output":"0.60"},"source":1,"seen":"2026-11-01"},
	           {"rates":{"input":"0.30","output":"1.20"},"above_tokens":100000,"source":1,"seen":"2026-11-01"}]},
	{"model":"gpt-large","publisher":"openai","mode":"chat","status":"live","confidence":"high","source":1,"seen":"2026-11-01","context_tokens":400000,"max_output_tokens":32768,
	 "prices":[{"rates":{"input":"2.5","output":"10"},"source":1,"seen":"2026-11-01"}]},
	{"model":"embed-small","publisher":"openai","mode":"embedding","status":"live","confidence":"high","source":1,"seen":"2026-11-01","context_tokens":8191,
	 "prices":[{"rates":{"input":"0.02","output":"0"},"source":1,"seen":"2026-11-01"}]},
	{"model":"gpt-old","publisher":"openai","mode":"chat","status":"deprecated","shutdown":"2026-01-01","replaced_by":"gpt-mini","confidence":"low","source":1,"seen":"2026-11-01",
	 "prices":[{"rates":{"input":"0.01","output":"0.01"},"source":1,"seen":"2026-11-01"}]}]}`

func newWorld(t testing.TB) *world {
	w := &world{TB: t, log: &lockedBuffer{}, now: noon}
	w.open(t.TempDir())
	return w
}

// open opens an engine over a new store, which may hold entities already.
func (w *world) open(dir string, entities ...tally.Entity) {
	w.Helper()
	if err := w.tryOpen(dir, false, entities...); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryOpen(dir string, forget bool, entities ...tally.Entity) error {
	events := feed.New(256)
	w.store = memory.New(events.Publish)
	var changes []tally.Change
	for _, e := range entities {
		e.Base().Rev = 0
		changes = append(changes, tally.Put(e, noon))
	}
	if _, err := w.store.Apply(context.Background(), tally.Act{At: noon}, changes...); err != nil {
		w.Fatal(err)
	}
	return w.start(events, dir, forget)
}

// restart goes on with the same store.
func (w *world) restart() {
	w.Helper()
	if err := errors.Join(w.engine.Close(), w.start(feed.New(256), w.engine.opts.Data, false)); err != nil {
		w.Fatal(err)
	}
}

// start starts an engine over the store.
func (w *world) start(events *feed.Feed, dir string, forget bool) error {
	instant := sim.Kind()
	instant.New = func(providers.Config) (providers.Provider, error) { return sim.Open(sim.Options{}), nil }
	var store storage.Store = w.store
	if w.node != nil {
		store = w.node
	}
	e, err := New(context.Background(), Options{
		Store: store, Feed: events, Kinds: append(openai.Kinds(), instant), PriceBook: []byte(book), KeyFile: filepath.Join(dir, "key"),
		ForgetSecrets: forget, Clock: w.clock, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Version: "1.2.3", Data: dir,
		Captures: filepath.Join(dir, "captures"),
	})
	if err != nil {
		return err
	}
	ln, dial := control.Memory()
	w.engine, w.owner = e, control.NewClient(dial)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Control().Serve(ctx, ln, control.Write) }()
	w.Cleanup(func() {
		w.owner.Close()
		cancel()
		if err := <-served; err != nil {
			w.Error(err)
		}
		if err := e.Close(); err != nil {
			w.Error(err)
		}
	})
	return nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// do calls an operation that must succeed.
func do[In, Out any](w *world, op control.Op[In, Out], in In) Out {
	w.Helper()
	out, err := op.Do(context.Background(), w.owner, in)
	if err != nil {
		e := tally.AsError(err)
		w.Fatalf("%s: %s: %s (%s)", op.Name, e.Code, e.Message, e.Hint)
	}
	return out
}

// refused calls an operation that must fail with a code, and returns the error.
// Every word must be in its message or hint.
func refused[In, Out any](w *world, op control.Op[In, Out], in In, code tally.Code, words ...string) *tally.Error {
	w.Helper()
	_, err := op.Do(context.Background(), w.owner, in)
	if err == nil {
		w.Fatalf("%s(%+v) succeeded, want %s", op.Name, in, code)
	}
	e := tally.AsError(err)
	if e.Code != code {
		w.Errorf("%s(%+v): %s: %s, want %s", op.Name, in, e.Code, e.Message, code)
	}
	for _, word := range words {
		if !strings.Contains(e.Message+" "+e.Hint, word) {
			w.Errorf("%s: %q (%q) does not say %q", op.Name, e.Message, e.Hint, word)
		}
	}
	return e
}

// withCountries gives the engine the database that ships in the program.
func (w *world) withCountries() []byte {
	w.Helper()
	embedded, err := assets.Countries()
	if err != nil {
		w.Fatal(err)
	}
	w.engine.opts.Countries = func() ([]byte, error) { return embedded, nil }
	w.engine.opts.CountriesAbout = assets.CountriesAbout
	w.engine.openCountries("")
	return embedded
}

// setUp makes the first set-up with the pretend upstream.
func (w *world) setUp() control.SetupDone {
	w.Helper()
	defer do(w, control.SettingsSet, control.SettingsFields{RetryFor: to(time.Duration(0))}) // what fails, fails at once
	return do(w, control.EngineSetup, control.Setup{TimeZone: "Europe/Lisbon"})
}

// client makes a client with a key.
func (w *world) client(name string, limits ...string) (tally.Client, control.KeyCreated) {
	w.Helper()
	cl := do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: &name, Limits: edits(w, limits...)}})
	return cl, do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug})
}

// edits reads limits as the owner writes them.
func edits(t testing.TB, texts ...string) (out []tally.LimitEdit) {
	t.Helper()
	for _, text := range texts {
		e, err := tally.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// answer is what a client app got.
type answer struct {
	status int
	code   string // of the error
	text   string
	id     string // of the request
}

// chat asks as a client app does.
func (w *world) chat(key, model string) answer {
	w.Helper()
	body, _ := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": "hi"}}, "max_tokens": 20})
	return w.ask(key, "chat/completions", string(body))
}

func (w *world) ask(key, path, body string) answer {
	w.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	if w.from != "" {
		r.Header.Set("X-Forwarded-For", w.from)
	}
	rec := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(rec, r)
	var got struct {
		Error   struct{ Code, Message string }
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		w.Fatalf("status %d, body %q: %v", rec.Code, rec.Body.String(), err)
	}
	a := answer{status: rec.Code, code: got.Error.Code, text: got.Error.Message, id: rec.Header().Get("X-Request-Id")}
	if len(got.Choices) > 0 {
		a.text = got.Choices[0].Message.Content
	}
	return a
}

// served asks, and must be answered.
func (w *world) served(key, model string) answer {
	w.Helper()
	a := w.chat(key, model)
	if a.status != http.StatusOK {
		w.Fatalf("status %d %s: %s", a.status, a.code, a.text)
	}
	return a
}

// consistent asserts that the catalog in force is what the store holds.
func (w *world) consistent() {
	w.Helper()
	entities, rev, err := w.store.Load(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	c := w.engine.catalog.Load()
	if c.Rev != rev {
		w.Errorf("the catalog has revision %d, the store %d", c.Rev, rev)
	}
	kinds := []tally.EntityKind{tally.KindGateway, tally.KindClient, tally.KindKey, tally.KindSecret, tally.KindProvider, tally.KindModel, tally.KindRevocation, tally.KindMinted}
	stored := tally.NewCatalog(rev, entities)
	dump := func(c *tally.Catalog, id tally.ID, kind tally.EntityKind) string {
		b, _ := json.Marshal(c.Entity(kind, id))
		return string(b)
	}
	counted := 0
	for _, e := range entities {
		if got, want := dump(c, e.Base().ID, e.Kind()), dump(stored, e.Base().ID, e.Kind()); got != want {
			w.Errorf("%s in force:\n%s\nstored:\n%s", e.Kind(), got, want)
		}
		if e.Kind() != tally.KindSettings && e.Kind() != tally.KindTombstone {
			counted++
		}
	}
	inForce := len(c.Gateways) + len(c.Clients) + len(c.Keys) + len(c.Providers) + len(c.Models) + len(c.Revocations) + len(c.Minted) + len(c.Guests()) + len(c.Shares())
	for _, of := range entities {
		if of.Kind() == tally.KindSecret {
			inForce++
		}
	}
	if inForce != counted {
		w.Errorf("%d entities in force, %d stored (of %v)", inForce, counted, kinds)
	}
}

// lockedBuffer is a log that tests can read while it is written.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func to[T any](v T) *T { return &v }
