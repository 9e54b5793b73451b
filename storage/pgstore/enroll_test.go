package pgstore

import (
	"os"
	"path/filepath"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

// An old copy of a node's folder is refused on another machine, and has changed nothing by then:
// the node itself is still the one that its row tells of.
func TestRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	url, dir, old := pgtest.Database(t), t.TempDir(), t.TempDir()
	s := startNode(t, url, "n1", dir)
	s.Close()
	copyFolder(t, dir, old)
	s = startNode(t, url, "n1", dir)
	if err := spend(s, requestOf(10), 10); err != nil {
		t.Fatal(err)
	}
	s.Close()
	w := &world{TB: t, pool: connect(t, url)}
	const row = `SELECT hashtext(node::text) FROM node`
	before := w.number(row)
	_, err := Open(ctx, Options{URL: url, Dir: old, Host: "elsewhere", Name: "copy",
		Journal: badgerdb.Options{Dir: filepath.Join(old, "store"), Version: "v2"}})
	if tally.CodeOf(err) != tally.Conflict {
		t.Fatalf("an old copy of a folder: %v", err)
	}
	same(t, "the node's row", w.number(row), before)

	another := t.TempDir()
	startNode(t, url, "n2", t.TempDir())
	_, err = Open(ctx, Options{URL: url, Dir: another, Name: "n2",
		Journal: badgerdb.Options{Dir: filepath.Join(another, "store")}})
	if tally.CodeOf(err) != tally.Conflict {
		t.Fatalf("a name that another node has: %v", err)
	}
	if list, err := os.ReadDir(another); err != nil || len(list) > 0 {
		t.Errorf("the folder of one that was refused has %v, %v", list, err)
	}
}

// A new node that is cut off as it joins comes back as itself, whether or not its row was made.
func TestCutOffAsItJoins(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.Database(t), t.TempDir()
	startNode(t, url, "n1", t.TempDir())
	w := &world{TB: t, pool: connect(t, url)}
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(ctx, tx); err != nil { // so far it comes, and no further
		t.Fatal(err)
	}
	joined := make(chan *Store, 1)
	go func() {
		s, err := Open(ctx, Options{URL: url, Dir: dir, Name: "n2",
			Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}})
		if err != nil {
			t.Error(err)
		}
		joined <- s
	}()
	var left []byte
	eventually(t, "its folder says which node it is, before there is one", func() bool {
		left, err = os.ReadFile(filepath.Join(dir, IdentityFile))
		return err == nil
	})
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	(<-joined).Close()

	again := t.TempDir() // what its disk has after that
	copyFolder(t, dir, again)
	if err := os.WriteFile(filepath.Join(again, IdentityFile), left, 0o600); err != nil {
		t.Fatal(err)
	}
	startNode(t, url, "", again)
	same(t, "nodes", w.number(`SELECT count(*) FROM node`), 2)

	pending := t.TempDir() // and with a row that was never made
	id := Identity{ID: "nd_3", Name: "n3", Nodes: w.text(`SELECT id FROM cluster`)}
	if err := id.write(pending); err != nil {
		t.Fatal(err)
	}
	if s := startNode(t, url, "", pending); s.id.ID != "nd_3" || s.Me() != "n3" {
		t.Errorf("it came back as %+v", s.id)
	}
}

func (w *world) text(sql string) (x string) {
	w.Helper()
	if err := w.pool.QueryRow(w.Context(), sql).Scan(&x); err != nil {
		w.Fatal(err)
	}
	return x
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	err := os.CopyFS(to, os.DirFS(from))
	if err == nil {
		err = os.Chmod(filepath.Join(to, "store"), 0o700) // which a copy does not keep
	}
	if err != nil {
		t.Fatal(err)
	}
}
