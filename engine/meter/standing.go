package meter

import (
	"cmp"
	"context"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Standing is a limit with what its current period has seen. Its Max is what it
// allows now: Base, what is Carried over, and the Raises that are in force.
type Standing struct {
	tally.Limit
	Base    int64
	Carried int64 // of what was left in the period before
	Raises  []tally.Raise
	Subject tally.Subject
	Period  tally.Period
	tally.Usage
	// Part is the label of the part that Usage is of, where each value has such a limit:
	// the fullest of those that have refused something. It is "" if there is none, and
	// Usage is zero then.
	Part string
}

// Left is what the period still allows; below zero after an overrun.
func (s Standing) Left() int64 { return s.Max - s.Used - s.Held }

// Code is the public code of a refusal by this limit.
func (s Standing) Code() string { return limitCode(s.Subject, s.Limit) }

// periods are the periods under way: thousands of limits have few windows, and to write
// the label of one takes longer than to look up what it has seen.
type periods struct{ of sync.Map } // windowOf → tally.Period

type windowOf struct {
	tally.Window
	zone     string
	cycleDay int
}

func (p *periods) at(w tally.Window, now time.Time, zone *time.Location, cycleDay int) tally.Period {
	key := windowOf{w, zone.String(), cycleDay}
	if known, ok := p.of.Load(key); ok {
		if period := known.(tally.Period); !now.Before(period.Start) && now.Before(period.End) {
			return period
		}
	}
	period := w.Period(now, zone, cycleDay)
	p.of.Store(key, period)
	return period
}

// Standings tell where limits of one subject stand at an instant, in the order
// of the limits, those that only warn included.
func (m *Meter) Standings(ctx context.Context, cat *tally.Catalog, gw *tally.Gateway, of tally.Subject, limits []tally.Limit, now time.Time) ([]Standing, error) {
	zone := cat.Zone(gw.ID)
	raises, since := cat.Raises(of)
	out := make([]Standing, len(limits))
	for i, l := range limits {
		period := m.periods.at(l.Window, now, zone, gw.CycleDay)
		out[i] = Standing{Limit: l, Base: l.Max, Raises: tally.RaisesOf(l, raises, now), Subject: of, Period: period}
		out[i].Max = l.MaxAt(raises, now)
		if l.Carry != 0 {
			out[i].Carried, _ = m.carried(planned{subject: of, Limit: l, zone: zone, cycleDay: gw.CycleDay, since: since}, period)
			out[i].Max = tally.AddSat(out[i].Max, out[i].Carried)
		}
		if per := l.Window.Per; per != "" && !l.Window.Each() {
			out[i].Subject = tally.PartOf(of, per)
		}
	}
	return out, m.use(ctx, out)
}

// use fills in what the counters of standings have used. What was paid in advance is told
// as the most that may be used.
func (m *Meter) use(ctx context.Context, standings []Standing) error {
	counters := make([]tally.Counter, len(standings))
	for i := range standings {
		s := &standings[i]
		if s.Window.Each() {
			subject, err := m.fullest(s, func(of tally.Subject) (tally.Usage, error) {
				u, err := m.store.Usage(ctx, tally.Counter{Subject: of, Metric: s.Metric, Period: s.Period})
				if err != nil {
					return tally.Usage{}, err
				}
				return u[0], nil
			})
			if err != nil {
				return err
			}
			s.Subject = cmp.Or(subject, tally.PartOf(s.Subject, s.Window.Per+"="))
			if _, s.Part, _ = s.Subject.Part(); subject == "" {
				s.Part = ""
			}
		}
		counters[i] = tally.Counter{Subject: s.Subject, Metric: s.Metric, Period: s.Period}
	}
	for i := range standings {
		if c := counters[i]; c.Metric == tally.Balance {
			c.Metric = tally.Credits
			counters = append(counters, c)
		}
	}
	usage, err := m.store.Usage(ctx, counters...)
	if err != nil {
		return err
	}
	credits := usage[len(standings):]
	for i := range standings {
		s := &standings[i]
		if s.Window.Each() && s.Part == "" {
			continue
		}
		if s.Usage = usage[i]; s.Metric == tally.Balance {
			s.Max = tally.AddSat(credits[0].Used, -s.Used)
			s.Base, s.Usage = s.Max, tally.Usage{Used: credits[0].Used, Held: s.Held}
			credits = credits[1:]
		}
	}
	return nil
}

// StandingsOf tell where every limit of a principal stands, the narrowest first:
// those of its address, its token, its key, its client and its gateway.
func (m *Meter) StandingsOf(ctx context.Context, cat *tally.Catalog, p *tally.Principal, now time.Time) ([]Standing, error) {
	var out []Standing
	for _, of := range m.limitsOf(p) {
		if of.visitors {
			of.subject += tally.Subject(m.visitorOf(p).address)
		}
		some, err := m.Standings(ctx, cat, p.Gateway, of.subject, of.limits, now)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}
