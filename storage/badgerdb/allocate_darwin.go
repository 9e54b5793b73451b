package badgerdb

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate asks for a file's space on the disk. It fails only if the disk is full, since
// not every file system gives space ahead.
func allocate(f *os.File, size int64) error {
	err := unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: size})
	if isFull(err) {
		return err
	}
	return nil
}
