package pgstore

import (
	"context"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// What nodes were lent is told without a look at their leases, of which there may be many, and
// only of periods that are not over. It ends when a node has left, or is forgotten.
func TestNodesTellWhatTheyWereLent(t *testing.T) {
	t.Parallel()
	list := nodesOf(t, 2)
	a, b := list[0], list[1]
	over := chargeOf("client/cl_1", tally.Cost, tally.Day, 1_000_000) // noon was long ago
	total := chargeOf("client/cl_1", tally.Cost, tally.Total, 1_000_000)
	if err := spend(b, requestOf(100, total, over), 60); err != nil {
		t.Fatal(err)
	}
	if err := b.lookAtLent(ctx); err != nil {
		t.Fatal(err)
	}
	told := func() int64 {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		nodes, err := a.Nodes(ctx)
		if err != nil || len(nodes) != 2 {
			t.Fatalf("%+v, %v", nodes, err)
		}
		return nodes[1].Lent["cost"]
	}
	eventually(t, "the other one tells of it", func() bool { return told() > 0 })
	tx, err := a.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `LOCK TABLE quota, lease`); err != nil {
		t.Fatal(err)
	}
	lent := told()
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, pool: a.pool}
	of := w.number(`SELECT sum(granted - used)::int8 FROM lease WHERE metric = 2 AND ends > extract(epoch FROM now())
		AND node <> $1`, a.id.ID)
	same(t, "lent", lent, of)
	if _, err := b.shipAll(ctx); err != nil {
		t.Fatal(err)
	}
	kill(b)
	free := w.number(`SELECT granted - 60 FROM lease WHERE metric = 2 AND ends > extract(epoch FROM now())
		AND node <> $1`, a.id.ID)
	was, err := a.ForgetNode(ctx, "n2", true)
	if err != nil || was.Lent["cost"] != free {
		t.Errorf("free again: %+v, %v", was, err)
	}
}
