//go:build !unix

package process

import "os/exec"

// files tells that nothing limits the files that the process has open.
func files() (limit, open int) { return 0, 0 }

// hasModes is whether a file's mode says who may read it.
const hasModes = false

// withAll does nothing: what a command has started is not known here.
func withAll(*exec.Cmd) {}
