package badgerdb

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

var (
	ctx         = context.Background()
	errInTheWay = errors.New("a test is in the way")
)

// world is a store and the executable specification, which is told whatever the
// store has acknowledged.
type world struct {
	*testing.T
	*Store
	dir  string
	spec *memory.Store
	now  time.Time
	open map[tally.ID]tally.Reservation

	pruned   int            // by a Prune that failed
	families []tally.Family // that agree
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: filepath.Join(t.TempDir(), "s"), spec: memory.New(nil), now: noon, open: map[tally.ID]tally.Reservation{}, families: tally.Families}
	w.start()
	t.Cleanup(func() { w.Store.Close() })
	return w
}

func (w *world) start() {
	w.Helper()
	s, err := Open(ctx, Options{Dir: w.dir, chunkBits: 2, upgradeRecords: 3})
	if err != nil {
		w.Fatal(err)
	}
	w.Store = s
}

func (w *world) restart() {
	w.Helper()
	if err := w.Store.Close(); err != nil {
		w.Fatal(err)
	}
	w.start()
	w.orphan()
}

// crash goes on with what a kill would leave behind at this moment.
func (w *world) crash() {
	w.Helper()
	w.crashAs(func(string) {})
}

// crashAs changes what the kill has left.
func (w *world) crashAs(change func(dir string)) {
	w.Helper()
	old, dir := w.Store, w.TempDir()+"/s"
	if err := old.queue.alone(func() error { return copyFolder(dir, w.dir) }); err != nil {
		w.Fatal(err)
	}
	old.Close()
	change(dir)
	w.dir = dir
	w.start()
	w.orphan()
}

// orphan tells the specification, that never ends, which holds are overdue.
func (w *world) orphan() {
	for id := range w.open {
		w.spec.Extend(ctx, id, time.Time{})
	}
}

func (w *world) charge(s tally.Subject, m tally.Metric, u tally.Unit) tally.Charge {
	return tally.Charge{Counter: tally.Counter{Subject: s, Metric: m, Period: tally.Window{Unit: u}.Period(w.now, time.UTC, 0)}, Max: 1_000_000}
}

func (w *world) reservation(id tally.ID) tally.Reservation {
	return tally.Reservation{
		ID: id, At: w.now, ExpiresAt: w.now.Add(time.Minute), WantOutput: 50,
		Bounds: tally.Bounds{{Base: 1}, {Base: 10, PerMillion: 1e6}, {Base: 100, PerMillion: 2e6}, {Base: 120, PerMillion: 2e6}},
		Charges: []tally.Charge{w.charge("client/cl_1", tally.Requests, tally.Minute), w.charge("client/cl_1", tally.TokensIO, tally.Month),
			w.charge("gateway/gw_1", tally.Cost, tally.Total), w.charge("visitor/v1", tally.Requests, tally.Day)},
		Session: &tally.SessionUse{Client: "cl_1", Member: "m" + string(id[len(id)-1:]), Until: w.now.Add(time.Hour)},
		Draft:   tally.Record{Gateway: "gw_1", Client: "cl_1", Key: "ke_1", Model: "m_1", Count: 1},
	}
}

// both tells the specification of an act if the store has acknowledged it.
func (w *world) both(err error, spec func() error) error {
	w.Helper()
	if err != nil {
		if tally.CodeOf(err) != tally.Unavailable {
			w.Errorf("%v, want Unavailable", err)
		}
		return err
	}
	if err := spec(); err != nil {
		w.Errorf("the specification says %v", err)
	}
	return nil
}

func (w *world) reserve(id tally.ID) error {
	w.Helper()
	r := w.reservation(id)
	got, err := w.Reserve(ctx, r)
	return w.both(err, func() error {
		want, err := w.spec.Reserve(ctx, r)
		if got != want {
			w.Errorf("granted %+v, want %+v", got, want)
		}
		w.open[id] = r
		return err
	})
}

func (w *world) settle(id tally.ID) error {
	w.Helper()
	rec := w.open[id].Draft
	rec.Status, rec.Outcome, rec.Basis, rec.Tokens, rec.Cost, rec.Total = 200, tally.OK, tally.Exact, tally.Tokens{Input: 9, Output: 20}, 77, time.Second
	billed := rec.Cost + 1
	rec.Upstream, rec.Billed, rec.Listed = "up_"+string(id[4:5]), &billed, rec.Cost
	in := tally.Settlement{ID: id, Record: rec}
	return w.both(w.Settle(ctx, in), func() error {
		delete(w.open, id)
		return w.spec.Settle(ctx, in)
	})
}

func (w *world) refuse(id tally.ID) error {
	w.Helper()
	r := tally.Record{ID: id, At: w.now, Gateway: "gw_1", Client: "cl_1", Outcome: tally.OutcomeLimited, Status: 429, Code: "requests_limit", Count: 3}
	return w.both(w.Refuse(ctx, r), func() error { return w.spec.Refuse(ctx, r) })
}

func (w *world) enter(id tally.ID, credits, funds tally.NanoUSD) error {
	w.Helper()
	r := tally.Record{ID: id, At: w.now, Gateway: "gw_1", Client: "cl_1", Model: "m_1", Outcome: tally.Booked, Credits: credits, Cost: 7,
		Entry: &tally.Entry{Kind: tally.Adjustment, Funds: funds, Reason: "as agreed", Expires: w.now.Add(time.Hour)}}
	_, err := w.Enter(ctx, r)
	return w.both(err, func() error {
		_, err := w.spec.Enter(ctx, r)
		return err
	})
}

func (w *world) expire() error {
	w.Helper()
	now := w.now.Add(time.Hour)
	n, err := w.Expire(ctx, now, 10)
	return w.both(err, func() error {
		m, err := w.spec.Expire(ctx, now, 10)
		if n != m {
			w.Errorf("%d expired, want %d", n, m)
		}
		clear(w.open)
		return err
	})
}

func (w *world) prune(before time.Time) error {
	w.Helper()
	n, err := w.Prune(ctx, storage.Before(before), 0)
	w.pruned += n // an error leaves whole days pruned
	return w.both(err, func() error {
		m, err := w.spec.Prune(ctx, storage.Before(before), 0)
		if w.pruned != m {
			w.Errorf("%d pruned, want %d", w.pruned, m)
		}
		w.pruned = 0
		return err
	})
}

// agree compares everything one can ask.
func (w *world) agree() {
	w.Helper()
	w.agreeOnSums()
	records, _, err := w.Records(ctx, storage.RecordQuery{Limit: 1000})
	want, _, _ := w.spec.Records(ctx, storage.RecordQuery{Limit: 1000})
	w.same("records", records, want, err)
	entries, err := w.Entries(ctx, storage.EntryQuery{})
	want, _ = w.spec.Entries(ctx, storage.EntryQuery{})
	w.same("entries", entries, want, err)
	w.sound()
}

func (w *world) same(what string, got, want any, err error) {
	w.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		w.Errorf("%s:\ngot  %+v, %v\nwant %+v", what, got, err, want)
	}
}

// agreeOnSums compares what pruning does not change.
func (w *world) agreeOnSums() {
	w.Helper()
	counters := []tally.Counter{}
	for _, s := range []tally.Subject{"gateway/gw_1", "client/cl_1", "key/ke_1", "visitor/v1"} {
		for _, m := range tally.Metrics {
			for _, u := range []tally.Unit{tally.Minute, tally.Day, tally.Month, tally.Total} {
				counters = append(counters, w.charge(s, m, u).Counter)
			}
		}
	}
	usage, err := w.Usage(ctx, counters...)
	wantUsage, _ := w.spec.Usage(ctx, counters...)
	w.same("usage", usage, wantUsage, err)
	for _, f := range w.families {
		q := storage.SeriesQuery{Family: f, Edges: []time.Time{noon.AddDate(0, -1, 0), noon, noon.Add(time.Hour), noon.AddDate(1, 0, 0)}}
		series, err := w.Series(ctx, q)
		want, _ := w.spec.Series(ctx, q)
		w.same("series "+string(f), series, want, err)
	}
	used, err := w.LastUsed(ctx, "gateway/gw_1", "client/cl_1", "visitor/v1", "visitor/v2")
	wantUsed, _ := w.spec.LastUsed(ctx, "gateway/gw_1", "client/cl_1", "visitor/v1", "visitor/v2")
	w.same("last used", used, wantUsed, err)
	holds, err := w.Holds(ctx, storage.HoldQuery{})
	wantHolds, _ := w.spec.Holds(ctx, storage.HoldQuery{})
	w.same("holds", holds, wantHolds, err)
}

// sound wants a verification without faults.
func (w *world) sound() {
	w.Helper()
	if r, err := w.Verify(ctx, 0); err != nil || !r.OK {
		w.Errorf("verify: %+v, %v", r, err)
	}
}

// fail makes a commit fail: the n-th from now on, before or after it is done.
// It returns how many there have been.
func (w *world) fail(n int, after bool) (commits func() int) {
	count := 0
	w.queue.alone(func() error {
		w.Store.commit = func(txn *badger.Txn) error {
			if count++; count != n {
				return txn.Commit()
			}
			if after {
				if err := txn.Commit(); err != nil {
					return err
				}
			}
			return errInTheWay
		}
		return nil
	})
	return func() (n int) {
		w.queue.alone(func() error { n = count; return nil })
		return n
	}
}
