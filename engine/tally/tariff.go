package tally

import (
	"slices"
	"time"
)

// Tariff is what a client pays for its requests from an instant on. The rows of a client
// are appended and never edited: the latest From that has begun counts, of several of the
// same instant the one that was added last.
type Tariff struct {
	From time.Time `json:"from,omitzero"` // zero: always
	// Added is what the client pays more than a request has cost, in basis points (1/100
	// of a percent) of that, -10,000 to 100,000; below zero it pays less.
	Added int `json:"added_basis_points,omitempty"`
	// Fixed are prices in the place of that.
	Fixed []FixedPrice `json:"fixed,omitempty"`
	// Minimum is what a month comes to at least.
	Minimum NanoUSD `json:"minimum_nano_usd,omitempty"`
}

// FixedPrice is what a client pays for the requests of a model, whatever they cost: the
// rates of the row, and what it has for a request and for pieces. Pieces that it does not
// name, and that are billed beside tokens, cost the client what they cost its owner, with
// what the tariff adds.
type FixedPrice struct {
	Model string `json:"model"` // as the client asks for it
	Price
}

// TariffAt is what the client pays by at an instant; the zero Tariff, which is what its
// requests cost, if nothing else was agreed.
func (c *Client) TariffAt(at time.Time) Tariff {
	best := -1
	for i := range c.Tariffs {
		if from := c.Tariffs[i].From; !from.After(at) && (best < 0 || !from.Before(c.Tariffs[best].From)) {
			best = i
		}
	}
	if best < 0 {
		return Tariff{}
	}
	return c.Tariffs[best]
}

// FixedFor is the fixed price of a model, nil if it has none.
func (t *Tariff) FixedFor(model string) *Price {
	for i := range t.Fixed {
		if t.Fixed[i].Model == model {
			return &t.Fixed[i].Price
		}
	}
	return nil
}

// Terms are what a client pays for one model at one instant. The zero Terms are what it
// costs the owner.
type Terms struct {
	Added int
	Fixed *Price // nil: the cost with what is added
}

// Terms are the client's for a model.
func (c *Client) Terms(at time.Time, model string) Terms {
	if len(c.Tariffs) == 0 {
		return Terms{}
	}
	t := c.TariffAt(at)
	return Terms{t.Added, t.FixedFor(model)}
}

// Spent is what a request has used, as its record says it.
type Spent struct {
	Cost   NanoUSD
	Tokens Tokens
	Piece  Piece
	Pieces int64
	// PiecesCost is the part of Cost that is of its pieces, at the owner's prices.
	PiecesCost NanoUSD
}

// Credits are what the client pays for it, rounded up. A request that has used nothing is
// free.
func (t *Terms) Credits(of *Spent) NanoUSD {
	if t.Fixed == nil {
		return of.Cost.WithMarkup(t.Added)
	}
	if of.Cost <= 0 && of.Tokens.Total() == 0 && of.Pieces == 0 {
		return of.Cost // below zero: an upstream has taken back what it had charged
	}
	sum := t.Fixed.over(Rates{}).Cost(of.Tokens)
	if of.Pieces > 0 {
		own, ok := t.pieces(of.Piece, of.Pieces)
		if !ok {
			own = of.PiecesCost.WithMarkup(t.Added)
		}
		sum = NanoUSD(AddSat(int64(sum), int64(own)))
	}
	return sum
}

// pieces prices pieces by the fixed price, by the name that a record has of them; false if
// it has no price for them.
func (t *Terms) pieces(name Piece, n int64) (NanoUSD, bool) {
	q := Quote{Row: t.Fixed}
	u := UnitsOf(name, n)
	if _, _, ok := q.EachOf(&u); !ok {
		return 0, false
	}
	cost, _ := q.CostOf(&u)
	return cost, true
}

// Bound is the most that a request can come to for the client: cost is the most that it can
// cost the owner, prompt and output the most tokens of its prompt and of output that is
// sent with it, of which classes, and units what is billed by the piece, which cost the
// owner unitsCost at most.
func (t *Terms) Bound(cost Bound, prompt, predicted int64, promptClasses, answer Classes, units *Units, unitsCost NanoUSD) Bound {
	if t.Fixed == nil {
		return cost.MarkedUp(t.Added)
	}
	rates := t.Fixed.over(Rates{})
	out := rates.Dearest(answer)
	base := int64(rates.PromptBound(prompt, promptClasses))
	base = AddSat(base, Bound{PerMillion: int64(out)}.At(predicted))
	own, _ := t.pieces(units.Piece, units.Count)
	if dearest := t.dearestPieces(units); dearest > own {
		own = dearest
	}
	// An upstream may bill a piece that the price does not name.
	base = AddSat(base, max(int64(own), int64(unitsCost.WithMarkup(t.Added))))
	return Bound{Base: base, PerMillion: int64(out)}
}

// dearestPieces prices units by the dearest price that there is of their kind: which of
// them an answer is of, it tells itself.
func (t *Terms) dearestPieces(u *Units) (most NanoUSD) {
	for name := range t.Fixed.Pieces {
		if name == u.Piece || u.Piece == Image && name.imageOf() || u.Piece == SoundSecond && name == SoundHour {
			cost, _ := t.pieces(name, u.Count)
			most = max(most, cost)
		}
	}
	return most
}

// OnlyMarkup reports whether a percentage of all times is all that the rows say.
func OnlyMarkup(rows []Tariff) bool {
	return len(rows) == 0 || len(rows) == 1 && rows[0].From.IsZero() && rows[0].Minimum == 0 && len(rows[0].Fixed) == 0
}

// WithTariff returns the rows with another one behind them.
func WithTariff(rows []Tariff, t Tariff) []Tariff { return append(slices.Clone(rows), t) }
