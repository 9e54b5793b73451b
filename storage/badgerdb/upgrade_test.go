package badgerdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/backup"
)

// A store of schema 1 can be used on: it says everything as its own program said it.
func TestKeptFolder(t *testing.T) {
	t.Parallel()
	facts := keptJSON[keptFacts](t, "store.json")
	k := openKept(t)
	k.sound() // at once
	k.says("after_open", facts.AfterOpen)
	list, rev, err := k.Load(ctx)
	if err != nil || rev != facts.Rev {
		t.Errorf("load: revision %d, %v; want %d", rev, err, facts.Rev)
	}
	kinds := map[tally.EntityKind]int{}
	for _, e := range list {
		kinds[e.Kind()]++
		if s, ok := e.(*tally.Settings); ok && s.OnLeave != tally.LeaveDrain {
			t.Errorf("a stream that is left is to be drained, not %q", s.OnLeave)
		}
	}
	if !reflect.DeepEqual(kinds, facts.Entities) {
		t.Errorf("entities: %v, want %v", kinds, facts.Entities)
	}
	for s, want := range facts.LastUsed {
		if got, err := k.LastUsed(ctx, s); err != nil || !got[0].Equal(want) {
			t.Errorf("%s was last used at %v, %v; want %v", s, got, err, want)
		}
	}
	k.restart()
	k.says("after_open", facts.AfterOpen)
	if n, err := k.Expire(ctx, facts.AfterExpire.LastSeen, 10); err != nil || n != facts.Expired {
		t.Errorf("expired %d, %v; want %d", n, err, facts.Expired)
	}
	k.says("after_expire", facts.AfterExpire)
	k.restart()
	k.says("after_expire", facts.AfterExpire)

	// Pruning goes on, and takes nothing from what was said.
	records := keptJSON[[]tally.Record](t, "records_after_expire.jsonl.gz")
	for _, day := range []time.Time{records[len(records)-1].At.AddDate(0, 0, 1), facts.AfterExpire.LastSeen.AddDate(0, 0, 1)} {
		if n, err := k.Prune(ctx, storage.Before(day), 0); err != nil || n == 0 {
			t.Errorf("pruned %d, %v", n, err)
		}
		k.sound()
		k.series("after_expire", records)
		k.restart()
		k.sound()
		k.series("after_expire", records)
	}
	for _, key := range keys(t, k.Store, tablePresence) {
		if chunk, _, _ := parsePresenceKey([]byte(key)); chunk < (k.pruned.seq+1)>>k.options.chunkBits {
			t.Errorf("%s: its records are pruned", keyText([]byte(key)))
		}
	}
}

// keys are those of a table.
func keys(t *testing.T, s *Store, prefix ...byte) (out []string) {
	t.Helper()
	err := s.view(func(txn *badger.Txn) error {
		return each(txn, prefix, func(key, _ []byte) error { out = append(out, string(key)); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A store of schema 2 can be used on too, even if its upgrade is killed.
func TestKeptFolderOfSchema2(t *testing.T) {
	t.Parallel()
	records := keptJSON[[]tally.Record](t, "../schema2/records.jsonl.gz")
	for n := range 5 {
		o := Options{Dir: unpack(t, "testdata/schema2"), Version: "3.0.0", upgradeRecords: 400}
		commits := 0
		if s, err := open(ctx, o, func(txn *badger.Txn) error {
			if commits++; commits == n {
				return errInTheWay
			}
			return txn.Commit()
		}); err == nil {
			s.Close()
		}
		k := &keptStore{T: t, options: o}
		k.start()
		k.sound()
		k.same(records)
		got, err := k.Series(ctx, storage.SeriesQuery{Family: tally.ByFailure, Edges: keptEdges()})
		if want := pointsOf(tally.ByFailure, keptEdges(), records); err != nil || len(got) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("killed at commit %d: series by failure:\ngot  %+v, %v\nwant %+v", n, got, err, want)
		}
		if holds, err := k.Holds(ctx, storage.HoldQuery{}); err != nil || holds.Count != 4 {
			t.Errorf("%d holds, %v", holds, err)
		}
		k.Close()
	}
}

// A store of schema 5 says what each provider's model has cost and finds records by status
// once it is brought up, even if that is killed. Of pruned records, whose provider and model
// nothing tells together, the sums by provider and model say nothing; those by model do.
func TestKeptFolderOfSchema5(t *testing.T) {
	t.Parallel()
	records := keptJSON[[]tally.Record](t, "../schema5/records.jsonl.gz")
	var late []tally.ID
	for i := range records {
		if records[i].Status == 504 {
			late = append(late, records[i].ID)
		}
	}
	for n, done := 0, false; !done; n++ {
		o := Options{Dir: unpack(t, "testdata/schema5"), Version: "6.0.0", upgradeRecords: 100, chunkBits: 4}
		commits := 0
		s, err := open(ctx, o, func(txn *badger.Txn) error {
			if commits++; commits == n {
				return errInTheWay
			}
			return txn.Commit()
		})
		if done = err == nil && n > 0; err == nil {
			s.Close()
		}
		k := &keptStore{T: t, options: o}
		k.start()
		k.sound()
		k.same(records)
		got, err := k.Series(ctx, storage.SeriesQuery{Family: tally.ByProviderModel, Edges: keptEdges()})
		if want := pointsOf(tally.ByProviderModel, keptEdges(), records); err != nil || len(got) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("killed at commit %d: series by provider and model:\ngot  %+v, %v\nwant %+v", n, got, err, want)
		}
		free, paid, all := tally.Sums{}, tally.Sums{}, tally.Sums{}
		for i := range got {
			switch got[i].Dim {
			case tally.Dim{"pr_free", "shared"}:
				free.Merge(&got[i].Sums)
			case tally.Dim{"pr_paid", "shared"}:
				paid.Merge(&got[i].Sums)
			}
		}
		named, err := k.Series(ctx, storage.SeriesQuery{Family: tally.ByModel, First: "shared", Edges: keptEdges()})
		for i := range named {
			all.Merge(&named[i].Sums)
		}
		if err != nil || free.Cost != 0 || free.Requests == 0 || paid.Cost == 0 || paid.Cost >= all.Cost || all.Requests <= free.Requests+paid.Requests {
			t.Errorf("killed at commit %d: free %+v, paid %+v, under the name %+v, %v", n, free, paid, all, err)
		}
		for _, q := range []storage.RecordQuery{{Status: 504}, {Status: 5}, {Outcomes: []tally.Outcome{tally.OutcomeFailed}}, {Codes: []string{tally.CodeProviderDown}}} {
			var found []tally.ID
			list, _, err := k.Records(ctx, q)
			for i := range list {
				found = append(found, list[i].ID)
			}
			if err != nil || len(late) != 1 || !slices.Equal(found, late) {
				t.Errorf("killed at commit %d: %+v: found %v, %v; want %v", n, q, found, err, late)
			}
		}
		for kind := range nameKinds {
			if kind != 't' && kind != 'x' && !slices.ContainsFunc(keys(t, k.Store, tablePresence), func(key string) bool { return key[9] == kind }) {
				t.Errorf("killed at commit %d: no record is found by its %s", n, nameKinds[kind])
			}
		}
		k.Close()
	}
}

// A store of schema 6, where no book of money was kept, says what it said, and keeps one from
// then on.
func TestKeptFolderOfSchema6(t *testing.T) {
	t.Parallel()
	records := keptJSON[[]tally.Record](t, "../schema6/records.jsonl.gz")
	k := &keptStore{T: t, options: Options{Dir: unpack(t, "testdata/schema6"), Version: "7.0.0", chunkBits: 4}}
	k.start()
	k.sound()
	k.same(records)
	if holds, err := k.Holds(ctx, storage.HoldQuery{}); err != nil || holds.Count != 3 {
		t.Errorf("%d holds, %v", holds, err)
	}
	at := records[0].At.Add(time.Hour)
	if n, err := k.Expire(ctx, at, 10); err != nil || n != 3 {
		t.Errorf("%d expired, %v", n, err)
	}
	balance := tally.Counter{Subject: "client/cl_1", Metric: tally.Balance, Period: tally.Window{Unit: tally.Total}.Period(at, time.UTC, 0)}
	credits := balance
	credits.Metric = tally.Credits
	before, err := k.Usage(ctx, balance, credits)
	if err != nil || before[0] != before[1] || before[0].Used == 0 {
		t.Errorf("%+v, %v", before, err)
	}
	entry := tally.Record{ID: "en_1", At: at, Gateway: "gw_1", Client: "cl_1", Outcome: tally.Booked, Entry: &tally.Entry{Kind: tally.TopUp, Funds: 100}}
	made, err := k.Enter(ctx, entry)
	if err != nil || made.Charges[0].Used != before[0].Used-100 {
		t.Errorf("%+v, %v", made, err)
	}
	k.restart()
	k.sound()
	k.Close()
}

// An upgrade to schema 2 that its program has left halfway is begun anew.
func TestUpgradeToSchema2IsHalfway(t *testing.T) {
	t.Parallel()
	o := Options{Dir: keptFolder(t), upgradeRecords: 100, chunkBits: 6}
	n := 0
	open(ctx, o, func(txn *badger.Txn) error {
		if n++; n == 8 {
			return errInTheWay
		}
		return txn.Commit()
	})
	s, err := newStore(ctx, o, (*badger.Txn).Commit)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.set(keySchema, []byte{1, 200, 1}), s.db.Close()); err != nil {
		t.Fatal(err)
	}
	k := &keptStore{T: t, options: o}
	k.start()
	defer k.Close()
	k.sound()
	k.series("after_open", keptJSON[[]tally.Record](t, "records_after_open.jsonl.gz"))
}

// An upgrade that is killed at any moment goes on where it was.
func TestKeptFolderKilled(t *testing.T) {
	t.Parallel()
	records := keptJSON[[]tally.Record](t, "records_after_open.jsonl.gz")
	step := stride(9)
	whole := openKept(t)
	rows := keys(t, whole.Store, tableRollup)
	want := pointsOf(tally.ByUpstream, keptEdges(), records)
	for _, after := range []bool{false, true} {
		for n, done := 1, false; !done; n += step {
			t.Run(fmt.Sprintf("commit %d, done %v", n, after), func(t *testing.T) {
				o := whole.options
				o.Dir = keptFolder(t)
				commits := 0
				s, err := open(ctx, o, func(txn *badger.Txn) error {
					if commits++; commits != n {
						return txn.Commit()
					}
					if after {
						if err := txn.Commit(); err != nil {
							return err
						}
					}
					return errInTheWay
				})
				if done = err == nil; done {
					s.Close()
				} else if tally.CodeOf(err) != tally.Unavailable {
					t.Errorf("open: %v, want Unavailable", err)
				}
				k := &keptStore{T: t, options: o}
				k.start()
				defer k.Close()
				k.sound()
				if got, err := k.Series(ctx, storage.SeriesQuery{Family: tally.ByUpstream, Edges: keptEdges()}); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("series by upstream:\ngot  %+v, %v\nwant %+v", got, err, want)
				}
				if again := keys(t, k.Store, tableRollup); !slices.Equal(again, rows) {
					t.Errorf("%d rows, want %d", len(again), len(rows))
				}
			})
			if n > 500 {
				t.Fatal("it never opens")
			}
		}
	}
}

// A program of an older schema does not take a store while it is upgraded,
// nor later.
func TestUpgradeShutsOldProgramOut(t *testing.T) {
	t.Parallel()
	o := Options{Dir: keptFolder(t), Version: "2.0.0", upgradeRecords: 100}
	n := 0
	if _, err := open(ctx, o, func(txn *badger.Txn) error {
		if n++; n == 4 {
			return errInTheWay
		}
		return txn.Commit()
	}); err == nil {
		t.Fatal("it opens")
	}
	look := func() string {
		s, err := newStore(ctx, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.db.Close()
		return schemaOf(t, s)
	}
	if p := look(); len(p) < 4 || p[:3] != string([]byte{Schema, 0, 1}) {
		t.Errorf("in mid-upgrade the schema is %q", p)
	}
	openStore(t, o.Dir).Close()
	if p := look(); p != string([]byte{Schema}) { // the program that has completed it gave no version
		t.Errorf("after it the schema is %q", p)
	}
}

// Who does not want to wait for an upgrade may go on with it later.
func TestUpgradeIsLeft(t *testing.T) {
	t.Parallel()
	o := Options{Dir: keptFolder(t), upgradeRecords: 100, chunkBits: 6}
	leaving, leave := context.WithCancel(ctx)
	n := 0
	_, err := open(leaving, o, func(txn *badger.Txn) error {
		if n++; n == 8 {
			leave()
		}
		return txn.Commit()
	})
	if e := tally.AsError(err); err == nil || e.Code != tally.Unavailable || e.Hint == "" {
		t.Fatalf("%v, want Unavailable and a hint", err)
	}
	k := &keptStore{T: t, options: o}
	k.start()
	defer k.Close()
	k.sound()
	k.series("after_open", keptJSON[[]tally.Record](t, "records_after_open.jsonl.gz"))
}

// old makes a folder what a program of schema 1 would have left.
func old(t *testing.T, dir string) {
	t.Helper()
	s, err := newStore(ctx, Options{Dir: dir}, (*badger.Txn).Commit)
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, table := range []byte{tableRollup, tableOpening, tablePresence} {
		gone = append(gone, keys(t, s, table)...)
	}
	for _, key := range gone {
		k, ok := parseRowKey([]byte(key))
		if key[0] == tableOpening {
			k, ok = parseRowTail([]byte(key[1:]))
		}
		if ok && (int(k.family) < familiesOf[1] || k.family == bySubject) {
			continue
		}
		err = errors.Join(err, s.db.Update(func(txn *badger.Txn) error { return txn.Delete([]byte(key)) }))
	}
	if err := errors.Join(err, s.set(keySchema, []byte{1}), s.db.Close()); err != nil {
		t.Fatal(err)
	}
}

// A program of schema 1 may have been killed as it pruned: the balances of the
// families it did not have are made up for, too.
func TestUpgradeInMidPrune(t *testing.T) {
	t.Parallel()
	step := stride(5)
	for _, after := range []bool{false, true} {
		for n, done := 1, false; !done; n += step {
			t.Run(fmt.Sprintf("commit %d, done %v", n, after), func(t *testing.T) {
				w := newWorld(t)
				w.families = tally.Families[:familiesOf[1]] // the others say nothing of pruned records
				w.history()
				commits := w.fail(n, after)
				done = w.prune(w.now.AddDate(0, 0, 2)) == nil
				if done && commits() >= n {
					t.Fatalf("commit %d of %d has not failed", n, commits())
				}
				w.crashAs(func(dir string) { old(t, dir) })
				w.agreeOnSums() // which records are there depends on what was done
				w.sound()
				w.crash()
				w.agreeOnSums()
				w.sound()
				if _, err := w.Prune(ctx, storage.Before(w.now.AddDate(0, 0, 2)), 0); err != nil {
					t.Error(err)
				}
				w.sound()
				w.restart()
				w.agreeOnSums()
				w.sound()
			})
		}
	}
}

// An upgrade does not count what is pruned and was not removed yet, either.
func TestUpgradeBeforeRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.families = tally.Families[:familiesOf[1]]
	w.history()
	err := w.queue.alone(func() error {
		if err := w.completeCheckpoint(); err != nil {
			return err
		}
		o, err := w.oldest(dayOf(w.now) + 1)
		if err != nil {
			return err
		}
		if err := w.setOpenings(openings{w.openings.to, o.last}); err != nil {
			return err
		}
		if err := w.writeOpenings(o, w.coarse.Load().opening, inline); err != nil {
			return err
		}
		_, err = w.leave(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.crashAs(func(dir string) { old(t, dir) })
	w.agreeOnSums()
	w.sound()
	records, _, err := w.Records(ctx, storage.RecordQuery{})
	if err != nil {
		t.Fatal(err)
	}
	edges := []time.Time{noon.Truncate(24 * time.Hour), noon.AddDate(0, 1, 0).Truncate(24 * time.Hour)}
	got, err := w.Series(ctx, storage.SeriesQuery{Family: tally.ByUpstream, Edges: edges})
	w.same("series by upstream", got, pointsOf(tally.ByUpstream, edges, records), err)
}

// A backup that the old program has written restores as a store of this one.
func TestBackupOfSchema1Restores(t *testing.T) {
	old, err := newStore(ctx, Options{Dir: keptFolder(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	txn := old.db.NewTransaction(false)
	err = copyRows(ctx, txn, backup.Info{ID: "bk_old", Schema: 1}, &file)
	txn.Discard()
	if err := errors.Join(err, old.db.Close()); err != nil {
		t.Fatal(err)
	}
	k := &keptStore{T: t, options: Options{Dir: filepath.Join(t.TempDir(), "restored"), Version: "2.0.1"}}
	if _, err := Restore(ctx, k.options, &file); err != nil {
		t.Fatal(err)
	}
	k.start()
	defer k.Close()
	if got := schemaOf(t, k.Store); got != string([]byte{Schema})+"2.0.1" {
		t.Errorf("it says %q", got)
	}
	k.says("after_open", keptJSON[keptFacts](t, "store.json").AfterOpen)
}

// A store of schema 7, which did not tell what keys used of models nor what sessions used of
// clients, tells both, and limits per model count what was there before.
func TestKeptFolderOfSchema7(t *testing.T) {
	t.Parallel()
	records := keptJSON[[]tally.Record](t, "../schema7/records.jsonl.gz")
	k := &keptStore{T: t, options: Options{Dir: unpack(t, "testdata/schema7"), Version: "8.0.0", upgradeRecords: 50, chunkBits: 4}}
	k.start()
	k.sound()
	k.same(records)
	keys, sessions := map[tally.Dim]int64{}, map[tally.Dim]int64{}
	client, key := int64(5), int64(0) // with that of the entry
	for i := range records {
		r := &records[i]
		if r.Entry == nil {
			keys[tally.Dim{string(r.Key), r.Model}]++
			if r.Session != "" {
				sessions[tally.Dim{string(r.Client), r.Session}]++
			}
		}
		if r.Client == "cl_1" && r.Model == "m_1" {
			client += int64(r.Credits)
		}
		if r.Key == "key_2" && r.Model == "m_2" {
			key += int64(r.Credits)
		}
	}
	for family, want := range map[tally.Family]map[tally.Dim]int64{tally.ByKeyModel: keys, tally.ByClientSession: sessions} {
		points, err := k.Series(ctx, storage.SeriesQuery{Family: family, Edges: keptEdges()})
		got := map[tally.Dim]int64{}
		for i := range points {
			got[points[i].Dim] += points[i].Requests
		}
		if err != nil || len(want) == 0 || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", family, got, err, want)
		}
	}
	total := tally.Window{Unit: tally.Total}.Period(records[0].At, time.UTC, 0)
	used, err := k.Usage(ctx, tally.Counter{Subject: tally.PartOf("client/cl_1", "model=m_1"), Metric: tally.Credits, Period: total},
		tally.Counter{Subject: tally.PartOf("key/key_2", "model=m_2"), Metric: tally.Credits, Period: total})
	if err != nil || used[0].Used != client || used[1].Used != key || client == 0 || key == 0 {
		t.Errorf("%+v, %v; want %d and %d", used, err, client, key)
	}
	k.Close()
}
