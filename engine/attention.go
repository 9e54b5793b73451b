package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// What of a day is worth telling the owner.
const (
	attentionSpan  = 24 * time.Hour
	attentionEvery = 30 * time.Second // the sums are read; status is asked for twice a second

	waitsWorthy   = 10 // requests that waited, if they are a hundredth of all
	waitingWorthy = 10 * time.Minute
	cutsWorthy    = 5  // answers that a limit ended, if they are more than a fiftieth
	off           = 50 // a bill that differs by more than one part of so many
)

// attention is what the sums of the last day tell, as it was found last.
type attention struct {
	mu       sync.Mutex // guards the fields that follow
	at       time.Time
	warnings []string
}

// daily warns of what went wrong for a day without an error: clients that wait for
// themselves, answers that are cut, bills that our prices do not explain.
func (e *Engine) daily(ctx context.Context, c *tally.Catalog, now time.Time) ([]string, error) {
	a := &e.attention
	a.mu.Lock()
	defer a.mu.Unlock()
	if age := now.Sub(a.at); !a.at.IsZero() && 0 <= age && age < attentionEvery {
		return a.warnings, nil
	}
	edges := []time.Time{bucketDown(now.Add(-attentionSpan)), bucketDown(now).Add(tally.Bucket)}
	var found [5][]storage.Point
	for i, family := range []tally.Family{tally.ByClient, tally.ByClientModel, tally.ByModel, tally.ByProvider, tally.ByFailure} {
		var err error
		if found[i], err = e.store.Series(ctx, storage.SeriesQuery{Family: family, Edges: edges}); err != nil {
			return nil, err
		}
	}
	e.watchAnswers()
	a.warnings = slices.Concat(e.failing(c, found[4], found[3]), waits(c, found[0]), cuts(c, found[1], found[2]), bills(c, found[3]), e.answers.warnings(c, now))
	a.at = now
	return a.warnings, nil
}

// waits tells of clients whose requests wait for what the client's others hold.
func waits(c *tally.Catalog, clients []storage.Point) (out []string) {
	slices.SortStableFunc(clients, func(a, b storage.Point) int { return cmp.Compare(b.Waiting, a.Waiting) })
	for i := range clients {
		s := &clients[i].Sums
		if (s.Waited < waitsWorthy || s.Waited*100 < s.Requests) && s.Waiting < waitingWorthy {
			continue
		}
		out = append(out, fmt.Sprintf("client %s waited %s, %s in all, for money or places that its own requests held: raise its limit or its requests in flight",
			clientSlug(c, tally.ID(clients[i].Dim[0])), times(s.Waited), roughly(s.Waiting)))
	}
	return out[:min(len(out), maxWarned)]
}

// cuts tells whose answers often end where a limit allows no more: of a model for a
// client, else for a client, else of a model. What was told counts for none of the
// others.
func cuts(c *tally.Catalog, pairs, models []storage.Point) []string {
	type cut struct {
		whose string
		tally.Sums
	}
	var found []cut
	told := func(whose string, s *tally.Sums) bool {
		if s.Cut < cutsWorthy || s.Cut*50 <= s.Requests {
			return false
		}
		found = append(found, cut{whose, *s})
		return true
	}
	ofClient, ofModel := map[string]*tally.Sums{}, map[string]*tally.Sums{}
	for i := range models {
		ofModel[models[i].Dim[0]] = &models[i].Sums
	}
	add := func(to map[string]*tally.Sums, name string, s *tally.Sums) {
		if to[name] == nil {
			to[name] = &tally.Sums{}
		}
		to[name].Merge(s)
	}
	for i := range pairs {
		p := &pairs[i]
		if !told("of "+p.Dim[1]+" for "+clientSlug(c, tally.ID(p.Dim[0])), &p.Sums) {
			add(ofClient, p.Dim[0], &p.Sums)
		} else if m := ofModel[p.Dim[1]]; m != nil {
			m.Unmerge(&p.Sums)
		}
	}
	for id, s := range ofClient {
		told("for "+clientSlug(c, tally.ID(id)), s)
	}
	for name, s := range ofModel {
		told("of "+name, s)
	}
	slices.SortFunc(found, func(a, b cut) int { return cmp.Or(cmp.Compare(b.Cut, a.Cut), cmp.Compare(a.whose, b.whose)) })
	var out []string
	for _, f := range found[:min(len(found), maxWarned)] {
		out = append(out, fmt.Sprintf("%d %% of the answers %s ended where a limit allowed no more", f.Cut*100/f.Requests, f.whose))
	}
	return out
}

// bills tells of providers that charge what our prices do not explain.
func bills(c *tally.Catalog, providers []storage.Point) (out []string) {
	differs := func(s *tally.Sums) tally.NanoUSD { return max(s.Billed-s.Listed, s.Listed-s.Billed) }
	slices.SortStableFunc(providers, func(a, b storage.Point) int { return cmp.Compare(differs(&b.Sums), differs(&a.Sums)) })
	for i := range providers {
		s := &providers[i].Sums
		if differs(s)*off <= s.Listed {
			continue
		}
		name := providerName(c, tally.ID(providers[i].Dim[0]))
		out = append(out, fmt.Sprintf("%s billed %s for what our prices make %s (24 h): look at models import %s", name, s.Billed.Display(), s.Listed.Display(), name))
	}
	return out[:min(len(out), maxWarned)]
}

// leftBehind tells of answers that are paid for though nobody waits for them.
func leftBehind(n int) string {
	if n == 1 {
		return "1 answer is read to its end for a caller who has left"
	}
	return fmt.Sprintf("%d answers are read to their end for callers who have left", n)
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return tally.Group(n) + " times"
}

// roughly writes a length of time for people: "40 s", "35 min", "7.5 h".
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
