package pgstore

import (
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage/pgstore/pgtest"
)

// A database of the first version is brought to this one by the first node that comes, and a
// program that knows only the first one may go on over it.
func TestEarlierSchema(t *testing.T) {
	url := pgtest.Database(t)
	pool := connect(t, url)
	for _, sql := range []string{schema1 + recordTable,
		`INSERT INTO cluster VALUES (1, 'st_1', 1, 1, '', 0, 0, '', 0, 0, 0, 0)`} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b"} {
		s := startNode(t, url, name, t.TempDir())
		if err := spend(s, requestOf(10, chargeOf("client/cl_1", tally.Cost, tally.Total, 1000)), 10); err != nil {
			t.Fatal(err)
		}
	}
	var version, least int64
	err := pool.QueryRow(ctx, `SELECT version, least FROM cluster`).Scan(&version, &least)
	if err != nil || version != Schema || least != 1 {
		t.Errorf("it has version %d, at least %d: %v", version, least, err)
	}
}
