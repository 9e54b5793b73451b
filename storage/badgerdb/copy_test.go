package badgerdb

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// copyFolder copies a store as a crash would leave it. A crash is one moment,
// and a copy is not: while Badger makes or drops tables it is taken again.
func copyFolder(to, from string) error {
	for {
		before, err := tablesOf(from)
		if err != nil {
			return err
		}
		err = copyOnce(to, from)
		after, listed := tablesOf(from)
		if err == nil && listed == nil && before == after {
			return nil
		}
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
}

// tablesOf tells of the files that Badger makes and drops as it goes.
func tablesOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, e := range entries {
		if info, err := e.Info(); err == nil && (e.Name() == "MANIFEST" || filepath.Ext(e.Name()) == ".sst") {
			fmt.Fprintln(&out, e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return out.String(), nil
}

func copyOnce(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == ballastName {
			continue
		}
		if err := copyFile(filepath.Join(to, e.Name()), filepath.Join(from, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile leaves holes where there are only zeros, as Badger's logs have.
func copyFile(to, from string) error {
	in, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	zeros := make([]byte, 1<<16)
	for at := 0; at < len(in); at += len(zeros) {
		part := in[at:min(at+len(zeros), len(in))]
		if slices.Equal(part, zeros[:len(part)]) {
			continue
		}
		if _, err := out.WriteAt(part, int64(at)); err != nil {
			return err
		}
	}
	return out.Truncate(int64(len(in)))
}
