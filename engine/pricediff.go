package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// priceDiff is how two prices differ, figure by figure.
type priceDiff struct {
	model   string
	id      tally.ID
	list    []control.PriceChange
	differs bool
}

// compare compares groups by tier and hours. Tiers that the later list does not
// have stay as they are; with gone, rows of hours that it does not have differ.
func (d *priceDiff) compare(before, after []priceGroup, gone bool) {
	find := func(in []priceGroup, like *tally.Price) (found priceGroup, exact bool) {
		for _, g := range in {
			if p := g.base(); sameKind(p, like) && (!exact || p.Until.Equal(like.Until)) {
				found, exact = g, p.Until.Equal(like.Until)
			}
		}
		return found, exact
	}
	for _, g := range after {
		was, exact := find(before, g.base())
		d.groups(was, g)
		d.differs = d.differs || !exact
	}
	for _, g := range before {
		if p := g.base(); gone && p.Tier == "" {
			if found, _ := find(after, p); found == nil {
				d.groups(g, nil)
			}
		}
	}
}

// groups compares two groups row by row; either may be nil.
func (d *priceDiff) groups(was, is priceGroup) {
	var above []int64
	for _, p := range slices.Concat(was, is) {
		if !slices.Contains(above, p.AboveTokens) {
			above = append(above, p.AboveTokens)
		}
	}
	slices.Sort(above)
	for _, n := range above {
		d.rows(was, is, n)
	}
}

// amount is a figure of a row.
type amount struct {
	own      *tally.NanoUSD // nil if it is not named
	resolved tally.NanoUSD  // what counts
	implied  bool           // it is what the row has for the parent
}

// rows compares the figures of two rows.
func (d *priceDiff) rows(was, is priceGroup, above int64) {
	row, by := is.band(above), is
	if row == nil {
		row, by = was.band(above), was
	}
	old, next := was.figures(above), is.figures(above)
	names := slices.Collect(maps.Keys(old))
	for name := range next {
		if _, ok := old[name]; !ok {
			names = append(names, name)
		}
	}
	order := func(name string) int {
		if c, ok := tally.ParseClass(name); ok {
			return int(c)
		}
		return tally.NumClasses
	}
	tally.Order(names, func(a, b string) int { return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a, b)) })
	for _, name := range names {
		a, b := at(old, name), at(next, name)
		if a.own == nil && b.own == nil || a.own != nil && b.own != nil && *a.own == *b.own {
			continue
		}
		d.differs = true
		if a.implied && b.implied && (was.band(above) == nil || is.band(above) == nil || a.resolved == b.resolved) {
			continue // told with the parent
		}
		c := control.PriceChange{Model: d.model, ModelID: d.id, Class: name, Tier: by.base().Tier, Hours: by.base().Hours, AboveTokens: above, Source: row.Source, Seen: row.Seen}
		if a.own != nil {
			c.OldUSD = a.own.String()
		}
		if b.own != nil {
			c.NewUSD = b.own.String()
		}
		if a.own != nil && b.own != nil {
			c.Percent = percent(*a.own, *b.own)
		}
		if was != nil && is != nil {
			c.Reason = implausible(a.resolved, b.resolved, a.own != nil)
		}
		d.list = append(d.list, c)
	}
}

// at is a figure that a row may not have at all.
func at(figures map[string]amount, name string) amount {
	a, ok := figures[name]
	a.implied = a.implied || !ok
	return a
}

// figures are the figures of a group's row above some tokens, and of a band that
// it does not have what counts there.
func (g priceGroup) figures(above int64) map[string]amount {
	out := map[string]amount{}
	if g == nil {
		return out
	}
	plain := slices.Clone(g)
	for i := range plain {
		plain[i].Tier, plain[i].Hours, plain[i].From, plain[i].Until = "", nil, plain[0].From, plain[0].Until
	}
	rates := tally.QuoteAt(plain, plain[0].From, "", above+1)
	row := g.band(above)
	if row == nil {
		row = &tally.Price{}
	}
	for _, c := range tally.AllClasses {
		own, parent := *row.Rate(c), *row.Rate(c.Parent())
		out[c.String()] = amount{own, rates.Of[c], own == nil || c != c.Parent() && parent != nil && *own == *parent}
	}
	add := func(name string, n tally.NanoUSD) { out[name] = amount{&n, n, false} }
	if row.Request != 0 {
		add("request", row.Request)
	}
	for name, n := range row.Pieces {
		add(string(name), n)
	}
	for name, n := range row.Other {
		add(name, n)
	}
	return out
}

// refused reports whether one of the changes has a reason against it.
func (d *priceDiff) refused() bool {
	return slices.ContainsFunc(d.list, func(c control.PriceChange) bool { return c.Reason != "" })
}

// judge gives every change its reason, and reports whether they apply. They stand
// or fall together: half of a new price beside half of an old one is neither.
func (d *priceDiff) judge(why string, accepted bool) bool {
	bad := why != "" || d.refused()
	for i := range d.list {
		c := &d.list[i]
		if why != "" {
			c.Reason = strings.TrimSuffix(why+"; "+c.Reason, "; ")
		}
		if bad && c.Reason == "" {
			c.Reason = "refused with the rest of the price"
		}
		c.Applied = !bad || accepted
	}
	return !bad || accepted
}

// implausible says why a figure cannot be what another has become, "" if it can:
// a malformed list must not book a year's money in a day, nor nothing at all.
// Whether the old figure was named matters where the new one is less: a class that
// gets a rate of its own may be far below its parent's.
func implausible(old, next tally.NanoUSD, named bool) string {
	if old <= 0 || old == next {
		return ""
	}
	if next == 0 {
		return "it would be free"
	}
	more, less := old, next
	if next > old {
		more, less = next, old
	} else if !named {
		return ""
	}
	words := map[bool]string{true: "as much", false: "as little"}[next > old]
	factor := int64(more / less)
	near := func(n int64) bool { return factor >= n*8/10 && factor <= n*12/10 }
	switch {
	case near(100):
		return fmt.Sprintf("about 100 times %s: it looks like a price in cents", words)
	case near(1000):
		return fmt.Sprintf("about 1,000 times %s: it looks like a price per thousand tokens", words)
	case near(1_000_000):
		return fmt.Sprintf("about 1,000,000 times %s: it looks like a price per token", words)
	case more > 10*less: // amounts leave room for that
		return fmt.Sprintf("more than 10 times %s", words)
	}
	return ""
}

// crept says why a price cannot have become another within a day, however many
// imports brought it there; "" if it can, or if the price is older than a day.
func crept(prices, fresh []tally.Price, now time.Time) string {
	is := tally.QuoteAt(prices, now, "", 0)
	was, next := tally.QuoteAt(prices, now.Add(-24*time.Hour), "", 0), tally.QuoteAt(fresh, now, "", 0)
	if was.Row == nil || next.Row == nil || was.ID() == is.ID() {
		return ""
	}
	for _, c := range [...]tally.Class{tally.ClassInput, tally.ClassOutput} {
		if why := implausible(was.Of[c], next.Of[c], true); why != "" {
			return "within a day " + why
		}
	}
	return ""
}

// Bounds on what a model can cost at all, in nano-USD per million tokens: what lies
// beyond them is a slip of the unit.
const (
	mostPlausible  = 10_000 * tally.Dollar
	leastPlausible = tally.Dollar / 10_000
)

// outlandish says what is wrong with prices that nothing is known to compare with.
func outlandish(prices []tally.Price) string {
	for i := range prices {
		for _, c := range tally.AllClasses {
			n := *prices[i].Rate(c)
			switch {
			case n == nil || *n == 0:
			case *n > mostPlausible:
				return fmt.Sprintf("%s is over $10,000 per million tokens: it looks like a price in another unit", c)
			case *n < leastPlausible:
				return fmt.Sprintf("%s is below $0.0001 per million tokens: it looks like a price per token or per thousand", c)
			}
		}
	}
	return ""
}

// percent is a change of a figure with one decimal, rounded towards nothing; "" if
// there was nothing.
func percent(old, next tally.NanoUSD) json.Number {
	if old == 0 {
		return ""
	}
	n := new(big.Int).Mul(big.NewInt(int64(next-old)), big.NewInt(1000))
	n.Quo(n, big.NewInt(int64(old)))
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	whole, tenth := n.Abs(n).DivMod(n, big.NewInt(10), new(big.Int))
	return json.Number(fmt.Sprintf("%s%s.%s", sign, whole, tenth))
}
