package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tallygate/engine/tally"
)

// The exit codes. Scripts rely on them; the help of the program lists them. A command
// that checks something, such as try, verify, doctor, tokens inspect and tokens simulate, has
// failed if the answer is no, also where it has done its work.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitInUse       = 6
	exitInterrupted = 130 // as shells report a process that SIGINT ended
)

const exitCodesHelp = `Exit codes: 0 ok, 1 failed (also a check that says no: try, verify, doctor,
providers test, prices check, tokens inspect, tokens simulate), 2 usage, 3 cannot reach the engine,
4 not found, 5 conflict, 6 in use. That of run is its command's.`

// exitCode is what a process that ended with err tells its parent.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	if ended, ok := errors.AsType[childError](err); ok {
		return int(ended)
	}
	switch tally.CodeOf(err) {
	case tally.Invalid:
		return exitUsage
	case tally.Unavailable:
		return exitUnreachable
	case tally.NotFound:
		return exitNotFound
	case tally.Conflict:
		return exitConflict
	case tally.InUse:
		return exitInUse
	}
	return exitFailed
}

// tellError writes an error and its next step for people.
func tellError(w io.Writer, err error) {
	if _, told := errors.AsType[childError](err); told || exitCode(err) == exitInterrupted {
		return
	}
	e := tally.AsError(err)
	fmt.Fprintf(w, "error: %s\n", clean(e.Message))
	if e.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", clean(e.Hint))
	}
}
