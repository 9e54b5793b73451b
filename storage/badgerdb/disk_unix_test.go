//go:build unix

package badgerdb

import "golang.org/x/sys/unix"

var fullDisk error = unix.ENOSPC
