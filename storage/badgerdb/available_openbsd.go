package badgerdb

import "golang.org/x/sys/unix"

// available is what users other than root may still write, in bytes.
func available(st *unix.Statfs_t) int64 { return st.F_bavail * int64(st.F_bsize) }
