//go:build unix

package badgerdb

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tallygate/engine/tally"
)

var errLocked = errors.New("the folder is locked")

// lockFolder takes the lock that Badger takes, so that files are mended only
// when nobody uses them.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// diskBytes is what a file takes on the disk: mapped logs have holes.
func diskBytes(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// checkPrivate refuses a folder that others may write or read.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return tally.Errorf(tally.Denied, "look at the folder of the store: %w", err)
	}
	if !info.IsDir() {
		return tally.Errorf(tally.Invalid, "%s is not a folder", dir)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return tally.Errorf(tally.Denied, "others may enter %s (mode %04o)", dir, perm).WithHint("chmod 700 %s", dir)
	}
	return nil
}
