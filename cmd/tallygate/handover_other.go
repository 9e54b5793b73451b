//go:build !unix

package main

import (
	"net"
	"os"

	"tallygate/engine/tally"
)

// cannotHandOver says why serving cannot go on in the background.
const cannotHandOver = "On this system a listening socket cannot be handed to another process. To serve without a window, stop, and run: tallygate serve"

var errNoHandover error = tally.Errorf(tally.Unavailable, "a listening socket cannot be handed over on this system").WithHint("run tallygate serve")

func keepSocket(net.Listener) (*os.File, error) { return nil, errNoHandover }

func inheritedListener(int) (net.Listener, error) { return nil, errNoHandover }

func (s *session) serveInBackground(*os.File) (int, error) { return 0, errNoHandover }
