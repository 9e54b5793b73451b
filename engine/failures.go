package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/storage"
)

// failures are the attempts of the last day that failed, by provider; only is the ID
// of one, or "".
func (e *Engine) failures(ctx context.Context, only string, now time.Time) (map[tally.ID]control.Failures, error) {
	edges := []time.Time{bucketDown(now.Add(-attentionSpan)), bucketDown(now).Add(tally.Bucket)}
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByFailure, First: only, Edges: edges})
	if err != nil {
		return nil, err
	}
	return failuresOf(points), nil
}

// failuresOf sums up points by failure, of one span. Callers who left are no failures
// of a provider, nor is that we have no descriptors left.
func failuresOf(points []storage.Point) map[tally.ID]control.Failures {
	out := map[tally.ID]control.Failures{}
	for i := range points {
		id, cause := tally.ID(points[i].Dim[0]), points[i].Dim[1]
		if cause != string(providers.Gone) && cause != string(providers.NoFiles) {
			out[id] = append(out[id], control.CauseCount{Cause: cause, Count: points[i].Requests})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b control.CauseCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause))
		})
	}
	return out
}

// A provider whose attempts fail is worth telling of, though others answer in its
// place: from so many on, if they are more than a tenth of all.
const (
	failuresWorthy = 5
	failuresShare  = 10
)

// failing warns of such providers. What was refused for the request's own fault is
// none of theirs.
func (e *Engine) failing(c *tally.Catalog, points, answered []storage.Point) (out []string) {
	answers := map[tally.ID]int64{}
	for i := range answered {
		answers[tally.ID(answered[i].Dim[0])] = answered[i].Requests - answered[i].Errors
	}
	type bad struct {
		name  string
		of    control.Failures
		total int64
	}
	var list []bad
	for id, of := range failuresOf(points) {
		of = slices.DeleteFunc(of, func(x control.CauseCount) bool { return x.Cause == string(providers.Refused) })
		if n := of.Total(); n >= failuresWorthy && n*failuresShare > n+answers[id] && c.Provider(id) != nil {
			list = append(list, bad{providerName(c, id), of, n})
		}
	}
	slices.SortFunc(list, func(a, b bad) int { return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.name, b.name)) })
	for _, b := range list[:min(len(list), maxWarned)] {
		out = append(out, fmt.Sprintf("provider %s has failed %s (24 h): tallygate providers show %s says why", b.name, timesBy(b.of), tally.ShellWord(b.name)))
	}
	return out
}

// timesBy is "41 times (30 timeout, 11 busy)".
func timesBy(f control.Failures) string {
	_, causes, _ := strings.Cut(f.String(), ": ")
	return times(f.Total()) + " (" + causes + ")"
}
