package pgstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tallygate/storage/lease"
	"tallygate/storage/pgstore/pgtest"
)

// A statement is planned once, when there are few counters and nobody has counted them, and
// kept when there are many. It must look for leases by counter then, too, not by node, and
// once for each: a node may have hundreds of thousands.
func TestPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t, "autovacuum=off").Database(t)+"&plan_cache_mode=force_generic_plan")
	asks := make([]lease.Ask, 50)
	for j := range asks {
		asks[j] = ask(fmt.Sprint("key/", j), 1000, 5)
	}
	one := w.join("n1")
	op := one.next(asks...)
	c, _ := columnsOf(op.Asks)
	keys := []any{c.subject, c.metric, c.starts, c.ends}
	explain := func(what, sql string, args ...any) {
		rows, err := w.pool.Query(t.Context(), "EXPLAIN "+sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		if strings.Count(plan, "lease_pkey on lease") != 1 || strings.Contains(plan, "lease_node") ||
			strings.Contains(plan, "Seq Scan on lease") || strings.Contains(plan, "JIT") {
			t.Errorf("%s: %s", what, plan)
		}
	}
	for _, rows := range []int{0, 1000, 20000} {
		w.exec(`INSERT INTO quota SELECT $1 || i, 0, 0, 2000000000, 5, now() FROM generate_series(1, $2::int8) AS i`,
			fmt.Sprint("x", rows, "/"), rows)
		w.exec(`INSERT INTO lease SELECT subject, metric, starts, ends, n, 1, 1
			FROM quota, unnest(ARRAY['n1', 'n2', 'n3']) AS n ON CONFLICT DO NOTHING`)
		explain(fmt.Sprint("poll, ", rows), sqlPoll, "n1")
		explain(fmt.Sprint("grant, ", rows), sqlGrant, "n1", one.epoch, op.Op, c.subject, c.metric, c.starts, c.ends,
			c.max, c.have, c.least, c.want, c.extra, c.used, 1)
		explain(fmt.Sprint("stands, ", rows), sqlStands, append([]any{"n1"}, keys...)...)
	}
}
