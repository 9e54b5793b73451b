package badgerdb

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate asks for a file's space on the disk. Only that the disk is full is worth
// knowing: not every file system does it.
func allocate(f *os.File, size int64) error {
	err := unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: size})
	if isFull(err) {
		return err
	}
	return nil
}
