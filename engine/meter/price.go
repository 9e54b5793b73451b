package meter

import "tallygate/engine/tally"

// Answer is what an attempt has used, as far as the upstream tells.
type Answer struct {
	Model *tally.Model // as it was asked for
	// By is the model that answered, if the upstream names another one that is
	// priced: the dearer of both is booked. Nil otherwise.
	By       *tally.Model
	Tokens   tally.Tokens
	Searches int64
	// Billed is what the upstream says it has charged, nil if it says nothing; Cost
	// whose figure counts then.
	Billed *tally.NanoUSD
	Cost   tally.CostBy
}

// Price puts what an attempt has used and what that costs into a, at the prices of
// the day of admission, and returns what our prices come to. Classes of tokens
// that the request could not cause are counted as plain ones, since nothing was
// held for them.
func (t *Ticket) Price(a *tally.Attempt, of *Answer) (listed tally.NanoUSD) {
	r := t.request
	a.Tokens = of.Tokens.Within(tally.PromptClasses | tally.AnswerClasses | r.Prompt | r.Answer)
	a.Searches = of.Searches
	for _, m := range [...]*tally.Model{of.Model, of.By} {
		if m == nil {
			continue
		}
		q := tally.QuoteAt(m.Prices, r.At, r.Tier, a.Tokens.Prompt())
		if q.Row == nil {
			continue // unpriced, and let through by the owner's policy
		}
		cost := tally.NanoUSD(tally.AddSat(int64(q.Cost(a.Tokens)), int64(q.CostOf(a.Searches))))
		if cost > listed || a.Price == "" {
			listed, a.Price = cost, q.ID()
		}
	}
	a.Cost = listed
	switch {
	case of.Billed == nil || of.Cost == tally.CostOurs:
	case of.Cost == tally.CostTheirs:
		a.Cost = *of.Billed
	default:
		a.Cost = max(listed, *of.Billed)
	}
	return listed
}
