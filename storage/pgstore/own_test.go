package pgstore

import (
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/pgstore/pgtest"
)

// What a node has by itself is told without the database, with what was heard of others.
func TestOwn(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.Database(t)
	s, other := startNode(t, url, "n1", t.TempDir()), startNode(t, url, "n2", t.TempDir())
	charge := chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)
	unmet := chargeOf("client/cl_2", tally.Balance, tally.Total, 0)
	for _, x := range []*Store{other, s} {
		if err := spend(x, requestOf(100, charge), 80); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, heard := s.ledger.Elsewhere(&charge.Counter)
	if !heard {
		t.Error("nothing was heard of a counter that was lent")
	}
	server.Crash()
	own := storage.Own(ctx)
	if list, _, err := s.Records(own, storage.RecordQuery{}); err != nil || len(list) != 1 {
		t.Errorf("records: %d, %v", len(list), err)
	}
	if is, err := s.Usage(own, charge.Counter); err != nil || is[0].Used != 80+elsewhere {
		t.Errorf("usage: %+v, %v", is, err)
	}
	if _, err := s.Usage(own, unmet.Counter); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("a balance that nobody has told: %v", err)
	}
	day := charge.Counter.Period
	if points, err := s.Series(own, storage.SeriesQuery{Family: tally.ByTotal, Edges: []time.Time{day.Start, day.End}}); err != nil || len(points) != 1 || points[0].Requests != 1 {
		t.Errorf("sums: %+v, %v", points, err)
	}
	if at, err := s.LastUsed(own, "client/cl_1"); err != nil || at[0].IsZero() {
		t.Errorf("last used: %v, %v", at, err)
	}
}
