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

// breakdown is a way of breaking usage down: the family it is read from, which part
// of the family's value names the row, and what people call what has none. A family of
// pairs is summed over its other part.
type breakdown struct {
	family  tally.Family
	part    int
	without string
}

var breakdowns = map[control.Breakdown]breakdown{
	"client":   {tally.ByClient, 0, "without client"},
	"key":      {tally.ByKey, 0, "without key"},
	"model":    {tally.ByModel, 0, "without model"},
	"upstream": {tally.ByUpstream, 0, "without upstream"},
	"provider": {tally.ByProvider, 0, "without provider"},
	"gateway":  {tally.ByGateway, 0, "without gateway"},
	"country":  {tally.ByGatewayCountry, 1, "unknown country"},
	"status":   {tally.ByClientStatus, 1, "without client"}, // it is kept of clients only
	"code":     {tally.ByGatewayCode, 1, "without code"},
	"token":    {tally.ByToken, 0, "without access token"},
	"tag":      {tally.ByClientTag, 1, "without tag"},
	"tool":     {tally.ByClientTag, 1, "without tool"},
	"session":  {tally.ByClientSession, 1, "without session"},
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
		return whose{"client", tally.ByClient, string(id), map[control.Breakdown]tally.Family{"model": tally.ByClientModel, "status": tally.ByClientStatus, "code": tally.ByClientCode,
			"tag": tally.ByClientTag, "tool": tally.ByClientTag, "session": tally.ByClientSession}}, dates, nil
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

// showUsage sums up what was used. The rows of each breakdown add up to the total: what
// has not what they are broken down by has a row of its own.
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
	tag, err := tagOf(in.By, in.Tag)
	if err != nil {
		return control.Usage{}, err
	}
	if in.By == "session" {
		edges = wholeDays(edges)
	}
	total, rows, err := e.usageRows(ctx, c, in.By, tag, of, edges)
	if err != nil {
		return control.Usage{}, err
	}
	out := control.Usage{Since: edges[0], Until: edges[len(edges)-1], Zone: dates.Zone.String(), Total: control.NewSums(total)}
	if out.Until.After(now) {
		out.Until = now.UTC()
	}
	if in.By == "" && in.Every == "" {
		return out, nil // there is only the total
	}
	out.Rows = rows
	if in.Every == "" {
		for i := range out.Rows {
			out.Rows[i].At = time.Time{}
		}
	}
	return out, nil
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

// wholeDays are spans of UTC days, for what is known by those only: from the day of the
// first edge to the end of the day of the last.
func wholeDays(edges []time.Time) []time.Time {
	first, last := edges[0].Truncate(day), edges[len(edges)-1].Add(day-time.Second).Truncate(day)
	if len(edges) == 2 {
		return []time.Time{first, last}
	}
	out := []time.Time{}
	for at := first; !at.After(last); at = at.Add(day) {
		out = append(out, at)
	}
	return out
}

// tagOf is the key whose values usage is broken down by, "" for all tags.
func tagOf(by control.Breakdown, key string) (string, error) {
	switch {
	case by == "tool" && key == "":
		return tally.TagTool, nil
	case by == "tag" && key != "":
		return key, tally.CheckTagKey(key)
	case key != "":
		return "", tally.Errorf(tally.Invalid, "usage by %s has no tags", cmp.Or(by, "nothing")).WithHint("--by tag --tag %s", tally.ShellWord(key))
	}
	return "", nil
}

// tagValue is how the row of a tag is called: by its value where one key is asked for. Of
// all tags that of the tool is none.
func tagValue(tag, key string) (value string, ok bool) {
	if key == "" {
		return tag, !strings.HasPrefix(tag, tally.TagTool+"=")
	}
	return strings.CutPrefix(tag, key+"=")
}

// usageRows are the total and its rows, by span and then the dearest first; in each
// span what is in none of the others comes last.
func (e *Engine) usageRows(ctx context.Context, c *tally.Catalog, by control.Breakdown, tag string, of whose,
	edges []time.Time) (*tally.Sums, []control.UsageRow, error) {
	b, first, err := of.brokenDown(by)
	if err != nil {
		return nil, nil, err
	}
	ask := []storage.SeriesQuery{{Family: of.family, First: of.id, Edges: edges}}
	if by != "" {
		ask = append(ask, storage.SeriesQuery{Family: b.family, First: first, Edges: edges})
	}
	if by == "provider" {
		ask = append(ask, storage.SeriesQuery{Family: tally.ByFailure, Edges: edges})
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return nil, nil, err
	}
	type place struct {
		at    time.Time
		value string
	}
	total, sums, failed := &tally.Sums{}, map[place]*tally.Sums{}, map[time.Time][]storage.Point{}
	sumOf := func(at time.Time, value string) *tally.Sums {
		p := place{at.UTC(), value}
		if sums[p] == nil {
			sums[p] = &tally.Sums{}
		}
		return sums[p]
	}
	for i := range points {
		p := &points[i]
		switch value := p.Dim[b.part]; {
		case p.Of == 0:
			total.Merge(&p.Sums)
			sumOf(p.At, "").Merge(&p.Sums)
		case p.Of == 2:
			sumOf(p.At, p.Dim[0]) // it may have answered nothing
			failed[p.At.UTC()] = append(failed[p.At.UTC()], *p)
		case b.family == tally.ByClientTag:
			value, ok := tagValue(value, tag)
			if !ok {
				continue
			}
			if sumOf(p.At, value).Merge(&p.Sums); tag != "" { // of all tags a request may have several
				sumOf(p.At, "").Unmerge(&p.Sums)
			}
		case by == "key" && of.what == "client" && !keyOf(c, tally.ID(value), tally.ID(of.id)):
		default:
			sumOf(p.At, value).Merge(&p.Sums)
			sumOf(p.At, "").Unmerge(&p.Sums)
		}
	}
	failures := map[time.Time]map[tally.ID]control.Failures{}
	for at, points := range failed {
		failures[at] = failuresOf(points)
	}
	rows := make([]control.UsageRow, 0, len(sums))
	for at, s := range sums {
		row := control.UsageRow{At: at.at, By: by, ID: at.value, Sums: control.NewSums(s), Failures: failures[at.at][tally.ID(at.value)]}
		row.Name, row.Called = usageName(c, by, at.value)
		switch {
		case at.value == "" && *s == tally.Sums{} && by != "":
			continue
		case at.value == "" && by == "tag" && tag == "":
			continue
		case at.value == "" && by == "tag":
			row.Name = "without " + tag
		case at.value == "":
			row.Name = b.without
		case by == "token":
			row.ID = tokenID(at.value)
		}
		rows = append(rows, row)
	}
	tally.Order(rows, func(a, b control.UsageRow) int {
		if (a.ID == "") != (b.ID == "") && a.At.Equal(b.At) {
			return cmp.Compare(b.ID, a.ID)
		}
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.CostNanoUSD, a.CostNanoUSD), cmp.Compare(b.Requests, a.Requests),
			cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return total, rows, nil
}

// brokenDown is how the usage of something is broken down, and by which first part the
// rows are selected.
func (of *whose) brokenDown(by control.Breakdown) (breakdown, string, error) {
	b := breakdowns[by]
	switch family, pair := of.by[by]; {
	case by == "" || by == of.what:
		return breakdown{family: of.family}, of.id, nil
	case of.what == "" && by == "session": // they are too many, and nobody's but a client's
		return b, "", tally.Errorf(tally.Invalid, "usage by session is of one client").WithHint("--client CLIENT")
	case of.what == "":
		return b, "", nil
	case of.what == "client" && by == "key": // its keys are picked from all
		return b, "", nil
	case pair:
		return breakdown{family, 1, b.without}, of.id, nil
	}
	ways := slices.Sorted(maps.Keys(of.by))
	if of.what == "client" {
		ways = slices.Insert(ways, 0, "key")
	}
	return b, "", tally.Errorf(tally.Invalid, "usage of one %s cannot be broken down by %s", of.what, by).WithHint("by %s", joinWords(ways))
}

// keyOf reports whether a key is a client's, or was when both were deleted.
func keyOf(c *tally.Catalog, key, client tally.ID) bool {
	if k := c.Key(key); k != nil {
		return k.Client == client
	}
	t := c.Tombstone(key)
	if t == nil || t.Owner != "" {
		return t != nil && t.Owner == client
	}
	slug := c.Deleted(client)
	return slug != "" && strings.HasPrefix(c.Deleted(key), slug+"/")
}

// usageName is how commands take the value of a row, and what people call it.
func usageName(c *tally.Catalog, by control.Breakdown, value string) (name, called string) {
	id := tally.ID(value)
	switch by {
	case "client":
		return clientSlug(c, id), clientName(c, id)
	case "key":
		if k := c.Key(id); k != nil {
			return keyName(c, k), k.Label + " of " + clientName(c, k.Client)
		}
		return deletedOr(c, id), ""
	case "provider":
		return providerName(c, id), ""
	case "gateway":
		if gw := c.Gateway(id); gw != nil {
			return gw.Slug, gw.Name
		}
		return deletedOr(c, id), ""
	case "token":
		if m := c.MintedToken(value); m != nil {
			return tokenID(value), m.Label
		}
		return tokenID(value), ""
	}
	return value, ""
}

func joinWords[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
