package badgerdb

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file its space on the disk where the file has holes. It fails only if
// the disk is full, since not every file system gives space ahead.
func allocate(f *os.File, size int64) error {
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size); isFull(err) {
		return err
	}
	return nil
}
