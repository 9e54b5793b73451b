package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What statements are made from: the sums of a span, and its lines by model and by key.

// booksOf is what statements of several clients are made from, asked for once.
type booksOf struct {
	e       *Engine
	c       *tally.Catalog
	now     time.Time
	in      *control.StatementQuery
	money   statement.Money
	entries map[tally.ID][]tally.Record
	sums    map[string]spanSums // by span
	only    tally.ID            // whose sums are asked for; "" for all
}

// spanSums are the sums of a span: by client, by client and model, and by key.
type spanSums struct {
	clients map[tally.ID]*tally.Sums
	models  map[tally.ID]map[string]*tally.Sums
	keys    map[tally.ID]*tally.Sums
	tags    map[tally.ID]map[string]tally.Sums // by client and value of the tag that is asked for
}

func (e *Engine) openBooks(ctx context.Context, in *control.StatementQuery) (*booksOf, error) {
	c := e.catalog.Load()
	b := &booksOf{e: e, c: c, now: e.clock(), in: in, entries: map[tally.ID][]tally.Record{}, sums: map[string]spanSums{}}
	if in.Tag != "" {
		if err := tally.CheckTagKey(in.Tag); err != nil {
			return nil, err
		}
	}
	all, err := e.store.Entries(ctx, storage.EntryQuery{})
	if err != nil {
		return nil, err
	}
	for i := range all {
		b.entries[all[i].Client] = append(b.entries[all[i].Client], all[i])
	}
	return b, nil
}

// sumsOf asks for the sums of a span, once.
func (b *booksOf) sumsOf(ctx context.Context, p statement.Period) (spanSums, error) {
	name := p.From.Format(time.RFC3339) + p.Until.Format(time.RFC3339)
	if s, known := b.sums[name]; known {
		return s, nil
	}
	s := spanSums{map[tally.ID]*tally.Sums{}, map[tally.ID]map[string]*tally.Sums{}, map[tally.ID]*tally.Sums{},
		map[tally.ID]map[string]tally.Sums{}}
	edges, only := []time.Time{p.From, p.Until}, string(b.only)
	ask := []storage.SeriesQuery{{Family: tally.ByClient, First: only, Edges: edges}, {Family: tally.ByClientModel, First: only, Edges: edges}}
	tags := -1
	if b.in.Tag != "" {
		tags = len(ask)
		ask = append(ask, storage.SeriesQuery{Family: tally.ByClientTag, First: only, Edges: edges})
	}
	if only == "" {
		ask = append(ask, storage.SeriesQuery{Family: tally.ByKey, Edges: edges})
	}
	for _, key := range b.keysOf(b.only) {
		ask = append(ask, storage.SeriesQuery{Family: tally.ByKey, First: string(key), Edges: edges})
	}
	points, err := b.e.store.Series(ctx, ask...)
	if err != nil {
		return s, err
	}
	for i := range points {
		x := &points[i]
		switch id := tally.ID(x.Dim[0]); x.Of {
		case 0:
			s.clients[id] = &x.Sums
		case 1:
			if s.models[id] == nil {
				s.models[id] = map[string]*tally.Sums{}
			}
			s.models[id][x.Dim[1]] = &x.Sums
		case tags:
			if value, is := tagValue(x.Dim[1], b.in.Tag); is {
				if s.tags[id] == nil {
					s.tags[id] = map[string]tally.Sums{}
				}
				s.tags[id][value] = x.Sums
			}
		default:
			s.keys[id] = &x.Sums
		}
	}
	b.sums[name] = s
	return s, nil
}

// booksAt is what requests alone have come to in a span: what the rollups say, without the
// entries of the span.
func booksAt(entries []tally.Record, sums *tally.Sums, p statement.Period) (out tally.Sums) {
	if sums != nil {
		out = *sums
	}
	for i := range entries {
		if within(&entries[i], p) {
			out.Credits -= entries[i].Credits
			out.Cost -= entries[i].Cost
		}
	}
	return out
}

// within reports whether an entry was booked in a span.
func within(r *tally.Record, p statement.Period) bool {
	return !r.At.Before(p.From) && r.At.Before(p.Until)
}

// usageOf are the lines of models; what no model has is a line of its own, so that they add
// up.
func usageOf(models map[string]*tally.Sums, entries []tally.Record, p statement.Period, used tally.Sums, rest string) []statement.Usage {
	of := map[string]tally.Sums{}
	for name, s := range models {
		of[name] = *s
	}
	for i := range entries {
		if r := &entries[i]; r.Model != "" && within(r, p) {
			s := of[r.Model]
			s.Credits -= r.Credits
			of[r.Model] = s
		}
	}
	return lines(of, used, rest)
}

// lines are the usage by name, and what is in none of them.
func lines(of map[string]tally.Sums, used tally.Sums, rest string) []statement.Usage {
	out := []statement.Usage{}
	line := func(name string, s *tally.Sums) {
		u := statement.Usage{Name: name, Requests: s.Requests, Input: s.Tokens.Prompt(), Output: s.Tokens.Completion(), Credits: s.Credits}
		if u.Requests != 0 || u.Credits != 0 {
			out = append(out, u)
		}
	}
	for name, s := range of {
		line(name, &s)
		used.Unmerge(&s)
	}
	line(rest, &used)
	return out
}

// keysOf are the keys of a client, also those that were deleted.
func (b *booksOf) keysOf(id tally.ID) (out []tally.ID) {
	if id == "" {
		return nil
	}
	for _, k := range b.c.KeysOf(id) {
		out = append(out, k.ID)
	}
	for t := range b.c.Tombstones(tally.KindKey) {
		if keyOf(b.c, t.ID, id) {
			out = append(out, t.ID)
		}
	}
	return out
}

// keys are the lines of a client's keys. A key is called by its label; of several of one
// label the later ones have their IDs.
func (b *booksOf) keys(id tally.ID, sums map[tally.ID]*tally.Sums, used tally.Sums) []statement.Usage {
	of := map[string]tally.Sums{}
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		s := sums[key]
		if !keyOf(b.c, key, id) {
			continue
		}
		name := keyLabel(b.c, key)
		if _, taken := of[name]; taken {
			name += " (" + string(key) + ")"
		}
		of[name] = *s
	}
	return lines(of, used, "other")
}
