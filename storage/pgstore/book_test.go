package pgstore

import (
	"fmt"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage/pgstore/pgtest"
)

// fund enters what is paid in, or expires.
func fund(s *Store, id string, kind tally.EntryKind, funds int64) error {
	_, err := s.Enter(ctx, tally.Record{ID: tally.ID(id), At: noon, Gateway: "gw_1", Client: "cl_1",
		Outcome: tally.Booked, Entry: &tally.Entry{Kind: kind, Funds: tally.NanoUSD(funds), Reason: "test"}})
	return err
}

// Of money that is left one expiry takes all, and a second one that is made at once, by whichever
// node, finds nothing: also where no limit is lent, by which they would wait for each other.
func TestExpiresOnce(t *testing.T) {
	t.Parallel()
	list := nodesOf(t, 2)
	if err := fund(list[0], "en_1", tally.TopUp, 1000); err != nil {
		t.Fatal(err)
	}
	tx, err := list[0].pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(ctx, tx); err != nil {
		t.Fatal(err)
	}
	made := make(chan error, len(list))
	for i, s := range list {
		go func() { made <- fund(s, fmt.Sprint("ex_", i), tally.Expiry, -1000) }()
	}
	eventually(t, "both wait for each other", func() bool {
		var waiting int
		err := list[0].pool.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting >= len(list)
	})
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	codes := map[tally.Code]int{}
	for range list {
		codes[tally.CodeOf(<-made)]++
	}
	if codes[""] != 1 || codes[tally.NotFound] != 1 {
		t.Errorf("two expiries at once came to %v", codes)
	}
	balance := chargeOf("client/cl_1", tally.Balance, tally.Total, 0)
	if u, err := list[1].Usage(ctx, balance.Counter); err != nil || u[0].Used != 0 {
		t.Errorf("the balance is %+v, %v", u, err)
	}
	verified(t, list[0])
}

// Funds expire as far as they were not used, also those that a node was lent before it was killed.
func TestExpiryAfterACrash(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.Database(t), t.TempDir()
	s := startNode(t, url, "n1", dir)
	if err := fund(s, "en_1", tally.TopUp, 1_000_000); err != nil {
		t.Fatal(err)
	}
	balance := chargeOf("client/cl_1", tally.Balance, tally.Total, 0)
	for range 5 {
		if err := spend(s, requestOf(10, balance), 10); err != nil {
			t.Fatal(err)
		}
	}
	kill(s)
	s = startNode(t, url, "n1", dir)
	if err := fund(s, "ex_1", tally.Expiry, -1_000_000); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(ctx, balance.Counter); err != nil || u[0].Used != 0 {
		t.Errorf("the balance is %+v, %v; all of it was used or has expired", u, err)
	}
	verified(t, s)
}

// A counter of a minute begins with the entries that were made in it before anybody asked for it,
// those that take and those that give back.
func TestEntriesOfTheMinute(t *testing.T) {
	t.Parallel()
	list := nodesOf(t, 2)
	for i, credits := range []tally.NanoUSD{70, -20} {
		_, err := list[0].Enter(ctx, tally.Record{ID: tally.ID(fmt.Sprint("en_", i)), At: noon, Gateway: "gw_1",
			Client: "cl_1", Outcome: tally.Booked, Credits: credits, Entry: &tally.Entry{Kind: tally.Fee, Reason: "test"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	spendAll(t, 5, 10, chargeOf("client/cl_1", tally.Credits, tally.Minute, 100), list...)
	verified(t, list[1])
}
