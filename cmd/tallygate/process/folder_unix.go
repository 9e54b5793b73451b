//go:build unix

package process

import (
	"os"
	"os/user"
	"strconv"
	"syscall"

	"tallygate/engine/tally"
)

// RestrictNewFiles makes everything that the process creates its owner's only:
// the store chooses wider modes for some of its files.
//
// What it returns does something for which others are as they were before: starting a
// program that is not ours.
func RestrictNewFiles() (except func(do func() error) error) {
	was := syscall.Umask(0o077)
	return func(do func() error) error {
		syscall.Umask(was)
		defer syscall.Umask(0o077)
		return do()
	}
}

// checkFolder refuses a data folder that others may enter. An empty one of ours
// that others could only have read is closed to them instead.
func checkFolder(dir string, empty bool) error {
	info, err := os.Stat(dir)
	if err != nil {
		return folderError(dir, err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		// Root could, and would leave files there that lock its owner out.
		owner := strconv.Itoa(int(stat.Uid))
		name := "#" + owner
		if u, err := user.LookupId(owner); err == nil {
			owner, name = u.Username, u.Username
		}
		return tally.Errorf(tally.Denied, "data folder %s belongs to user %s", dir, owner).WithHint("sudo -u %s tallygate --data %s, or name another folder with --data", tally.ShellWord(name), tally.ShellWord(dir))
	}
	mode := info.Mode().Perm()
	switch {
	case mode&0o077 == 0:
		return nil
	case empty && mode&0o022 == 0:
		if err := os.Chmod(dir, 0o700); err != nil {
			return folderError(dir, err)
		}
		return nil
	case mode&0o022 != 0:
		return tally.Errorf(tally.Denied, "others can write to the data folder %s (mode %04o)", dir, mode).WithHint("chmod 700 %s, once you are sure that nobody else has changed it", dir)
	}
	return tally.Errorf(tally.Denied, "others can read the data folder %s (mode %04o)", dir, mode).WithHint("chmod 700 %s", dir)
}
