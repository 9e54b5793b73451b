package meter

import (
	"context"
	"time"

	"tallygate/engine/tally"
)

// carryAgain is when what is carried over is looked at again, while requests of the period
// before are still in flight or may still come, or the store could not tell.
const (
	carryAgain = time.Second
	carryLate  = time.Minute // how long after its end requests of a period may still come
)

// carried is what a limit allows more in a period, for what was left of the one before. What
// requests in flight hold there counts as used until they have ended; settled is false then.
// Whose limit it is must have been there before the period.
func (m *Meter) carried(l planned, p tally.Period) (more int64, settled bool) {
	if !l.since.Before(p.Start) {
		return 0, true
	}
	before := l.Window.Period(p.Start.Add(-time.Second), l.zone, l.cycleDay)
	u, err := m.store.Usage(context.Background(), tally.Counter{Subject: l.subject, Metric: l.Metric, Period: before})
	if err != nil {
		m.log.Error("what is carried over cannot be read", "subject", l.subject, "err", err)
		return 0, false
	}
	return l.Carried(tally.AddSat(u[0].Used, u[0].Held)), u[0].Held == 0
}
