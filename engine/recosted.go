package engine

import (
	"cmp"

	"tallygate/engine/tally"
)

// What a request that was booked would cost by the prices that are known now. A row is never
// changed, so one that is still in force at the time of a request says what it said then; only
// where another row is, the request costs something else.

// stay says why the cost of a request stays as it was booked; "" if it does not.
type stay string

const (
	stayBilled   stay = "billed"   // it is the upstream's own figure
	stayHeld     stay = "held"     // it is what was held, or no price explains it
	stayGone     stay = "gone"     // the model that answered is here no more
	stayUnpriced stay = "unpriced" // no price was in force at its time
)

// recosting prices records anew.
type recosting struct {
	catalog *tally.Catalog
	costBy  func(provider tally.ID) tally.CostBy
	billed  bool                      // also what upstreams have billed themselves
	rows    map[tally.ID]*tally.Model // by the rows that it has
}

func (e *Engine) newRecosting(c *tally.Catalog, billed bool) *recosting {
	x := &recosting{catalog: c, billed: billed, rows: map[tally.ID]*tally.Model{}}
	x.costBy = func(provider tally.ID) tally.CostBy {
		p := c.Provider(provider)
		if p == nil {
			return tally.CostMax
		}
		return cmp.Or(p.CostBy, e.kinds[p.ProviderKind].CostBy, tally.CostMax)
	}
	for _, m := range c.Models {
		for i := range m.Prices {
			x.rows[m.Prices[i].ID] = m
		}
	}
	return x
}

// cost is what a record costs by the prices in force at its time. Where a part of it stays as
// it was booked, why says so for the whole.
func (x *recosting) cost(r *tally.Record) (cost tally.NanoUSD, why stay) {
	tries := triesOf(r)
	for i := range tries {
		n, because := x.attempt(r, &tries[i], i == len(tries)-1)
		cost, why = tally.NanoUSD(tally.AddSat(int64(cost), int64(n))), cmp.Or(why, because)
	}
	return cost, why
}

// triesOf are the calls of a request: a record that names none has one, and says it itself.
func triesOf(r *tally.Record) []tally.Attempt {
	if len(r.Tries) > 0 {
		return r.Tries
	}
	return []tally.Attempt{{Provider: r.Provider, Upstream: r.Upstream, Price: r.Price, Basis: r.Basis, Tokens: r.Tokens,
		Piece: r.Piece, Pieces: r.Pieces, Cost: r.Cost}}
}

// attempt is what one call costs.
func (x *recosting) attempt(r *tally.Record, a *tally.Attempt, last bool) (tally.NanoUSD, stay) {
	if a.Basis == "" {
		return a.Cost, "" // it is proven to have cost nothing
	}
	var was tally.Quote // by the row that it names
	if m := x.rows[a.Price]; m != nil {
		was = tally.QuoteOf(m.Prices, a.Price, a.Tokens.Prompt())
	}
	by := x.costBy(a.Provider)
	billed := r.Billed != nil && last
	switch explained := was.Row != nil && costOf(&was, a) == a.Cost; {
	case x.billed && billed:
	case billed && (!explained || by == tally.CostTheirs && *r.Billed == a.Cost):
		return a.Cost, stayBilled
	case explained:
	case r.Billed != nil:
		return a.Cost, stayBilled
	case a.Basis == tally.Held || was.Row != nil:
		return a.Cost, stayHeld
	}
	cost, why := x.priced(r, a, last, &was)
	switch {
	case why != "":
		return a.Cost, why
	case billed && !x.billed && by != tally.CostOurs:
		cost = max(cost, *r.Billed)
	}
	return cost, ""
}

// priced is what a call costs by our prices: as when it was booked, by the dearer of the
// model that was asked and the one that has answered, and of the tiers.
func (x *recosting) priced(r *tally.Record, a *tally.Attempt, last bool, was *tally.Quote) (cost tally.NanoUSD, why stay) {
	why = stayGone
	tiers := []tally.Tier{r.Tier}
	if was.Row != nil && was.Row.Tier != r.Tier {
		tiers = append(tiers, was.Row.Tier)
	}
	found := false
	for _, m := range x.models(r, a, last) {
		why = stayUnpriced
		for _, tier := range tiers {
			q := tally.QuoteAt(m.Prices, r.At, tier, a.Tokens.Prompt())
			if q.Row == nil || !pricesPieces(&q, was, a) {
				continue
			}
			cost, found = max(cost, costOf(&q, a)), true
		}
	}
	if found {
		why = ""
	}
	return cost, why
}

// models are the model that a call asked for and, if that is another one, the model that the
// upstream said has answered.
func (x *recosting) models(r *tally.Record, a *tally.Attempt, last bool) (out []*tally.Model) {
	known := x.catalog.ModelsOf(a.Provider, a.Upstream)
	for _, m := range known {
		if m.Name == r.Model {
			out = []*tally.Model{m}
		}
	}
	if out == nil && len(known) > 0 {
		out = known[:1:1]
	}
	if out != nil && last && r.Answered != "" {
		for _, m := range x.catalog.ModelsOf(a.Provider, r.Answered) {
			if m.ID != out[0].ID {
				return append(out, m)
			}
		}
	}
	return out
}

// costOf prices what a call has used: its tokens in the classes that they were booked in, and
// its pieces.
func costOf(q *tally.Quote, a *tally.Attempt) tally.NanoUSD {
	return tally.NanoUSD(tally.AddSat(int64(q.Cost(a.Tokens)), int64(q.CostOfPieces(a.Piece, a.Pieces))))
}

// pricesPieces reports whether a price has one for the pieces of a call, if the price that it
// was booked by had: that one is missing is no reason to charge nothing.
func pricesPieces(q, was *tally.Quote, a *tally.Attempt) bool {
	if a.Pieces == 0 || was.Row == nil || was.CostOfPieces(a.Piece, a.Pieces) == 0 {
		return true
	}
	u := tally.UnitsOf(a.Piece, a.Pieces)
	_, named := q.Row.Pieces[a.Piece]
	_, _, fits := q.EachOf(&u)
	return named || fits
}

// charged is what a request of a client is charged by the tariff of its time, if it costs so
// much.
func (x *recosting) charged(cl *tally.Client, r *tally.Record, cost tally.NanoUSD) tally.NanoUSD {
	terms := cl.Terms(r.At, r.Model)
	of := tally.Spent{Cost: cost, Tokens: r.Tokens, Piece: r.Piece, Pieces: r.Pieces}
	for _, a := range triesOf(r) {
		if m := x.rows[a.Price]; m != nil && a.Pieces > 0 && terms.Fixed != nil {
			q := tally.QuoteOf(m.Prices, a.Price, a.Tokens.Prompt())
			of.PiecesCost += q.CostOfPieces(a.Piece, a.Pieces)
		}
	}
	return terms.Credits(&of)
}

// credits is what a request would have been charged for another cost. A tariff that was
// agreed from a date on holds for all requests since then, be it that it was agreed later.
// What holds for all times may have been another mark-up once: where it does not explain what
// was charged, or the client is gone, the share of then counts.
func (x *recosting) credits(r *tally.Record, cost tally.NanoUSD, why stay) tally.NanoUSD {
	cl := x.catalog.Client(r.Client)
	if cl != nil && why != stayHeld {
		if t := cl.TariffAt(r.At); !t.From.IsZero() {
			return x.charged(cl, r, cost)
		}
	}
	switch {
	case cost == r.Cost:
		return r.Credits
	case cl == nil && r.Cost <= 0:
		return cost
	case cl != nil && (r.Cost <= 0 || x.charged(cl, r, r.Cost) == r.Credits):
		return x.charged(cl, r, cost)
	}
	return cost.Share(r.Credits, r.Cost)
}
