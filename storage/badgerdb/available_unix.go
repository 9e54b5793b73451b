//go:build unix && !openbsd

package badgerdb

import "golang.org/x/sys/unix"

// available is what users other than root may still write, in bytes.
func available(st *unix.Statfs_t) int64 { return int64(st.Bavail) * int64(st.Bsize) }
