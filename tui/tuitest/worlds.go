package tuitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"tallygate/assets"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/demo"
	"tallygate/engine/feed"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
	"tallygate/storage/memory"
)

// Epoch is when every test begins, and the agency's history ends.
var Epoch = time.Date(2026, 11, 25, 14, 2, 31, 0, time.UTC)

// template is a store that worlds begin with a copy of.
type template struct {
	store   *memory.Store
	keyFile []byte
	agency  *demo.Agency
}

// agency is made once in a process: it takes as long as some tests together.
var agency = sync.OnceValues(func() (template, error) {
	dir, err := os.MkdirTemp("", "tuitest-")
	if err != nil {
		return template{}, err
	}
	defer os.RemoveAll(dir)
	out := template{store: memory.New(nil)}
	if out.agency, err = demo.New(demo.Options{Now: Epoch.Add(-settled), Days: 62, Share: .1, Lately: 200, Zone: time.UTC, AtOnce: 1}); err != nil {
		return template{}, err
	}
	key := filepath.Join(dir, "key")
	u := &upstream{Provider: sim.Open(sim.Options{})}
	if err := out.agency.Fill(context.Background(), engine.Options{Store: out.store, Kinds: u.kinds(), PriceBook: assets.Prices, KeyFile: key}); err != nil {
		return template{}, err
	}
	out.keyFile, err = os.ReadFile(key)
	return out, err
})

// Empty is an engine over a store that was just made.
func Empty(tb testing.TB, clock func() time.Time) *World {
	return run(tb, clock, template{store: memory.New(nil)})
}

// Full is the engine of the demo's agency, with less traffic than the demo has and an
// account at a provider that costs something: it has a key, and a model without a price.
// Somebody has just been on each page of the website.
func Full(tb testing.TB, clock func() time.Time) *World {
	tb.Helper()
	w := run(tb, clock, full(tb))
	Do(tb, w, control.ProvidersCreate, control.CreateProvider{Name: "openrouter", ProviderKind: "openrouter",
		ProviderFields: control.ProviderFields{APIKeys: []control.Secret{"sk-or-v1-77c1e0b2a94f"}}})
	w.agency.Visit(context.Background(), &http.Client{Transport: plane{w.Engine.Public()}}, "http://gateway/v1")
	return w
}

// plane is the public plane as a client app reaches it, without a network.
type plane struct{ http.Handler }

func (p plane) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = "127.0.0.1:40000"
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// Changed is Full with entities changed in its store, in ways that no operation need allow.
func Changed(edit func(tally.Entity)) func(testing.TB, func() time.Time) *World {
	return func(tb testing.TB, clock func() time.Time) *World {
		t := full(tb)
		change(tb, t.store, edit)
		return run(tb, clock, t)
	}
}

func full(tb testing.TB) template {
	tb.Helper()
	seed(tb)
	t, err := agency()
	if err != nil {
		tb.Fatal(err)
	}
	t.store = t.store.Clone(nil)
	return t
}

// seed makes what is drawn at random the same in every run, but for benchmarks: IDs and
// keys are on the screen.
func seed(tb testing.TB) {
	if t, ok := tb.(*testing.T); ok {
		cryptotest.SetGlobalRandom(t, 2026)
	}
}

// run starts an engine over a copy of a store. It ends with the test.
func run(tb testing.TB, clock func() time.Time, from template) *World {
	tb.Helper()
	seed(tb)
	key := filepath.Join(tb.TempDir(), "key")
	if from.keyFile != nil {
		if err := os.WriteFile(key, from.keyFile, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	events := feed.New(1024)
	w := &World{tb: tb, store: from.store.Clone(events.Publish), agency: from.agency, clock: clock, upstream: &upstream{Provider: sim.Open(sim.Options{})},
		needs: map[string]control.Need{}, faults: map[string]fault{}}
	w.cut, w.cuts = context.WithCancel(context.Background())
	w.Offer(Offered(3*tally.Dollar, tally.Dollar/8, 0)...)
	var err error
	if w.Engine, err = engine.New(tb.Context(), engine.Options{Store: w.store, Feed: events, Kinds: w.upstream.kinds(), PriceBook: assets.Prices, Countries: assets.Countries, CountriesAbout: assets.CountriesAbout,
		KeyFile: key, Clock: clock, Version: "1.0.0", Data: "/home/ana/.local/share/tallygate"}); err != nil {
		tb.Fatal(err)
	}
	w.Engine.SetBaseURL("http://127.0.0.1:8080/v1")
	for _, op := range w.Engine.Control().Operations() {
		w.needs[op.Name] = op.Need
	}
	ln, dial := control.Memory()
	w.Elsewhere = control.NewClient(dial)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Engine.Control().Serve(ctx, ln, control.Write) })
	running.Go(func() { w.Engine.Run(ctx) })
	tb.Cleanup(func() {
		w.Lose(ErrLost) // streams end
		w.Elsewhere.Close()
		stop()
		running.Wait()
		if err := w.Engine.Close(); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// Offered is what upstreams list unless a test has others: prices are of input tokens, and
// of output tokens the fivefold; 0 is none.
func Offered(claude, llama, preview tally.NanoUSD) []providers.ModelInfo {
	model := func(name string, price tally.NanoUSD) providers.ModelInfo {
		m := providers.ModelInfo{Name: name, Mode: "chat", ContextTokens: 128_000, MaxOutputTokens: 16_384}
		if price > 0 {
			m.Prices = []tally.Price{{Input: &price, Output: new(price * 5)}}
		}
		return m
	}
	return []providers.ModelInfo{model("anthropic/claude-sonnet-4.5", claude), model("meta-llama/llama-3.3-70b-instruct", llama), model("gpt-next-preview", preview)}
}

// settled is how long before Epoch the last request of the history came in, so that all
// have been answered when the engine starts.
const settled = time.Minute

// An engine may take so long to start. When a test begins it has served so many seconds,
// and a little more: what it does every second never falls together with what an interface
// does.
const (
	starts = time.Second
	warmUp = 20
	apart  = 250 * time.Millisecond
)

// Begin starts a world in a bubble of testing/synctest, and lets it serve until [Epoch]: a
// request each second, so that something has just happened.
func Begin(t *testing.T, world func(testing.TB, func() time.Time) *World) (*World, func() time.Time) {
	t.Helper()
	seed(t)
	if _, err := agency(); err != nil { // time passes while it is made
		t.Fatal(err)
	}
	start := time.Now().Add(starts + warmUp*time.Second + apart)
	clock := func() time.Time { return Epoch.Add(time.Since(start)) }
	w := world(t, clock)
	time.Sleep(time.Until(start) - warmUp*time.Second - apart)
	for range warmUp {
		time.Sleep(time.Second / 2)
		w.More(1)
		time.Sleep(time.Second / 2)
	}
	time.Sleep(apart)
	synctest.Wait()
	return w, clock
}

// More lets so many requests come in at once. An empty world has nobody who sends any.
func (w *World) More(requests int) {
	w.tb.Helper()
	if w.agency == nil {
		return
	}
	if err := w.agency.Requests(context.Background(), w.store, w.clock(), requests); err != nil {
		w.tb.Fatal(err)
	}
}

// Crowd is More for thousands: visitors of the website.
func (w *World) Crowd(visits int) {
	w.tb.Helper()
	if err := w.agency.Visits(context.Background(), w.store, w.clock(), visits); err != nil {
		w.tb.Fatal(err)
	}
}
