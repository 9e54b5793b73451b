package meter

import (
	"cmp"
	"math"
	"math/bits"

	"tallygate/engine/tally"
)

// Answer is what an attempt has used, as far as the upstream tells.
type Answer struct {
	Model *tally.Model // as it was asked for
	// By is the model that answered, if the upstream names another one that is
	// priced: the dearer of both is booked. Nil otherwise.
	By *tally.Model
	// Tier is how the upstream says it has served the request, "" if it says nothing:
	// the dearer of that and what was asked for is booked.
	Tier   tally.Tier
	Tokens tally.Tokens
	Split  tally.Classes // that the upstream tells apart; see providers.Report
	Units  tally.Units   // that are billed by the piece
	// Billed is what the upstream says it has charged, nil if it says nothing; Cost says
	// whose figure counts then.
	Billed *tally.NanoUSD
	Cost   tally.CostBy
}

// Price puts what an attempt has used and what that costs into a, at the prices of
// the day of admission, and returns what our prices come to. Classes of tokens
// that the request could not cause are counted as plain ones, since nothing was
// held for them; classes that it could cause and that the upstream does not tell
// apart are taken out of the plain ones, so that silence makes nothing cheaper.
func (t *Ticket) Price(a *tally.Attempt, of *Answer) (listed tally.NanoUSD) {
	r := t.request
	within := of.Tokens.Within(tally.PromptClasses | tally.AnswerClasses | r.Prompt | r.Answer)
	a.Tokens = within
	units := of.Units
	if a.Piece, a.Pieces = units.Piece, units.Count; units.Count == 0 {
		a.Piece = ""
	}
	tiers := []tally.Tier{r.Tier, of.Tier}
	if of.Tier == "" || of.Tier == r.Tier {
		tiers = tiers[:1]
	}
	for _, m := range [...]*tally.Model{of.Model, of.By} {
		if m == nil {
			continue
		}
		for _, tier := range tiers {
			q := tally.QuoteAt(m.Prices, r.At, tier, within.Prompt())
			if q.Row == nil {
				continue // unpriced, and let through by the owner's policy
			}
			tokens := r.unsaid(within, of.Split, &q.Rates)
			by, piece := q.CostOf(&units)
			cost := tally.NanoUSD(tally.AddSat(int64(q.Cost(tokens)), int64(by)))
			if cost > listed || a.Price == "" {
				listed, a.Price, a.Tokens = cost, q.ID(), tokens
				if units.Count > 0 {
					a.Piece = cmp.Or(piece, units.Piece)
				}
				a.Saved = q.Cost(uncached(tokens)) - q.Cost(tokens)
			}
		}
	}
	if a.Tokens != within && a.Basis == tally.Exact {
		a.Basis = tally.Estimated
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

// uncached is what a prompt would have been without a cache.
func uncached(t tally.Tokens) tally.Tokens {
	t.Input += t.CachedInput + t.CacheWrite + t.CacheWriteLong
	t.CachedInput, t.CacheWrite, t.CacheWriteLong = 0, 0, 0
	return t
}

// unsaid moves plain tokens to the classes that the request could cause, that are
// dearer, and that the upstream has not told apart: as many as the parts of that
// kind can come to, or all where that is not known. The dearest class comes first.
func (r *Request) unsaid(t tally.Tokens, told tally.Classes, rates *tally.Rates) tally.Tokens {
	open := (r.Prompt | r.Answer) &^ told
	if open == 0 {
		return t
	}
	n := t.ByClass()
	move := func(from, to tally.Class, most int64) {
		if rates.Of[to] > rates.Of[from] {
			most = min(most, n[from])
			n[from], n[to] = n[from]-most, n[to]+most
		}
	}
	most := [tally.NumClasses]int64{tally.ClassAudioInput: r.AudioTokens, tally.ClassImageInput: r.ImageTokens}
	if long := tally.ClassCacheWriteLong; open.Has(long) {
		move(tally.ClassCacheWrite, long, math.MaxInt64)
		if told.Has(tally.ClassCacheWrite) || rates.Of[long] <= rates.Of[tally.ClassCacheWrite] {
			open &^= tally.SetOf(long) // no more than these was written, or it costs no more
		}
	}
	for open != 0 {
		dearest := tally.Class(bits.TrailingZeros16(uint16(open)))
		for _, c := range tally.AllClasses {
			if open.Has(c) && rates.Of[c] > rates.Of[dearest] {
				dearest = c
			}
		}
		open &^= tally.SetOf(dearest)
		plain := tally.ClassOutput
		if dearest.Prompt() {
			plain = tally.ClassInput
		}
		move(plain, dearest, cmp.Or(most[dearest], math.MaxInt64))
	}
	return tally.TokensOf(n)
}
