package engine

import (
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// acceptClock goes by the machine's clock again, after it was ahead. The time is taken
// back first and only then is looked whether nobody is on the road, so that no request
// takes the time of before to the store.
func (e *Engine) acceptClock(ctx context.Context, in control.AcceptClock) (control.ClockAccepted, error) {
	e.changing.Lock()
	defer e.changing.Unlock()
	was := e.clock().UTC()
	lag := was.Sub(e.opts.Clock())
	if lag <= lagWorthy {
		return control.ClockAccepted{}, tally.Errorf(tally.Invalid, "the machine's clock is not behind the gateway's, so there is nothing to accept")
	}
	if !in.Yes {
		return control.ClockAccepted{}, tally.Errorf(tally.Invalid,
			"the gateway would go from %s back to %s, by %s: limits go by the machine's clock again. What they have counted stays: also what was used ahead of time, in windows that come yet. Sessions begin anew, words of failures are forgotten, and records are kept %s longer",
			instant(was), instant(was.Add(-lag)), roughly(lag), roughly(lag)).WithHint("look whether the machine's clock is right now; tallygate settings accept-clock --yes does it")
	}
	now, undo := e.steady.Accept()
	if n := e.gateway.InFlight(); n > 0 {
		undo()
		return control.ClockAccepted{}, tally.Errorf(tally.Conflict, "%d requests are under way, and belong to the windows of before", n).
			WithHint("try again when they have been answered; or stop the gateway, and then run this: it works on the folder")
	}
	ctx = context.WithoutCancel(ctx)        // half of it is worse than none
	e.meter.FlushRefusals(ctx, time.Time{}) // they are of before
	st, err := e.store.Status(ctx)
	if err == nil && st.LastSeen.After(now) {
		err = e.store.AcceptClock(ctx, now)
	}
	if err == nil {
		e.gateway.ForgetWords()
		err = e.store.Forget(ctx, was.AddDate(0, 0, 2)) // they would be kept by the days of before
	}
	if err != nil {
		undo()
		return control.ClockAccepted{}, err
	}
	e.log.Warn("the machine's clock was accepted, which is behind what was seen", "from", was, "to", now.UTC())
	return control.ClockAccepted{From: was, To: now.UTC()}, nil
}

// instant is a time as the owner may compare it with a watch.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
