package pgstore

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/lease"
	"tallygate/storage/pgstore/pgtest"
)

// How long an exchange of so many counters takes with a server that syncs: all begun by it,
// or known.
func BenchmarkExchange(b *testing.B) {
	for _, rows := range []int{1, 50} {
		for _, fresh := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/new=%v", rows, fresh), func(b *testing.B) {
				w := newWorld(b, pgtest.New(b, "fsync=on").Database(b))
				m := w.join("n1")
				op := func(i int) *lease.Exchange {
					asks := make([]lease.Ask, rows)
					for j := range asks {
						of := j
						if fresh {
							of += i * rows
						}
						asks[j] = ask(fmt.Sprint("key/", of), 1000, 5)
						asks[j].New = fresh || i == 0
					}
					return m.next(asks...)
				}
				m.send(op(0))
				i := 1
				for b.Loop() {
					m.send(op(i))
					i++
				}
			})
		}
	}
}

// How often three nodes go to the database, for each request they admit.
func BenchmarkRequests(b *testing.B) {
	w := newWorld(b, pgtest.New(b, "fsync=on").Database(b))
	ctx, stop := context.WithCancel(b.Context())
	nodes := []*node{w.start(ctx, "n1", w.url, 0), w.start(ctx, "n2", w.url, 0), w.start(ctx, "n3", w.url, 0)}
	var at atomic.Int64
	b.SetParallelism(96)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		n := nodes[at.Add(1)%3]
		key := charge(fmt.Sprint("key/", at.Load()%300), 1<<40)
		for pb.Next() {
			h, err := n.admit(key, charge(theGateway, 1<<40))
			if err != nil {
				b.Error(err)
				return
			}
			time.Sleep(20 * time.Millisecond)
			n.settle(h)
		}
	})
	b.StopTimer()
	stop()
	var trips int64
	for _, n := range nodes {
		<-n.ended
		trips += n.bank.trips.Load()
	}
	b.ReportMetric(float64(trips)/float64(b.N), "exchanges/request")
}

// What a request costs the store on a warm lease, against a store of one machine alone: six
// limits each, reserved and settled, one after the other. Admission is told by itself, since
// records are shipped on the same processors meanwhile:
//
//	go test ./storage/pgstore -run '^$' -bench Warm -benchtime 20000x -count 5
func BenchmarkWarm(b *testing.B) {
	for _, name := range []string{"alone", "node"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			journal := badgerdb.Options{Dir: filepath.Join(dir, "store")}
			var s storage.Store
			var err error
			if name == "node" {
				s, err = Open(b.Context(), Options{URL: pgtest.Database(b), Dir: dir, Name: "n1", Journal: journal})
			} else {
				s, err = badgerdb.Open(b.Context(), journal)
			}
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			const most = 1 << 50
			r := requestOf(100, chargeOf("gateway/gw_1", tally.Requests, tally.Month, most),
				chargeOf("gateway/gw_1", tally.Cost, tally.Month, most),
				chargeOf("client/cl_1", tally.Requests, tally.Day, most), chargeOf("client/cl_1", tally.Cost,
					tally.Total, most),
				chargeOf("key/ke_1", tally.Requests, tally.Hour, most), chargeOf("key/ke_1", tally.TokensIO,
					tally.Day, most))
			var reserving time.Duration
			for i := 0; b.Loop(); i++ {
				r.ID = tally.ID(fmt.Sprint("rq_", i))
				began := time.Now()
				if _, err := s.Reserve(b.Context(), r); err != nil {
					b.Fatal(err)
				}
				reserving += time.Since(began)
				rec := r.Draft
				rec.Outcome, rec.Status, rec.Cost, rec.Credits, rec.Tokens = tally.OK, 200, 80, 80, tally.Tokens{Input: 5, Output: 5}
				if err := s.Settle(b.Context(), tally.Settlement{ID: r.ID, Record: rec}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(reserving)/float64(b.N), "reserve-ns/op")
		})
	}
}
