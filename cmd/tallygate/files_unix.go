//go:build unix

package main

import (
	"math"
	"os"
	"strconv"
	"syscall"
)

// files is how many files the process may have open, 0 for any number, how many it
// has, and how many of these are sockets. The runtime has raised the limit to the
// most that it may be.
func files() (limit, open, sockets int) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > math.MaxInt32 {
		return 0, 0, 0
	}
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return int(l.Cur), 0, 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what could be read was there
	for _, name := range names {
		var is syscall.Stat_t
		if fd, err := strconv.Atoi(name); err == nil && syscall.Fstat(fd, &is) == nil {
			open++
			if is.Mode&syscall.S_IFMT == syscall.S_IFSOCK {
				sockets++
			}
		}
	}
	return int(l.Cur), open, sockets
}
