package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What of a day is worth telling the owner.
const (
	attentionSpan  = 24 * time.Hour
	attentionEvery = 30 * time.Second // the sums are read; status is asked for twice a second

	latelySpan  = 10 * time.Minute // and up to a bucket more
	latelyEvery = 5 * time.Second

	waitsWorthy   = 10 // requests that waited, if they are a hundredth of all
	waitingWorthy = 10 * time.Minute
	cutsWorthy    = 5  // answers that a limit ended, if they are more than a fiftieth
	off           = 50 // a bill that differs by more than one part of so many
)

// attention is what the sums of a span tell, as it was found last.
type attention struct {
	mu       sync.Mutex // guards the fields that follow
	at       time.Time
	warnings []control.Warning
}

// told are the warnings that were found last, if that was not longer ago than every, or
// those that are found now.
func (a *attention) told(now time.Time, every time.Duration,
	find func() ([]control.Warning, error)) ([]control.Warning, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if age := now.Sub(a.at); !a.at.IsZero() && 0 <= age && age < every {
		return a.warnings, nil
	}
	found, err := find()
	if err != nil {
		return nil, err
	}
	a.at, a.warnings = now, found
	return found, nil
}

// sumsOf are the sums of families over a span until now, all as of one instant.
func (e *Engine) sumsOf(ctx context.Context, span time.Duration, now time.Time,
	families ...tally.Family) ([][]storage.Point, error) {
	ask := make([]storage.SeriesQuery, len(families))
	for i, f := range families {
		ask[i] = storage.SeriesQuery{Family: f, Edges: spanEdges(now.Add(-span), now)}
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return nil, err
	}
	out := make([][]storage.Point, len(families))
	for _, p := range points {
		out[p.Of] = append(out[p.Of], p)
	}
	return out, nil
}

// daily warns of what went wrong for a day without an error: clients that wait for
// themselves, answers that are cut, bills that our prices do not explain.
func (e *Engine) daily(ctx context.Context, c *tally.Catalog, now time.Time) ([]control.Warning, error) {
	return e.attention.told(now, attentionEvery, func() ([]control.Warning, error) {
		found, err := e.sumsOf(ctx, attentionSpan, now, tally.ByClient, tally.ByClientModel, tally.ByModel, tally.ByProvider,
			tally.ByFailure, tally.ByGatewayCode)
		if err != nil {
			return nil, err
		}
		e.watchAnswers()
		return slices.Concat(e.failing(c, found[4], found[3]), waits(c, found[0]), cuts(c, found[1], found[2]),
			bills(c, found[3]),
			inVain(found[5]), e.answers.warnings(c, now)), nil
	})
}

// waits tells of clients whose requests wait for what the client's others hold.
func waits(c *tally.Catalog, clients []storage.Point) (out []control.Warning) {
	tally.OrderStable(clients, func(a, b storage.Point) int { return cmp.Compare(b.Waiting, a.Waiting) })
	for i := range clients {
		s := &clients[i].Sums
		if (s.Waited < waitsWorthy || s.Waited*100 < s.Requests) && s.Waiting < waitingWorthy {
			continue
		}
		id := tally.ID(clients[i].Dim[0])
		w := control.Warning{
			Kind: control.WarnWaits, Gravity: control.Warn, Thing: clientThing(c, id),
			Sentence: fmt.Sprintf("%s waited %s, %s in all, for money or places that its own requests held", clientName(c, id), times(s.Waited), roughly(s.Waiting)),
			Detail:   "in 24 h: raise its limit or its requests in flight",
		}
		if cl := c.Client(id); cl != nil && cl.MaxInFlight > 0 {
			more := 2 * cl.MaxInFlight
			w.Next = control.CommandLine(control.ClientsUpdate.Name, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{MaxInFlight: &more}})
		}
		out = append(out, w)
	}
	return out[:min(len(out), maxWarned)]
}

// cuts tells whose answers often end where a limit allows no more: of a model for a
// client, else for a client, else of a model. What was told counts for none of the
// others.
func cuts(c *tally.Catalog, pairs, models []storage.Point) (out []control.Warning) {
	type cut struct {
		whose string
		of    control.Thing
		tally.Sums
	}
	var found []cut
	told := func(whose string, of control.Thing, s *tally.Sums) bool {
		if s.Cut < cutsWorthy || s.Cut*50 <= s.Requests {
			return false
		}
		found = append(found, cut{whose, of, *s})
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
		client := tally.ID(p.Dim[0])
		if !told("of "+p.Dim[1]+" for "+clientName(c, client), clientThing(c, client), &p.Sums) {
			add(ofClient, p.Dim[0], &p.Sums)
		} else if m := ofModel[p.Dim[1]]; m != nil {
			m.Unmerge(&p.Sums)
		}
	}
	for id, s := range ofClient {
		told("for "+clientName(c, tally.ID(id)), clientThing(c, tally.ID(id)), s)
	}
	for name, s := range ofModel {
		told("of "+name, modelThing(name), s)
	}
	tally.Order(found, func(a, b cut) int { return cmp.Or(cmp.Compare(b.Cut, a.Cut), cmp.Compare(a.whose, b.whose)) })
	for _, f := range found[:min(len(found), maxWarned)] {
		out = append(out, control.Warning{
			Kind: control.WarnCut, Gravity: control.Warn, Thing: f.of,
			Sentence: fmt.Sprintf("%d %% of the answers %s ended where a limit allowed no more", f.Cut*100/f.Requests, f.whose), Detail: "in 24 h",
		})
	}
	return out
}

// inVain tells of requests that failed for what the owner can mend: for models that nobody
// has or that have no price, and by providers that refuse the owner.
func inVain(codes []storage.Point) (out []control.Warning) {
	counts := map[string]int64{}
	for i := range codes {
		counts[codes[i].Dim[1]] += codes[i].Refused + codes[i].Errors
	}
	for _, x := range []struct {
		code         string
		kind         control.WarningKind
		what, detail string
		gravity      control.Tone
		next         string
	}{
		{tally.CodeProviderAuth, control.WarnTurnedDown, "failed: a provider does not accept its API key",
			"in 24 h: give it another one", control.Bad, ""},
		{tally.CodeProviderQuota, control.WarnTurnedDown, "failed: a provider's quota or credit is used up",
			"in 24 h: see to it there", control.Bad, ""},
		{tally.CodeNoProvider, control.WarnTurnedDown, "failed: no provider is on that has the model",
			"in 24 h: test the providers", control.Bad, ""},
		{tally.CodeModelUnpriced, control.WarnAsked, "for models without a price", "refused in 24 h: price them",
			control.Bad, "tallygate models list --filter priced:false"},
		{tally.CodeModelNotFound, control.WarnAsked, "for models that do not exist", "refused in 24 h: add or alias them",
			control.Warn, ""},
	} {
		if n := counts[x.code]; n > 0 {
			out = append(out, control.Warning{Kind: x.kind, Gravity: x.gravity, Sentence: requestsOf(n) + " " + x.what, Detail: x.detail,
				Next: cmp.Or(x.next, "tallygate requests list --filter code:"+x.code)})
		}
	}
	return out
}

// bills tells of providers that charge what our prices do not explain.
func bills(c *tally.Catalog, providers []storage.Point) (out []control.Warning) {
	differs := func(s *tally.Sums) tally.NanoUSD { return max(s.Billed-s.Listed, s.Listed-s.Billed) }
	tally.OrderStable(providers, func(a, b storage.Point) int { return cmp.Compare(differs(&b.Sums), differs(&a.Sums)) })
	for i := range providers {
		s := &providers[i].Sums
		if differs(s)*off <= s.Listed {
			continue
		}
		of := providerThing(c, tally.ID(providers[i].Dim[0]))
		out = append(out, control.Warning{
			Kind: control.WarnBill, Gravity: control.Warn, Thing: of, Detail: "in 24 h: its prices have changed, or ours are not right",
			Sentence: fmt.Sprintf("%s billed %s for what our prices make %s", of.Name, s.Billed.Display(), s.Listed.Display()),
			Next:     control.CommandLine(control.ModelsImport.Name, control.ImportModels{Provider: of.Name}),
		})
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

func requestsOf(n int64) string {
	if n == 1 {
		return "1 request"
	}
	return tally.Group(n) + " requests"
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
