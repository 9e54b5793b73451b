package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	usageSpan = 30 * 24 * time.Hour // of a question that names no start
	maxSpans  = 3000                // rows of hours or days
)

// breakdown is a way of breaking usage down: the family it is read from, and
// which part of the family's value names the row. A family of pairs is summed
// over its other part.
type breakdown struct {
	family tally.Family
	part   int
}

var breakdowns = map[control.Breakdown]breakdown{
	"client":   {tally.ByClient, 0},
	"key":      {tally.ByKey, 0},
	"model":    {tally.ByModel, 0},
	"upstream": {tally.ByUpstream, 0},
	"provider": {tally.ByProvider, 0},
	"gateway":  {tally.ByGateway, 0},
	"country":  {tally.ByGatewayCountry, 1},
	"status":   {tally.ByClientStatus, 1},
	"code":     {tally.ByGatewayCode, 1},
	"token":    {tally.ByToken, 0},
}

// whose is the one thing whose usage is asked for: the family of its sums, its
// value there, and the families by whose second part it can be broken down.
type whose struct {
	what   control.Breakdown // "" for everything
	family tally.Family
	id     string
	by     map[control.Breakdown]tally.Family
}

// usageOf reads whose usage is asked for, and the zone in which its days are.
func (e *Engine) usageOf(ctx context.Context, c *tally.Catalog, in *control.UsageQuery) (of whose, dates control.Calendar, err error) {
	dates = commonCalendar(c, e.clock())
	asked := 0
	for _, name := range []string{in.Client, in.Gateway, in.Token} {
		if name != "" {
			asked++
		}
	}
	switch {
	case asked > 1:
		return of, dates, tally.Errorf(tally.Invalid, "usage can be of one client, gateway or access token").WithHint("ask for them one by one")
	case in.Client != "":
		id, err := clientID(c, in.Client)
		if err != nil {
			return of, dates, err
		}
		if cl := c.Client(id); cl != nil {
			dates = calendarOf(c, cl.Gateway, dates.Now)
		}
		return whose{"client", tally.ByClient, string(id), map[control.Breakdown]tally.Family{"model": tally.ByClientModel, "status": tally.ByClientStatus, "code": tally.ByClientCode}}, dates, nil
	case in.Gateway != "":
		id, err := gatewayID(c, in.Gateway)
		if err != nil {
			return of, dates, err
		}
		return whose{"gateway", tally.ByGateway, string(id), map[control.Breakdown]tally.Family{"country": tally.ByGatewayCountry, "code": tally.ByGatewayCode}}, calendarOf(c, id, dates.Now), nil
	case in.Token != "":
		name, err := e.tokenName(ctx, c, in.Token)
		if err != nil {
			return of, dates, err
		}
		return whose{"token", tally.ByToken, name, map[control.Breakdown]tally.Family{"country": tally.ByTokenCountry, "code": tally.ByTokenCode}}, dates, nil
	}
	return whose{family: tally.ByTotal}, dates, nil
}

// showUsage sums up what was used. The total is of everything in the span; its
// rows add up to it where every request has what they are broken down by.
func (e *Engine) showUsage(ctx context.Context, in control.UsageQuery) (control.Usage, error) {
	c, now := e.catalog.Load(), e.clock()
	of, dates, err := e.usageOf(ctx, c, &in)
	if err != nil {
		return control.Usage{}, err
	}
	edges, err := usageEdges(&in, dates)
	if err != nil {
		return control.Usage{}, err
	}
	whole := []time.Time{edges[0], edges[len(edges)-1]}
	total, err := e.usageTotal(ctx, of, whole)
	if err != nil {
		return control.Usage{}, err
	}
	out := control.Usage{Since: whole[0], Until: whole[1], Total: control.NewSums(total)}
	if out.Until.After(now) {
		out.Until = now.UTC()
	}
	if in.By == "" && in.Every == "" {
		return out, nil // there is only the total
	}
	out.Rows, err = e.usageRows(ctx, c, in.By, of, edges)
	if in.Every == "" {
		for i := range out.Rows {
			out.Rows[i].At = time.Time{}
		}
	}
	return out, err
}

// usageEdges cuts what the owner asks for into spans.
func usageEdges(in *control.UsageQuery, dates control.Calendar) ([]time.Time, error) {
	zone := dates.Zone
	since, until, err := spanOf(dates, in.Month, in.Since, in.Until, usageSpan)
	if err != nil {
		return nil, err
	}
	if soon := bucketDown(dates.Now).Add(tally.Bucket); until.IsZero() || until.After(soon) {
		until = soon // the end of the bucket that is under way
	}
	if first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); since.Before(first) {
		since = first
	}
	if !since.Before(until) {
		return nil, tally.Errorf(tally.Invalid, "the span is empty: it begins %s and ends %s", since.In(zone).Format(time.DateTime), until.In(zone).Format(time.DateTime))
	}
	if in.Every == "" {
		return []time.Time{bucketDown(since), bucketUp(until)}, nil
	}
	edges, ok := civilEdges(tally.Unit(in.Every), since, until, zone, maxSpans)
	if !ok {
		return nil, tally.Errorf(tally.Invalid, "the span has more than %d %ss", maxSpans, in.Every).WithHint("ask for a shorter one")
	}
	return edges, nil
}

func (e *Engine) usageTotal(ctx context.Context, of whose, edges []time.Time) (*tally.Sums, error) {
	q := storage.SeriesQuery{Family: of.family, First: of.id, Edges: edges}
	points, err := e.store.Series(ctx, q)
	if err != nil {
		return nil, err
	}
	var total tally.Sums
	for i := range points {
		total.Merge(&points[i].Sums)
	}
	return &total, nil
}

// usageRows are the rows, by span and then the dearest first.
func (e *Engine) usageRows(ctx context.Context, c *tally.Catalog, by control.Breakdown, of whose, edges []time.Time) ([]control.UsageRow, error) {
	b := breakdown{family: of.family}
	q := storage.SeriesQuery{First: of.id, Edges: edges}
	switch family, pair := of.by[by]; {
	case by == "" || by == of.what:
	case of.what == "":
		b = breakdowns[by]
	case of.what == "client" && by == "key": // its keys are picked from all
		b, q.First = breakdowns[by], ""
	case pair:
		b = breakdown{family, 1}
	default:
		ways := slices.Sorted(maps.Keys(of.by))
		if of.what == "client" {
			ways = slices.Insert(ways, 0, "key")
		}
		return nil, tally.Errorf(tally.Invalid, "usage of one %s cannot be broken down by %s", of.what, by).WithHint("by %s", joinWords(ways))
	}
	q.Family = b.family
	points, err := e.store.Series(ctx, q)
	if err != nil {
		return nil, err
	}
	type place struct {
		at    time.Time
		value string
	}
	sums := map[place]*tally.Sums{}
	for i := range points {
		p := &points[i]
		if by == "key" && of.what == "client" && !keyOf(c, tally.ID(p.Dim[0]), tally.ID(of.id)) {
			continue
		}
		at := place{p.At.UTC(), ""}
		if by != "" {
			at.value = p.Dim[b.part]
		}
		if sums[at] == nil {
			sums[at] = &tally.Sums{}
		}
		sums[at].Merge(&p.Sums)
	}
	failed := map[time.Time]map[tally.ID]control.Failures{}
	if by == "provider" {
		points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByFailure, Edges: edges})
		if err != nil {
			return nil, err
		}
		for len(points) > 0 {
			at := points[0].At
			n := slices.IndexFunc(points, func(p storage.Point) bool { return !p.At.Equal(at) })
			if n < 0 {
				n = len(points)
			}
			failed[at.UTC()] = failuresOf(points[:n])
			points = points[n:]
			for id := range failed[at.UTC()] { // one may have answered nothing
				if row := (place{at.UTC(), string(id)}); sums[row] == nil {
					sums[row] = &tally.Sums{}
				}
			}
		}
	}
	rows := make([]control.UsageRow, 0, len(sums))
	for at, s := range sums {
		id := at.value
		if by == "token" {
			id = tokenID(id)
		}
		rows = append(rows, control.UsageRow{At: at.at, By: by, ID: id, Name: usageName(c, by, at.value), Sums: control.NewSums(s), Failures: failed[at.at][tally.ID(at.value)]})
	}
	slices.SortFunc(rows, func(a, b control.UsageRow) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.CostNanoUSD, a.CostNanoUSD), cmp.Compare(b.Requests, a.Requests),
			cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return rows, nil
}

// keyOf reports whether a key is a client's, or was when both were deleted.
func keyOf(c *tally.Catalog, key, client tally.ID) bool {
	if k := c.Key(key); k != nil {
		return k.Client == client
	}
	slug := c.Deleted(client)
	return slug != "" && strings.HasPrefix(c.Deleted(key), slug+"/")
}

// usageName is what people call the value of a row.
func usageName(c *tally.Catalog, by control.Breakdown, value string) string {
	id := tally.ID(value)
	switch by {
	case "client":
		return clientSlug(c, id)
	case "key":
		if k := c.Key(id); k != nil {
			return keyName(c, k)
		}
		return deletedOr(c, id)
	case "provider":
		return providerName(c, id)
	case "gateway":
		return gatewaySlug(c, id)
	case "token":
		return tokenID(value)
	}
	return value
}

func joinWords[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
