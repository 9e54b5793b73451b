package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// twoServers have an empty database of one name each; hosts makes the URL that names both, with
// the first server's first or last.
func twoServers(t *testing.T) (first, second *pgtest.Server, database string, hosts func(last bool) string) {
	t.Helper()
	first, second = pgtest.New(t), pgtest.New(t)
	a, err := pgx.ParseConfig(first.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	url, err := second.Make(a.Database)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return first, second, a.Database, func(last bool) string {
		x, y := a, b
		if last {
			x, y = b, a
		}
		return fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=%s sslmode=disable", x.Host, y.Host, x.Port, y.Port, x.User, x.Database)
	}
}

// A node stays with its database: where another host of its URL takes changes, too, and has
// something else, it waits for its own one to come back.
func TestOtherDatabase(t *testing.T) {
	t.Parallel()
	mine, _, _, hosts := twoServers(t)
	s := startNode(t, hosts(false), "n1", t.TempDir())
	charge := chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)
	if err := spend(s, requestOf(100, charge), 80); err != nil {
		t.Fatal(err)
	}
	mine.Crash()
	eventually(t, "it knows", func() bool { _, err := s.Reach(); return errors.Is(err, errOther) })
	if err := mine.StartAgain(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool { _, err := s.Reach(); return err == nil })
	if err := spend(s, requestOf(100, charge), 80); err != nil {
		t.Error(err)
	}
	verified(t, s)
}

// A new node makes no schema where that of the nodes may be at another host of its URL.
func TestNoSecondSchema(t *testing.T) {
	t.Parallel()
	mine, other, database, hosts := twoServers(t)
	refused := func(when, url string, code tally.Code) {
		t.Helper()
		_, err := Open(ctx, Options{URL: url, Dir: t.TempDir(), Name: "n9"})
		if e := tally.AsError(err); e.Code != code || e.Hint == "" || !strings.Contains(e.Message, "named") {
			t.Errorf("%s: %v, %s", when, err, e.Hint)
		}
		if err := other.Run(database, "SELECT id FROM cluster"); err == nil {
			t.Errorf("%s: a second schema", when)
		}
	}
	mine.Crash()
	refused("the first host is gone", hosts(false), tally.Unavailable)
	if err := mine.StartAgain(); err != nil {
		t.Fatal(err)
	}
	startNode(t, hosts(false), "n1", t.TempDir())
	refused("an empty database comes first", hosts(true), tally.Conflict)
	startNode(t, hosts(false), "n2", t.TempDir())
}

// Of several hosts it is told what is wrong with each.
func TestNoPrimary(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, "default_transaction_read_only=on")
	c, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	_, err = dial(ctx, fmt.Sprintf("host=/nowhere,%s port=%d user=%s dbname=%s sslmode=disable", c.Host, c.Port, c.User,
		c.Database), 1)
	e := tally.AsError(err)
	if e == nil || e.Code != tally.Unavailable || !errors.Is(err, errReadOnly) ||
		!strings.Contains(e.Message, "no such file") {
		t.Errorf("%v", err)
	}
}
