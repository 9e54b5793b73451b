package badgerdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

func openAt(t testing.TB, dir string, hook storage.Hook) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRandomHistory compares the store with the executable specification.
func TestRandomHistory(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			ctx := context.Background()
			dir := filepath.Join(t.TempDir(), "s")
			s := openAt(t, dir, nil)
			defer func() { s.Close() }()
			m := memory.New(nil)
			zone, _ := time.LoadLocation("Europe/Lisbon")
			now := time.Date(2026, 11, 30, 23, 50, 0, 0, time.UTC)
			var open []tally.ID
			clients := map[tally.ID]tally.ID{}
			n := 0
			subjects := []tally.Subject{"gateway/g", "client/a", "client/b", "key/k", "visitor/v"}
			windows := []tally.Window{{Unit: tally.Minute}, {Unit: tally.Hour}, {Unit: tally.Day}, {Unit: tally.Month, Day: 15}, {Unit: tally.Total}}
			counter := func() tally.Counter {
				return tally.Counter{Subject: subjects[rnd.IntN(len(subjects))], Metric: tally.Metrics[rnd.IntN(tally.NumMetrics)],
					Period: windows[rnd.IntN(len(windows))].Period(now, zone, 0)}
			}
			for range 400 {
				switch rnd.IntN(10) {
				case 0, 1, 2, 3:
					n++
					r := tally.Reservation{ID: tally.ID(fmt.Sprintf("req_%05d", n)), At: now, ExpiresAt: now.Add(time.Minute), WantOutput: int64(rnd.IntN(100)),
						Draft: tally.Record{Gateway: "g", Client: tally.ID("ab"[rnd.IntN(2):][:1]), Key: "k", Model: "m", Count: 1}}
					r.MinOutput = min(r.WantOutput, int64(rnd.IntN(20)))
					r.Bounds = tally.Bounds{{Base: 1}, {Base: 10, PerMillion: 1e6}, {Base: 100, PerMillion: 7e6}, {Base: 120, PerMillion: 8e6}, {Base: 1}}
					for range rnd.IntN(5) {
						r.Charges = append(r.Charges, tally.Charge{Counter: counter(), Max: int64(rnd.IntN(3000))})
					}
					if rnd.IntN(2) == 0 {
						r.Session = &tally.SessionUse{Client: r.Draft.Client, Member: fmt.Sprint(rnd.IntN(3)), Until: now.Add(time.Hour), Fixed: rnd.IntN(2) == 0}
					}
					g1, e1 := m.Reserve(ctx, r)
					g2, e2 := s.Reserve(ctx, r)
					if !reflect.DeepEqual(g1, g2) || fmt.Sprint(e1) != fmt.Sprint(e2) {
						t.Fatalf("reserve %+v:\nwant %+v %v\ngot  %+v %v", r, g1, e1, g2, e2)
					}
					if e1 == nil {
						open = append(open, r.ID)
						clients[r.ID] = r.Draft.Client
					}
				case 4, 5, 6:
					if len(open) == 0 {
						continue
					}
					i := rnd.IntN(len(open))
					in := tally.Settlement{ID: open[i], Record: tally.Record{Gateway: "g", Client: clients[open[i]], Key: "k", Model: "m", Status: 200, Outcome: tally.OK, Count: 1,
						Tokens: tally.Tokens{Input: int64(rnd.IntN(50)), Output: int64(rnd.IntN(50))}, Cost: tally.NanoUSD(rnd.IntN(400)), Credits: 5, Total: time.Duration(rnd.IntN(5000)) * time.Millisecond}}
					if e1, e2 := m.Settle(ctx, in), s.Settle(ctx, in); fmt.Sprint(e1) != fmt.Sprint(e2) {
						t.Fatalf("settle: want %v, got %v", e1, e2)
					}
					open = slices.Delete(open, i, i+1)
				case 7:
					c := counter()
					u1, _ := m.Usage(ctx, c)
					u2, err := s.Usage(ctx, c)
					if err != nil || u1[0] != u2[0] {
						t.Fatalf("usage of %+v: want %+v, got %+v %v", c, u1, u2, err)
					}
				case 8:
					now = now.Add(time.Duration(rnd.IntN(1200)) * time.Second)
					if rnd.IntN(3) == 0 {
						a, _ := m.Expire(ctx, now, 3)
						b, err := s.Expire(ctx, now, 3)
						if a != b || err != nil {
							t.Fatalf("expire: want %d, got %d %v", a, b, err)
						}
						open = nil
						for id := range n + 1 {
							id := tally.ID(fmt.Sprintf("req_%05d", id))
							if m.Extend(ctx, id, now.Add(time.Minute)) == nil {
								open = append(open, id)
								s.Extend(ctx, id, now.Add(time.Minute))
							}
						}
					}
				case 9:
					if rnd.IntN(4) == 0 && len(open) == 0 {
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
						s = openAt(t, dir, nil)
					}
				}
			}
			w, _, _ := m.Records(ctx, storage.RecordQuery{Limit: 1000})
			g, _, err := s.Records(ctx, storage.RecordQuery{Limit: 1000})
			if err != nil || len(w) != len(g) {
				t.Fatalf("%d records, want %d, %v", len(g), len(w), err)
			}
			for i := range w {
				if !reflect.DeepEqual(w[i], g[i]) {
					t.Fatalf("record %d:\nwant %+v\ngot  %+v", i, w[i], g[i])
				}
			}
			for _, f := range []tally.Family{tally.ByTotal, tally.ByClient, tally.ByClientModel} {
				q := storage.SeriesQuery{Family: f, Edges: []time.Time{now.Add(-48 * time.Hour).Truncate(time.Hour), now.Truncate(time.Hour), now.Add(24 * time.Hour).Truncate(time.Hour)}}
				p1, _ := m.Series(ctx, q)
				p2, err := s.Series(ctx, q)
				if err != nil || !reflect.DeepEqual(p1, p2) {
					t.Fatalf("series %s:\nwant %+v\ngot  %+v %v", f, p1, p2, err)
				}
			}
			rep, err := s.Verify(ctx)
			if err != nil || !rep.OK {
				t.Fatalf("verify: %+v %v", rep, err)
			}
			if _, err := s.Prune(ctx, now.Add(48*time.Hour)); err != nil {
				t.Fatal(err)
			}
			if rep, err = s.Verify(ctx); err != nil || !rep.OK {
				t.Fatalf("verify after pruning: %+v %v", rep, err)
			}
		})
	}
}

func BenchmarkReserveSettle(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("c%d", callers), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "s"), nil)
			defer s.Close()
			ctx := context.Background()
			var next atomic.Int64
			var wg sync.WaitGroup
			now := time.Now().UTC()
			day := tally.Window{Unit: tally.Day}.Period(now, time.UTC, 0)
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						r := tally.Reservation{ID: tally.NewID("req", now), At: now, ExpiresAt: now.Add(time.Hour), WantOutput: 100, Bounds: tally.Bounds{{Base: 1}},
							Draft: tally.Record{Gateway: "gw_01", Client: "cl_01", Key: "ke_01", Model: "gpt", Count: 1}}
						for _, s := range []tally.Subject{"gateway/gw_01", "client/cl_01", "key/ke_01"} {
							for _, m := range []tally.Metric{tally.Requests, tally.TokensIO} {
								r.Charges = append(r.Charges, tally.Charge{Counter: tally.Counter{Subject: s, Metric: m, Period: day}, Max: tally.MaxCount})
							}
						}
						if _, err := s.Reserve(ctx, r); err != nil {
							b.Error(err)
							return
						}
						rec := r.Draft
						rec.Status, rec.Outcome, rec.Tokens = 200, tally.OK, tally.Tokens{Input: 10, Output: 20}
						if err := s.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
