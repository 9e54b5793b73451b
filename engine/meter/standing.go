package meter

import (
	"context"
	"time"

	"tallygate/engine/tally"
)

// Standing is a limit with what its current period has seen.
type Standing struct {
	tally.Limit
	Subject tally.Subject
	Period  tally.Period
	tally.Usage
}

// Left is what the period still allows; below zero after an overrun.
func (s Standing) Left() int64 { return s.Max - s.Used - s.Held }

// Standings tell where limits of one subject stand at an instant, in the order
// of the limits, those that only warn included.
func (m *Meter) Standings(ctx context.Context, cat *tally.Catalog, gw *tally.Gateway, of tally.Subject, limits []tally.Limit, now time.Time) ([]Standing, error) {
	zone := cat.Zone(gw.ID)
	out := make([]Standing, len(limits))
	counters := make([]tally.Counter, len(limits))
	for i, l := range limits {
		period := l.Window.Period(now, zone, gw.CycleDay)
		out[i] = Standing{Limit: l, Subject: of, Period: period}
		counters[i] = tally.Counter{Subject: of, Metric: l.Metric, Period: period}
	}
	usage, err := m.store.Usage(ctx, counters...)
	if err != nil {
		return nil, err
	}
	for i, u := range usage {
		out[i].Usage = u
	}
	return out, nil
}

// StandingsOf tell where every limit of a principal stands: those of its key,
// its client and its gateway, the narrowest first.
func (m *Meter) StandingsOf(ctx context.Context, cat *tally.Catalog, p *tally.Principal, now time.Time) ([]Standing, error) {
	var out []Standing
	add := func(kind string, id tally.ID, limits []tally.Limit) error {
		some, err := m.Standings(ctx, cat, p.Gateway, tally.SubjectOf(kind, id), limits, now)
		out = append(out, some...)
		return err
	}
	if p.Key != nil {
		if err := add("key", p.Key.ID, p.Key.Limits); err != nil {
			return nil, err
		}
	}
	if p.Client != nil {
		if err := add("client", p.Client.ID, p.Client.Limits); err != nil {
			return nil, err
		}
	}
	return out, add("gateway", p.Gateway.ID, p.Gateway.Limits)
}
