package engine

import (
	"cmp"
	"context"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// ours is what the ledger has of a provider's model on a day of UTC.
type ours struct {
	requests int64 // attempts that may have been charged
	cost     tally.NanoUSD
	booked   tally.NanoUSD // of earlier bills
	// Of the requests, what they were booked at: at what was held, or by an estimate.
	held, estimated bookedAt
	lost, tiered    int64
	free            int64 // at no cost, though they used tokens
	saved           tally.NanoUSD
	prices          map[tally.ID]bool // rows that they were priced by
	gateways        map[tally.ID]tally.NanoUSD
}

// bookedAt is how many requests come to what.
type bookedAt struct {
	n    int64
	cost tally.NanoUSD
}

func (c *bookedAt) add(cost tally.NanoUSD) { c.n, c.cost = c.n+1, c.cost+cost }

func newOurs() *ours {
	return &ours{prices: map[tally.ID]bool{}, gateways: map[tally.ID]tally.NanoUSD{}}
}

// merge adds what is known of another name of the same model.
func (o *ours) merge(x *ours) {
	o.requests, o.cost, o.booked, o.saved = o.requests+x.requests, o.cost+x.cost, o.booked+x.booked, o.saved+x.saved
	o.held.n, o.held.cost = o.held.n+x.held.n, o.held.cost+x.held.cost
	o.estimated.n, o.estimated.cost = o.estimated.n+x.estimated.n, o.estimated.cost+x.estimated.cost
	o.lost, o.tiered, o.free = o.lost+x.lost, o.tiered+x.tiered, o.free+x.free
	for id := range x.prices {
		o.prices[id] = true
	}
	for id, n := range x.gateways {
		o.gateways[id] += n
	}
}

// dayModel is a day of UTC and a model, by the provider's name of it or by ours.
type dayModel struct{ day, model string }

// ledger reads what a provider's models have cost.
type ledger struct {
	c        *tally.Catalog
	provider *tally.Provider
	// of is by our name of the model, and then by the provider's.
	of   map[dayModel]map[string]*ours
	kept map[dayModel]int64 // requests whose last attempt was at the provider
	thin map[string]bool    // days of which records were deleted
}

// upstream is what the provider calls a model of ours.
func (l *ledger) upstream(model string) string {
	for _, m := range l.c.ModelsNamed(model) {
		if m.Provider == l.provider.ID {
			return m.UpstreamName()
		}
	}
	return model
}

func (l *ledger) at(day, model, upstream string) *ours {
	at := dayModel{day, model}
	if l.of[at] == nil {
		l.of[at] = map[string]*ours{}
	}
	o := l.of[at][upstream]
	if o == nil {
		o = newOurs()
		l.of[at][upstream] = o
	}
	return o
}

// ledgerOf is what a provider's models have cost on days, by what the provider calls them:
// from records, and from sums where records were deleted; with re-costs.
func (e *Engine) ledgerOf(ctx context.Context, c *tally.Catalog, p *tally.Provider,
	first, until time.Time) (map[dayModel]*ours, *ledger, error) {
	l := &ledger{c: c, provider: p, of: map[dayModel]map[string]*ours{}, kept: map[dayModel]int64{},
		thin: map[string]bool{}}
	// Sums before records: these can only be more.
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByProviderModel, Edges: daysOf(first, until)})
	if err != nil {
		return nil, nil, err
	}
	q := storage.RecordQuery{Since: first, Until: until, Limit: recostPage}
	for {
		page, next, err := e.store.Records(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range page {
			l.record(&page[i])
		}
		if q.After = next; next == "" {
			break
		}
	}
	l.complete(points)
	entries, err := e.store.Entries(ctx, storage.EntryQuery{})
	if err != nil {
		return nil, nil, err
	}
	l.recosts(entries, points)
	out := map[dayModel]*ours{}
	for at, names := range l.of {
		for name, o := range names {
			to := dayModel{at.day, name}
			if out[to] == nil {
				out[to] = newOurs()
			}
			out[to].merge(o)
		}
	}
	days := map[string]bool{}
	for at := first; at.Before(until); at = at.Add(day) {
		days[at.Format(time.DateOnly)] = true
	}
	for i := range entries {
		r := &entries[i]
		if to := (dayModel{r.Entry.Day, r.Model}); r.Entry.Reference == billReference(p) &&
			r.Entry.Kind == tally.Adjustment && days[to.day] {
			if out[to] == nil {
				out[to] = newOurs()
			}
			out[to].booked += r.Cost
		}
	}
	return out, l, nil
}

// daysOf are the edges of days of UTC.
func daysOf(first, until time.Time) (edges []time.Time) {
	for at := first; !at.After(until); at = at.Add(day) {
		edges = append(edges, at)
	}
	return edges
}

// record adds the attempts of a request that were made at the provider.
func (l *ledger) record(r *tally.Record) {
	if r.Outcome.Refused() {
		return
	}
	day := r.At.UTC().Format(time.DateOnly)
	if r.Provider == l.provider.ID {
		l.kept[dayModel{day, r.Model}]++
	}
	tries := triesOf(r)
	for i := range tries {
		a := &tries[i]
		if r.Outcome == tally.Lost && a.Provider == "" {
			// Nobody wrote down who was asked. If nobody else has the model, it was this one.
			if list := l.c.ModelsNamed(r.Model); len(list) != 1 || list[0].Provider != l.provider.ID {
				continue
			}
		} else if a.Provider != l.provider.ID {
			continue
		}
		if a.Basis == "" && a.Cost == 0 {
			continue // it is proven to have cost nothing
		}
		last := i == len(tries)-1
		name := cmp.Or(a.Upstream, l.upstream(r.Model))
		if last && r.Answered != "" {
			name = r.Answered
		}
		o := l.at(day, r.Model, name)
		o.requests++
		o.cost = tally.NanoUSD(tally.AddSat(int64(o.cost), int64(a.Cost)))
		o.saved += a.Saved
		if len(r.Tries) == 0 {
			o.saved += r.Saved
		}
		o.gateways[r.Gateway] += a.Cost
		switch {
		case a.Basis == tally.Held:
			o.held.add(a.Cost)
			if r.Outcome == tally.Lost {
				o.lost++
			}
		case a.Basis == tally.Estimated:
			o.estimated.add(a.Cost)
		}
		if r.Tier != "" {
			o.tiered++
		}
		if a.Cost == 0 && (a.Tokens.Total() > 0 || a.Pieces > 0) {
			o.free++
		}
		if a.Price != "" {
			o.prices[a.Price] = true
		}
	}
}

// complete puts sums in the place of records of which some were deleted.
func (l *ledger) complete(points []storage.Point) {
	for i := range points {
		p := &points[i]
		at := dayModel{p.At.UTC().Format(time.DateOnly), p.Dim[1]}
		if tally.ID(p.Dim[0]) != l.provider.ID || l.kept[at] >= p.Requests {
			continue
		}
		gateways := map[tally.ID]tally.NanoUSD{}
		for _, o := range l.of[at] {
			for id, n := range o.gateways {
				gateways[id] += n
			}
		}
		delete(l.of, at)
		o := l.at(at.day, at.model, l.upstream(at.model))
		o.requests, o.cost, o.saved, o.gateways = p.Requests, p.Cost, p.Saved, gateways
		l.thin[at.day] = true
	}
}

// recosts adds what other prices made of requests later. An entry is of a model at all its
// providers: each has the part of it that it has of their cost.
func (l *ledger) recosts(entries []tally.Record, points []storage.Point) {
	type part struct{ here, all tally.NanoUSD }
	parts := map[dayModel]*part{}
	for i := range points {
		p := &points[i]
		at := dayModel{p.At.UTC().Format(time.DateOnly), p.Dim[1]}
		if parts[at] == nil {
			parts[at] = &part{}
		}
		weight := max(p.Cost, tally.NanoUSD(min(p.Requests, 1))) // what was free has a part as well
		parts[at].all += weight
		if tally.ID(p.Dim[0]) == l.provider.ID {
			parts[at].here += weight
		}
	}
	for i := range entries {
		r := &entries[i]
		at := dayModel{r.Entry.Day, r.Model}
		x := parts[at]
		if r.Entry.Kind != tally.Recost || x == nil || x.here == 0 {
			continue
		}
		n := r.Cost
		if x.here < x.all {
			if n = max(n, -n).Share(x.here, x.all); r.Cost < 0 {
				n = -n
			}
		}
		// Of several names of the model, the one with most of the cost.
		to := l.upstream(at.model)
		for name, o := range l.of[at] {
			if is := l.of[at][to]; is == nil || o.cost > is.cost || o.cost == is.cost && strings.Compare(name, to) < 0 {
				to = name
			}
		}
		o := l.at(at.day, at.model, to)
		o.cost += n
		o.gateways[r.Gateway] += n
	}
}

// said is what the answers of a provider said of their cost, and what our prices come to for
// the same requests, by what the provider calls its models.
func (e *Engine) said(ctx context.Context, c *tally.Catalog, p *tally.Provider,
	first, until time.Time) (map[dayModel]*ours, []control.BillLine, error) {
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByProviderModel, First: string(p.ID),
		Edges: daysOf(first, until)})
	if err != nil {
		return nil, nil, err
	}
	l := &ledger{c: c, provider: p}
	out, lines := map[dayModel]*ours{}, map[dayModel]tally.NanoUSD{}
	for i := range points {
		x := &points[i]
		if x.Billed == 0 && x.Listed == 0 {
			continue
		}
		at := dayModel{x.At.UTC().Format(time.DateOnly), l.upstream(x.Dim[1])}
		if out[at] == nil {
			out[at] = newOurs()
		}
		out[at].requests += x.Requests
		out[at].cost += x.Listed
		lines[at] += x.Billed
	}
	var bill []control.BillLine
	for at, n := range lines {
		bill = append(bill, control.BillLine{Day: at.day, Model: at.model, Cost: n})
	}
	return out, bill, nil
}
