package badgerdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tallygate/engine/tally"
)

// prepare makes the folder, or looks whether it is fit for a store.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return tally.Errorf(tally.Denied, "make the folder of the store: %w", err)
		}
		return nil
	case err != nil:
		return tally.Errorf(tally.Denied, "look at the folder of the store: %w", err)
	}
	if err := checkPrivate(dir); err != nil {
		return err
	}
	for _, e := range entries {
		if !known(e.Name()) {
			return tally.Errorf(tally.Invalid, "%s holds something else: %s", dir, e.Name()).WithHint("choose an empty folder with --data, or take it away if it is yours")
		}
	}
	return nil
}

// known reports whether a file is one that Badger or this package makes.
func known(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".vlog", ".mem":
		return true
	}
	switch name {
	case "MANIFEST", "MANIFEST-REWRITE", "KEYREGISTRY", "REWRITE-KEYREGISTRY", "DISCARD", "LOCK", headName, headName + ".new", ballastName:
		return true
	}
	return false
}

// mend makes a folder that a killed process left fit for Badger, which does not
// open with log files of no bytes. It refuses one that has lost its manifest:
// Badger would open it and delete all tables.
func mend(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	manifest, tables := false, false
	for _, e := range entries {
		manifest = manifest || e.Name() == "MANIFEST"
		ext := filepath.Ext(e.Name())
		tables = tables || ext == ".sst" || ext == ".mem"
		if ext != ".vlog" && ext != ".mem" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Size() == 0 {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if tables && !manifest {
		return tally.Errorf(tally.Corrupt, "the store in %s has lost its MANIFEST", dir).WithHint("restore a backup; keep the folder until you have")
	}
	return nil
}

// The head is a small file beside Badger's that says which record was safe on
// the disk. Badger opens without an error when its manifest was cut short, or
// stops reading early at a damaged block, and what is lost would be lost in
// silence; with the head, a store that ends before it is refused.
const headName = "head"

func writeHead(dir string, seq uint64) error {
	key := []byte(headName)
	value := seal(key, fmt.Appendf(nil, "%d\n", seq))
	name := filepath.Join(dir, headName)
	err := os.WriteFile(name+".new", value, 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return cannotWrite(err)
	}
	return nil
}

// readHead returns the record that was safe, 0 if none is known to have been: a
// power cut may take the file.
func readHead(dir string) uint64 {
	value, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		return 0
	}
	payload, err := unseal([]byte(headName), value)
	if err != nil {
		return 0
	}
	var seq uint64
	if _, err := fmt.Sscanf(string(payload), "%d\n", &seq); err != nil {
		return 0
	}
	return seq
}
