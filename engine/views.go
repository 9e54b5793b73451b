package engine

import (
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// shownSpan is how far back the sums of a view go.
const shownSpan = 30 * 24 * time.Hour

// sumsBy adds up a span of a family until now. With first, only rows whose
// value begins with it. The function returned finds the sums of one value.
func (e *Engine) sumsBy(ctx context.Context, family tally.Family, first string, span time.Duration, now time.Time) (func(value string) control.Sums, error) {
	edges := []time.Time{bucketDown(now.Add(-span)), bucketDown(now).Add(tally.Bucket)}
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: family, First: first, Edges: edges})
	if err != nil {
		return nil, err
	}
	of := make(map[string]*tally.Sums, len(points))
	for i := range points {
		of[points[i].Dim[0]] = &points[i].Sums
	}
	return func(value string) control.Sums {
		if s := of[value]; s != nil {
			return control.NewSums(s)
		}
		return control.NewSums(&tally.Sums{})
	}, nil
}

// limitStates tells where the limits of one thing stand.
func (e *Engine) limitStates(ctx context.Context, c *tally.Catalog, gw *tally.Gateway, kind string, id tally.ID, name string, limits []tally.Limit, now time.Time) ([]control.LimitState, []meter.Standing, error) {
	standings, err := e.meter.Standings(ctx, c, gw, tally.SubjectOf(kind, id), limits, now)
	if err != nil {
		return nil, nil, err
	}
	out, zone := make([]control.LimitState, len(standings)), c.Zone(gw.ID)
	for i, s := range standings {
		out[i] = control.LimitState{
			Limit: s.Limit, Base: s.Base, Raises: s.Raises, Of: kind, Name: name, Text: limitName(s, zone), Period: s.Period.Label,
			Used: s.Used, Held: s.Held, Left: s.Left(), ResetsAt: resetsAt(s),
		}
	}
	return out, standings, nil
}

// limitName is a limit as its owner has set it, and until when it is raised.
func limitName(s meter.Standing, zone *time.Location) string {
	set := s.Limit
	set.Max = s.Base
	text := set.String()
	for _, r := range s.Raises {
		text += " +" + r.Metric.Text(r.By) + " until " + r.Until.In(zone).Format("2006-01-02 15:04")
	}
	return text
}

// resetsAt is when a limit's period ends, the zero time if it never does.
func resetsAt(s meter.Standing) time.Time {
	if !s.Period.Ends() {
		return time.Time{}
	}
	return s.Period.End
}

// lastUsed returns when each of several things of a kind was last used.
func lastUsed[T tally.Entity](ctx context.Context, e *Engine, kind string, things []T) ([]time.Time, error) {
	subjects := make([]tally.Subject, len(things))
	for i, t := range things {
		subjects[i] = tally.SubjectOf(kind, t.Base().ID)
	}
	return e.store.LastUsed(ctx, subjects...)
}

// gatewayOf is the gateway of a client; of one that has outlived its gateway,
// which only a damaged store can hold, an empty one in UTC.
func gatewayOf(c *tally.Catalog, cl *tally.Client) *tally.Gateway {
	if gw := c.Gateway(cl.Gateway); gw != nil {
		return gw
	}
	return &tally.Gateway{Meta: tally.Meta{ID: cl.Gateway}}
}

// keyState is the state of a key for people.
func keyState(k *tally.Key, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return "active"
}
