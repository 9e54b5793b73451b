package engine

import (
	"context"
	"os"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// stop tells the process to end.
func (e *Engine) stop(ctx context.Context, in control.Stop) (control.Stopping, error) {
	url, serves := e.publicURL()
	if e.opts.Stop == nil || !serves {
		return control.Stopping{}, tally.Errorf(tally.Conflict, "this process does not serve").WithHint("stop the one that does: tallygate stop")
	}
	is, err := e.status(ctx, control.None{})
	if err != nil {
		return control.Stopping{}, err
	}
	e.opts.Stop(in.Now)
	return control.Stopping{PID: os.Getpid(), BaseURL: url, InFlight: is.InFlight, Waiting: is.Waiting}, nil
}

// upgrade tells the process to become another program.
func (e *Engine) upgrade(ctx context.Context, _ control.None) (control.Upgrading, error) {
	if _, serves := e.publicURL(); e.opts.Upgrade == nil || !serves {
		return control.Upgrading{}, tally.Errorf(tally.Conflict, "this process cannot become another program").WithHint("a tallygate serve can; an interface is left and opened again")
	}
	to, err := e.opts.Upgrade(ctx)
	return control.Upgrading{PID: os.Getpid(), From: e.opts.Version, To: to}, err
}
