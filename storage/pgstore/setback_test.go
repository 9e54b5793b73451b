package pgstore

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/pgstore/pgtest"
)

// A database that was set back to a dump is told again, by nodes that have nothing new to tell
// as well: what they have used, and their records. They say what has happened. What they have
// used meanwhile is not lent once more.
func TestSetBack(t *testing.T) {
	db := pgtest.New(t)
	at := db.Database(t)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	name := path.Base(u.Path)
	a, b := startNode(t, at, "a", t.TempDir()), startNode(t, at, "b", t.TempDir())
	limit := chargeOf("client/cl_1", tally.Requests, tally.Total, 100)
	spendSome := func() {
		t.Helper()
		for _, s := range []*Store{a, b} {
			for range 20 {
				if err := spend(s, requestOf(1, limit), 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.shipAll(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	spendSome()
	tool := func(name string, args ...string) {
		t.Helper()
		if err := db.Tool(name, args...); err != nil {
			t.Fatal(err)
		}
	}
	tool("pg_dump", "-Fc", "-f", "dump", name)
	spendSome()
	tool("createdb", "restored")
	tool("pg_restore", "-1", "-d", "restored", "dump")
	tool("psql", "-c", `DROP DATABASE "`+name+`" WITH (FORCE)`,
		"-c", `ALTER DATABASE restored RENAME TO "`+name+`"`, "postgres")
	told := func(faults []string) bool { return strings.Contains(strings.Join(faults, " "), "was set back") }
	for _, s := range []*Store{a, b} {
		eventually(t, "a node tells what has happened", func() bool {
			list, err := s.Nodes(ctx)
			return err == nil && len(list) == 2 && told(list[0].Faults) && told(list[1].Faults) &&
				list[0].Records == 40 && list[1].Records == 40 && list[0].Unshipped+list[1].Unshipped == 0
		})
		eventually(t, "all records are there", func() bool {
			list, _, err := s.Records(ctx, storage.RecordQuery{Limit: 1000})
			return err == nil && len(list) == 80
		})
	}
	eventually(t, "it lends again", func() bool { return spend(a, requestOf(1, limit), 1) == nil })
	spendAll(t, 19, 1, limit, a, b)
	verified(t, a)
}
