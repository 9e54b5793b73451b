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
		tally.Order(list, func(a, b control.CauseCount) int {
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
func (e *Engine) failing(c *tally.Catalog, points, answered []storage.Point) (out []control.Warning) {
	answers := map[tally.ID]int64{}
	for i := range answered {
		answers[tally.ID(answered[i].Dim[0])] = answered[i].Requests - answered[i].Errors
	}
	type bad struct {
		control.Thing
		of    control.Failures
		total int64
	}
	var list []bad
	for id, of := range failuresOf(points) {
		of = slices.DeleteFunc(of, func(x control.CauseCount) bool { return x.Cause == string(providers.Refused) })
		if n := of.Total(); n >= failuresWorthy && n*failuresShare > n+answers[id] && e.asks(c, id) {
			list = append(list, bad{providerThing(c, id), of, n})
		}
	}
	tally.Order(list, func(a, b bad) int { return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.Name, b.Name)) })
	for _, b := range list[:min(len(list), maxWarned)] {
		out = append(out, control.Warning{
			Kind: control.WarnFailing, Gravity: control.Warn, Thing: b.Thing,
			Sentence: "Provider " + b.Name + " has failed " + times(b.total), Detail: "in 24 h: " + b.of.String(),
			Next: control.CommandLine(control.ProvidersShow.Name, control.Named{Name: b.Name}),
		})
	}
	return out
}

// asks reports whether a provider is asked and answers, for good or ill: of one that does
// not answer at all, something graver is told.
func (e *Engine) asks(c *tally.Catalog, id tally.ID) bool {
	p := c.Provider(id)
	return p != nil && p.Enabled && !e.silent(id)
}

// From so many failures in the last minutes on a provider is worth telling of, if they are
// more than a tenth of all as well, and from a fifth on it is grave.
const (
	latelyWorthy = 2
	latelyGrave  = 5 // one of so many
)

// lately warns of providers that fail now: of API keys that must be seen to, of requests that
// failed there, or of attempts that did.
func (e *Engine) lately(ctx context.Context, c *tally.Catalog, now time.Time) ([]control.Warning, error) {
	return e.latest.told(now, latelyEvery, func() ([]control.Warning, error) {
		found, err := e.sumsOf(ctx, latelySpan, now, tally.ByProvider, tally.ByFailure)
		if err != nil {
			return nil, err
		}
		since := "since " + bucketDown(now.Add(-latelySpan)).In(ownerZone(c)).Format("15:04")
		var list []toldOf
		failures, sums := failuresOf(found[1]), map[tally.ID]*tally.Sums{}
		others := ", and others answered"
		for i := range found[0] {
			sums[tally.ID(found[0][i].Dim[0])] = &found[0][i].Sums
			if found[0][i].Errors > 0 {
				others = "" // not always
			}
		}
		for _, p := range c.Providers {
			of := slices.DeleteFunc(failures[p.ID], func(x control.CauseCount) bool {
				return x.Cause == string(providers.Refused)
			})
			asked := sumsOr(sums[p.ID])
			if !e.asks(c, p.ID) {
				continue
			}
			w := control.Warning{Kind: control.WarnFailing, Gravity: control.Warn, Thing: providerThing(c, p.ID),
				Next: control.CommandLine(control.ProvidersTest.Name, control.Named{Name: p.Name})}
			if of.Total() > 0 {
				w.Detail = "attempts: " + of.String()
			}
			until := ""
			for _, h := range e.healthOf(c, p) {
				if !h.Until.IsZero() {
					until = "cooling until " + h.Until.In(ownerZone(c)).Format("15:04")
				}
				if h.State != control.HealthClosed && (h.KeyRefused() || h.UsedUp()) {
					w.Sentence = p.Name + " does not accept " + cmp.Or(h.Of, "its API key")
					w.Next = control.CommandLine(control.ProvidersUpdate.Name, control.Named{Name: p.Name}) + " --api-key-stdin"
					if h.UsedUp() {
						w.Sentence = p.Name + " says that the account of " + cmp.Or(h.Of, "its API key") + " is used up"
						w.Next = control.CommandLine(control.ProvidersShow.Name, control.Named{Name: p.Name})
					}
					break
				}
			}
			if until != "" {
				w.Detail = strings.TrimSuffix(until+": "+of.String(), ": ")
			}
			switch {
			case w.Sentence != "": // it does not mend by itself
				w.Gravity = control.Bad
			case asked.Errors >= latelyWorthy && asked.Errors*failuresShare > asked.Requests:
				w.Sentence = fmt.Sprintf("%s: %s of %s failed %s", p.Name, tally.Group(asked.Errors), requestsOf(asked.Requests),
					since)
				if asked.Errors*latelyGrave >= asked.Requests {
					w.Gravity = control.Bad
				}
			case of.Total() >= latelyWorthy && of.Total()*failuresShare > of.Total()+asked.Requests-asked.Errors:
				w.Sentence = fmt.Sprintf("%s failed %s %s%s", p.Name, times(of.Total()), since, others)
			default:
				continue
			}
			list = append(list, toldOf{float64(asked.Errors + of.Total()), w})
		}
		return mostOf(list, control.WarnFailing, control.Warn, "providers fail now", "tallygate providers list"), nil
	})
}
