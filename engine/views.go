package engine

import (
	"context"
	"maps"
	"slices"
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

// spending finds the sums of one value of a family, both as of one instant: of the month
// under way by a calendar, and of the last 30 days.
type spending func(of control.Calendar, value string) spent

type spent struct {
	since       time.Time // when the month began
	month, last control.Sums
}

// spending adds up what views show of a family, for the months of several calendars.
// With first, only rows whose value begins with it.
func (e *Engine) spending(ctx context.Context, family tally.Family, first string, now time.Time, of ...control.Calendar) (spending, error) {
	until := bucketDown(now).Add(tally.Bucket)
	ask := []storage.SeriesQuery{{Family: family, First: first, Edges: []time.Time{bucketDown(now.Add(-shownSpan)), until}}}
	months := map[time.Time]int{} // since when → the query
	for _, cal := range of {
		since := thisMonth(cal)
		if months[since] == 0 {
			months[since] = len(ask)
			ask = append(ask, storage.SeriesQuery{Family: family, First: first, Edges: []time.Time{bucketDown(since), until}})
		}
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return nil, err
	}
	sums := make([]map[string]*tally.Sums, len(ask))
	for i := range sums {
		sums[i] = map[string]*tally.Sums{}
	}
	for i := range points {
		sums[points[i].Of][points[i].Dim[0]] = &points[i].Sums
	}
	sum := func(query int, value string) control.Sums {
		if s := sums[query][value]; s != nil {
			return control.NewSums(s)
		}
		return control.NewSums(&tally.Sums{})
	}
	return func(of control.Calendar, value string) spent {
		since := thisMonth(of)
		return spent{since, sum(months[since], value), sum(0, value)}
	}, nil
}

// thisMonth is when the month under way began.
func thisMonth(cal control.Calendar) time.Time {
	return tally.Window{Unit: tally.Month}.Period(cal.Now, cal.Zone, cal.CycleDay).Start
}

// calendars are those of gateways, by their IDs; "" is the common one, which is also
// that of what has outlived its gateway.
func calendars(c *tally.Catalog, now time.Time) (of func(tally.ID) control.Calendar, all []control.Calendar) {
	known := map[tally.ID]control.Calendar{"": commonCalendar(c, now)}
	for _, gw := range c.Gateways {
		known[gw.ID] = calendarOf(c, gw.ID, now)
	}
	return func(id tally.ID) control.Calendar {
		if cal, ok := known[id]; ok {
			return cal
		}
		return known[""]
	}, slices.Collect(maps.Values(known))
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
			Used: s.Used, Held: s.Held, Left: s.Left(), ResetsAt: resetsAt(s), Part: s.Part,
		}
	}
	return out, standings, nil
}

// limitName is a limit as its owner has set it, with what is carried over, and until when it
// is raised.
func limitName(s meter.Standing, zone *time.Location) string {
	set := s.Limit
	set.Max = s.Base
	text := set.String()
	if s.Carried > 0 {
		text += " +" + s.Metric.Text(s.Carried) + " carried over"
	}
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

// defaults finds the models of requests that name none, once for all clients of a gateway
// that have no list of their own.
type defaults struct {
	*Engine
	c   *tally.Catalog
	now time.Time
	all map[tally.ID]string
}

func (e *Engine) defaults(c *tally.Catalog, now time.Time) *defaults {
	return &defaults{e, c, now, map[tally.ID]string{}}
}

// of is the model for a client, or nil for the gateway's visitors.
func (d *defaults) of(gw *tally.Gateway, cl *tally.Client) string {
	if cl != nil && len(cl.Models) > 0 {
		return d.router.DefaultModel(d.c, &tally.Principal{Gateway: gw, Client: cl}, d.now)
	}
	name, ok := d.all[gw.ID]
	if !ok {
		name = d.router.DefaultModel(d.c, &tally.Principal{Gateway: gw}, d.now)
		d.all[gw.ID] = name
	}
	return name
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
