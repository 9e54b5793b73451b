package engine

import (
	"context"
	"strings"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// longestPeriod is that of the longest period that ends.
const longestPeriod = 93 * 24 * time.Hour

// takeOverRefusals tells the meter how often limits have refused before the start, in
// periods that may still last.
func (e *Engine) takeOverRefusals(ctx context.Context) error {
	now := e.clock()
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByLimit, Edges: []time.Time{bucketDown(time.Unix(0, 0)), bucketDown(now).Add(tally.Bucket)}})
	if err != nil {
		return err
	}
	for i := range points {
		if !periodOver(points[i].Dim[1], now) {
			e.meter.Refused(points[i].Dim, points[i].Refused)
		}
	}
	return nil
}

// forgetRefusals drops what the meter has counted in periods that are over.
func (e *Engine) forgetRefusals(context.Context) error {
	now := e.clock()
	e.meter.ForgetRefusals(func(_ tally.Subject, limit string) bool { return periodOver(limit, now) })
	return nil
}

// periodOver reports whether the period of a limit is certainly over, by its name.
func periodOver(limit string, now time.Time) bool {
	_, label, _ := strings.Cut(limit, " ")
	begins := tally.PeriodDate(label)
	return !begins.IsZero() && now.Sub(begins) > longestPeriod
}

// recall finds the first and the last refusal by a limit among the records, if they
// were before the start; once.
func (e *Engine) recall(ctx context.Context, s *meter.Standing) error {
	x := e.meter.RefusalsOf(s)
	if !x.Before || !x.First.IsZero() {
		return nil
	}
	dim := tally.Dim{string(s.Subject), tally.LimitPeriod(s.Metric, s.Period.Label)}
	first, err := e.bucketOf(ctx, dim, s.Period.Start, true)
	if err != nil || first.IsZero() {
		return err
	}
	last, err := e.bucketOf(ctx, dim, s.Period.Start, false)
	if err != nil {
		return err
	}
	of := &tally.Record{At: first}
	if err := e.refusalsIn(ctx, dim, first, func(r *tally.Record) bool { of = r; return true }); err != nil {
		return err
	}
	until := &tally.Record{At: last}
	if err := e.refusalsIn(ctx, dim, last, func(r *tally.Record) bool { until = r; return false }); err != nil {
		return err
	}
	e.meter.Recalled(s, of, until)
	return nil
}

// bucketOf is the first or the last bucket, from an instant on, in which a limit has
// refused; zero if there is none. Spans are cut until they are short enough.
func (e *Engine) bucketOf(ctx context.Context, dim tally.Dim, from time.Time, first bool) (time.Time, error) {
	const parts = 32
	from, to := bucketDown(from), bucketDown(e.clock()).Add(tally.Bucket)
	for {
		step := max((to.Sub(from)/parts + tally.Bucket - 1).Truncate(tally.Bucket), tally.Bucket)
		edges := []time.Time{from}
		for at := from; at.Before(to); {
			if at = at.Add(step); at.After(to) {
				at = to
			}
			edges = append(edges, at)
		}
		points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByLimit, First: dim[0], Edges: edges})
		if err != nil {
			return time.Time{}, err
		}
		var found time.Time
		for i := range points {
			if points[i].Dim == dim && (found.IsZero() || !first) {
				found = points[i].At
			}
		}
		if found.IsZero() || step == tally.Bucket {
			return found, nil
		}
		if end := found.Add(step); end.Before(to) {
			to = end
		}
		from = found
	}
}

// refusalsIn yields the refusals by a limit in a bucket, the latest first, while more
// returns true.
func (e *Engine) refusalsIn(ctx context.Context, dim tally.Dim, bucket time.Time, more func(*tally.Record) bool) error {
	q := storage.RecordQuery{
		Since: bucket, Until: bucket.Add(tally.Bucket), Outcomes: []tally.Outcome{tally.OutcomeLimited}, Limit: 1000,
	}
	subject := tally.Subject(dim[0])
	if of, _, part := subject.Part(); part {
		subject = of
	}
	kind, id := subject.Split()
	switch kind {
	case "gateway":
		q.Gateway = id
	case "client":
		q.Client = id
	case "key":
		q.Key = id
	case "token":
		q.Token = string(id)
	}
	for {
		page, next, err := e.store.Records(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			if of, ok := page[i].UsedUp(); ok && of == dim && !more(&page[i]) {
				return nil
			}
		}
		if q.After = next; next == "" {
			return nil
		}
	}
}
