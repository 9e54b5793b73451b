package badgerdb

import (
	"io/fs"
	"os"
	"path/filepath"

	"tallygate/engine/tally"
)

// A full disk is fatal: Badger's log is mapped into memory, and a write that
// finds no room is a SIGBUS. So the store stops admitting while there is still
// room for what is under way, and keeps a ballast file whose room a clean close
// can use.
const (
	minFree     = 256 << 20 // stop admitting below it; 8 memtables of a server
	minOpenFree = 64 << 20  // do not even open below it
	ballastName = "ballast"
	ballastSize = 16 << 20
)

func diskFull() error {
	return tally.Errorf(tally.Unavailable, "the disk is nearly full").WithHint("free some space; the gateway goes on by itself")
}

// guard looks how much room is left.
func (s *Store) guard() {
	free, err := s.opts.Free(s.opts.Dir)
	if err != nil {
		s.log.Warn("the free space of the disk is not known", "err", err)
		s.admitting.Store(true)
		return
	}
	first := s.free.Swap(free) == 0
	if ok := free >= minFree; s.admitting.Swap(ok) != ok && !(first && ok) {
		s.log.Warn("free space of the disk", "bytes", free, "admitting", ok)
	}
}

// makeBallast takes some room while there is plenty. Without it a close on a
// full disk may fail; nothing else depends on it.
func makeBallast(dir string) {
	path := filepath.Join(dir, ballastName)
	if info, err := os.Stat(path); err == nil && info.Size() == ballastSize {
		return
	}
	os.WriteFile(path, make([]byte, ballastSize), 0o600)
}

func dropBallast(dir string) { os.Remove(filepath.Join(dir, ballastName)) }

// folderBytes is what the files of a folder take, the ballast left out.
func folderBytes(dir string) (total int64) {
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == ballastName {
			return nil
		}
		if info, err := e.Info(); err == nil {
			total += diskBytes(info)
		}
		return nil
	})
	return total
}
