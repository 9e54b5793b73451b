package meter

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// world is a gateway in Lisbon with one client and one key, a meter and a real
// store. Its entities are changed before use puts them in force.
type world struct {
	t       testing.TB
	gateway tally.Gateway
	client  tally.Client
	key     tally.Key
	cat     *tally.Catalog
	store   storage.Store
	meter   *Meter
	log     *logged
	now     time.Time
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// dollars is a dollar per million input tokens, two per million output tokens.
var dollars = func() (r tally.Rates) {
	for _, c := range tally.AllClasses {
		r.Of[c] = tally.Dollar
		if !c.Prompt() {
			r.Of[c] = 2 * tally.Dollar
		}
	}
	return r
}()

func newWorld(t testing.TB) *world {
	w := &world{
		t:       t,
		gateway: tally.Gateway{Meta: tally.Meta{ID: "gw_1"}, Name: "Main", TimeZone: "Europe/Lisbon", Enabled: true},
		client:  tally.Client{Meta: tally.Meta{ID: "cl_1"}, Gateway: "gw_1", Name: "Hotel Aurora", Status: tally.Active},
		key:     tally.Key{Meta: tally.Meta{ID: "key_1"}, Client: "cl_1", Label: "bot"},
		store:   memory.New(nil),
		log:     &logged{},
		now:     noon,
	}
	w.open(w.store)
	return w
}

// open makes a meter over a store.
func (w *world) open(store storage.Meter) {
	w.meter = New(Options{
		Store:  store,
		Hash:   hash,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	w.use()
}

func hash(of tally.ID, user string) string {
	sum := sha256.Sum256([]byte(string(of) + "#" + user))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// use puts the entities as they are in force, as a new revision. Those that did
// not change stay the same pointers, as with a change by the owner.
func (w *world) use() {
	if w.cat == nil {
		w.cat = tally.NewCatalog(0, nil)
	}
	var changes []tally.Change
	for _, e := range []tally.Entity{new(w.gateway), new(w.client), new(w.key)} {
		if id := e.Base().ID; !reflect.DeepEqual(w.cat.Entity(e.Kind(), id), e) {
			changes = append(changes, tally.Change{Kind: e.Kind(), ID: id, Entity: e})
		}
	}
	w.cat = w.cat.With(w.cat.Rev+1, changes...)
}

// limits reads limits as the owner writes them.
func limits(t testing.TB, texts ...string) (out []tally.Limit) {
	t.Helper()
	for _, text := range texts {
		e, err := tally.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Limit)
	}
	return out
}

// principal is the holder of the key.
func (w *world) principal() *tally.Principal {
	return &tally.Principal{Gateway: w.cat.Gateway("gw_1"), Client: w.cat.Client("cl_1"), Key: w.cat.Key("key_1")}
}

// request is a small request for 100 tokens of output at w.now.
func (w *world) request(change ...func(*Request)) *Request {
	r := &Request{ID: tally.NewID("req", w.now), At: w.now, Catalog: w.cat, Principal: w.principal(),
		Endpoint: "chat/completions", Model: "m", InputTokens: 50, Choices: 1, Output: 100, Rates: dollars, Units: tally.Units{Piece: tally.Search}}
	for _, c := range change {
		c(r)
	}
	return r
}

// admit admits a request that must be admitted.
func (w *world) admit(change ...func(*Request)) *Ticket {
	w.t.Helper()
	ticket, refusal := w.meter.Admit(context.Background(), w.request(change...))
	if refusal != nil {
		w.t.Fatalf("refused: %s: %s", refusal.Code, refusal.Message)
	}
	return ticket
}

// refused sends a request that must be refused.
func (w *world) refused(change ...func(*Request)) *tally.Refusal {
	w.t.Helper()
	ticket, refusal := w.meter.Admit(context.Background(), w.request(change...))
	if refusal == nil {
		w.t.Fatalf("admitted, with %d tokens of output", ticket.Output())
	}
	return refusal
}

// answered is the result of an answer that used some tokens at dollars.
func answered(input, output int64) *Result {
	used := tally.Tokens{Input: input, Output: output}
	return &Result{Status: 200, Outcome: tally.OK, Attempts: []tally.Attempt{
		{Provider: "prov_1", Upstream: "m-1", Tokens: used, Cost: dollars.Cost(used), Basis: tally.Exact, Status: 200}}}
}

// model is one with prices.
func model(prices ...tally.Price) *tally.Model { return &tally.Model{Prices: prices} }

// settle settles a ticket that can be settled.
func (w *world) settle(ticket *Ticket, r *Result) tally.NanoUSD {
	w.t.Helper()
	if err := ticket.Settle(context.Background(), r); err != nil {
		w.t.Fatal(err)
	}
	var cost tally.NanoUSD
	for _, a := range r.Attempts {
		cost += a.Cost
	}
	return cost
}

// spend admits and settles n requests of 10 input and 5 output tokens.
func (w *world) spend(n int) {
	w.t.Helper()
	for range n {
		w.settle(w.admit(), answered(10, 5))
	}
}

// usage is the state of the counters of one subject in the period of a window.
func (w *world) usage(subject tally.Subject, window tally.Unit) (out [tally.NumMetrics]tally.Usage) {
	w.t.Helper()
	period := tally.Window{Unit: window}.Period(w.now, w.cat.Zone("gw_1"), w.gateway.CycleDay)
	for i, m := range tally.Metrics {
		u, err := w.store.Usage(context.Background(), tally.Counter{Subject: subject, Metric: m, Period: period})
		if err != nil {
			w.t.Fatal(err)
		}
		out[i] = u[0]
	}
	return out
}

// records returns all records, the latest first.
func (w *world) records() []tally.Record {
	w.t.Helper()
	records, _, err := w.store.Records(context.Background(), storage.RecordQuery{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// holds is the number of open holds.
func (w *world) holds() int {
	w.t.Helper()
	n, err := w.store.Holds(context.Background(), storage.HoldQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	return n.Count
}

// logged is a log that may be written to concurrently.
type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
