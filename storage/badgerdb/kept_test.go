package badgerdb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

const keptDir = "testdata/schema1"

// keptFolder unpacks the store of schema 1 that is kept, and returns its folder.
func keptFolder(t testing.TB) string {
	t.Helper()
	f, err := os.Open(filepath.Join(keptDir, "folder.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	for files := tar.NewReader(plain); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(to, "data", "store")
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(to, filepath.FromSlash(head.Name))
		if head.FileInfo().IsDir() {
			err = os.MkdirAll(name, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(name, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// keptValues are the payloads of a table as schema 1 has written them.
func keptValues(t testing.TB, table byte) (out [][]byte) {
	t.Helper()
	s, err := newStore(ctx, Options{Dir: keptFolder(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(func(txn *badger.Txn) error {
		return each(txn, []byte{table}, func(_, payload []byte) error {
			out = append(out, bytes.Clone(payload))
			return nil
		})
	})
	if err := errors.Join(err, s.db.Close()); err != nil || len(out) == 0 {
		t.Fatalf("%d values, %v", len(out), err)
	}
	return out
}
