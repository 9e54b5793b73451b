package engine

import (
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// The check of each night: the store is verified when the machine's clock says it is
// one of these hours, once a day, a twentieth of the time at work.
const (
	nightlyEvery = 10 * time.Minute // looks
	nightFrom    = 2                // hours
	nightTo      = 5
	nightlyRest  = 95 * time.Millisecond
)

// nightly returns the step that verifies the store each night.
func (e *Engine) nightly() func(context.Context) error {
	var done string // the date of the latest
	return func(ctx context.Context) error {
		now := e.opts.Clock()
		today := now.Format(time.DateOnly)
		if hour := now.Hour(); hour < nightFrom || hour >= nightTo || today == done {
			return nil
		}
		began := time.Now()
		r, err := e.verifyStore(ctx, nightlyRest)
		if err != nil {
			return err
		}
		done = today
		e.checked.Store(&control.Checked{At: e.clock().UTC(), Faults: len(r.Faults)})
		if r.OK {
			e.log.Info("the check of the night found no fault", "records", r.Records, "took", time.Since(began).Round(time.Second))
			return nil
		}
		e.log.Error("the check of the night found faults: run tallygate verify", "faults", len(r.Faults), "first", r.Faults[0].Message)
		return nil
	}
}

// verify has the store prove what it counts.
func (e *Engine) verify(ctx context.Context, _ control.None) (tally.Report, error) {
	return e.verifyStore(ctx, 0)
}
