package badgerdb

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file its space on the disk, where there are holes in it. Only that
// the disk is full is worth knowing: not every file system does it.
func allocate(f *os.File, size int64) error {
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size); isFull(err) {
		return err
	}
	return nil
}
