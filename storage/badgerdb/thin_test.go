package badgerdb

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

const canary = "gwaaaaaaa.tok_canary"

// mixed is a world with requests of clients, of visitors and refused ones on some days.
func mixed(t *testing.T) *world {
	w := newWorld(t)
	for day := range 4 {
		for i := range 6 {
			id := tally.ID(fmt.Sprintf("req_%d%d", day, i))
			w.reserve(id)
			if i%3 == 1 {
				r := w.open[id]
				r.Draft.Client, r.Draft.Key, r.Draft.Token, r.Draft.Visitor = "", "", canary, []byte("who")
				w.open[id] = r
			}
			w.settle(id)
			if i%2 == 0 {
				w.refuse(id + "x")
			}
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	w.refuse("req_end")
	w.reserve("req_open")
	return w
}

// kinds are horizons of both kinds.
func kinds(refusals, visitors time.Time) storage.Horizons {
	return storage.Horizons{Of: [tally.NumRecordKinds]time.Time{tally.RefusalRecords: refusals, tally.VisitorRecords: visitors}}
}

func (w *world) thinOut(before storage.Horizons) error {
	w.Helper()
	n, err := w.Prune(ctx, before, 0)
	return w.both(err, func() error {
		m, err := w.spec.Prune(ctx, before, 0)
		if n != m {
			w.Errorf("%d records went, want %d", n, m)
		}
		return err
	})
}

// has reports whether a text is in a value of the store.
func (w *world) has(text string) (found bool) {
	w.db.View(func(txn *badger.Txn) error {
		return each(txn, []byte{tableRecord}, func(_, payload []byte) error {
			found = found || bytes.Contains(payload, []byte(text))
			return nil
		})
	})
	return found
}

// Records of a kind go before their day does; sums stay, over crashes, coarse days and the end
// of the day, and nothing of what went is in the blocks.
func TestThinOut(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	if err := w.thinOut(kinds(w.now.AddDate(0, 0, -2), w.now.AddDate(0, 0, -1))); err != nil {
		t.Fatal(err)
	}
	w.agree()
	w.crash()
	w.agree()
	if err := w.thinOut(kinds(w.now, w.now)); err != nil { // the last day may still grow
		t.Fatal(err)
	}
	w.agree()
	w.refuse("req_late")
	w.now = w.now.Add(24 * time.Hour)
	w.refuse("req_later")
	if err := w.thinOut(kinds(w.now, w.now)); err != nil {
		t.Fatal(err)
	}
	w.agree()
	if w.has(canary) {
		t.Error("a block still has a visitor")
	}
	st, err := w.Status(ctx)
	want, _ := w.spec.Status(ctx)
	if err != nil || st.Records != want.Records {
		t.Errorf("%d records, %v, want %d", st.Records, err, want.Records)
	}
	w.prune(w.now.AddDate(0, 0, -3))
	w.agree()
	if err := w.coarsen(w.now.AddDate(0, 0, 2*chunkDays)); err != nil {
		t.Fatal(err)
	}
	w.agree()
	w.restart()
	w.agree()
	w.prune(w.now.AddDate(0, 0, 1))
	w.agree()
}

// Whichever write fails as records of a kind go, nothing counts twice or is lost, even if a
// crash follows, and the next attempt succeeds.
// A request that is under way since yesterday keeps the minute of its limit alive. What
// others used in that minute cannot be known once their records have gone, and is no fault.
func TestThinOutAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = w.now.Truncate(24 * time.Hour).Add(24*time.Hour - 10*time.Second)
	reserve := func(id tally.ID, token string) {
		r := w.reservation(id)
		r.Charges = append(r.Charges, w.charge("gateway/gw_1", tally.Requests, tally.Minute))
		if r.Draft.Token = token; token != "" {
			r.Draft.Client, r.Draft.Key, r.Draft.Visitor, r.Session = "", "", []byte("who"), nil
		}
		if _, err := w.Reserve(ctx, r); err != nil {
			t.Fatal(err)
		}
		w.open[id] = r
	}
	settle := func(id tally.ID) {
		rec := w.open[id].Draft
		rec.Status, rec.Outcome, rec.Total = 200, tally.OK, time.Second
		if err := w.Settle(ctx, tally.Settlement{ID: id, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	reserve("req_open", "")
	reserve("req_seen", canary)
	settle("req_seen")
	w.now = w.now.Add(time.Minute)
	reserve("req_next", "")
	settle("req_next")
	w.sound()
	if n, err := w.Prune(ctx, kinds(time.Time{}, w.now), 0); n != 1 || err != nil {
		t.Fatalf("%d records went, %v", n, err)
	}
	w.sound()
}

func TestThinOutFails(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n, done := 1, false; !done; n += stride(1) {
			t.Run(fmt.Sprintf("commit %d, done %v", n, after), func(t *testing.T) {
				w := mixed(t)
				before := kinds(w.now.AddDate(0, 0, -1), w.now)
				commits := w.fail(n, after)
				_, err := w.Prune(ctx, before, 0)
				if done = err == nil; done && commits() >= n {
					t.Fatalf("commit %d of %d has not failed", n, commits())
				}
				w.fail(0, false)
				w.sound()
				w.crash()
				w.sound()
				w.agreeOnSums()
				if _, err := w.Prune(ctx, before, 0); err != nil {
					t.Fatal(err)
				}
				w.spec.Prune(ctx, before, 0)
				w.agree()
				if w.has(canary) {
					t.Error("a block still has a visitor")
				}
			})
		}
	}
}

// A backup that goes on from one that has the records brings none of them back.
func TestThinnedBackups(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	var whole, next bytes.Buffer
	info, err := w.Backup(ctx, nil, &whole)
	if err != nil {
		t.Fatal(err)
	}
	w.settle("req_open")
	if err := w.thinOut(kinds(w.now, w.now)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Backup(ctx, &info, &next); err != nil {
		t.Fatal(err)
	}
	w.Store.Close()
	w.dir = filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, Options{Dir: w.dir, chunkBits: 2}, []io.Reader{&next, &whole}...); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.orphan()
	w.agree()
	if !w.has(canary) {
		t.Fatal("the older backup did not have them")
	}
	if err := w.thinOut(kinds(w.now, w.now)); err != nil {
		t.Fatal(err)
	}
	w.agree()
	if w.has(canary) {
		t.Error("a block still has a visitor")
	}
}
