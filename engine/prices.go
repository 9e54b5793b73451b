package engine

import (
	"cmp"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// setPrices gives a model a price by hand. Rates that the owner does not give
// are those in force when the price begins, long-prompt bands included: a
// correction of one figure must not make the others free. With a date, earlier
// and later prices stay; without one, the price by hand is all there is.
func setPrices(m *tally.Model, edits []control.PriceField, date string, now time.Time) error {
	if len(edits) == 0 {
		if date != "" {
			return tally.Errorf(tally.Invalid, "a date was given, and no price").WithHint("--price input=USD --price output=USD --price-from %s", date)
		}
		return nil
	}
	var from time.Time
	at := now
	if date != "" {
		var ok bool
		if from, ok = parseInstant(date, time.UTC); !ok {
			return tally.Errorf(tally.Invalid, "%q is not a date", date).WithHint("like %s; prices begin at midnight in UTC", now.AddDate(0, 1, 0).Format(time.DateOnly))
		}
		at = from
	}
	list := inForce(m.Prices, at)
	if err := editPrice(&list[0], edits); err != nil {
		return err
	}
	for i := range list {
		list[i].From, list[i].Source = from, sourceOwner
	}
	if date != "" {
		for _, p := range m.Prices {
			if !p.From.Equal(from) {
				list = append(list, p)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b tally.Price) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.AboveTokens, b.AboveTokens))
	})
	m.Prices = list
	return nil
}

// inForce returns the price of an instant, and then its bands; an empty price
// if there is none.
func inForce(prices []tally.Price, at time.Time) []tally.Price {
	list := []tally.Price{{}}
	found := false
	for _, p := range prices {
		if p.AboveTokens == 0 && !p.From.After(at) && (p.Input != nil || p.Output != nil) && (!found || p.From.After(list[0].From)) {
			list[0], found = p, true
		}
	}
	if !found {
		return list
	}
	for _, p := range prices {
		if p.AboveTokens > 0 && p.From.Equal(list[0].From) {
			list = append(list, p)
		}
	}
	return list
}

// editPrice puts the owner's rates into a price.
func editPrice(p *tally.Price, edits []control.PriceField) error {
	given := map[string]bool{}
	for _, e := range edits {
		if e.Amount < 0 || e.Amount > tally.MaxMoney {
			return tally.Errorf(tally.Invalid, "the price %s must be between $0 and %s", e.Class, tally.MaxMoney.Display())
		}
		if given[e.Class] {
			return tally.Errorf(tally.Invalid, "the price %s is given twice", e.Class)
		}
		given[e.Class] = true
		amount := e.Amount
		switch e.Class {
		case "input":
			p.Input = &amount
		case "cached_input":
			p.CachedInput = &amount
		case "cache_write":
			p.CacheWrite = &amount
		case "output":
			p.Output = &amount
		case "reasoning":
			p.Reasoning = &amount
		case "request":
			p.Request = amount
		default:
			return tally.Errorf(tally.Invalid, "%q is not a class of price", e.Class).WithHint("one of input, cached_input, cache_write, output, reasoning, in USD per million tokens, and request, in USD per call")
		}
	}
	if p.Input == nil && p.Output == nil {
		return tally.Errorf(tally.Invalid, "a price needs a rate for input or output").WithHint("--price input=0 says that tokens cost nothing")
	}
	return nil
}
