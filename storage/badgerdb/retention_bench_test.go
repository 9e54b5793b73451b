package badgerdb

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tallygate/storage"
)

// BenchmarkRetentionBesideRequests is what requests see of pruning, and of making sums coarse:
// 300 requests a second beside a store of 160 days, of so many records. The figures are the
// 99th percentile of both writes of a request, alone and beside, and how long it takes to
// prune a day. It takes five minutes; run it once, with nothing else running:
//
//	go test -run '^$' -bench RetentionBesideRequests -benchtime 1x ./storage/badgerdb -size 320000
func BenchmarkRetentionBesideRequests(b *testing.B) {
	const daysKept, rest = 160, 1000
	all := cmp.Or(*size, 320_000)
	records, looked := all/daysKept, time.Duration(all)*560*time.Microsecond // 3 minutes at that size
	for range b.N {
		s := openStore(b, filepath.Join(b.TempDir(), "s"))
		l := newLoad(s, 50)
		l.now = l.now.AddDate(0, 0, -daysKept)
		l.step = 24 * time.Hour / time.Duration(records)
		l.run(b, 16, daysKept*records)
		now := l.now.Add(time.Duration(l.next.Load()) * l.step)
		time.Sleep(looked / 36) // what the load has left is put in order
		alone := l.paced(b, looked/6, func(context.Context) {})
		pruned := 0
		var took time.Duration
		beside := l.paced(b, looked, func(ctx context.Context) {
			began := time.Now()
			for ctx.Err() == nil {
				if _, err := s.Prune(ctx, storage.Before(now.AddDate(0, 0, pruned-daysKept)), rest); err != nil && ctx.Err() == nil {
					b.Error(err)
				}
				pruned++
				took = time.Since(began)
			}
		})
		coarse := l.paced(b, looked/3, func(ctx context.Context) {
			if _, err := s.Coarsen(ctx, now.AddDate(0, 0, -100), midnights, rest); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(alone.Microseconds()), "alone-p99-µs")
		b.ReportMetric(float64(beside.Microseconds()), "pruning-p99-µs")
		b.ReportMetric(float64(coarse.Microseconds()), "coarsening-p99-µs")
		b.ReportMetric(took.Seconds()/float64(max(pruned, 1)), "s/day")
		b.ReportMetric(float64(len(*s.coarse.Load())), "coarse-chunks")
	}
}

// paced makes 300 requests a second for some time beside something else, and returns the 99th
// percentile of what they take.
func (l *load) paced(b *testing.B, d time.Duration, beside func(context.Context)) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { beside(ctx) })
	var mu sync.Mutex
	var took []time.Duration
	tick := time.NewTicker(time.Second / 300)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		all.Go(func() {
			began := time.Now()
			if err := l.request(); err != nil {
				b.Error(err)
			}
			mu.Lock()
			took = append(took, time.Since(began))
			mu.Unlock()
		})
	}
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}
