package route

import (
	"cmp"
	"time"

	"tallygate/engine/tally"
)

// DefaultModel is the model of a principal's request that names none: the gateway's
// default, or the cheapest usable one that chats if there is none or the principal may
// not use it. It is "" if none can be used.
func (r *Router) DefaultModel(cat *tally.Catalog, p *tally.Principal, now time.Time) string {
	if name := p.Gateway.DefaultModel; name != "" && Allowed(p, name, resolve(p.Gateway, name)) {
		return name
	}
	var best *tally.Model
	name := ""
	for _, asked := range r.Usable(cat, p, now) {
		for _, m := range cat.ModelsNamed(resolve(p.Gateway, asked)) {
			if m.Enabled && (best == nil || suits(m, now).better(suits(best, now))) {
				best, name = m, asked
			}
		}
	}
	return name
}

// Cheapest is the model of some that suits best where nobody asks for one: a chat, not
// past its end, and cheap. Only those that are enabled and have a price, and that chat
// as far as is known, come into question; of equals the first. It is nil if there is none.
func Cheapest(models []*tally.Model, now time.Time) *tally.Model {
	var best *tally.Model
	for _, m := range models {
		if s := suits(m, now); m.Enabled && s.priced && s.chats > 0 && (best == nil || s.better(suits(best, now))) {
			best = m
		}
	}
	return best
}

// suit says how well a model suits.
type suit struct {
	chats  int  // 2 if it is known to chat, 1 if it may, 0 if it does something else
	served bool // its publisher has not ended it
	priced bool
	price  tally.NanoUSD // of a million tokens each way, and a request
}

func suits(m *tally.Model, now time.Time) suit {
	s := suit{served: m.ShutdownAt.IsZero() || now.Before(m.ShutdownAt)}
	switch {
	case m.Mode == "chat":
		s.chats = 2
	case m.Mode == "" && m.MaxOutputTokens > 0: // one without output does not
		s.chats = 1
	}
	rates := tally.QuoteAt(m.Prices, now, "", 0)
	s.priced = rates.Row != nil && rates.Row.PricesTokens()
	s.price = rates.Of[tally.ClassInput] + rates.Of[tally.ClassOutput] + rates.Request
	return s
}

func (s suit) better(than suit) bool {
	yes := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Or(s.chats-than.chats, yes(s.served)-yes(than.served), yes(s.priced)-yes(than.priced), cmp.Compare(than.price, s.price)) > 0
}
