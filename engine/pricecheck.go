package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// pricesAhead is how far ahead the end of a price is told of.
const pricesAhead = 365 * day

// priceCheck looks for what is wrong with prices of models that are offered.
type priceCheck struct {
	engine  *Engine
	catalog *tally.Catalog
	now     time.Time
	stale   time.Duration
	used    *modelSums // in the last 30 days
	found   []control.PriceFinding
	old     map[tally.ID][]string // models with old prices, by provider
	oldUsed map[tally.ID]bool     // whether one of them is in use
	unasked map[tally.ID][]string // models without a price that nobody asked for
}

// checkPrices tells what is wrong with prices, the gravest first.
func (e *Engine) checkPrices(ctx context.Context, in control.CheckPrices) ([]control.PriceFinding, error) {
	c, now := e.catalog.Load(), e.clock()
	models, err := modelsFor(c, "", in.Provider)
	if err != nil {
		return nil, err
	}
	sums, err := e.modelSums(ctx, nil, now, now.Add(-shownSpan))
	if err != nil {
		return nil, err
	}
	x := &priceCheck{engine: e, catalog: c, now: now, stale: cmp.Or(in.Stale, oldBook*day), used: &sums[0],
		old: map[tally.ID][]string{}, oldUsed: map[tally.ID]bool{}, unasked: map[tally.ID][]string{}}
	for _, m := range models {
		if p := c.Provider(m.Provider); m.Enabled && p != nil && p.Enabled {
			x.model(m, p)
		}
	}
	x.together()
	if b := e.bookAge(now); b.Old {
		x.add(control.Warn, control.PriceStale, nil, fmt.Sprintf("the built-in price book is of %s", b.AsOf), "tallygate upgrade")
	}
	grave := func(f control.PriceFinding) int {
		return slices.Index([]control.Tone{control.Bad, control.Warn, control.Faint}, f.Gravity)
	}
	tally.OrderStable(x.found, func(a, b control.PriceFinding) int { return cmp.Compare(grave(a), grave(b)) })
	return x.found, nil
}

func (x *priceCheck) add(gravity control.Tone, kind control.PriceProblem, m *tally.Model, sentence, next string) {
	f := control.PriceFinding{Gravity: gravity, Kind: kind, Sentence: sentence, Next: next}
	if m != nil {
		f.Model, f.Provider = m.Name, providerName(x.catalog, m.Provider)
	}
	x.found = append(x.found, f)
}

// command is a command about a model.
func (x *priceCheck) command(m *tally.Model, verb, more string) string {
	out := "tallygate " + verb + " " + tally.ShellWord(m.Name)
	if len(x.catalog.ModelsNamed(m.Name)) > 1 {
		out += " --provider " + tally.ShellWord(providerName(x.catalog, m.Provider))
	}
	return strings.TrimSpace(out + " " + more)
}

func (x *priceCheck) inUse(m *tally.Model) bool { return x.used.maybe(m) }

// model looks at one model.
func (x *priceCheck) model(m *tally.Model, p *tally.Provider) {
	x.ends(m)
	local := x.engine.kinds[p.ProviderKind].Local
	if !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() }) {
		x.missing(m)
		return
	}
	x.gaps(m)
	groups := groupsOf(m.Prices)
	var live []priceGroup
	for i, g := range groups {
		if rowState(groups, i, x.now) != control.RowPast {
			live = append(live, g)
		}
	}
	x.overlaps(m, live)
	old := false
	for _, g := range live {
		old = old || isStale(g.base(), x.stale, x.now)
		if g.base().Source != sourceLocal {
			x.odd(m, g)
		}
	}
	if old {
		x.old[m.Provider] = append(x.old[m.Provider], m.Name)
		x.oldUsed[m.Provider] = x.oldUsed[m.Provider] || x.inUse(m)
	}
	if !local {
		x.unlikeBook(m, p)
	}
}

// ends tells of models that are shut down soon or were.
func (x *priceCheck) ends(m *tally.Model) {
	if m.ShutdownAt.IsZero() || m.ShutdownAt.Sub(x.now) >= endsSoon {
		return
	}
	gravity, next := control.Faint, x.command(m, "models disable", "")
	if x.inUse(m) {
		gravity = control.Warn
	}
	w := ending(m, providerName(x.catalog, m.Provider), x.now)
	sentence := strings.TrimPrefix(w.Sentence, "Model "+m.Name+" ")
	if m.ReplacedBy != "" {
		sentence += "; its publisher names " + m.ReplacedBy + " instead"
		next = "tallygate clients update CLIENT --alias " + tally.ShellWord(m.Name+"="+m.ReplacedBy)
	}
	x.add(gravity, control.PriceEnds, m, sentence, next)
}

// missing tells of a model without any price, if somebody asks for it.
func (x *priceCheck) missing(m *tally.Model) {
	asked := x.used.of(m).Requests + x.used.elsewhere(m).Requests + x.used.elsewhere(m).Refused
	if asked == 0 {
		x.unasked[m.Provider] = append(x.unasked[m.Provider], m.Name)
		return
	}
	becomes := "are refused"
	if x.catalog.Settings.Unpriced == tally.AllowAtZero {
		becomes = "are counted as free"
	}
	x.add(control.Bad, control.PriceMissing, m,
		fmt.Sprintf("has no price, and its requests (%d in 30 days) %s", asked, becomes),
		x.command(m, "prices set", "--price input=USD --price output=USD"))
}

// gaps tells when a model that has prices has none in force.
func (x *priceCheck) gaps(m *tally.Model) {
	marks := []time.Time{x.now}
	for i := range m.Prices {
		for _, at := range []time.Time{m.Prices[i].From, m.Prices[i].Until} {
			if at.After(x.now.Add(-shownSpan)) && at.Before(x.now.Add(pricesAhead)) {
				marks = append(marks, at)
			}
		}
	}
	tally.Order(marks, time.Time.Compare)
	marks = slices.CompactFunc(marks, time.Time.Equal)
	for i, at := range marks {
		if plainAt(m.Prices, at) {
			continue
		}
		until := time.Time{}
		if i+1 < len(marks) {
			until = marks[i+1]
		}
		from := at.UTC().Format(time.DateOnly)
		set := x.command(m, "prices set", "--from "+from+" --price input=USD --price output=USD")
		switch {
		case !until.IsZero() && !until.After(x.now):
			if x.inUse(m) {
				x.add(control.Warn, control.PriceGap, m,
					fmt.Sprintf("had no price from %s to %s", from, until.UTC().Format(time.DateOnly)),
					set+", then tallygate recost --since "+from)
			}
		case !at.After(x.now):
			x.add(control.Bad, control.PriceGap, m, "has no price in force now: its last one has ended", set)
		default:
			x.add(control.Warn, control.PriceGap, m, "has no price from "+from+" on: the one in force ends, and none follows", set)
		}
	}
}

// plainAt reports whether a price for any hour is in force at an instant.
func plainAt(prices []tally.Price, at time.Time) bool { return len(tally.InForce(prices, at)) > 0 }

// overlaps tells of prices of the same tier whose hours meet: the later one counts there.
func (x *priceCheck) overlaps(m *tally.Model, live []priceGroup) {
	for i, g := range live {
		for _, other := range live[i+1:] {
			a, b := g.base(), other.base()
			if a.Tier != b.Tier || slices.Equal(a.Hours, b.Hours) || !a.Hours.Meet(b.Hours) {
				continue
			}
			x.add(control.Warn, control.PriceOverlap, m,
				fmt.Sprintf("has prices for %s and for %s, and the later one counts where they meet", a.Hours, b.Hours),
				x.command(m, "prices list", ""))
		}
	}
}

// odd tells of figures that look like a slip.
func (x *priceCheck) odd(m *tally.Model, g priceGroup) {
	for i := range g {
		p := &g[i]
		of := ""
		if row := control.PriceFor(p); row != "" {
			of = " (" + row + ")"
		}
		tell := func(gravity control.Tone, class, sentence string) {
			x.add(gravity, control.PriceOdd, m, sentence+of, x.command(m, "prices set", "--price "+class+"=USD"+partFlags(p)))
		}
		if why := outlandish(g[i : i+1]); why != "" {
			class, _, _ := strings.Cut(why, " ")
			tell(control.Bad, class, why)
			continue
		}
		chat := m.Mode == "" || m.Mode == "chat"
		more := func(a, b *tally.NanoUSD) bool { return a != nil && b != nil && *a > *b }
		switch {
		case p.AboveTokens == 0 && p.PricesTokens() && p.Request == 0 && len(p.Pieces) == 0 && allZero(p):
			tell(control.Faint, "input", "costs nothing: its tokens are priced at 0")
		case chat && more(p.Input, p.Output):
			tell(control.Faint, "output", fmt.Sprintf("its output ($%s) is cheaper than its input ($%s)", *p.Output, *p.Input))
		}
		if more(p.CachedInput, p.Input) {
			tell(control.Warn, "cached_input",
				fmt.Sprintf("its cached input ($%s) is dearer than its input ($%s)", *p.CachedInput, *p.Input))
		}
	}
}

// allZero reports whether no token costs anything.
func allZero(p *tally.Price) bool {
	return !slices.ContainsFunc(tally.AllClasses[:], func(c tally.Class) bool {
		rate := *p.Rate(c)
		return rate != nil && *rate > 0
	})
}

// partFlags are the flags that say which part of the requests a row is for.
func partFlags(p *tally.Price) (out string) {
	if p.Tier != "" {
		out += " --tier " + string(p.Tier)
	}
	if len(p.Hours) > 0 {
		out += " --hours " + tally.ShellWord(p.Hours.String())
	}
	if p.AboveTokens > 0 {
		out += fmt.Sprint(" --above ", p.AboveTokens)
	}
	return out
}

// unlikeBook tells of a price that is far from what the price book says.
func (x *priceCheck) unlikeBook(m *tally.Model, p *tally.Provider) {
	kind := x.engine.kinds[p.ProviderKind]
	entry := x.engine.book.find(publisherOf(&kind, p), m.UpstreamName())
	is := tally.QuoteAt(m.Prices, x.now, "", 0)
	if entry == nil || is.Row == nil {
		return
	}
	says := tally.QuoteAt(entry.prices, x.now, "", 0)
	if says.Row == nil || !says.Row.PricesTokens() {
		return
	}
	for _, class := range [...]tally.Class{tally.ClassInput, tally.ClassOutput} {
		if why := implausible(says.Of[class], is.Of[class], true); why != "" {
			gravity := control.Bad
			if is.Row.Source == sourceOwner && !strings.HasPrefix(why, "about ") {
				gravity = control.Faint // the owner may well have agreed on it
			}
			x.add(gravity, control.PriceOdd, m,
				fmt.Sprintf("its %s costs $%s, and $%s by the price book: %s", class, is.Of[class], says.Of[class], why),
				"tallygate prices import book --accept "+tally.ShellWord(m.Name))
			return
		}
	}
}

// together tells in one line for each provider what its models have in common.
func (x *priceCheck) together() {
	const most = 5
	for _, p := range x.catalog.Providers {
		name := tally.ShellWord(p.Name)
		if names := x.old[p.ID]; len(names) > 0 {
			gravity := control.Faint
			if x.oldUsed[p.ID] {
				gravity = control.Warn
			}
			x.found = append(x.found, control.PriceFinding{Gravity: gravity, Kind: control.PriceStale, Provider: p.Name,
				Sentence: fmt.Sprintf("%s: seen longer ago than %s", someOf(names, most), control.FormatSpan(x.stale)),
				Next: "tallygate prices import provider " + name + ", or book; what you have set yourself: " +
					"tallygate prices list --provider " + name + " --stale " + control.FormatSpan(x.stale)})
		}
		if names := x.unasked[p.ID]; len(names) > 0 {
			x.found = append(x.found, control.PriceFinding{Gravity: control.Faint, Kind: control.PriceMissing, Provider: p.Name,
				Sentence: fmt.Sprintf("%s: no price, so refused; nobody has asked", someOf(names, most)),
				Next:     "tallygate prices set MODEL --provider " + name + " --price input=USD --price output=USD"})
		}
	}
}
