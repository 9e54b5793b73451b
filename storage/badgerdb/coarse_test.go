package badgerdb

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// An edge is found as a list of them would have it.
func TestEdges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := append(rapid.SliceOfN(rapid.IntRange(0, 95), 0, 9).Draw(t, "edges"), 0)
		var e edges
		for _, n := range list {
			e.set(n)
		}
		at, want := rapid.IntRange(0, 95).Draw(t, "at"), 0
		for _, n := range list {
			if n <= at {
				want = max(want, n)
			}
		}
		if got := e.start(at); got != want {
			t.Errorf("%d of %v: %d, want %d", at, list, got, want)
		}
	})
}

// midnights are those of Berlin and Kolkata in UTC.
func midnights(day time.Time) (out []time.Time) {
	for _, offset := range []time.Duration{2 * time.Hour, 5*time.Hour + 30*time.Minute} {
		out = append(out, day.Add(24*time.Hour-offset))
	}
	return out
}

// months is a world with requests over some months, with visitors' and refusals among them,
// some of whose records are pruned.
func months(t *testing.T) *world {
	w := newWorld(t)
	w.now = time.Unix(w.now.Unix()/(chunkDays*daySeconds)*chunkDays*daySeconds, 0).UTC().Add(5 * time.Hour)
	for i := range 60 {
		id := tally.ID(fmt.Sprintf("req_%d", i))
		w.reserve(id)
		w.settle(id)
		if i%7 == 0 {
			w.refuse(id + "x")
		}
		w.now = w.now.Add(41*time.Hour + 15*time.Minute)
	}
	w.prune(w.now.AddDate(0, 0, -55)) // in the second of three chunks
	w.reserve("req_open")
	return w
}

func (w *world) coarsen(before time.Time) error {
	w.Helper()
	_, err := w.Coarsen(ctx, before, midnights, 0)
	return w.both(err, func() error {
		_, err := w.spec.Coarsen(ctx, before, midnights, 0)
		return err
	})
}

// agreeOnMonths compares sums between edges of all kinds.
func (w *world) agreeOnMonths() {
	w.Helper()
	w.agree()
	for _, zone := range []time.Duration{0, 2 * time.Hour, 5*time.Hour + 30*time.Minute, -7 * time.Hour, 6 * time.Hour} {
		for _, step := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 45 * time.Minute * 31} {
			q := storage.SeriesQuery{Family: tally.ByClient}
			for at := w.now.AddDate(0, 0, -120).Truncate(24 * time.Hour).Add(-zone); at.Before(w.now.AddDate(0, 0, 2)); at = at.Add(step) {
				q.Edges = append(q.Edges, at)
			}
			named := q
			named.First, named.Family = "cl_1", tally.ByModel
			got, err := w.Series(ctx, q, named)
			want, _ := w.spec.Series(ctx, q, named)
			w.same(fmt.Sprintf("every %v, %v from UTC", step, zone), got, want, err)
		}
	}
}

// Coarse sums are what they were by the day and between edges, before and after a crash;
// nothing else of their days is left, and what comes late counts.
func TestCoarsen(t *testing.T) {
	t.Parallel()
	w := months(t)
	w.agreeOnMonths()
	end := w.now.AddDate(0, 0, -10)
	fine := func() (n int) {
		for _, prefix := range [][]byte{{tableRollup, quarters}, {tableRollup, hours}, {tableOpening}} {
			for _, key := range keys(t, w.Store, prefix...) {
				tail := []byte(key)[1:]
				if prefix[0] == tableRollup {
					tail = tail[1:]
				}
				k, ok := parseRowTail(tail)
				if prefix[len(prefix)-1] == hours {
					k.bucket *= 4
				}
				if _, is := w.coarse.Load().span(k.bucket); is && ok {
					n++
				}
			}
		}
		return n
	}
	before := len(keys(t, w.Store, tableRollup))
	if err := w.coarsen(end); err != nil {
		t.Fatal(err)
	}
	if n := len(*w.coarse.Load()); n != 2 {
		t.Fatalf("%d chunks are coarse, want 2", n)
	}
	after := len(keys(t, w.Store, tableRollup))
	if n := fine(); n != 0 || after >= before {
		t.Errorf("%d fine rows are left; %d rows were %d", n, after, before)
	}
	w.agreeOnMonths()
	w.crash()
	w.agreeOnMonths()
	if err := w.coarsen(end); err != nil {
		t.Fatal(err)
	}
	w.prune(w.now.AddDate(0, 0, -20)) // records of coarse days
	w.agreeOnMonths()
	w.restart()
	w.agreeOnMonths()

	// The clock was wrong all the time.
	w.expire()
	w.now = w.now.AddDate(0, 0, -60)
	if err := w.both(w.AcceptClock(ctx, w.now), func() error { return w.spec.AcceptClock(ctx, w.now) }); err != nil {
		t.Fatal(err)
	}
	w.reserve("req_late")
	w.settle("req_late")
	w.agreeOnMonths()
	w.crash()
	w.agreeOnMonths()
	if n := fine(); n != 0 {
		t.Errorf("%d fine rows of coarse days were written", n)
	}
}

// Whichever write fails as sums are made coarse, they are what they were, even if a crash
// follows, and the next attempt succeeds.
func TestCoarsenFails(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		step := stride(101)
		for n, done := 1, false; !done; n += step {
			t.Run(fmt.Sprintf("commit %d, done %v", n, after), func(t *testing.T) {
				w := months(t)
				end := w.now.AddDate(0, 0, -10)
				commits := w.fail(n, after)
				_, err := w.Coarsen(ctx, end, midnights, 0)
				if done = err == nil; done && commits() >= n {
					t.Fatalf("commit %d of %d has not failed", n, commits())
				}
				w.crash()
				w.sound() // a chunk may be coarse by now, which the specification cannot be told
				if err := w.coarsen(end); err != nil {
					t.Fatal(err)
				}
				w.agreeOnMonths()
			})
		}
	}
}

// What a crash leaves before the finer rows are removed is removed with the next start, and
// nobody reads it.
func TestFineRowsAreLeft(t *testing.T) {
	t.Parallel()
	w := months(t)
	end := w.now.AddDate(0, 0, -10)
	chunk, _, err := w.finest()
	if err != nil {
		t.Fatal(err)
	}
	var kept []*badger.Entry
	for _, family := range familyCodes() {
		for _, table := range [][]byte{{tableRollup, quarters}, {tableRollup, hours}, {tableOpening}} {
			for _, prefix := range chunkPrefixes(chunk, family, table...) {
				w.db.View(func(txn *badger.Txn) error {
					return each(txn, prefix, func(key, payload []byte) error {
						kept = append(kept, badger.NewEntry(slices.Clone(key), seal(key, slices.Clone(payload))))
						return nil
					})
				})
			}
		}
	}
	if err := w.coarsen(end); err != nil {
		t.Fatal(err)
	}
	err = w.db.Update(func(txn *badger.Txn) error {
		for _, e := range kept {
			if err := txn.SetEntry(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(kept) == 0 {
		t.Fatalf("%d, %v", len(kept), err)
	}
	w.agreeOnMonths()
	w.crash()
	w.agreeOnMonths()
	for _, prefix := range [][]byte{{tableRollup, quarters}, {tableRollup, hours}, {tableOpening}} {
		for _, key := range keys(t, w.Store, prefix...) {
			if slices.ContainsFunc(kept, func(e *badger.Entry) bool { return string(e.Key) == key }) {
				t.Fatalf("%s is left", keyText([]byte(key)))
			}
		}
	}
}

// However a span is cut where some days are coarse, its parts add up to it.
func TestFewestOfCoarseDays(t *testing.T) {
	first := uint32(640)
	of := coarse{first: edgesIn(first, midnights), first + 2: edgesIn(first+2, func(time.Time) []time.Time { return nil })}
	begin := time.Unix(int64(first)*chunkDays*daySeconds, 0).UTC()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(-200, 4*chunkQuarters).Draw(t, "from")
		length := rapid.IntRange(1, chunkQuarters).Draw(t, "length")
		since, until := of.snap(begin.Add(tally.Bucket*time.Duration(from))), of.snap(begin.Add(tally.Bucket*time.Duration(from+length)))
		covered := map[int64]int{}
		list := of.fewest(since, until)
		cover(covered, list)
		for at, n := range covered {
			want := 0
			if at >= since.Unix() && at < until.Unix() {
				want = 1
			}
			if n != want {
				t.Fatalf("%v to %v: %+v counts %d of them %d times", since, until, list, at, n)
			}
		}
		for _, p := range list {
			if !of.stands(rowKey{gran: p.gran, bucket: p.bucket}) {
				t.Fatalf("%+v has no rows", p)
			}
		}
	})
}
