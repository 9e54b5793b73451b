package pgstore

import (
	"path/filepath"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

// Once all nodes have lost their key file one of them may say which is the next. While another
// one runs, which has it, none may.
func TestForgetKey(t *testing.T) {
	t.Parallel()
	url, mine := pgtest.Database(t), t.TempDir()
	open := func(dir, print string, forget bool) (*Store, error) {
		s, err := Open(ctx, Options{URL: url, Dir: dir, Name: "n" + filepath.Base(dir), Print: print, ForgetKey: forget,
			Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}})
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
		return s, err
	}
	a, err := open(mine, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.KeepKey(ctx, "p1"); err != nil {
		t.Fatal(err)
	}
	refused := func(code tally.Code, dir, print string, forget bool) {
		t.Helper()
		if _, err := open(dir, print, forget); tally.CodeOf(err) != code {
			t.Errorf("with the key file %q, to be forgotten: %v: %v", print, forget, err)
		}
	}
	other := t.TempDir()
	refused(tally.Conflict, other, "", true)
	kill(a)
	refused(tally.Denied, mine, "", false)
	refused(tally.Denied, mine, "p2", false)
	a, err = open(mine, "", true) // it is not in its own way
	if err != nil {
		t.Fatal(err)
	}
	if err := a.KeepKey(ctx, "p2"); err != nil {
		t.Errorf("the next key file: %v", err)
	}
	refused(tally.Denied, other, "p1", false)
	b, err := open(other, "p2", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.KeepKey(ctx, "p2"); err != nil {
		t.Error(err)
	}
}
