package badgerdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/klauspost/compress/snappy"

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

// wasClosed reports whether a folder is as a clean end leaves it: all logs of memtables
// have become tables.
func wasClosed(dir string) bool {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	return err == nil && len(logs) == 0
}

// mend makes a folder that a killed process left fit for Badger, which does not open with
// log files of no bytes. It refuses a folder that has lost its manifest: Badger would open
// the folder and delete all tables.
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
	switch {
	case manifest:
		return checkTables(dir)
	case tables:
		return damaged(dir, "it has lost its MANIFEST")
	}
	return nil
}

func damaged(dir, how string) error {
	return tally.Errorf(tally.Corrupt, "the store in %s is damaged: %s", dir, how).WithHint("restore a backup (tallygate backup restore BACKUPS --to NEW-DIR); keep the folder until you have")
}

// checkTables looks at what Badger reads of every table that the manifest names when it opens
// it: the end, and the last block. Where they are not what they must be, Badger does not fail
// but panic. Tables that the manifest does not name
// are of a process that was killed as it wrote them; Badger removes them.
func checkTables(dir string) error {
	f, err := os.Open(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		return damaged(dir, "its MANIFEST cannot be read: "+err.Error())
	}
	for id := range manifest.Tables {
		name := fmt.Sprintf("%06d.sst", id)
		switch ends, err := tableEnds(filepath.Join(dir, name)); {
		case errors.Is(err, fs.ErrPermission):
			return err // it may be whole
		case err != nil || !ends:
			return damaged(dir, "table "+name+" is missing or not whole")
		}
	}
	return nil
}

// tableEnds reports whether a file ends as a table does: with an index and a checksum, each
// with its length behind it, and whether the last block that the index names can be read.
func tableEnds(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	var index []byte
	for range 2 { // the checksum, then the index
		var length [4]byte
		if _, err := f.ReadAt(length[:], at-4); at < 4 || err != nil {
			return false, err
		}
		n := int64(binary.BigEndian.Uint32(length[:]))
		if at -= 4 + n; n == 0 || at < 0 {
			return false, nil
		}
		index = make([]byte, n)
		if _, err := f.ReadAt(index, at); err != nil {
			return false, err
		}
	}
	from, to, ok := lastBlock(index)
	if !ok || to > at {
		return false, nil
	}
	block := make([]byte, to-from)
	if _, err := f.ReadAt(block, from); err != nil {
		return false, err
	}
	return blockEnds(block), nil
}

// lastBlock is where the last block is that the index of a table names.
func lastBlock(index []byte) (from, to int64, ok bool) {
	defer func() {
		if recover() != nil { // what reads indexes trusts them
			ok = false
		}
	}()
	table, last := fb.GetRootAsTableIndex(index, 0), fb.BlockOffset{}
	ok = table.Offsets(&last, table.OffsetsLength()-1)
	return int64(last.Offset()), int64(last.Offset()) + int64(last.Len()), ok
}

// blockEnds reports whether a block, once it is unpacked, ends with places of entries and
// their number, and a checksum and its length.
func blockEnds(packed []byte) bool {
	b, err := snappy.Decode(nil, packed)
	length := func() (n int64) {
		if len(b) < 4 {
			return -1
		}
		n = int64(binary.BigEndian.Uint32(b[len(b)-4:]))
		b = b[:len(b)-4]
		return n
	}
	sum := length()
	if err != nil || sum < 0 || sum > int64(len(b)) {
		return false
	}
	b = b[:int64(len(b))-sum]
	entries := length()
	return entries >= 0 && 4*entries <= int64(len(b))
}

// The head is a small file beside Badger's that says which record was safe on the disk.
// Badger opens without an error when its manifest was cut short, or stops reading early at
// a damaged block. What is lost would then be lost in silence. Because of the head, a store
// that ends before that record is refused.
const headName = "head"

func writeHead(dir string, seq uint64) error {
	key := []byte(headName)
	value := seal(key, fmt.Appendf(nil, "%d\n", seq))
	name := filepath.Join(dir, headName)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil { // a disk may say no only now
		return err
	}
	return os.Rename(name+".new", name)
}

// readHead returns the record that was safe, 0 if none is known to have been. It may be
// unknown after a power cut, which may take the file.
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
