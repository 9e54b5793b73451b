package pgstore

import (
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/pgstore/pgtest"
)

// What a node has removed from the database once it does not look for again every day. What is
// shipped later, though it is as old, goes with the next look of the node that has shipped it.
func TestPrunesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	a, b := startNode(t, url, "a", t.TempDir()), startNode(t, url, "b", t.TempDir())
	w := &world{TB: t, pool: a.pool}
	refuse := func(s *Store, id string, daysAgo int) {
		t.Helper()
		err := s.Refuse(ctx, tally.Record{ID: tally.ID(id), At: noon.AddDate(0, 0, -daysAgo), Gateway: "gw_1",
			Client: "cl_1", Outcome: tally.OutcomeDenied, Status: 401})
		if err == nil {
			_, err = s.shipAll(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	prune := func(s *Store, daysAgo int, left int64) {
		t.Helper()
		h := storage.Horizons{All: noon.AddDate(0, 0, -300)}
		h.Of[tally.RefusalRecords] = noon.AddDate(0, 0, -daysAgo)
		if _, err := s.Prune(ctx, h, 0); err != nil {
			t.Fatal(err)
		}
		same(t, "records that are left", w.number(`SELECT count(*) FROM record`), left)
	}
	refuse(a, "rf_1", 40)
	refuse(a, "rf_2", 9)
	prune(a, 10, 1)
	refuse(b, "rf_3", 40)
	prune(a, 8, 1) // only the days since then
	prune(b, 8, 0)

	refuse(b, "rf_4", 40)
	if err := a.beginAnew(ctx); err != nil { // with a database that was set back, perhaps
		t.Fatal(err)
	}
	prune(a, 8, 0)
}
