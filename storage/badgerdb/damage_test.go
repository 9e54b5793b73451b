package badgerdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// full makes a world with records of two days, a checkpoint, sessions, an entity
// and an open hold.
func full(t *testing.T) *world {
	w := newWorld(t)
	if _, err := w.Apply(ctx, tally.Act{}, tally.Change{Kind: tally.KindClient, ID: "cl_1", Entity: &tally.Client{Meta: tally.Meta{ID: "cl_1"}}}); err != nil {
		t.Fatal(err)
	}
	for day := range 2 {
		for i := range 4 {
			id := tally.ID(fmt.Sprintf("req_%d%d", day, i))
			w.reserve(id)
			w.settle(id)
		}
		w.refuse(tally.ID(fmt.Sprintf("req_%dx", day)))
		w.now = w.now.Add(24 * time.Hour)
	}
	w.reserve("req_open")
	if err := w.queue.alone(w.completeCheckpoint); err != nil {
		t.Fatal(err)
	}
	return w
}

// change rewrites the values of a table, or removes them: those for which f
// returns nil.
func (w *world) change(prefix []byte, f func(key, payload []byte) []byte) {
	w.Helper()
	err := w.queue.alone(func() error {
		return w.db.Update(func(txn *badger.Txn) error {
			next := map[string][]byte{}
			err := each(txn, prefix, func(key, payload []byte) error {
				next[string(key)] = f(key, bytes.Clone(payload))
				return nil
			})
			for key, payload := range next {
				if payload == nil {
					err = errors.Join(err, txn.Delete([]byte(key)))
				} else {
					err = errors.Join(err, txn.Set([]byte(key), seal([]byte(key), payload)))
				}
			}
			return err
		})
	})
	if err != nil {
		w.Fatal(err)
	}
}

// once changes only the first value it is asked about.
func once(f func(key, payload []byte) []byte) func(key, payload []byte) []byte {
	done := false
	return func(key, payload []byte) []byte {
		if done {
			return payload
		}
		done = true
		return f(key, payload)
	}
}

func remove(_, _ []byte) []byte { return nil }

// all pages through the records.
func (w *world) all(q storage.RecordQuery) (n int, err error) {
	for q.Limit = 2; ; {
		page, next, err := w.Records(ctx, q)
		if n += len(page); err != nil || next == "" {
			return n, err
		}
		q.After = next
	}
}

// Whichever records are lost, a list that would leave them out says so. A list that leaves
// out pruned records does not.
func TestListsTellOfLoss(t *testing.T) {
	w := full(t)
	var blocks [][]byte
	w.view(func(txn *badger.Txn) error {
		return each(txn, []byte{tableRecord}, func(key, _ []byte) error {
			blocks = append(blocks, bytes.Clone(key))
			return nil
		})
	})
	for _, q := range []storage.RecordQuery{{}, {Client: "cl_1"}, {ID: "req_nowhere"}} {
		if n, err := w.all(q); err != nil || q.ID == "" && n != 10 {
			t.Fatalf("%d records, %v", n, err)
		}
	}
	for _, key := range blocks {
		w := full(t)
		w.change(key, remove)
		for _, q := range []storage.RecordQuery{{}, {Client: "cl_1"}, {ID: "req_nowhere"}} {
			if n, err := w.all(q); tally.CodeOf(err) != tally.Corrupt {
				t.Errorf("without %s: %d records, %v", keyText(key), n, err)
			}
		}
	}
	w.prune(w.now.AddDate(0, 0, -1))
	if n, err := w.all(storage.RecordQuery{}); err != nil || n != 5 {
		t.Errorf("after pruning: %d records, %v", n, err)
	}
}

// Verify finds every fault that is planted, with a CRC that is right.
func TestVerifyFindsPlantedFaults(t *testing.T) {
	dearer := func(key, payload []byte) []byte {
		var b block
		if err := b.open(key, seal(key, payload)); err != nil {
			t.Fatal(err)
		}
		var e encoder
		e.blockHead()
		for i := range b.entries {
			b.entries[i].fill()
			b.entries[i].Cost++
			e.entry(&b.entries[i])
		}
		return e.b
	}
	more := func(_, payload []byte) []byte {
		var s tally.Sums
		through, err := decodeSums(payload, &s)
		if err != nil {
			t.Fatal(err)
		}
		s.Latency[3]++
		var e encoder
		e.sums(through, &s)
		return e.b
	}
	prunedDay := func(w *world) { w.prune(w.now.AddDate(0, 0, -1)) }
	thinned := func(w *world) { w.thinOut(kinds(w.now, w.now)) }
	coarseDays := func(w *world) {
		prunedDay(w)
		if err := w.coarsen(w.now.AddDate(0, 0, chunkDays)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		plant func(*world)
		want  string // kind of a fault
	}{
		{"a record costs more", func(w *world) { w.change([]byte{tableRecord}, once(dearer)) }, "rollup"},
		{"a counter is not what the records say", func(w *world) { w.change([]byte{tableRecord}, once(dearer)) }, "counter"},
		{"records are gone", func(w *world) { w.change([]byte{tableRecord}, once(remove)) }, "gap"},
		{"the last records are gone", func(w *world) { w.change(recordKey(dayOf(w.end.settledAt), w.end.seq), remove) }, "gap"},
		{"a quarter has more", func(w *world) { w.change([]byte{tableRollup, quarters}, once(more)) }, "rollup"},
		{"an hour has more", func(w *world) { w.change([]byte{tableRollup, hours}, once(more)) }, "rollup"},
		{"a day has more", func(w *world) { w.change([]byte{tableRollup, days}, once(more)) }, "rollup"},
		{"a row is gone", func(w *world) { w.change([]byte{tableRollup, hours, 2}, once(remove)) }, "rollup"},
		{"a row has another key", func(w *world) {
			w.change([]byte{tableRollup, hours, 2}, once(func(key, payload []byte) []byte {
				other := append(bytes.Clone(key), 'x')
				w.db.Update(func(txn *badger.Txn) error { return txn.Set(other, seal(other, bytes.Clone(payload))) })
				return nil
			}))
		}, "rollup"},
		{"a visitor's row is gone", func(w *world) { w.change([]byte{tableRollup, quarters, bySubject}, once(remove)) }, "rollup"},
		{"a pruned day's row has more", func(w *world) { prunedDay(w); w.change([]byte{tableRollup, days, 0}, once(more)) }, "rollup"},
		{"a pruned day's row is gone", func(w *world) { prunedDay(w); w.change([]byte{tableRollup, quarters, 1}, once(remove)) }, "rollup"},
		{"an opening balance is gone", func(w *world) { prunedDay(w); w.change([]byte{tableOpening, 1}, once(remove)) }, "rollup"},
		{"a span's row has more", func(w *world) { coarseDays(w); w.change([]byte{tableRollup, spans}, once(more)) }, "rollup"},
		{"a span's row is gone", func(w *world) { coarseDays(w); w.change([]byte{tableRollup, spans, 3}, once(remove)) }, "rollup"},
		{"a span's opening balance is gone", func(w *world) { coarseDays(w); w.change([]byte{tableSpan, 1}, once(remove)) }, "rollup"},
		{"that a chunk is coarse is gone", func(w *world) { coarseDays(w); w.change([]byte{tableCoarse}, remove) }, "rollup"},
		{"a balance of refusals is gone", func(w *world) { thinned(w); w.change([]byte{tableKind, 0, 1}, once(remove)) }, "rollup"},
		{"a day without refusals has some again", func(w *world) {
			thinned(w)
			w.queue.alone(func() error { return w.setThin(&thin{}) })
		}, "record"},
		{"a hold is gone", func(w *world) { w.change([]byte{tableHold}, remove) }, "hold"},
		{"a hold of nobody", func(w *world) {
			var e encoder
			e.slotHead(w.journal.epoch, w.end.seq)
			h := w.ledger.Kept()[0]
			other := *h
			other.Draft.ID = "req_ghost"
			e.hold(&other, nil)
			key := holdKey(side(w.journal.epoch), 9999)
			w.db.Update(func(txn *badger.Txn) error { return txn.Set(key, seal(key, e.b)) })
		}, "hold"},
		{"an entity is another", func(w *world) {
			w.change([]byte{tableEntity}, func(_, _ []byte) []byte { return []byte(`{"id":"cl_2"}`) })
		}, "entity"},
		{"a row of presence is gone", func(w *world) { w.change([]byte{tablePresence}, once(remove)) }, "presence"},
		{"a last use cannot be read", func(w *world) { w.change([]byte{tableUse}, once(func(_, p []byte) []byte { return p[:len(p)-1] })) }, "checkpoint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := full(t)
			w.sound()
			tc.plant(w)
			r, err := w.Verify(ctx, 0)
			if err != nil || r.OK || !slices.ContainsFunc(r.Faults, func(f tally.Fault) bool { return f.Kind == tc.want }) {
				t.Errorf("%+v, %v; want a fault of kind %s", r, err, tc.want)
			}
		})
	}
}

// A value that is damaged in place is a fault of its kind.
func TestVerifyFindsDamagedValues(t *testing.T) {
	w := full(t)
	w.prune(w.now.AddDate(0, 0, -1))
	w.findsDamage(map[byte]string{tableRecord: "record", tableHold: "hold", tableRollup: "rollup", tableOpening: "rollup", tableUse: "checkpoint", tableSession: "checkpoint", tableEntity: "entity", tablePresence: "presence"})
	if err := w.coarsen(w.now.AddDate(0, 0, chunkDays)); err != nil {
		t.Fatal(err)
	}
	w.findsDamage(map[byte]string{tableRollup: "rollup", tableSpan: "rollup", tableCoarse: "rollup"})
}

func (w *world) findsDamage(tables map[byte]string) {
	for table, kind := range tables {
		var key, old []byte
		w.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{table}})
			defer it.Close()
			if it.Rewind(); !it.Valid() {
				w.Fatalf("there is nothing in table %c", table)
			}
			key = it.Item().KeyCopy(nil)
			old, _ = it.Item().ValueCopy(nil)
			return nil
		})
		set := func(v []byte) { w.db.Update(func(txn *badger.Txn) error { return txn.Set(key, v) }) }
		damaged := bytes.Clone(old)
		damaged[len(damaged)/2] ^= 4
		set(damaged)
		r, err := w.Verify(ctx, 0)
		if err != nil || !slices.ContainsFunc(r.Faults, func(f tally.Fault) bool { return f.Kind == kind }) {
			w.Errorf("table %c: %+v, %v; want a fault of kind %s", table, r, err, kind)
		}
		set(old)
		w.sound()
	}
}

// Whatever happens to the files, a store that opens and is found sound says what
// it said before.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	w := full(t)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	w.orphan()
	healthy := w.dir
	find := func(dir, pattern string) []string {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(list) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		return list
	}
	truncate := func(part int64) func(string) {
		return func(name string) {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			os.Truncate(name, info.Size()*part/16)
		}
	}
	flip := func(part int) func(string) {
		return func(name string) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)*part/16] ^= 0x10
			os.WriteFile(name, b, 0o600)
		}
	}
	gone := func(name string) { os.Remove(name) }
	type damage struct {
		name, file string
		do         func(string)
		want       string // ok, error, or "" for any but silence
	}
	cases := []damage{
		{"nothing", "MANIFEST", func(string) {}, "ok"},
		{"a new log of no bytes", "MANIFEST", func(name string) { os.WriteFile(filepath.Dir(name)+"/00099.mem", nil, 0o600) }, "ok"},
		{"a new value log of no bytes", "MANIFEST", func(name string) { os.WriteFile(filepath.Dir(name)+"/000099.vlog", nil, 0o600) }, "ok"},
		{"no manifest", "MANIFEST", gone, "error"},
		{"no tables", "*.sst", gone, "error"},
		{"no head", headName, gone, "ok"},
		{"a damaged head", headName, flip(2), "ok"},
		{"nothing but the head", "*[^d]", gone, "error"},
	}
	for part := range 16 {
		cases = append(cases, damage{fmt.Sprint("manifest cut at ", part), "MANIFEST", truncate(int64(part)), ""},
			damage{fmt.Sprint("manifest flipped at ", part), "MANIFEST", flip(part), ""},
			damage{fmt.Sprint("table flipped at ", part), "*.sst", flip(part), ""},
			damage{fmt.Sprint("table cut at ", part), "*.sst", truncate(int64(part)), ""})
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir() + "/s"
			if err := copyFolder(dir, healthy); err != nil {
				t.Fatal(err)
			}
			for _, name := range find(dir, tc.file) {
				tc.do(name)
			}
			s, err := Open(ctx, Options{Dir: dir, chunkBits: 2})
			if err != nil {
				if tc.want == "ok" || tally.CodeOf(err) != tally.Corrupt || tally.AsError(err).Hint == "" {
					t.Errorf("open: %v; want %s", err, tc.want)
				}
				return
			}
			defer s.Close()
			if tc.want == "error" {
				t.Error("it opens")
			}
			r, err := s.Verify(ctx, 0)
			switch {
			case err == nil && r.OK:
				w := *w
				w.T, w.Store = t, s
				w.agree()
			case tc.want == "ok":
				t.Errorf("verify: %+v, %v", r, err)
			}
		})
	}
}
