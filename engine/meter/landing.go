package meter

import (
	"context"
	"math/bits"
	"time"

	"tallygate/engine/tally"
)

// Low finds a budget of a principal of which less than a share is left, in percent from 1
// to 99, and what is left of it; ok is false if there is none. Budgets are limits on money
// and tokens over more than a minute. What requests in flight hold counts as left: only
// what is spent decides.
func (m *Meter) Low(ctx context.Context, cat *tally.Catalog, p *tally.Principal, percent int,
	now time.Time) (low tally.Charge, left int64, ok bool, err error) {
	pl := m.planOf(cat, p)
	charges := pl.whole(m.chargesAt(pl, now).list)
	if p.Visitor {
		charges = pl.forVisitor(charges, m.visitorOf(p))
	}
	var budgets []tally.Charge
	var counters []tally.Counter
	for _, c := range charges {
		if (c.Metric.Money() || c.Metric == tally.TokensIO) && c.Period.End.Sub(c.Period.Start) > time.Minute {
			budgets, counters = append(budgets, c), append(counters, c.Counter)
		}
	}
	usage, err := m.store.Usage(ctx, counters...)
	if err != nil {
		return low, 0, false, err
	}
	for i, u := range usage {
		if c := budgets[i]; isLow(max(c.Max-u.Used, 0), c.Max, percent) {
			return c, c.Max - u.Used, true, nil
		}
	}
	return low, 0, false, nil
}

// isLow reports whether what is left is less than so many percent of a limit.
func isLow(left, most int64, percent int) bool {
	aHi, aLo := bits.Mul64(uint64(left), 100)
	bHi, bLo := bits.Mul64(uint64(most), uint64(percent))
	return aHi < bHi || aHi == bHi && aLo < bLo
}
