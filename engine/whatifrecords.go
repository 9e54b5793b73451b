package engine

import (
	"context"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// readRecords prices the records of models one by one.
func (s *supposing) readRecords(ctx context.Context, models []string) error {
	q := storage.RecordQuery{Since: s.since, Until: s.end, Client: s.client, Models: models, Limit: recostPage}
	for {
		page, next, err := s.e.store.Records(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			r := &page[i]
			of := asked{r.Client, r.Model}
			if x := s.of[of]; x != nil && x.records && !r.Outcome.Refused() {
				s.record(of, x, r)
			}
		}
		if q.After = next; next == "" {
			return nil
		}
	}
}

// record adds what one request would have come to.
func (s *supposing) record(of asked, x *supposed, r *tally.Record) {
	x.from = "records"
	x.kept.Count(r)
	terms := s.terms(of, r.At)
	spent := tally.Spent{Cost: r.Cost, Tokens: r.Tokens, Piece: r.Piece, Pieces: r.Pieces}
	m, why := s.to[of.model], ""
	if m != nil {
		spent.Cost = 0
	}
	for _, a := range triesOf(r) {
		var was, q tally.Quote
		if old := s.recosting.rows[a.Price]; old != nil {
			was = tally.QuoteOf(old.Prices, a.Price, a.Tokens.Prompt())
		}
		if q = was; m != nil {
			if a.Basis == "" {
				spent.Cost = plus(spent.Cost, a.Cost)
				continue // it is proven to have cost nothing
			}
			if q = tally.QuoteAt(m.Prices, r.At, r.Tier, a.Tokens.Prompt()); q.Row == nil {
				q, why = tally.QuoteAt(m.Prices, s.now, r.Tier, a.Tokens.Prompt()), whyNoPrice
			}
			if !pricesPieces(&q, &was, &a) {
				why = whyPieces
				spent.Cost = plus(spent.Cost, was.CostOfPieces(a.Piece, a.Pieces))
			}
			spent.Cost = plus(spent.Cost, costOf(&q, &a))
		}
		if a.Pieces > 0 {
			spent.PiecesCost = plus(spent.PiecesCost, q.CostOfPieces(a.Piece, a.Pieces))
		}
	}
	if why != "" {
		x.estimated[why]++
	}
	x.cost, x.credits = plus(x.cost, spent.Cost), plus(x.credits, terms.Credits(&spent))
}

func plus(a, b tally.NanoUSD) tally.NanoUSD { return tally.NanoUSD(tally.AddSat(int64(a), int64(b))) }

// fromSums adds what the rollups tell: everything, or what is kept in no record.
func (s *supposing) fromSums(of asked, x *supposed) {
	if !s.otherwise(of) {
		x.from, x.cost, x.credits = "as booked", x.sums.Cost, x.sums.Credits
		return
	}
	if !x.records {
		x.from = "sums"
		for i := range x.spans {
			s.span(of, x, x.spans[i].At, &x.spans[i].Sums, "")
		}
		return
	}
	left := x.sums
	left.Unmerge(&x.kept)
	if left.Requests > 0 || left.Requests == 0 && s.to[of.model] == nil && left.Cost != 0 { // or what was re-costed
		x.from = "records"
		s.span(of, x, s.since, &left, whyDeleted)
	}
}

// span adds what a sum of requests would have come to by the prices of an instant.
func (s *supposing) span(of asked, x *supposed, at time.Time, sums *tally.Sums, why string) {
	spent := tally.Spent{Cost: sums.Cost, Tokens: sums.Tokens}
	if m := s.to[of.model]; m != nil {
		q := tally.QuoteAt(m.Prices, at, "", 0)
		if q.Row == nil {
			q, why = tally.QuoteAt(m.Prices, s.now, "", 0), whyNoPrice
		}
		q.Request = 0 // which requests were calls that cost something, sums do not tell
		spent.Cost = q.Cost(sums.Tokens)
	}
	terms := s.terms(of, at)
	if why != "" && sums.Requests > 0 {
		x.estimated[why] += sums.Requests
	}
	x.cost, x.credits = plus(x.cost, spent.Cost), plus(x.credits, terms.Credits(&spent))
}
