// Package storetest is the suite that every store passes: the promises of
// package storage as tests, and a comparison of random histories with
// storage/memory, the executable specification.
//
// A store's own test calls [Run]. Of the random histories a few are run by
// default; RAPID_CHECKS=10000 in the environment runs more, and RAPID_STEPS=200
// makes them longer.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Subject is a store that the suite is run on.
type Subject struct {
	// Open opens the store that a folder holds, or makes one in an empty folder.
	Open func(dir string, hook storage.Hook) (storage.Store, error)
	// Keeps is whether everything a store has acknowledged is in its folder, so
	// that a copy of the folder, taken while the store is open and idle, opens as
	// it would after kill -9.
	Keeps bool
	// Apart is whether entries of the book of money are none of the records: they have
	// numbers of their own, and are neither counted nor pruned.
	Apart bool
}

// Run checks a store against the contract of package storage.
func Run(t *testing.T, s Subject) {
	for _, c := range []struct {
		name  string
		check func(*bench)
	}{
		{"Config", config},
		{"ConfigConflict", configConflict},
		{"ConfigIsolation", configIsolation},
		{"ConfigRace", configRace},
		{"Audit", audit},
		{"AuditLarge", auditLarge},
		{"ReserveAllOrNone", reserveAllOrNone},
		{"ReserveLastUnit", reserveLastUnit},
		{"ReserveOutput", reserveOutput},
		{"ReserveRoom", reserveRoom},
		{"ReserveInvalid", reserveInvalid},
		{"Settle", settle},
		{"SettleOnce", settleOnce},
		{"SettleOverage", settleOverage},
		{"SettleWindow", settleWindow},
		{"Refuse", refuse},
		{"Expire", expire},
		{"SessionRolling", sessionRolling},
		{"SessionFixed", sessionFixed},
		{"SessionLimit", sessionLimit},
		{"SessionNamed", sessionNamed},
		{"Usage", usage},
		{"LastUsed", lastUsed},
		{"Records", records},
		{"RecordsPages", recordsPages},
		{"Series", series},
		{"Prune", prune},
		{"Forget", forget},
		{"Status", status},
		{"AcceptClock", acceptClock},
		{"ForgetAfterClock", forgetAfterClock},
		{"PruneAcrossClock", pruneAcrossClock},
		{"Book", book},
		{"BookWakes", bookWakes},
		{"Hook", hook},
		{"Close", closed},
		{"Raise", raise},
		{"Join", join},
		{"Shared", shared},
		{"WaitForRoom", waitForRoom},
		{"WaitIsFinal", waitIsFinal},
		{"WaitEnds", waitEnds},
		{"WaitFloor", waitFloor},
		{"WaitOrder", waitOrder},
		{"WaitGiant", waitGiant},
		{"WaitPlaces", waitPlaces},
		{"WaitCrowd", waitCrowd},
		{"ConcurrentWaiting", concurrentWaiting},
		{"ConcurrentUnits", concurrentUnits},
		{"ConcurrentOutput", concurrentOutput},
		{"ConcurrentChanges", concurrentChanges},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, s, t.TempDir())
			defer b.end()
			c.check(b)
		})
	}
	for name, end := range map[string]func(*bench){"ReopenClosed": (*bench).reopen, "ReopenKilled": (*bench).kill} {
		t.Run(name, func(t *testing.T) {
			if !s.Keeps {
				return
			}
			b := newBench(t, s, t.TempDir())
			defer b.end()
			reopened(b, end)
		})
	}
	for name, check := range map[string]func(*testing.T, Subject){"RandomHistory": randomHistory, "RandomRaises": raises, "RandomClocks": randomClocks} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, s)
		})
	}
}

// ctx is what every act is given: none waits for anything but the store.
var ctx = context.Background()

// start is far from the edge of every window but the minute.
var start = time.Date(2026, 3, 10, 12, 7, 30, 0, time.UTC)

// tester is the part of *testing.T that *rapid.T has, too.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// bench is a store on trial, a clock, and what its hook was told.
type bench struct {
	tester
	storage.Store
	subject Subject
	dir     string // the store's, in a folder of its own
	folders int
	parent  string
	now     time.Time
	ids     int

	mu   sync.Mutex // guards told
	told []tally.Record
}

func newBench(t tester, s Subject, parent string) *bench {
	b := &bench{tester: t, subject: s, parent: parent, now: start}
	b.open(b.folder())
	return b
}

// folder names another folder for a store.
func (b *bench) folder() string {
	b.folders++
	dir := fmt.Sprintf("%s/%d", b.parent, b.folders)
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatalf("%v", err)
	}
	return dir
}

func (b *bench) open(dir string) {
	b.Helper()
	s, err := b.subject.Open(dir, func(records []tally.Record) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told = append(b.told, records...)
	})
	if err != nil {
		b.Fatalf("open: %v", err)
	}
	b.Store, b.dir = s, dir
}

// end closes the store and looks whether all it did adds up.
func (b *bench) end() {
	if b.Store == nil {
		return
	}
	b.verified()
	b.close()
	os.RemoveAll(b.dir)
}

func (b *bench) close() {
	b.Helper()
	if err := b.Store.Close(); err != nil {
		b.Errorf("close: %v", err)
	}
	b.Store = nil
}

// reopen closes the store and opens it again.
func (b *bench) reopen() {
	b.Helper()
	b.close()
	b.open(b.dir)
}

// kill opens what the store would find if its process were killed at this
// moment.
func (b *bench) kill() {
	b.Helper()
	old, from, to := b.Store, b.dir, b.folder()
	if err := copyFolder(to, from); err != nil {
		b.Fatalf("copy the folder: %v", err)
	}
	b.open(to)
	old.Close() // whatever it does is done to the folder that is left behind
	os.RemoveAll(from)
}

func (b *bench) verified() tally.Report {
	b.Helper()
	r, err := b.Verify(ctx, 0)
	if err != nil || !r.OK || len(r.Faults) != 0 {
		b.Errorf("verify: %+v, %v", r, err)
	}
	return r
}

// Every request of the suite is of one gateway, client and key unless a check
// says otherwise.
const (
	gateway = tally.Subject("gateway/gw_1")
	client  = tally.Subject("client/cl_1")
	key     = tally.Subject("key/ke_1")
)

func (b *bench) counter(s tally.Subject, m tally.Metric, u tally.Unit) tally.Counter {
	return tally.Counter{Subject: s, Metric: m, Period: tally.Window{Unit: u}.Period(b.now, time.UTC, 0)}
}

func (b *bench) charge(s tally.Subject, m tally.Metric, u tally.Unit, most int64) tally.Charge {
	return tally.Charge{Counter: b.counter(s, m, u), Max: most}
}

// bounds: a request, 10 tokens and the output, $1,000 nano and 2 per output
// token, the same and a fifth in credits.
var bounds = tally.Bounds{{Base: 1}, {Base: 10, PerMillion: 1e6}, {Base: 1000, PerMillion: 2e6}, {Base: 1200, PerMillion: 2.4e6}}

// request makes a reservation for up to 100 tokens of output.
func (b *bench) request(charges ...tally.Charge) tally.Reservation {
	b.ids++
	return tally.Reservation{
		ID: tally.ID(fmt.Sprintf("rq_%06d", b.ids)), At: b.now, ExpiresAt: b.now.Add(5 * time.Minute),
		WantOutput: 100, Bounds: bounds, Charges: charges,
		Draft: tally.Record{Gateway: "gw_1", Client: "cl_1", Key: "ke_1", Endpoint: "chat", Model: "m_1", Count: 1},
	}
}

// answered is the record of a request that used so many tokens of output.
func answered(r tally.Reservation, output int64) tally.Record {
	rec := r.Draft
	rec.Provider, rec.Upstream, rec.Attempts, rec.Status, rec.Outcome, rec.Basis = "pr_1", "up_1", 1, 200, tally.OK, tally.Exact
	rec.Tokens = tally.Tokens{Input: 10, Output: output}
	rec.Cost = tally.NanoUSD(bounds[2].At(output))
	rec.Credits = tally.NanoUSD(bounds[3].At(output))
	rec.FirstByte, rec.Total = 200*time.Millisecond, time.Second
	return rec
}

func (b *bench) reserve(r tally.Reservation) tally.Grant {
	b.Helper()
	g, err := b.Reserve(ctx, r)
	if err != nil {
		b.Fatalf("reserve %s: %v", r.ID, err)
	}
	return g
}

// refused reserves in vain.
func (b *bench) refused(r tally.Reservation) *tally.LimitError {
	b.Helper()
	g, err := b.Reserve(ctx, r)
	var limit *tally.LimitError
	if !errors.As(err, &limit) || g != (tally.Grant{}) {
		b.Fatalf("reserve %s: %+v, %v; want a *tally.LimitError", r.ID, g, err)
	}
	return limit
}

// settle settles a request at some output, and returns its record as kept.
func (b *bench) settle(r tally.Reservation, output int64) tally.Record {
	b.Helper()
	return b.settleAs(r, answered(r, output))
}

func (b *bench) settleAs(r tally.Reservation, rec tally.Record) tally.Record {
	b.Helper()
	if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec}); err != nil {
		b.Fatalf("settle %s: %v", r.ID, err)
	}
	return b.record(r.ID)
}

func (b *bench) record(id tally.ID) tally.Record {
	b.Helper()
	list, next, err := b.Records(ctx, storage.RecordQuery{ID: id})
	if err != nil || len(list) != 1 || next != "" {
		b.Fatalf("record %s: %+v, %q, %v", id, list, next, err)
	}
	return list[0]
}

// all pages through every selected record.
func (b *bench) all(q storage.RecordQuery) (out []tally.Record) {
	b.Helper()
	for {
		list, next, err := b.Records(ctx, q)
		if err != nil {
			b.Fatalf("records: %v", err)
		}
		out = append(out, list...)
		if next == "" {
			return out
		}
		if len(list) == 0 {
			b.Fatalf("an empty page has a next one")
		}
		q.After = next
	}
}

// wantUsage compares the state of one counter.
func (b *bench) wantUsage(c tally.Counter, used, held int64) {
	b.Helper()
	u, err := b.Usage(ctx, c)
	if want := []tally.Usage{{Used: used, Held: held}}; err != nil || !slices.Equal(u, want) {
		b.Errorf("usage of %s %s %s: %+v, %v; want %+v", c.Subject, c.Metric, c.Period.Label, u, err, want)
	}
}

func (b *bench) wantHolds(want int) {
	b.Helper()
	if n, err := b.Holds(ctx, storage.HoldQuery{}); err != nil || n.Count != want {
		b.Errorf("%d holds, %v; want %d", n.Count, err, want)
	}
}

// wantCode looks at an error's code.
func (b *bench) wantCode(what string, err error, want tally.Code) {
	b.Helper()
	var limit *tally.LimitError
	var e *tally.Error
	if errors.As(err, &limit) || !errors.As(err, &e) || e.Code != want {
		b.Errorf("%s: %v (%s), want %s", what, err, tally.CodeOf(err), want)
	}
}

// wantEqual compares anything.
func (b *bench) wantEqual(what string, got, want any) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

func (b *bench) series(f tally.Family, first string, edges ...time.Time) []storage.Point {
	b.Helper()
	points, err := b.Series(ctx, storage.SeriesQuery{Family: f, First: first, Edges: edges})
	if err != nil {
		b.Fatalf("series by %s: %v", f, err)
	}
	return points
}

func bySeq(a, b tally.Record) int { return cmp.Compare(a.Seq, b.Seq) }
