package pgstore

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/pgstore/pgtest"
)

// A pooler between a node and its database may give each transaction another connection, so
// nothing that a node needs, or that others would meet, is left on one.
func TestNothingIsLeftOnConnections(t *testing.T) {
	t.Parallel()
	s := startNode(t, pgtest.Database(t), "n1", t.TempDir())
	made := &tally.Gateway{Meta: tally.Meta{ID: "gw_1"}, Slug: "main", Name: "Main", TimeZone: "UTC"}
	if _, err := s.Apply(ctx, tally.Act{At: noon, Actor: "test"}, tally.Change{Kind: tally.KindGateway, ID: "gw_1",
		Entity: made}); err != nil {
		t.Fatal(err)
	}
	if err := spend(s, requestOf(100, chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)), 80); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is shipped", func() bool { return s.shipped.Load() == s.journal.Latest() })
	day := noon.Truncate(24 * time.Hour)
	if _, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByClient,
		Edges: []time.Time{day, day.AddDate(0, 0, 1)}}); err != nil {
		t.Fatal(err)
	}
	verified(t, s)
	for _, pool := range []*pgxpool.Pool{s.pool, s.banking} {
		idle := pool.AcquireAllIdle(ctx)
		for _, c := range idle {
			var left string
			err := c.QueryRow(context.Background(), `SELECT coalesce(string_agg(x, ', '), '') FROM (
				SELECT 'statement ' || name AS x FROM pg_prepared_statements WHERE name <> ''
				UNION ALL SELECT 'setting ' || name FROM pg_settings WHERE source = 'session'
				UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
				UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() AS c
				UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS l`).
				Scan(&left)
			if err != nil || left != "" {
				t.Errorf("left on a connection: %s, %v", left, err)
			}
			c.Release()
		}
		if len(idle) == 0 {
			t.Error("there is no connection to look at")
		}
	}
}
