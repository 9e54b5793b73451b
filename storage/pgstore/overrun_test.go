package pgstore

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

// What a node has shipped beyond what it was lent, or has told, or without being lent anything,
// stays granted once it is forgotten, so that others do not spend it again.
func TestFreeOverrun(t *testing.T) {
	t.Parallel()
	for what, is := range map[string]struct {
		granted, used int64 // -1: it has no lease
		want          int64
	}{
		"beyond the lease":     {10, 8, 15},
		"with nothing unused":  {8, 8, 15},
		"within the lease":     {20, 8, 15},
		"told and not shipped": {20, 17, 17},
		"never lent":           {-1, -1, 15},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, pgtest.Database(t))
			w.exec(`INSERT INTO quota VALUES ('gateway/gw', 0, 0, 1800000000, $1)`, 4+max(is.granted, 0))
			w.exec(`INSERT INTO lease VALUES ('gateway/gw', 0, 0, 1800000000, 'n2', 4, 4)`)
			if is.granted >= 0 {
				w.exec(`INSERT INTO lease VALUES ('gateway/gw', 0, 0, 1800000000, 'n1', $1, $2)`, is.granted, is.used)
			}
			w.exec(`INSERT INTO quota VALUES ('gateway/other', 0, 0, 1800000000, 0)`)
			add := requestSheet(15)
			err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
				if _, err := addSums(t.Context(), tx, "n1", add, nil); err != nil {
					return err
				}
				freed, err := free(t.Context(), tx, "n1", noon)
				if more := freed["requests"]; more != max(0, is.granted-is.want) {
					t.Errorf("%d are free again", more)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "lent in all", w.number(`SELECT granted FROM quota WHERE subject = 'gateway/gw'`), 4+is.want)
			same(t, "lent to the node", w.number(`SELECT granted FROM lease WHERE node = 'n1'`), is.want)
			same(t, "used by the node", w.number(`SELECT used FROM lease WHERE node = 'n1'`), is.want)
		})
	}
}

// A node that is killed has shipped what it had not told: requests that cost more than was held
// for them, and some from before it knew of a limit. Once it is forgotten each counter has used
// what all records add up to, and the rest of the limit can be spent.
func TestForgetCountsRecords(t *testing.T) {
	t.Parallel()
	list := nodesOf(t, 2)
	a, b := list[0], list[1]
	day := chargeOf("client/cl_1", tally.Cost, tally.Day, 1000)
	month := chargeOf("client/cl_1", tally.Cost, tally.Month, 1000)
	held := requestOf(10, day)
	if _, err := b.Reserve(ctx, held); err != nil {
		t.Fatal(err)
	}
	if err := spend(a, requestOf(10, day, month), 10); err != nil { // which begins the month
		t.Fatal(err)
	}
	b.lending() // it talks with nobody about limits any more
	b.lends.Wait()
	rec := held.Draft
	rec.Status, rec.Outcome, rec.Basis, rec.Cost, rec.Total = 200, tally.OK, tally.Exact, 300, time.Second
	if err := b.Settle(ctx, tally.Settlement{ID: held.ID, Record: rec}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.shipAll(ctx); err != nil {
		t.Fatal(err)
	}
	kill(b)
	if _, err := a.ForgetNode(ctx, "n2", true); err != nil {
		t.Fatal(err)
	}
	spendAll(t, 69, 10, day, a)
	spendAll(t, 0, 10, month, a) // the same 690 have been spent of it
	verified(t, a)
}

// kill ends a node as a crash of its machine does: it tells the others nothing.
func kill(s *Store) {
	s.lending()
	s.lends.Wait()
	s.apart.Store(&unreached{time.Now(), errors.New("it was killed")})
	s.Close()
}

// requestSheet is what requests add to sums.
func requestSheet(n int) map[badgerdb.Row]*tally.Sums {
	var sheet badgerdb.Sheet
	for range n {
		sheet.Count(&tally.Record{ID: "rq", At: noon, Gateway: "gw", Outcome: tally.OK, Count: 1})
	}
	return sheet.Rows()
}

// A node that leaves gives back what its former process was lent, too, though it has had no
// use for that.
func TestLeaveAfterACrash(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.Database(t), t.TempDir()
	other := startNode(t, url, "n2", t.TempDir())
	all := chargeOf("client/cl_1", tally.Requests, tally.Total, 1000)
	places := tally.Place{Subject: "client/cl_1", Max: 7}
	s := startNode(t, url, "n1", dir)
	for range 5 {
		r := requestOf(10, all)
		r.Places = []tally.Place{places}
		if err := spend(s, r, 10); err != nil {
			t.Fatal(err)
		}
	}
	kill(s)
	s = startNode(t, url, "n1", dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var lent int64
	if err := other.pool.QueryRow(ctx, `SELECT coalesce(sum(granted), 0) FROM lease WHERE node = $1`, s.id.ID).Scan(&lent); err != nil || lent != 5 {
		t.Errorf("%d are lent, %v; it has used 5", lent, err)
	}
	spendAll(t, 995, 10, all, other)
	verified(t, other)
}
