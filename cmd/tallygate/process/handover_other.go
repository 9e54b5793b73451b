//go:build !unix

package process

import (
	"errors"
	"net"
	"os"

	"tallygate/engine/tally"
)

// CannotHandOver says why serving cannot go on in another process.
const CannotHandOver = "On this system a listening socket cannot be handed to another process. To serve without a window, stop, and run: tallygate serve"

var errNoHandover error = tally.Errorf(tally.Unavailable, "a listening socket cannot be handed over on this system").WithHint("run tallygate serve")

// Inherited is the socket that a parent has handed over.
func Inherited(int) (net.Listener, error) { return nil, errNoHandover }

// HandOver ends the process.
func (p *Process) HandOver(*os.File, ...string) (int, error) {
	return 0, errors.Join(errNoHandover, p.Close())
}
