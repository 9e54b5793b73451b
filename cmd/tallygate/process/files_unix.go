//go:build unix

package process

import (
	"math"
	"os"
	"os/exec"
	"syscall"
)

// files is how many files the process may have open, 0 for any number, and how many
// it has. The runtime has raised the limit to the most that it may be.
func files() (limit, open int) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > math.MaxInt32 {
		return 0, 0
	}
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return int(l.Cur), 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what could be read was there
	return int(l.Cur), max(len(names)-1, 0)
}

// hasModes is whether a file's mode says who may read it.
const hasModes = true

// withAll has a command ended with all that it has started.
func withAll(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
