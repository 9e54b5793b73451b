//go:build !unix

package process

import (
	"context"
	"errors"
	"os"

	"tallygate/engine/tally"
)

// CannotHandOver says why serving cannot go on in another process.
const CannotHandOver = "On this system a listening socket cannot be handed to another process. To serve without a window, stop, and run: tallygate serve"

var errNoHandover error = tally.Errorf(tally.Unavailable, "a listening socket cannot be handed over on this system").WithHint("stop it, and run tallygate serve")

// UpgradeSignal is not there.
var UpgradeSignal os.Signal

// HandOver ends the process.
func (p *Process) HandOver(*os.File, ...string) (int, error) {
	return 0, errors.Join(errNoHandover, p.Close())
}

// Successor says that there can be none.
func (*Process) Successor(context.Context) (string, error) { return "", errNoHandover }

// Replace ends the process.
func (p *Process) Replace() error { return errors.Join(errNoHandover, p.Close()) }
