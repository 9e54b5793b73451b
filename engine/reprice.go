package engine

import (
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// priceGroup is a row without a band and its bands.
type priceGroup []tally.Price

func groupsOf(prices []tally.Price) (out []priceGroup) {
	for i := range prices {
		if prices[i].AboveTokens == 0 || len(out) == 0 {
			out = append(out, nil)
		}
		last := &out[len(out)-1]
		*last = append(*last, prices[i])
	}
	return out
}

func (g priceGroup) base() *tally.Price { return &g[0] }

// band returns the row of a group above some tokens, nil if it has none.
func (g priceGroup) band(above int64) *tally.Price {
	for i := range g {
		if g[i].AboveTokens == above {
			return &g[i]
		}
	}
	return nil
}

// inForceFrom returns what prices say from an instant on, without names: rows that
// have begun by then begin at it, and those that are over, or that a later one has
// taken the place of, are left out.
func inForceFrom(prices []tally.Price, at time.Time) (out []tally.Price) {
	at = at.UTC().Truncate(time.Second)
	var groups []priceGroup
	for _, g := range groupsOf(prices) {
		if until := g.base().Until; until.IsZero() || until.After(at) {
			groups = append(groups, g)
		}
	}
	tally.OrderStable(groups, func(a, b priceGroup) int { return a.base().From.Compare(b.base().From) })
	for i, g := range groups {
		p := g.base()
		begun := !p.From.After(at)
		if slices.ContainsFunc(groups[i+1:], func(later priceGroup) bool {
			l := later.base()
			return l.Until.IsZero() && l.Tier == p.Tier && (len(l.Hours) == 0 || slices.Equal(l.Hours, p.Hours)) && (l.From.Equal(p.From) || begun && !l.From.After(at))
		}) {
			continue
		}
		for _, row := range g {
			if row.ID = ""; begun {
				row.From = at
			}
			out = append(out, row)
		}
	}
	return out
}

// reprice compares what a model costs from now on with a fresh list. It returns
// the rows to add, and every figure that differs. What is refused adds nothing
// unless it is accepted; rows are never changed or taken away.
func reprice(m *tally.Model, fresh []tally.Price, accepted bool, now time.Time) (rows []tally.Price, list []control.PriceChange) {
	if len(fresh) == 0 {
		return nil, nil
	}
	now = now.UTC().Truncate(time.Second)
	old, next := groupsOf(inForceFrom(m.Prices, now)), groupsOf(inForceFrom(fresh, now))
	unit := func(of []priceGroup, from time.Time) (out []priceGroup) {
		for _, g := range of {
			if g.base().From.Equal(from) {
				out = append(out, g)
			}
		}
		return out
	}
	current := unit(next, now)
	why := precedence(m.Prices, fresh, now)
	never := !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() })
	var from []time.Time // now, and the dates of what is announced
	for _, g := range next {
		if at := g.base().From; !slices.ContainsFunc(from, at.Equal) {
			from = append(from, at)
		}
	}
	for _, at := range from {
		before, after := unit(old, at), unit(next, at)
		differs := priceDiff{model: m.Name, id: m.ID}
		switch {
		case at.Equal(now):
			// A new row for all hours ends those of hours beside an older one.
			differs.compare(before, after, slices.ContainsFunc(after, func(g priceGroup) bool { return g.base().Tier == "" && len(g.base().Hours) == 0 }))
		case len(before) > 0:
			differs.compare(before, after, false)
		default:
			differs.compare(current, after, false)
			differs.differs = true // it may be that nothing but the date is new
		}
		if !at.Equal(now) {
			for i := range differs.list {
				differs.list[i].From = at
			}
		}
		if !differs.differs {
			continue
		}
		if why == "" && at.Equal(now) && !differs.refused() {
			why = crept(m.Prices, fresh, now)
		}
		applied := differs.judge(why, accepted)
		list = append(list, differs.list...)
		for _, g := range after {
			if applied && !never {
				rows = append(rows, g...)
			}
		}
	}
	if never && len(list) > 0 && !slices.ContainsFunc(list, func(c control.PriceChange) bool { return !c.Applied }) {
		return slices.Clone(fresh), list // there is no past that a date would keep apart
	}
	for i := range rows {
		rows[i].NameRow(string(m.ID))
	}
	return rows, list
}

// precedence says why what there is goes before a fresh list, "" if it does not.
func precedence(prices, fresh []tally.Price, now time.Time) string {
	old, next := tally.InForce(prices, now), tally.InForce(fresh, now)
	switch {
	case len(old) == 0:
		return ""
	case old[0].Source == sourceOwner:
		return "you have set this price"
	case len(next) > 0 && next[0].Seen.Truncate(day).Before(old[0].Seen.Truncate(day)): // many lists name days
		return "it is older: seen on " + next[0].Seen.Format(time.DateOnly) + ", and what there is on " + old[0].Seen.Format(time.DateOnly)
	}
	return ""
}
