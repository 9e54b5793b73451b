package badgerdb

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// load makes requests as the gateway does: six limits, a bound, a record of the
// usual size.
type load struct {
	tagged bool // records have two tags, and a session of ten
	store  *Store
	now    time.Time
	plans  [][]tally.Charge // one for each of some clients
	next   atomic.Int64
	step   time.Duration // from one request to the next

	failing bool // every provider failed
}

func newLoad(s *Store, clients int) *load {
	l := &load{store: s, now: time.Now().UTC().Truncate(time.Hour), step: time.Microsecond}
	for i := range clients {
		var list []tally.Charge
		for _, subject := range []string{fmt.Sprintf("key/ke_01kq3ma7e%017d", i), fmt.Sprintf("client/cl_01kq3ma7e%017d", i), "gateway/gw_01kq3ma7e00000000000000000"} {
			for _, c := range []struct {
				m tally.Metric
				u tally.Unit
			}{{tally.Requests, tally.Minute}, {tally.Cost, tally.Month}} {
				period := tally.Window{Unit: c.u}.Period(l.now, time.UTC, 0)
				list = append(list, tally.Charge{Counter: tally.Counter{Subject: tally.Subject(subject), Metric: c.m, Period: period}, Max: tally.MaxCount})
			}
		}
		l.plans = append(l.plans, list)
	}
	return l
}

// request is one Reserve and one Settle.
func (l *load) request() error {
	n := l.next.Add(1)
	at := l.now.Add(time.Duration(n) * l.step)
	charges := l.plans[n%int64(len(l.plans))]
	if !charges[0].Period.Contains(at) {
		charges = periodsAt(charges, at)
	}
	_, key := charges[0].Subject.Split()
	_, client := charges[2].Subject.Split()
	_, gateway := charges[4].Subject.Split()
	r := tally.Reservation{
		ID: tally.NewID("req", at), At: at, ExpiresAt: at.Add(time.Hour), WantOutput: 500,
		Bounds: tally.Bounds{{Base: 1}, {Base: 900, PerMillion: 1e6}, {Base: 90_000, PerMillion: 6e8}, {Base: 99_000, PerMillion: 6.6e8}}, Charges: charges,
		Draft: tally.Record{Gateway: gateway, Client: client, Key: key, Endpoint: "chat", Model: "gpt-4o-mini", Stream: true, Count: 1},
	}
	if l.tagged {
		of := n % int64(len(l.plans))
		r.Draft.Tags = tally.Tags(fmt.Sprintf("project=p%d,tool=n8n", n/50%5))
		r.Session = &tally.SessionUse{Client: client, Member: fmt.Sprintf("%022d", of<<32+n/500)}
	}
	if _, err := l.store.Reserve(context.Background(), r); err != nil {
		return err
	}
	rec := answer(r.Draft, n)
	if l.failing {
		rec.Status, rec.Outcome, rec.Code = 504, tally.OutcomeFailed, tally.CodeProviderTimeout
	}
	return l.store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: rec})
}

// answer is the record of the n-th request.
func answer(rec tally.Record, n int64) tally.Record {
	rec.Provider, rec.Upstream, rec.Attempts, rec.Status, rec.Outcome, rec.Basis = "pr_01kq3ma7e00000000000000000", "gpt-4o-mini", 1, 200, tally.OK, tally.Exact
	rec.Price = "prc_01kq3ma7e00000000000000000"
	rec.Tokens = tally.Tokens{Input: 200 + n%700, Output: 100 + n%400}
	rec.Cost, rec.Credits = tally.NanoUSD(30_000+n%90_000), tally.NanoUSD(33_000+n%99_000)
	rec.FirstByte, rec.Total = time.Duration(200+n%300)*time.Millisecond, time.Duration(1000+n%5000)*time.Millisecond
	return rec
}

// periodsAt moves minutes and months on.
func periodsAt(charges []tally.Charge, at time.Time) []tally.Charge {
	charges = slices.Clone(charges)
	for i := range charges {
		unit := tally.Minute
		if i%2 == 1 {
			unit = tally.Month
		}
		charges[i].Period = tally.Window{Unit: unit}.Period(at, time.UTC, 0)
	}
	return charges
}

// run makes n requests with so many callers.
func (l *load) run(t testing.TB, callers, n int) {
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := l.request(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkReserveSettle is the store's part of one request, twice durable. The
// metric cpu-ns/op is the time of all processors, deferred work included;
// making the request costs about 1,000 of it.
func BenchmarkReserveSettle(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openStore(b, filepath.Join(b.TempDir(), "s"))
			l := newLoad(s, 50)
			b.ReportAllocs()
			before := cpuTime()
			b.ResetTimer()
			l.run(b, callers, b.N)
			b.StopTimer()
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkBlock reads blocks of 20 records, as they come under load, in both
// versions. The metric is what a record takes.
func BenchmarkBlock(b *testing.B) {
	const n = 20
	var now encoder
	var old encoder1
	now.blockHead()
	old.blockHead()
	l := newLoad(nil, 50)
	for i := range int64(n) {
		at := l.now.Add(time.Duration(i) * 77 * time.Millisecond)
		x := entry{Record: answer(tally.Record{ID: tally.NewID("req", at), At: at, Endpoint: "chat", Model: "gpt-4o-mini", Stream: true, Count: 1}, i), settledAt: l.now.Add(6 * time.Second)}
		for j, c := range l.plans[i] {
			kind, id := c.Subject.Split()
			switch kind {
			case "key":
				x.Key = id
			case "client":
				x.Client = id
			case "gateway":
				x.Gateway = id
			}
			used := 40 + i
			if j%2 == 1 {
				used = 3_000_000_000 + i*70_000
			}
			x.Charges = append(x.Charges, tally.Charged{Subject: c.Subject, Metric: c.Metric, Window: c.Period.Label, Used: used, Max: c.Max})
		}
		now.entry(&x)
		old.entry(&x)
	}
	key := recordKey(1, 1)
	for _, c := range []struct {
		name  string
		value []byte
	}{{"version=1", seal(key, old.b)}, {"version=2", seal(key, now.b)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var x block
			for b.Loop() {
				if err := x.open(key, c.value); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
			b.ReportMetric(float64(len(c.value))/n, "B/record")
		})
	}
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
