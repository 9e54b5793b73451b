package engine

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	listedRequests = 50     // on a page that names no length
	lookedAt       = 20_000 // records of one page, at most, for a filter that few pass
	sortedOf       = 50_000 // records that a sorted page is chosen from, at most
	maxPage        = 1000   // of a page, as the store has it
	longAgo        = 200 * 366 * 24 * time.Hour
)

// What a question names may have been deleted since; its name then and its ID
// still find its requests.

func gatewayID(c *tally.Catalog, name string) (tally.ID, error) {
	gw, err := findGateway(c, name)
	if err != nil {
		return deletedID(c, tally.KindGateway, "gw_", name, err)
	}
	return gw.ID, nil
}

func clientID(c *tally.Catalog, name string) (tally.ID, error) {
	cl, err := findClient(c, name)
	if err != nil {
		return deletedID(c, tally.KindClient, "cl_", name, err)
	}
	return cl.ID, nil
}

func providerID(c *tally.Catalog, name string) (tally.ID, error) {
	p, err := findProvider(c, name)
	if err != nil {
		return deletedID(c, tally.KindProvider, "pr_", name, err)
	}
	return p.ID, nil
}

func keyID(c *tally.Catalog, name, client string) (tally.ID, error) {
	k, err := findKey(c, name, client)
	if err == nil {
		return k.ID, nil
	}
	if client != "" && !strings.HasPrefix(name, "key_") {
		name = client + "/" + name
	}
	return deletedID(c, tally.KindKey, "key_", name, err)
}

func deletedID(c *tally.Catalog, of tally.EntityKind, prefix, name string, err error) (tally.ID, error) {
	if strings.HasPrefix(name, prefix) && len(name) == len(prefix)+26 {
		return tally.ID(name), nil
	}
	if id := c.DeletedAs(of, name); id != "" {
		return id, nil
	}
	return "", err
}

func (e *Engine) listRequests(ctx context.Context, in control.RequestQuery) (control.RequestPage, error) {
	c := e.catalog.Load()
	q, err := e.recordQuery(ctx, c, &in)
	if err != nil {
		return control.RequestPage{}, err
	}
	now := e.clock()
	f, err := control.RequestTable.ParseFilter(in.Filter, commonCalendar(c, now))
	if err != nil {
		return control.RequestPage{}, err
	}
	if err := e.narrow(ctx, &q, &f, c); err != nil {
		return control.RequestPage{}, err
	}
	if in.Sort != "" {
		return e.sortedRequests(ctx, c, q, &f, &in)
	}
	page, most := control.RequestPage{Requests: []control.RequestView{}}, q.Limit
	for looked := 0; ; {
		records, next, err := e.store.Records(ctx, q)
		if err != nil {
			return control.RequestPage{}, err
		}
		for i := range records {
			if v := viewRequest(c, &records[i], now); f.Match(&v) {
				page.Requests = append(page.Requests, v)
			}
		}
		looked += len(records)
		page.Next, q.After, q.Limit = next, next, most-len(page.Requests)
		if next == "" || q.Limit == 0 || looked >= lookedAt {
			return page, nil
		}
	}
}

// sortedRequests is a page of what has the most of a column, of the latest records that
// the store selects.
func (e *Engine) sortedRequests(ctx context.Context, c *tally.Catalog, q storage.RecordQuery,
	f *control.Filter[*control.RequestView], in *control.RequestQuery) (control.RequestPage, error) {
	by, turned, err := control.RequestTable.ParseSort(in.Sort)
	if err == nil && in.After != "" {
		err = tally.Errorf(tally.Invalid, "what is sorted has one page").WithHint("leave out after, or sort")
	}
	if err != nil {
		return control.RequestPage{}, err
	}
	now := e.clock()
	page, most := control.RequestPage{}, q.Limit
	var best []*control.RequestView
	keep := func(n int) {
		control.RequestTable.Sort(best, by, turned) // stable: of equal ones the latest
		best = best[:min(len(best), n)]
	}
	q.Limit = maxPage
	for page.From < sortedOf {
		records, next, err := e.store.Records(ctx, q)
		if err != nil {
			return control.RequestPage{}, err
		}
		for i := range records {
			if v := viewRequest(c, &records[i], now); f.Match(&v) {
				best = append(best, &v)
			}
		}
		if len(best) > 4*maxPage {
			keep(most)
		}
		page.From += len(records)
		if q.After = next; next == "" {
			break
		}
		page.Since = records[len(records)-1].At
	}
	if q.After == "" {
		page.Since = time.Time{}
	}
	keep(most)
	page.Requests = make([]control.RequestView, len(best))
	for i, v := range best {
		page.Requests[i] = *v
	}
	return page, nil
}

// narrow lets the store select by the terms of a filter that name one thing, so
// that history is read without what would be thrown away.
func (e *Engine) narrow(ctx context.Context, q *storage.RecordQuery,
	f *control.Filter[*control.RequestView], c *tally.Catalog) error {
	if q.Client == "" {
		q.Client = only(f, "client", c, tally.KindClient)
	}
	if q.Provider == "" {
		q.Provider = only(f, "provider", c, tally.KindProvider)
	}
	if q.Gateway == "" {
		q.Gateway = only(f, "gateway", c, tally.KindGateway)
	}
	if q.Endpoint == "" {
		q.Endpoint = f.Whole("endpoint")
	}
	span := f.Span("at")
	if q.Since.Before(span.Start) {
		q.Since = span.Start
	}
	if !span.End.IsZero() && (q.Until.IsZero() || span.End.Before(q.Until)) {
		q.Until = span.End
	}
	if id := f.Whole("key_id"); id != "" && q.Key == "" {
		q.Key = tally.ID(strings.ToLower(id))
	}
	if name := f.Whole("token"); name != "" && q.Token == "" {
		// A filter does not tell small letters from capitals, the store does.
		used, err := e.store.LastUsed(ctx, tally.SubjectOf("token", tally.ID(name)))
		if err != nil {
			return err
		}
		if !used[0].IsZero() {
			q.Token = name
		}
	}
	if word, whole, ok := f.Only("status"); ok && q.Status == 0 && word != "" && (len(word) == 3 || !whole) {
		if len(word) < 3 {
			word = word[:1] // 5, 50 and 5xx are among those that begin with 5
		}
		q.Status, _ = strconv.Atoi(word)
	}
	if words := tally.Outcome("").Words(); len(q.Outcomes) == 0 {
		words = slices.DeleteFunc(words, func(w string) bool { return !f.Passes("outcome", w) })
		if len(words) < len(tally.Outcome("").Words()) {
			for _, w := range words {
				q.Outcomes = append(q.Outcomes, tally.Outcome(w))
			}
		}
	}
	var err error
	if len(q.Models) == 0 {
		if q.Models, err = e.named(ctx, q, f, "model", tally.ByModel, 0); err != nil {
			return err
		}
	}
	if len(q.Codes) == 0 {
		if q.Codes, err = e.named(ctx, q, f, "code", tally.ByGatewayCode, 1); err != nil {
			return err
		}
	}
	if word, whole, ok := f.Only("id"); ok && (whole || len(word) == len("req_")+26) {
		q.ID = tally.ID(word)
	}
	return nil
}

// manyNamed is how many values a search may look for in each part of the store.
const manyNamed = 30

// named are the values that a term of a filter finds, of those that records in the span of
// a query have, as the sums of a family tell; nil if there is no such term, or it finds
// too many. A value that nobody has stands for none of them.
func (e *Engine) named(ctx context.Context, q *storage.RecordQuery, f *control.Filter[*control.RequestView],
	column string, family tally.Family, part int) ([]string, error) {
	word, _, ok := f.Only(column)
	if !ok || word == "" {
		return nil, nil
	}
	since, until := q.Since, q.Until
	if first := time.Unix(0, 0); since.Before(first) {
		since = first
	}
	if soon := e.clock().Add(24 * time.Hour); until.IsZero() || until.After(soon) {
		until = soon
	}
	if since = since.Truncate(24 * time.Hour); !since.Before(until) {
		return nil, nil
	}
	points, err := e.store.Series(ctx, storage.SeriesQuery{
		Family: family, Edges: []time.Time{since, until.Truncate(24 * time.Hour).Add(24 * time.Hour)},
	})
	if err != nil {
		return nil, err
	}
	var found []string
	for i := range points {
		if value := points[i].Dim[part]; f.Passes(column, value) && !slices.Contains(found, value) {
			found = append(found, value)
		}
	}
	switch {
	case len(found) == 0:
		return []string{word}, nil
	case len(found) > manyNamed:
		return nil, nil
	}
	return found, nil
}

// only is the one client, provider or gateway that a term of a filter can find, of those there
// are and were; "" if it may find several.
func only(f *control.Filter[*control.RequestView], column string, c *tally.Catalog,
	kind tally.EntityKind) (found tally.ID) {
	finds := f.Finds(column)
	if finds == nil {
		return ""
	}
	several := false
	look := func(id tally.ID, names ...string) {
		if finds(names...) {
			several = several || found != ""
			found = id
		}
	}
	switch kind {
	case tally.KindClient:
		for _, cl := range c.Clients {
			look(cl.ID, cl.Slug, cl.Name)
		}
	case tally.KindProvider:
		for _, p := range c.Providers {
			look(p.ID, p.Name)
		}
	case tally.KindGateway:
		for _, gw := range c.Gateways {
			look(gw.ID, gw.Slug)
		}
	}
	for t := range c.Tombstones(kind) {
		look(t.ID, t.Name)
	}
	if several {
		return ""
	}
	return found
}

// recordQuery reads the owner's question.
func (e *Engine) recordQuery(ctx context.Context, c *tally.Catalog, in *control.RequestQuery) (q storage.RecordQuery, err error) {
	q = storage.RecordQuery{Status: in.Status, Tag: in.Tag, After: in.After, Limit: in.Limit}
	if in.Model != "" {
		q.Models = []string{in.Model}
	}
	if in.Code != "" {
		q.Codes = []string{in.Code}
	}
	if in.Outcome != "" {
		q.Outcomes = []tally.Outcome{in.Outcome}
	}
	if q.Limit == 0 {
		q.Limit = listedRequests
	}
	if err := between("the number of requests", 1, maxPage)(q.Limit); err != nil {
		return q, err
	}
	if q.Status != 0 && (q.Status < 100 || q.Status > 599) {
		return q, tally.Errorf(tally.Invalid, "%d is not an HTTP status", q.Status)
	}
	now := e.clock()
	dates := commonCalendar(c, now)
	if in.Client != "" {
		if q.Client, err = clientID(c, in.Client); err != nil {
			return q, err
		}
		if cl := c.Client(q.Client); cl != nil {
			dates = calendarOf(c, cl.Gateway, now)
		}
	}
	if in.Key != "" {
		if q.Key, err = keyID(c, in.Key, in.Client); err != nil {
			return q, err
		}
	}
	if in.Token != "" {
		if q.Token, err = e.tokenName(ctx, c, in.Token); err != nil {
			return q, err
		}
	}
	if in.Provider != "" {
		if q.Provider, err = providerID(c, in.Provider); err != nil {
			return q, err
		}
	}
	if in.Since != "" || in.Month != "" || in.Until != "" {
		q.Since, q.Until, err = spanOf(dates, in.Month, in.Since, in.Until, longAgo)
	}
	return q, err
}

func (e *Engine) showRequest(ctx context.Context, in control.PickRequest) (control.RequestView, error) {
	id := tally.ID(strings.TrimSpace(in.ID))
	rec, err := e.record(ctx, id)
	if err != nil {
		return control.RequestView{}, err
	}
	if rec == nil {
		return control.RequestView{}, tally.Errorf(tally.NotFound, "there is no request %q in the records", string(id)).
			WithHint("it may be under way still, or past the retention. See: tallygate requests list")
	}
	return viewRequest(e.catalog.Load(), rec, e.clock()), nil
}

// record finds one record, nil if there is none.
func (e *Engine) record(ctx context.Context, id tally.ID) (*tally.Record, error) {
	if id == "" {
		return nil, tally.Errorf(tally.Invalid, "no request was named").WithHint("its id is in the header x-request-id of the answer")
	}
	id = meter.RefusalID(id)
	found, _, err := e.store.Records(ctx, storage.RecordQuery{ID: id, Limit: 1})
	if err != nil || len(found) == 0 {
		return e.meter.Refusal(id), err
	}
	return &found[0], nil
}

// events tells the owner what the feed tells: a request as a list shows it.
func (e *Engine) events(ctx context.Context, after uint64) iter.Seq[control.Event] {
	return func(yield func(control.Event) bool) {
		if e.cluster != nil {
			defer e.others.watch()()
		}
		for x := range e.feed.Events(ctx, after) {
			out := control.Event{Seq: x.Seq, Kind: x.Kind, At: x.At, Rev: x.Rev, Second: x.Second}
			if x.Record != nil {
				out.Request = new(viewRequest(e.catalog.Load(), x.Record, e.clock()))
			}
			if !yield(out) {
				return
			}
		}
	}
}

// viewRequest names what a record refers to by ID.
func viewRequest(c *tally.Catalog, r *tally.Record, now time.Time) control.RequestView {
	v := control.NewRequestView(r, now, func(id tally.ID) string { return providerName(c, id) })
	v.Gateway, v.Client, v.ClientName = gatewaySlug(c, r.Gateway), clientSlug(c, r.Client), clientName(c, r.Client)
	v.Key, v.Provider = keyLabel(c, r.Key), providerName(c, r.Provider)
	return v
}
