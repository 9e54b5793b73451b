package lease

import (
	"time"

	"tallygate/engine/tally"
)

// early is how long before the end of a minute or an hour its counters are asked for the next
// one, in seconds.
const early = 2

// clockLabel is how the labels of minutes and hours are written.
const clockLabel = "2006-01-02T15:04Z07:00"

// prepare asks for the next period of the counters of minutes and hours that are in use and
// end within two seconds, so that the first requests of a period need not wait for a lease.
func (l *Lender) prepare() {
	now := l.opt.Now().Unix()
	end := now - now%60 + 60
	if end-now > early || end == l.prepared {
		return
	}
	l.prepared = end
	for k, x := range l.known {
		if k.end != end || k.end-k.start > 3600 || x.one == 0 {
			continue
		}
		loan, alive := l.opt.Ledger.Loan(&x.counter, false)
		c, ok := following(&x.counter)
		if !ok || !alive || loan.Taken() == 0 {
			continue
		}
		if y := l.lease(&c); !y.row {
			y.max, y.one, y.chunk, y.at = x.max, x.one, x.chunk, x.at
			l.next(y)
		}
	}
}

// following is a counter's next minute or hour; false if it counts in another window.
func following(c *tally.Counter) (next tally.Counter, ok bool) {
	start, err := time.Parse(clockLabel, c.Period.Label)
	if err != nil {
		return next, false
	}
	long := c.Period.End.Sub(c.Period.Start)
	next = *c
	next.Period = tally.Period{Label: start.Add(long).Format(clockLabel), Start: c.Period.End, End: c.Period.End.Add(long)}
	return next, true
}
