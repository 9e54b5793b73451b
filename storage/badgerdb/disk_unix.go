//go:build unix

package badgerdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"tallygate/engine/tally"
)

var errLocked = errors.New("the folder is locked")

// lockFolder takes the same lock that Badger takes, so that files are mended only when
// nobody uses them.
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
	return available(&st), nil
}

// syncLogs syncs the logs of all memtables. Badger itself syncs only the log of the latest
// memtable, and an earlier one may still be on its way into a table.
func syncLogs(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its table is written
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// rewriteLogs writes the pages of all logs once more, each as it is.
func rewriteLogs(dir string) error {
	for _, kind := range []string{"*.mem", "*.vlog"} {
		names, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := rewrite(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func rewrite(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // what matters is the sync that follows
	page := make([]byte, os.Getpagesize())
	for at := int64(0); ; at += int64(len(page)) {
		n, err := f.ReadAt(page, at)
		if n > 0 && slices.ContainsFunc(page[:n], func(b byte) bool { return b != 0 }) { // not where there is a hole
			if _, err := f.WriteAt(page[:n], at); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isFull reports whether an error says that there is no room.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

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
