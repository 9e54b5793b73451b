package demo

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"testing/cryptotest"
	"time"

	"tallygate/assets"
	"tallygate/engine"
	"tallygate/engine/geo"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/memory"
)

var now = time.Date(2026, 11, 25, 14, 2, 31, 0, time.UTC)

func agency(t *testing.T, atOnce int) *Agency {
	t.Helper()
	a, err := New(Options{Now: now, Days: 62, Share: .06, Zone: time.UTC, AtOnce: atOnce})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func fill(t *testing.T, a *Agency, store storage.Store) engine.Options {
	t.Helper()
	kind := sim.Kind()
	kind.New = func(providers.Config) (providers.Provider, error) { return sim.Open(sim.Options{}), nil }
	o := engine.Options{Store: store, Kinds: []providers.Kind{kind}, PriceBook: assets.Prices, Countries: assets.Countries, KeyFile: filepath.Join(t.TempDir(), "key")}
	if err := a.Fill(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// records are all, the latest first.
func records(t *testing.T, store storage.Store) (all []tally.Record) {
	t.Helper()
	q := storage.RecordQuery{Limit: 1000}
	for {
		page, next, err := store.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if q.After = next; next == "" {
			return all
		}
	}
}

func TestItIsTheSameEachTime(t *testing.T) {
	var first []byte
	for range 2 {
		cryptotest.SetGlobalRandom(t, 7)
		store := memory.New(nil)
		fill(t, agency(t, 1), store)
		entities, _, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var digests []any
		for _, e := range entities {
			if s, ok := e.(*tally.Secret); ok { // a seal is another each time
				digests = append(digests, s.Digest)
				continue
			}
			digests = append(digests, e)
		}
		all, err := json.Marshal([]any{digests, records(t, store)})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = all
		} else if string(all) != string(first) {
			t.Error("a second agency is another one")
		}
	}
}

// What the demo shows is true: the books of its store agree, and its clients are as
// near their caps as they are to be.
func TestItsBooksAgree(t *testing.T) {
	store, err := badgerdb.Open(t.Context(), badgerdb.Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := agency(t, 8)
	fill(t, a, store)
	report, err := store.Verify(t.Context(), 0)
	if err != nil || !report.OK || report.Records < 500 {
		t.Errorf("%+v, %v", report, err)
	}
	outcomes := map[tally.Outcome]int{}
	for _, r := range records(t, store) {
		outcomes[r.Outcome]++
	}
	for _, o := range []tally.Outcome{tally.OK, tally.OutcomeDenied, tally.OutcomeLimited, tally.OutcomeFailed, tally.Canceled, tally.Lost} {
		if outcomes[o] == 0 {
			t.Errorf("nothing ends as %s", o)
		}
	}
	for i := range a.clients {
		c := &a.clients[i]
		limit := c.made.Limits[0]
		u, err := store.Usage(t.Context(), tally.Counter{Subject: tally.SubjectOf("client", c.made.ID), Metric: limit.Metric, Period: limit.Window.Period(now, time.UTC, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if share := float64(u[0].Used) / float64(limit.Max); share > 1 || share < c.full*.8 {
			t.Errorf("%s has used %.2f of its budget, want %.2f", c.slug, share, c.full)
		}
	}
}

func TestVisitorsComeFromWhereTheDatabaseHasThem(t *testing.T) {
	db, err := geo.Open(geo.Options{Embedded: assets.Countries})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		if got := db.Country(netip.MustParseAddr(n.prefix + ".2")); got != n.country {
			t.Errorf("%s is in %q, not %q", n.prefix, got, n.country)
		}
	}
}

// The keys and tokens of the demo work at the public plane.
func TestLiveTrafficIsServed(t *testing.T) {
	store := memory.New(nil)
	a := agency(t, 1)
	o := fill(t, a, store)
	o.Clock = func() time.Time { return now }
	e, err := engine.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	server := httptest.NewServer(e.Public())
	defer server.Close()
	before := len(records(t, store))
	dice := rand.New(rand.NewPCG(1, 1))
	for i := range a.clients {
		r := a.ask(dice, now, a.model(a.clients[i].models[0]))
		r.client = i
		a.send(t.Context(), http.DefaultClient, server.URL+"/v1", &r)
	}
	a.Visit(t.Context(), http.DefaultClient, server.URL+"/v1")
	refused := map[string]string{"nordlicht-reisen": tally.LimitCode(tally.Cost), "ferreira-imoveis": tally.CodeClientSuspended, a.tokens[2].id: tally.CodeTokenRevoked}
	all := records(t, store)
	latest := all[:len(all)-before]
	if len(latest) != len(a.clients)+len(a.tokens) {
		t.Fatalf("%d requests were recorded", len(latest))
	}
	slug := map[tally.ID]string{}
	for i := range a.clients {
		slug[a.clients[i].made.ID] = a.clients[i].slug
	}
	for _, r := range latest {
		who := slug[r.Client]
		if r.Token != "" {
			_, who = tally.SplitTokenName(r.Token)
		}
		if r.Code != refused[who] || r.Code == "" && r.Outcome != tally.OK {
			t.Errorf("%s: %d %s %s", who, r.Status, r.Outcome, r.Code)
		}
	}
}
