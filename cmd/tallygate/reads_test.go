package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// Commands that only read leave what an earlier process has left under way, and what is
// past its retention, to the process that serves. A folder that was not closed is read
// as well, and that is said.
func TestReadingChangesNothing(t *testing.T) {
	dir := t.TempDir() + "/data"
	store := badgerdb.Options{Dir: filepath.Join(dir, process.StoreFolder)}
	run := func(args ...string) (said string) {
		t.Helper()
		var out, aside bytes.Buffer
		a := &app{version: "dev", env: func(string) (string, bool) { return "", false }, stdin: strings.NewReader(""), stdout: &out, stderr: &aside}
		if err := a.execute(t.Context(), append(args, "--data", dir)); err != nil && (args[0] != "status" || exitCode(err) != exitUnreachable) {
			t.Fatalf("%v: %v", args, err)
		}
		return aside.String()
	}
	run("init", "--yes", "--json")
	run("settings", "set", "--retention-days", "1")
	s, err := badgerdb.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []time.Time{time.Now().AddDate(0, 0, -9), time.Now().Add(-time.Hour)} {
		r := tally.Reservation{ID: tally.NewID("req", at), At: at, ExpiresAt: at.Add(time.Minute), Draft: tally.Record{Gateway: "gw_1", Client: "cl_1"}}
		if _, err := s.Reserve(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if rec := r.Draft; i == 0 {
			rec.Outcome, rec.Status = tally.OK, 200
			if err := s.Settle(t.Context(), tally.Settlement{ID: r.ID, Record: rec}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What a kill would leave: a copy of the folder while it is open.
	copied, err := filepath.Abs(t.TempDir() + "/killed")
	if err != nil {
		t.Fatal(err)
	}
	copyData(t, copied, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look := func(closed bool) {
		t.Helper()
		for i, args := range [][]string{{"status"}, {"usage"}, {"requests", "list"}, {"requests", "export"}, {"verify"}, {"keys", "list", "--all"}, {"clients", "list"}, {"settings", "show"}} {
			if said := run(args...); strings.Contains(said, "was not closed") != (i == 0 && !closed) {
				t.Errorf("%v says %q", args, said)
			}
		}
		s, err := badgerdb.Open(t.Context(), badgerdb.Options{Dir: filepath.Join(dir, process.StoreFolder), Reads: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		holds, _ := s.Holds(t.Context(), storage.HoldQuery{})
		if st, err := s.Status(t.Context()); err != nil || st.Records != 1 || holds.Count != 1 {
			t.Errorf("%d records and %d holds are left, %v; want 1 and 1", st.Records, holds.Count, err)
		}
	}
	look(true)
	dir = copied
	look(false)
}

func copyData(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		switch {
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it was on its way to its name
		case err != nil:
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
