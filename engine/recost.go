package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const day = 24 * time.Hour

// recostPage is how many records are read together.
const recostPage = 1000

// recostOf is what one entry is of: a client's requests for a model on a UTC day. Requests
// that no client sent are told apart by their gateway.
type recostOf struct {
	client, gateway tally.ID
	day, model      string
}

// recostSum adds up what is to be booked.
type recostSum struct {
	gateway                   tally.ID
	requests, changed         int64
	costWas, costIs           tally.NanoUSD // by the records
	creditsWas, creditsIs     tally.NanoUSD
	bookedCost, bookedCredits tally.NanoUSD // by earlier entries
}

// differs is what is left to book.
func (s *recostSum) differs() (cost, credits tally.NanoUSD) {
	return s.costIs - s.costWas - s.bookedCost, s.creditsIs - s.creditsWas - s.bookedCredits
}

// recost books what requests of whole UTC days cost more or less by the prices known now. An
// entry is the difference to what the records and all entries before it say, so nothing is
// booked twice, however often and until where it ran before. What was settled while it runs
// was priced by the prices known then, and is found by the next run at the latest.
func (e *Engine) recost(ctx context.Context, in control.Recost) (control.Recosted, error) {
	unlock, err := e.openCosts(ctx)
	if err != nil {
		return control.Recosted{}, err
	}
	defer unlock()
	c := e.catalog.Load()
	out := control.Recosted{DryRun: in.DryRun, Stayed: map[string]int64{}}
	q := storage.RecordQuery{Limit: recostPage}
	if in.Client != "" {
		var err error
		if q.Client, err = clientID(c, in.Client); err != nil {
			return out, err
		}
	}
	if in.Model != "" {
		q.Models = []string{in.Model}
		if m, ok := c.Entity(tally.KindModel, tally.ID(in.Model)).(*tally.Model); ok {
			q.Models = []string{m.Name}
		}
	}
	if out.Since, out.Until, err = recostDays(&in, e.clock()); err != nil {
		return out, err
	}
	q.Since, q.Until = out.Since, out.Until
	counted, err := e.countedRequests(ctx, q.Since, q.Until) // before the records: these can only be more
	if err != nil {
		return out, err
	}
	sums, err := e.recostRecords(ctx, c, q, in.Billed, &out)
	if err != nil {
		return out, err
	}
	if out.Looked == 0 && in.Model != "" && c.ModelsNamed(q.Models[0]) == nil {
		return out, missing("model", in.Model, modelNames(c, ""), "tallygate models list")
	}
	out.Incomplete = counted.dropIncomplete(c, sums)
	byClient := map[tally.ID][]recostOf{}
	for of := range sums {
		byClient[of.client] = append(byClient[of.client], of)
	}
	for _, client := range slices.Sorted(maps.Keys(byClient)) {
		groups := byClient[client]
		tally.Order(groups, func(a, b recostOf) int {
			return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.model, b.model), cmp.Compare(a.gateway, b.gateway))
		})
		if err := e.bookRecosts(ctx, c, groups, sums, &out); err != nil {
			return out, err
		}
	}
	tally.OrderStable(out.Rows, func(a, b control.RecostRow) int { return cmp.Compare(a.Day, b.Day) })
	return out, nil
}

// recostDays reads the span that is asked for: whole days of UTC, so that what was booked
// before for a day can be told from what is left.
func recostDays(in *control.Recost, now time.Time) (since, until time.Time, err error) {
	cal := control.Calendar{Now: now, Zone: time.UTC}
	if in.Since == "" {
		return since, until, tally.Errorf(tally.Invalid, "say from which day on").
			WithHint("--since %s", now.UTC().AddDate(0, 0, -7).Format(time.DateOnly))
	}
	if since, err = in.Since.At(cal, 0); err != nil {
		return since, until, err
	}
	until = now
	if in.Until != "" {
		if until, err = in.Until.At(cal, 0); err != nil {
			return since, until, err
		}
	}
	since, until = since.UTC().Truncate(day), until.UTC().Add(day-1).Truncate(day)
	if !since.Before(until) {
		return since, until, tally.Errorf(tally.Invalid, "there is no day from %s to before %s",
			since.Format(time.DateOnly), until.Format(time.DateOnly)).
			WithHint("--since names the first day, --until the day after the last one; today is included if it is left out")
	}
	return since, until, nil
}

// recostRecords prices all records that are selected, and adds them up.
func (e *Engine) recostRecords(ctx context.Context, c *tally.Catalog, q storage.RecordQuery, billed bool,
	out *control.Recosted) (map[recostOf]*recostSum, error) {
	x := e.newRecosting(c, billed)
	sums := map[recostOf]*recostSum{}
	for {
		page, next, err := e.store.Records(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page {
			r := &page[i]
			if r.Outcome.Refused() {
				continue
			}
			of := recostOf{client: r.Client, day: r.At.UTC().Format(time.DateOnly), model: r.Model}
			if r.Client == "" {
				of.gateway = r.Gateway
			}
			s := sums[of]
			if s == nil {
				s = &recostSum{gateway: r.Gateway}
				sums[of] = s
			}
			cost, why := x.cost(r)
			if why != "" {
				out.Stayed[string(why)]++
			}
			s.requests++
			out.Looked++
			if cost != r.Cost {
				s.changed++
				out.Changed++
			}
			add := func(to *tally.NanoUSD, n tally.NanoUSD) { *to = tally.NanoUSD(tally.AddSat(int64(*to), int64(n))) }
			add(&s.costWas, r.Cost)
			add(&s.costIs, cost)
			if r.Client != "" { // nobody is charged for the others
				add(&s.creditsWas, r.Credits)
				add(&s.creditsIs, x.credits(r, cost, why))
			}
		}
		if q.After = next; next == "" {
			return sums, nil
		}
	}
}

// bookRecosts books what differs of one client's groups.
func (e *Engine) bookRecosts(ctx context.Context, c *tally.Catalog, groups []recostOf, sums map[recostOf]*recostSum,
	out *control.Recosted) error {
	unlock, err := e.openBook(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := e.store.Entries(ctx, storage.EntryQuery{Client: groups[0].client})
	if err != nil {
		return err
	}
	for i := range entries {
		r := &entries[i]
		of := recostOf{client: r.Client, day: r.Entry.Day, model: r.Model}
		if r.Client == "" {
			of.gateway = r.Gateway
		}
		if s := sums[of]; s != nil && of.client == groups[0].client && r.Entry.Kind == tally.Recost { // or takes one back
			s.bookedCost += r.Cost
			s.bookedCredits += r.Credits
		}
	}
	var last time.Time
	defer func() {
		if !last.IsZero() {
			e.feed.PublishConfig(c.Rev, last) // whoever shows money looks again
		}
	}()
	for _, of := range groups {
		s := sums[of]
		cost, credits := s.differs()
		if cost == 0 && credits == 0 {
			continue
		}
		row := control.RecostRow{Day: of.day, Client: of.client, ClientSlug: clientSlug(c, of.client),
			Gateway: gatewaySlug(c, s.gateway), Model: of.model, Requests: s.requests, Changed: s.changed,
			CostWas: s.costWas + s.bookedCost, CostIs: s.costIs, Cost: cost, Credits: credits}
		if !out.DryRun {
			if err := ctx.Err(); err != nil { // between two entries it may end
				return err
			}
			made, err := e.enterRecost(ctx, of, s, cost, credits)
			if err != nil {
				return err
			}
			row.Entry, last = made.ID, made.At
		}
		out.Cost += cost
		out.Credits += credits
		out.Rows = append(out.Rows, row)
	}
	return nil
}

// enterRecost books one difference.
func (e *Engine) enterRecost(ctx context.Context, of recostOf, s *recostSum,
	cost, credits tally.NanoUSD) (tally.Record, error) {
	now := e.clock()
	r := tally.Record{ID: tally.NewID("en", now), At: now, Gateway: s.gateway, Client: of.client, Model: of.model,
		Outcome: tally.Booked, Cost: cost, Credits: credits}
	r.Entry = &tally.Entry{Kind: tally.Recost, Reason: "prices of " + of.day, Day: of.day}
	r.Entry.By, _, _ = control.Acting(ctx)
	return e.store.Enter(context.WithoutCancel(ctx), r)
}

// counted is how many requests rollups have of models by UTC day: of each client, and of all.
type counted map[recostOf]int64

// countedRequests reads how many requests there were, whether their records are kept or not.
func (e *Engine) countedRequests(ctx context.Context, since, until time.Time) (counted, error) {
	var edges []time.Time
	for at := since; !at.After(until); at = at.Add(day) {
		edges = append(edges, at)
	}
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByClientModel, Edges: edges},
		storage.SeriesQuery{Family: tally.ByModel, Edges: edges})
	if err != nil {
		return nil, err
	}
	out := counted{}
	for i := range points {
		p := &points[i]
		of := recostOf{day: p.At.UTC().Format(time.DateOnly), model: p.Dim[0]}
		if p.Of == 0 {
			of.client, of.model = tally.ID(p.Dim[0]), p.Dim[1]
			out[recostOf{day: of.day, model: of.model}] -= p.Requests // what is left no client has sent
		}
		out[of] += p.Requests
	}
	return out, nil
}

// dropIncomplete leaves out what has fewer records than requests: the others were deleted,
// and what was booked for them before could not be told from what is left.
func (n counted) dropIncomplete(c *tally.Catalog, sums map[recostOf]*recostSum) (gaps []control.RecostGap) {
	kept := map[recostOf]int64{} // of those without a client all gateways together
	for of, s := range sums {
		of.gateway = ""
		kept[of] += s.requests
	}
	for of := range sums {
		whole := of
		whole.gateway = ""
		if kept[whole] >= n[whole] {
			continue
		}
		delete(sums, of)
		gap := control.RecostGap{Day: of.day, ClientSlug: clientSlug(c, of.client), Model: of.model,
			Kept: kept[whole], Of: n[whole]}
		if !slices.Contains(gaps, gap) {
			gaps = append(gaps, gap)
		}
	}
	tally.Order(gaps, func(a, b control.RecostGap) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.ClientSlug, b.ClientSlug), cmp.Compare(a.Model, b.Model))
	})
	return gaps
}
