package pgstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

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
	stop()
	var trips int64
	for _, n := range nodes {
		<-n.ended
		trips += n.bank.trips.Load()
	}
	b.ReportMetric(float64(trips)/float64(b.N), "exchanges/request")
}
