package pgstore

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

// What a node has shipped beyond what it was lent stays granted once it is forgotten, so that
// others do not spend it again.
func TestFreeOverrun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	w.exec(`INSERT INTO quota VALUES ('gateway/gw', 0, 0, 1800000000, 10)`)
	w.exec(`INSERT INTO lease VALUES ('gateway/gw', 0, 0, 1800000000, 'n1', 10, 8)`)
	add := requestSheet(15)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		if _, err := addSums(t.Context(), tx, "n1", add, nil); err != nil {
			return err
		}
		return free(t.Context(), tx, "n1")
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "lent in all", w.number(`SELECT granted FROM quota`), 15)
	same(t, "lent to the node", w.number(`SELECT granted FROM lease`), 15)
	same(t, "used by the node", w.number(`SELECT used FROM lease`), 15)
}

// requestSheet is what requests add to sums.
func requestSheet(n int) map[badgerdb.Row]*tally.Sums {
	var sheet badgerdb.Sheet
	for range n {
		sheet.Count(&tally.Record{ID: "rq", At: noon, Gateway: "gw", Outcome: tally.OK, Count: 1})
	}
	return sheet.Rows()
}
