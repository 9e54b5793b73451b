package meter

import (
	"context"
	"encoding/binary"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

var visitors = flag.Int("visitors", 20_000, "distinct visitors of BenchmarkVisitors")

// Every request comes from an address that was not seen before, with a quota for
// each. What that leaves in memory, and on the disk, is what it has more than as
// many requests of one visitor: the store's caches fill up with either.
//
//	go test ./engine/meter -run '^$' -bench Visitors -benchtime 1x -visitors 1000000
func BenchmarkVisitors(b *testing.B) {
	for _, profile := range []badgerdb.Profile{badgerdb.Desktop, badgerdb.Server} {
		b.Run(string(profile), func(b *testing.B) {
			for b.Loop() {
				one, many := visit(b, profile, 1), visit(b, profile, *visitors)
				b.ReportMetric(float64(many.after-one.after)/1e6, "MB-more-after")
				b.ReportMetric(float64(many.most-one.most)/1e6, "MB-more-at-most")
				b.ReportMetric(float64(many.disk-one.disk)/float64(*visitors), "bytes-more-on-disk/visitor")
				b.ReportMetric(many.seconds/one.seconds, "×time")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// load is what many requests leave behind.
type load struct {
	after, most int64 // bytes of the heap when all is written, and on the way
	disk        int64
	seconds     float64
}

// visit makes as many requests as there are visitors, from so many addresses.
func visit(b *testing.B, profile badgerdb.Profile, addresses int) (out load) {
	dir := filepath.Join(b.TempDir(), "store") // nobody else may enter it
	store, err := badgerdb.Open(context.Background(), badgerdb.Options{Dir: dir, Profile: profile, Durability: badgerdb.Normal, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(b)
	w.open(store)
	w.gateway.VisitorLimits = limits(b, "requests=2000000/day")
	w.cat = w.cat.With(2, tally.Put(&tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}, VisitorInFlight: 10_000}, noon))
	w.use()
	var next, most atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range 64 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(*visitors); n = next.Add(1) {
				var ip [4]byte
				binary.BigEndian.PutUint32(ip[:], uint32(n%int64(addresses))+1<<24)
				r := w.request()
				r.ID = tally.ID("req_" + strconv.FormatInt(n, 10))
				r.Principal = &tally.Principal{Gateway: w.cat.Gateway("gw_1"), Visitor: true, IP: netip.AddrFrom4(ip)}
				ticket, refusal := w.meter.Admit(context.Background(), r)
				if refusal != nil {
					b.Error(refusal)
					return
				}
				if err := ticket.Settle(context.Background(), answered(50, 100)); err != nil {
					b.Error(err)
					return
				}
				if n%(int64(*visitors)/20) == 0 {
					most.Store(max(most.Load(), heap()))
				}
			}
		})
	}
	all.Wait()
	out.seconds = time.Since(began).Seconds()
	time.Sleep(10 * time.Second) // the store catches up
	out.after, out.most = heap(), most.Load()
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			out.disk += info.Size()
		}
		return nil
	})
	return out
}

// heap is what is in use once the garbage is gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
