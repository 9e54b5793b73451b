package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

// A store moves to a database and back: entities, audit log, records, also of pruned days and
// kinds, the book of money, and limits in mid-period to the unit.
func TestMove(t *testing.T) {
	url, dir := pgtest.Database(t), t.TempDir()
	o := Options{URL: url, Dir: dir, Name: "first", Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}}
	one, err := badgerdb.Open(ctx, o.Journal)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	act := tally.Act{At: noon, Actor: "test", Op: "clients.create"}
	_, err = one.Apply(ctx, act, tally.Put(&tally.Client{Meta: tally.Meta{ID: "cl_1", CreatedAt: noon}, Name: "one",
		Slug: "one"}, noon))
	must(err)
	book := func(s storage.Store, id string, at time.Time, funds int64) {
		t.Helper()
		_, err := s.Enter(ctx, tally.Record{ID: tally.ID(id), At: at, Gateway: "gw_1", Client: "cl_1",
			Outcome: tally.Booked,
			Entry:   &tally.Entry{Kind: tally.TopUp, Funds: tally.NanoUSD(funds), Reason: "test"}})
		must(err)
	}
	total := chargeOf("client/cl_1", tally.Cost, tally.Total, 1000)
	balance := chargeOf("client/cl_1", tally.Balance, tally.Total, 0)
	day := noon.AddDate(0, 0, -10)
	book(one, "en_1", day, 900)
	for i := range 40 {
		r := requestOf(10, total, balance)
		r.At = day.Add(time.Duration(i) * 6 * time.Hour)
		r.ExpiresAt = r.At.Add(time.Hour)
		if _, err := one.Reserve(ctx, r); err != nil {
			t.Fatal(err)
		}
		rec := r.Draft
		rec.Status, rec.Outcome, rec.Basis, rec.Cost, rec.Credits, rec.Total = 200, tally.OK, tally.Exact, 10, 10, time.Second
		must(one.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec}))
		must(one.Refuse(ctx, tally.Record{ID: tally.ID(fmt.Sprint("rf_", i)), At: r.At, Gateway: "gw_1", Client: "cl_1",
			Outcome: tally.OutcomeDenied, Status: 401}))
	}
	horizons := storage.Horizons{All: day.AddDate(0, 0, 3)}
	horizons.Of[tally.RefusalRecords] = day.AddDate(0, 0, 5)
	_, err = one.Prune(ctx, horizons, 0)
	must(err)
	kept := one.Count()
	must(one.Close())

	shipped := uint64(0)
	m, err := MoveIn(ctx, o, func(n, _ uint64) { shipped = n })
	if err != nil || m.Entities != 1 || m.Changes != 1 || m.Entries != 1 || m.Records != kept ||
		len(m.Days) != 11 || shipped != 81 {
		t.Fatalf("moved %+v, %d shipped, %v", m, shipped, err)
	}
	if _, err := MoveIn(ctx, o, func(_, _ uint64) {}); err != nil {
		t.Errorf("moved again: %v", err)
	}
	other := Options{URL: url, Dir: t.TempDir(), Name: "other"}
	other.Journal.Dir = filepath.Join(other.Dir, "store")
	if _, err := MoveIn(ctx, other, func(_, _ uint64) {}); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("another store moved there: %v", err)
	}

	a, b := startNode(t, url, "first", dir), startNode(t, url, "second", t.TempDir())
	verified(t, a)
	verified(t, b)
	if n := len(recordsOfAll(t, b)); int64(n) != kept {
		t.Errorf("%d records, want %d", n, kept)
	}
	book(b, "en_2", noon, 30)
	spendAll(t, 53, 10, balance, a, b) // 400 of 930 are used
	spendAll(t, 7, 10, total, b, a)    // 400 and 530 of 1,000 are
	if _, err := MoveOut(ctx, url, "", badgerdb.Options{Dir: filepath.Join(t.TempDir(),
		"store")}); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("moved while nodes are live: %v", err)
	}
	all := recordsOfAll(t, a)
	must(a.Close())
	must(b.Close())

	back := badgerdb.Options{Dir: filepath.Join(t.TempDir(), "store")}
	m, err = MoveOut(ctx, url, "", back)
	if err != nil || m.Records != kept+60 || m.Entries != 2 {
		t.Fatalf("moved back %+v, %v", m, err)
	}
	one, err = badgerdb.Open(ctx, back)
	must(err)
	defer one.Close()
	if got := recordsOfAll(t, one); len(got) != len(all) {
		t.Errorf("%d records came back of %d", len(got), len(all))
	}
	u, err := one.Usage(ctx, total.Counter, balance.Counter, chargeOf("key/ke_1", tally.Requests,
		tally.Month, 0).Counter)
	must(err)
	if u[0].Used != 1000 || u[1].Used != 70 || u[2].Used != 98 {
		t.Errorf("usage after both moves: %+v", u)
	}
	if log, err := one.VerifyAudit(ctx); err != nil || !log.OK || log.Entries != 1 {
		t.Errorf("audit log: %+v, %v", log, err)
	}
	if entries, err := one.Entries(ctx, storage.EntryQuery{}); err != nil || len(entries) != 2 ||
		entries[1].ID != "en_2" {
		t.Errorf("entries: %+v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, IdentityFile)); err != nil {
		t.Error(err)
	}
}

// A machine may fail while a store moves. What its folder says then leads no node to serve a
// database that has nothing of the store, and the move goes on with all of it.
func TestMoveBrokenOff(t *testing.T) {
	url, dir := pgtest.Database(t), t.TempDir()
	o := Options{URL: url, Dir: dir, Name: "first", Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}}
	one, err := badgerdb.Open(ctx, o.Journal)
	if err != nil {
		t.Fatal(err)
	}
	act := tally.Act{At: noon, Actor: "test", Op: "clients.create"}
	_, err = one.Apply(ctx, act, tally.Put(&tally.Client{Meta: tally.Meta{ID: "cl_1", CreatedAt: noon}, Name: "one",
		Slug: "one"}, noon))
	if err := errors.Join(err, one.Close()); err != nil {
		t.Fatal(err)
	}
	pool, err := dial(ctx, url, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, _, err := prepare(ctx, pool); err != nil {
		t.Fatal(err)
	}

	// What the folder has once nothing has been committed yet.
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(ctx, tx); err != nil {
		t.Fatal(err)
	}
	moving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := MoveIn(moving, o, func(_, _ uint64) {})
		ended <- err
	}()
	path := filepath.Join(dir, IdentityFile)
	var left []byte
	eventually(t, "the folder says whose it is", func() bool {
		left, err = os.ReadFile(path)
		return err == nil
	})
	stop()
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("it has moved")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder of which nothing has moved is not its own again: %v", err)
	}
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}

	if s, err := Open(ctx, o); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("serves after a move that was broken off: %v", err)
		if err == nil {
			s.Close()
		}
	}
	if m, err := MoveIn(ctx, o, func(_, _ uint64) {}); err != nil || m.Entities != 1 || m.Changes != 1 {
		t.Errorf("moved %+v, %v", m, err)
	}
	if is, err := ReadIdentity(dir); err != nil || is == nil || is.Moving {
		t.Errorf("the folder is that of %+v, %v", is, err)
	}
}

// A long audit log and book move some entries at a time.
func TestMovesInSlices(t *testing.T) {
	t.Parallel()
	one, err := badgerdb.Open(ctx, badgerdb.Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	const changes = moveMost + moveMost/2
	act := tally.Act{At: noon, Actor: "test", Op: "clients.create"}
	for i := range changes / 500 {
		var list []tally.Change
		for j := range 500 {
			id := fmt.Sprint("cl_", i, "_", j)
			list = append(list, tally.Put(&tally.Client{Meta: tally.Meta{ID: tally.ID(id), CreatedAt: noon}, Name: id,
				Slug: id}, noon))
		}
		if _, err := one.Apply(ctx, act, list...); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, pgtest.Database(t))
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices := &sliced{Tx: tx}
	if err := errors.Join(moveConfig(ctx, slices, one, "n1"), tx.Commit(ctx)); err != nil {
		t.Fatal(err)
	}
	same(t, "entries of the audit log", w.number(`SELECT count(*) FROM audit`), changes)
	same(t, "up to", w.number(`SELECT audit_seq FROM cluster`), changes)
	if slices.most > moveMost {
		t.Errorf("%d statements were queued at once", slices.most)
	}
	back, pages := int64(0), 0
	d := &dumper{ctx: ctx, changes: changes, read: func(ctx context.Context,
		do func(context.Context, pgx.Tx) error) error {
		pages++
		return pgx.BeginTxFunc(ctx, w.pool, reads, func(tx pgx.Tx) error { return do(ctx, tx) })
	}}
	err = d.audit(func(e *tally.AuditEntry) error {
		if back++; int64(e.Seq) != back {
			t.Errorf("entry %d comes back as the %d", e.Seq, back)
		}
		return nil
	})
	if err != nil || back != changes || pages != 2 {
		t.Errorf("%d entries came back in %d pages, %v", back, pages, err)
	}
}

// sliced is a transaction that knows how many statements it was given at once.
type sliced struct {
	pgx.Tx
	most int
}

func (s *sliced) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	s.most = max(s.most, b.Len())
	return s.Tx.SendBatch(ctx, b)
}

// After its last node was killed a store moves back once that was started and stopped again, or
// is forgotten on another one. Until then the owner is told which node it is, and since when.
func TestMoveAfterKill(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.Database(t), t.TempDir()
	out := func() error {
		_, err := MoveOut(ctx, url, "", badgerdb.Options{Dir: filepath.Join(t.TempDir(), "store")})
		return err
	}
	refused := func() {
		t.Helper()
		err := out()
		for _, want := range []string{"n1", "was last heard", "start it once more", "forget n1 --stopped"} {
			if text := tally.AsError(err); !strings.Contains(text.Message+text.Hint, want) {
				t.Errorf("%v; %s: nothing of %q", err, text.Hint, want)
			}
		}
	}
	a := startNode(t, url, "n1", dir)
	refused()
	kill(a)
	refused()
	startNode(t, url, "", dir).Close()
	if err := out(); err != nil {
		t.Errorf("after it was stopped: %v", err)
	}
	kill(startNode(t, url, "", dir))
	refused()
	b := startNode(t, url, "n2", t.TempDir())
	if _, err := b.ForgetNode(ctx, "n1", true); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := out(); err != nil {
		t.Errorf("after it was forgotten: %v", err)
	}
}

func recordsOfAll(t *testing.T, s storage.Store) (out []tally.Record) {
	t.Helper()
	for q := (storage.RecordQuery{Limit: 13}); ; {
		page, next, err := s.Records(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page...)
		if q.After = next; next == "" {
			return out
		}
	}
}

// While a store moves nobody else may spend: a limit goes on from what has arrived. If its move
// was broken off it is the first to serve, or moves once more.
func TestNobodyJoinsAMove(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.Database(t), t.TempDir()
	o := Options{URL: url, Dir: dir, Name: "first", Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}}
	one, err := badgerdb.Open(ctx, o.Journal)
	if err != nil {
		t.Fatal(err)
	}
	total := chargeOf("client/cl_1", tally.Requests, tally.Total, 10)
	for i := range 7 {
		r := requestOf(1, total)
		if _, err := one.Reserve(ctx, r); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // its process is killed
			continue
		}
		rec := r.Draft
		rec.Status, rec.Outcome, rec.Basis, rec.Total = 200, tally.OK, tally.Exact, time.Second
		if err := one.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	pool, err := dial(ctx, url, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	nodes, _, err := prepare(ctx, pool)
	if err != nil {
		t.Fatal(err)
	}
	var is *Identity
	if err := moveIn(ctx, pool, o, nodes, &is); err != nil { // and no record of it is shipped
		t.Fatal(err)
	}

	second := t.TempDir()
	s, err := Open(ctx, Options{URL: url, Dir: second, Name: "second",
		Journal: badgerdb.Options{Dir: filepath.Join(second, "store")}})
	if err == nil {
		spendAll(t, 3, 1, total, s)
		s.Close()
	}
	if tally.CodeOf(err) != tally.Conflict || !strings.Contains(err.Error(), "node first moves in") {
		t.Errorf("another node joins: %v", err)
	}
	if _, err := os.Stat(filepath.Join(second, IdentityFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that must not join is a node's: %v", err)
	}
	if m, err := MoveIn(ctx, o, func(_, _ uint64) {}); err != nil || m.Records != 7 {
		t.Fatalf("moved %+v, %v", m, err)
	}
	s = startNode(t, url, "second", second)
	spendAll(t, 3, 1, total, s)
	verified(t, s)
}
