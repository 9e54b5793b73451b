package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// rows are what it comes to, by model.
func (s *supposing) rows() []control.WhatIfRow {
	by := map[string]*control.WhatIfRow{}
	why := map[string]map[string]int64{}
	for of, x := range s.of {
		r := by[of.model]
		if r == nil {
			r = &control.WhatIfRow{Model: of.model}
			by[of.model], why[of.model] = r, map[string]int64{}
			if m := s.to[of.model]; m != nil {
				r.To, r.Provider = m.Name, providerName(s.c, m.Provider)
			}
		}
		r.Requests += x.sums.Requests
		r.CostWas, r.CostIs = plus(r.CostWas, x.sums.Cost), plus(r.CostIs, x.cost)
		r.CreditsWas, r.CreditsIs = plus(r.CreditsWas, x.sums.Credits), plus(r.CreditsIs, x.credits)
		if r.From == "" || r.From == "as booked" || x.from == "records" {
			r.From = x.from
		}
		for reason, n := range x.estimated {
			why[of.model][reason] += n
			r.Estimated += n
		}
	}
	out := []control.WhatIfRow{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		r := by[name]
		for _, reason := range slices.Sorted(maps.Keys(why[name])) {
			if r.Why != "" {
				r.Why += "; "
			}
			r.Why += tally.Group(why[name][reason]) + ": " + reason
		}
		if r.Requests != 0 || r.CostWas != 0 || r.CreditsWas != 0 {
			out = append(out, *r)
		}
	}
	tally.OrderStable(out, func(a, b control.WhatIfRow) int { return cmp.Compare(b.CostWas, a.CostWas) })
	return out
}

// sum adds up the rows, and what minimums of the month add.
func (s *supposing) sum(out *control.WhatIfDone) {
	for i := range out.Rows {
		r := &out.Rows[i]
		out.CostWas, out.CostIs = plus(out.CostWas, r.CostWas), plus(out.CostIs, r.CostIs)
		out.CreditsWas, out.CreditsIs = plus(out.CreditsWas, r.CreditsWas), plus(out.CreditsIs, r.CreditsIs)
	}
	if len(s.to) > 0 {
		out.Notes = append(out.Notes, "another model counts tokens in its own way, and thinks and caches more or less: "+
			"the tokens are those that were used")
	}
	if !s.whole {
		return
	}
	type sums struct{ was, is tally.NanoUSD }
	by := map[tally.ID]sums{}
	for of, x := range s.of {
		n := by[of.client]
		by[of.client] = sums{plus(n.was, x.sums.Credits), plus(n.is, x.credits)}
	}
	last := s.end.Add(-time.Second)
	for _, cl := range s.c.Clients {
		if (s.client == "" || s.client == cl.ID) && cl.CreatedAt.Before(s.end) {
			n := by[cl.ID]
			was, is := cl.TariffAt(last), s.payers[cl.ID].TariffAt(last)
			out.MinimumWas += max(was.Minimum-n.was, 0)
			out.MinimumIs += max(is.Minimum-n.is, 0)
		}
	}
}
