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
	narrow(&q, &f, c)
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

// narrow lets the store select by the terms of a filter that name one thing, so
// that history is read without what would be thrown away.
func narrow(q *storage.RecordQuery, f *control.Filter[control.RequestView], c *tally.Catalog) {
	if id, ok := only(f, "client", c.Clients, func(cl *tally.Client) string { return cl.Slug }); ok && q.Client == "" {
		q.Client = id.ID
	}
	if id, ok := only(f, "provider", c.Providers, func(p *tally.Provider) string { return p.Name }); ok && q.Provider == "" {
		q.Provider = id.ID
	}
	if m, ok := only(f, "model", c.Models, func(m *tally.Model) string { return m.Name }); ok && q.Model == "" {
		q.Model = m.Name
	}
	if word, _, ok := f.Only("status"); ok && len(word) == 3 && q.Status == 0 {
		q.Status, _ = strconv.Atoi(word)
	}
	if word, _, ok := f.Only("outcome"); ok && q.Outcome == "" && slices.Contains(q.Outcome.Words(), word) {
		q.Outcome = tally.Outcome(word)
	}
	if word, whole, ok := f.Only("id"); ok && (whole || len(word) == len("req_")+26) {
		q.ID = tally.ID(word)
	}
}

// only is the thing that a term of a filter names in full, unless another one's
// name begins so, too. Things of one name are one.
func only[T any](f *control.Filter[control.RequestView], column string, things []*T, name func(*T) string) (found *T, ok bool) {
	word, whole, asked := f.Only(column)
	if !asked || word == "" {
		return nil, false
	}
	for _, t := range things {
		n := strings.ToLower(name(t))
		switch {
		case n == word:
			found = t
		case !whole && strings.HasPrefix(n, word):
			return nil, false
		}
	}
	return found, found != nil
}

// recordQuery reads the owner's question.
func (e *Engine) recordQuery(ctx context.Context, c *tally.Catalog, in *control.RequestQuery) (q storage.RecordQuery, err error) {
	q = storage.RecordQuery{Model: in.Model, Status: in.Status, Outcome: in.Outcome, Code: in.Code, After: in.After, Limit: in.Limit}
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
	v.Gateway, v.Client, v.Key, v.Provider = gatewaySlug(c, r.Gateway), clientSlug(c, r.Client), keyLabel(c, r.Key), providerName(c, r.Provider)
	return v
}
