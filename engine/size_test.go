package engine

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/tally"
	"tallygate/providers/openai"
	"tallygate/storage/badgerdb"
)

var size = flag.Int("size", 0, "measure what views take over so many records")

// TestSize measures what an owner waits for, over many records of 50 clients in 90 days. Its
// figures are for people:
//
//	go test ./engine -run TestSize -v -timeout 60m -size 10000000
//
// Ten million records with two tags and sessions of ten, on two cores beside other work:
// statements of all clients in 20 ms, with a tag in 31; lists of clients and keys and status
// in less than 10; usage of a month or of 90 days by anything in less than 26, day by day in
// 74 by client and in 137 by tag; 90 days of one client's 20,000 sessions in 360; requests
// with a tag that nobody has in 6.
func TestSize(t *testing.T) {
	if *size == 0 {
		return
	}
	dir := t.TempDir()
	events := feed.New(256)
	store, err := badgerdb.Open(t.Context(), badgerdb.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Options{Store: store, Feed: events, Kinds: openai.Kinds(), PriceBook: []byte(book), KeyFile: filepath.Join(dir, "key"),
		Logger: slog.New(slog.DiscardHandler), Version: "1.2.3", Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer e.Close()
	ln, dial := control.Memory()
	go e.Control().Serve(t.Context(), ln, control.Write)
	owner := control.NewClient(dial)
	defer owner.Close()
	ask := func(what string, f func() error) {
		t.Helper()
		var took []time.Duration
		for range 5 {
			began := time.Now()
			if err := f(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			took = append(took, time.Since(began))
		}
		t.Logf("%-44s first %8v  median %8v", what, took[0].Round(10*time.Microsecond), median(took).Round(10*time.Microsecond))
	}
	if _, err := control.EngineSetup.Do(t.Context(), owner, control.Setup{TimeZone: "Europe/Lisbon"}); err != nil {
		t.Fatal(err)
	}
	var clients []tally.Client
	var keys []tally.ID
	for i := range 50 {
		cl, err := control.ClientsCreate.Do(t.Context(), owner, control.CreateClient{ClientFields: control.ClientFields{
			Name: to(fmt.Sprintf("Client %d", i)), Limits: edits(t, "cost=5000/month", "requests=100M/day")}})
		if err != nil {
			t.Fatal(err)
		}
		k, err := control.KeysCreate.Do(t.Context(), owner, control.CreateKey{Client: cl.Slug})
		if err != nil {
			t.Fatal(err)
		}
		clients, keys = append(clients, cl), append(keys, k.ID)
	}
	gateway := clients[0].Gateway
	now := time.Now().UTC()
	first, step := now.AddDate(0, 0, -90), 90*24*time.Hour/time.Duration(*size)
	var next atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(*size); n = next.Add(1) {
				at, i := first.Add(time.Duration(n)*step), n%50
				day := tally.Window{Unit: tally.Day}.Period(at, time.UTC, 1)
				r := tally.Reservation{ID: tally.NewID("req", at), At: at, ExpiresAt: at.Add(time.Hour), WantOutput: 500,
					Bounds:  tally.Bounds{{Base: 1}, {Base: 900, PerMillion: 1e6}, {Base: 90_000, PerMillion: 6e8}, {Base: 90_000, PerMillion: 6e8}},
					Charges: []tally.Charge{{Counter: tally.Counter{Subject: tally.SubjectOf("client", clients[i].ID), Metric: tally.Cost, Period: day}, Max: 1e15}},
					Draft: tally.Record{Gateway: gateway, Client: clients[i].ID, Key: keys[i], Endpoint: "chat", Model: fmt.Sprintf("model-%d", n/50%4), Count: 1,
						Tags: tally.Tags(fmt.Sprintf("project=p%d,tool=n8n", n/50%5))},
					Session: &tally.SessionUse{Client: clients[i].ID, Member: fmt.Sprintf("%022d", i<<32+n/500)}}
				rec := r.Draft
				rec.Provider, rec.Attempts, rec.Status, rec.Outcome, rec.Basis = "pr_1", 1, 200, tally.OK, tally.Exact
				rec.Tokens, rec.Cost, rec.Credits = tally.Tokens{Input: 200 + n%700, Output: 100 + n%400}, tally.NanoUSD(30_000+n%90_000), tally.NanoUSD(33_000+n%90_000)
				rec.Total = time.Second
				if _, err := store.Reserve(context.Background(), r); err != nil {
					t.Error(err)
					return
				}
				if err := store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: rec}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d records in %v", *size, time.Since(began).Round(time.Second))
	ask("statements of all clients, last month", func() error {
		_, err := control.ClientsStatement.Do(t.Context(), owner, control.StatementQuery{All: true, Month: "last"})
		return err
	})
	ask("statements of all clients, by a tag", func() error {
		_, err := control.ClientsStatement.Do(t.Context(), owner, control.StatementQuery{All: true, Month: "last", Tag: "project"})
		return err
	})
	ask("one statement", func() error {
		_, err := control.ClientsStatement.Do(t.Context(), owner, control.StatementQuery{Client: clients[7].Slug, Month: "last"})
		return err
	})
	ask("clients", func() error { _, err := control.ClientsList.Do(t.Context(), owner, control.Listing{}); return err })
	ask("keys", func() error { _, err := control.KeysList.Do(t.Context(), owner, control.ListKeys{}); return err })
	ask("status", func() error { _, err := control.EngineStatus.Do(t.Context(), owner, control.None{}); return err })
	for _, q := range []control.UsageQuery{{Month: "last"}, {Since: "90d"}, {Since: "90d", Every: "day"}, {Client: clients[3].Slug, Since: "90d", Every: "day"}} {
		for _, by := range slices.Concat([]string{""}, control.Breakdown("").Words()) {
			q.By = control.Breakdown(by)
			if _, err := control.UsageShow.Do(t.Context(), owner, q); tally.CodeOf(err) == tally.Invalid {
				continue // one client's usage is not broken down by everything
			}
			ask(fmt.Sprintf("usage %s%s %s client=%.6s by %s", q.Month, q.Since, q.Every, q.Client, by), func() error {
				_, err := control.UsageShow.Do(t.Context(), owner, q)
				return err
			})
		}
	}
	for _, q := range []control.RequestQuery{{}, {Client: clients[3].Slug}, {Tag: "project=p1"}, {Tag: "project=none"}, {Filter: "status:5xx"}, {Model: "model-3"}} {
		ask(fmt.Sprintf("requests of %.8s%s%s%s", q.Client, q.Tag, q.Filter, q.Model), func() error {
			_, err := control.RequestsList.Do(t.Context(), owner, q)
			return err
		})
	}
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}
