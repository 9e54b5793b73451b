package engine

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What a span would have cost, and been billed, if it had been otherwise.

// Why an answer is no exact one.
const (
	whyNoPrice = "the model had no price then: as it costs now"
	whyDeleted = "their records were deleted: at the plain price of a short prompt"
	whyPieces  = "no price for what is billed by the piece: as it was booked"
)

// asked is whose requests for which model are meant.
type asked struct {
	client tally.ID // "" where no client sent them
	model  string
}

// supposed is what the requests of one client for one model would have come to.
type supposed struct {
	spans     []storage.Point // what the rollups have, by span
	sums      tally.Sums      // of all spans
	kept      tally.Sums      // of records that were looked at
	records   bool            // they are needed
	from      string
	cost      tally.NanoUSD
	credits   tally.NanoUSD
	estimated map[string]int64 // requests, by why
}

// supposing is one question.
type supposing struct {
	e          *Engine
	c          *tally.Catalog
	now        time.Time
	since, end time.Time
	to         map[string]*tally.Model // by what was asked
	payers     map[tally.ID]*tally.Client
	tariff     bool // another one than theirs
	recosting  *recosting
	of         map[asked]*supposed
	client     tally.ID // "" for all
	whole      bool     // a month
}

// whatIf answers from rollups where it can, and from records where a price depends on the
// single request.
func (e *Engine) whatIf(ctx context.Context, in control.WhatIf) (out control.WhatIfDone, err error) {
	c, now := e.catalog.Load(), e.clock()
	s := &supposing{e: e, c: c, now: now, to: map[string]*tally.Model{}, payers: map[tally.ID]*tally.Client{},
		recosting: e.newRecosting(c, true), of: map[asked]*supposed{}, tariff: len(in.Tariff) > 0, whole: in.Month != ""}
	if len(in.Models) == 0 && !s.tariff {
		return out, tally.Errorf(tally.Invalid, "say what would be otherwise").
			WithHint("--model gpt-4o=gpt-5-mini, or --tariff percent=30")
	}
	cal := commonCalendar(c, now)
	if in.Client != "" {
		if s.client, err = clientID(c, in.Client); err != nil {
			return out, err
		}
		if cl := c.Client(s.client); cl != nil {
			cal = calendarOf(c, cl.Gateway, now)
		}
	}
	since, until, err := spanOf(cal, in.Month, in.Since, in.Until, usageSpan)
	if err != nil {
		return out, err
	}
	if until.IsZero() || until.After(now) {
		until = now
	}
	s.since, s.end = bucketDown(since), bucketUp(until)
	if !s.since.Before(s.end) {
		return out, tally.Errorf(tally.Invalid, "the span is empty: it begins %s", tally.Civil(since, cal.Zone)).WithHint("--month last, or --since 30d")
	}
	if err := s.suppose(&in); err != nil {
		return out, err
	}
	if err := s.read(ctx); err != nil {
		return out, err
	}
	for name := range s.to {
		used := false
		for of := range s.of {
			used = used || of.model == name
		}
		if !used && c.ModelsNamed(name) == nil {
			return out, missing("model", name, append(modelNames(c, ""), s.names()...), "tallygate models list")
		}
	}
	out = control.WhatIfDone{Since: s.since, Until: until.UTC(), Zone: cal.Zone.String(), Rows: s.rows()}
	s.sum(&out)
	return out, nil
}

// names are the models that were asked for.
func (s *supposing) names() (out []string) {
	for of := range s.of {
		out = append(out, of.model)
	}
	return out
}

// suppose reads what would be otherwise: the models, and what clients would pay.
func (s *supposing) suppose(in *control.WhatIf) error {
	for from, name := range in.Models {
		m := s.c.Model(tally.ID(name))
		for _, named := range s.c.ModelsNamed(name) {
			if m == nil || usable(s.c, named, s.now) && !usable(s.c, m, s.now) {
				m = named
			}
		}
		if m == nil {
			return missing("model", name, modelNames(s.c, ""), "tallygate models import PROVIDER")
		}
		if tally.QuoteAt(m.Prices, s.now, "", 0).Row == nil {
			return tally.Errorf(tally.Invalid, "model %s has no price", m.Name).
				WithHint("tallygate prices set %s --price input=0.15 --price output=0.6", tally.ShellWord(m.Name))
		}
		s.to[from] = m
	}
	var rows []tally.Tariff
	for _, r := range in.Tariff {
		fixed, err := fixedPrices(s.c, nil, r.Fixed, s.now, true)
		if err != nil {
			return err
		}
		if r.Minimum > 0 && !s.whole {
			return tally.Errorf(tally.Invalid, "a minimum is of a month").WithHint("--month last, or a tariff without a minimum")
		}
		one := tally.Client{Tariffs: rows}
		if err := addTariff(&one, tally.Tariff{From: r.From, Added: int(r.Percent), Minimum: r.Minimum, Fixed: fixed}); err != nil {
			return err
		}
		rows = one.Tariffs
	}
	pays := func(id tally.ID, own []tally.Tariff) {
		if s.tariff {
			own = rows
		}
		s.payers[id] = &tally.Client{Tariffs: own}
	}
	for _, cl := range s.c.Clients {
		pays(cl.ID, cl.Tariffs)
	}
	for t := range s.c.Tombstones(tally.KindClient) {
		pays(t.ID, t.Tariffs)
	}
	return nil
}

// terms are what a client would pay at an instant for requests that ask for a model.
func (s *supposing) terms(of asked, at time.Time) tally.Terms {
	cl := s.payers[of.client]
	if cl == nil {
		return tally.Terms{} // nobody is charged: it counts as its cost
	}
	model := of.model
	if m := s.to[model]; m != nil {
		model = m.Name
	}
	return cl.Terms(at, model)
}

// edges cut the span where a price or a tariff begins or ends, and are all quarters of an
// hour; odd are the models and clients of which that is not true.
func (s *supposing) edges() (edges []time.Time, odd map[string]bool) {
	odd = map[string]bool{}
	edges = []time.Time{s.since, s.end}
	cut := func(at time.Time, of string) {
		switch {
		case !at.After(s.since) || !at.Before(s.end):
		case bucketDown(at).Equal(at):
			edges = append(edges, at.UTC())
		default:
			odd[of] = true
		}
	}
	for asked, m := range s.to {
		for i := range m.Prices {
			cut(m.Prices[i].From, asked)
			cut(m.Prices[i].Until, asked)
		}
	}
	for id, cl := range s.payers {
		for i := range cl.Tariffs {
			cut(cl.Tariffs[i].From, string(id))
		}
	}
	tally.Order(edges, time.Time.Compare)
	return slices.CompactFunc(edges, time.Time.Equal), odd
}

// read adds up what was asked for.
func (s *supposing) read(ctx context.Context) error {
	edges, odd := s.edges()
	ask := []storage.SeriesQuery{{Family: tally.ByClientModel, First: string(s.client), Edges: edges}}
	if s.client == "" {
		ask = append(ask, storage.SeriesQuery{Family: tally.ByModel, Edges: edges})
	}
	points, err := s.e.store.Series(ctx, ask...)
	if err != nil {
		return err
	}
	rest := map[asked]map[time.Time]*tally.Sums{} // what no client has sent
	for i := range points {
		p := &points[i]
		of := asked{tally.ID(p.Dim[0]), p.Dim[1]}
		if p.Of == 0 {
			s.at(of).spans = append(s.at(of).spans, *p)
			of.client = ""
		} else {
			of = asked{model: p.Dim[0]}
		}
		if rest[of] == nil {
			rest[of] = map[time.Time]*tally.Sums{}
		}
		at := p.At.UTC()
		if rest[of][at] == nil {
			rest[of][at] = &tally.Sums{}
		}
		if p.Of == 0 {
			rest[of][at].Unmerge(&p.Sums)
		} else {
			rest[of][at].Merge(&p.Sums)
		}
	}
	for of, spans := range rest {
		for at, sums := range spans {
			if s.client == "" && *sums != (tally.Sums{}) {
				s.at(of).spans = append(s.at(of).spans, storage.Point{At: at, Sums: *sums})
			}
		}
	}
	var models []string
	for of, x := range s.of {
		for i := range x.spans {
			x.sums.Merge(&x.spans[i].Sums)
		}
		if x.records = s.single(of) || odd[of.model] || odd[string(of.client)] && s.otherwise(of); x.records {
			models = append(models, of.model)
		}
	}
	if len(models) > 0 {
		slices.Sort(models)
		if err := s.readRecords(ctx, slices.Compact(models)); err != nil {
			return err
		}
	}
	for of, x := range s.of {
		s.fromSums(of, x)
	}
	return nil
}

func (s *supposing) at(of asked) *supposed {
	if s.of[of] == nil {
		s.of[of] = &supposed{estimated: map[string]int64{}}
	}
	return s.of[of]
}

// otherwise reports whether anything would be otherwise.
func (s *supposing) otherwise(of asked) bool {
	return s.to[of.model] != nil || s.tariff && s.payers[of.client] != nil
}

// single reports whether what requests come to depends on each of them: on the length of its
// prompt, its tier, its hour, or on what is billed by the call or by the piece.
func (s *supposing) single(of asked) bool {
	if !s.otherwise(of) {
		return false
	}
	byPiece := func(p *tally.Price) bool { return len(p.Pieces) > 0 || p.Request != 0 }
	if m := s.to[of.model]; m != nil {
		for i := range m.Prices {
			p := &m.Prices[i]
			past := !p.Until.IsZero() && !p.Until.After(s.since) || !p.From.Before(s.end)
			if !past && (p.AboveTokens > 0 || p.Tier != "" || len(p.Hours) > 0 || byPiece(p)) {
				return true
			}
		}
	}
	for _, m := range s.c.ModelsNamed(of.model) {
		pieces := slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return byPiece(&p) })
		if pieces && (s.to[of.model] != nil || s.fixed(of)) {
			return true
		}
	}
	return s.fixed(of) && slices.ContainsFunc(s.payers[of.client].Tariffs, func(t tally.Tariff) bool {
		return slices.ContainsFunc(t.Fixed, func(p tally.FixedPrice) bool { return byPiece(&p.Price) })
	})
}

// fixed reports whether a client may have a fixed price for anything.
func (s *supposing) fixed(of asked) bool {
	cl := s.payers[of.client]
	return cl != nil && slices.ContainsFunc(cl.Tariffs, func(t tally.Tariff) bool { return len(t.Fixed) > 0 })
}
