package badgerdb

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

var errLocked = errors.New("the folder is locked")

// lockFolder leaves the locking to Badger, which opens its files exclusively.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }

func freeBytes(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(path, &free, nil, nil)
	return int64(free), err
}

// syncLogs does nothing. Badger has its logs open for itself alone, and syncs the log of
// the latest memtable.
func syncLogs(string) error { return nil }

// rewriteLogs does nothing: a page that could not be written stays to be written.
func rewriteLogs(string) error { return nil }

// isFull reports whether an error says that there is no room.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

func diskBytes(info fs.FileInfo) int64 { return info.Size() }

// checkPrivate relies on the access list that a folder inherits from the
// user's profile.
func checkPrivate(string) error { return nil }
