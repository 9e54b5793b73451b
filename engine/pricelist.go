package engine

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// listPrices tells rows of prices, those of a model in the order in which they were added.
func (e *Engine) listPrices(_ context.Context, in control.ListPrices) ([]control.PriceView, error) {
	c, now := e.catalog.Load(), e.clock()
	at, zone := now, ownerZone(c)
	if in.At != "" {
		var err error
		if at, err = in.At.At(control.Calendar{Now: now, Zone: zone}); err != nil {
			return nil, err
		}
	}
	models, err := modelsFor(c, in.Model, in.Provider)
	if err != nil {
		return nil, err
	}
	var out []control.PriceView
	for _, m := range models {
		for _, v := range viewPrices(c, m, at, now) {
			switch {
			case in.At != "" && v.State != control.RowNow:
			case in.Stale > 0 && (v.State == control.RowPast || !isStale(&v.Price, in.Stale, now)):
			default:
				out = append(out, v)
			}
		}
	}
	return control.Select(control.PriceRowTable, out, in.Rows, commonCalendar(c, now))
}

// modelsFor are the models of a name or ID and of a provider; "" selects all.
func modelsFor(c *tally.Catalog, name, provider string) (out []*tally.Model, err error) {
	var only tally.ID
	if provider != "" {
		p, err := findProvider(c, provider)
		if err != nil {
			return nil, err
		}
		only = p.ID
	}
	for _, m := range c.Models {
		if (only == "" || m.Provider == only) && (name == "" || m.Name == name || string(m.ID) == name) {
			out = append(out, m)
		}
	}
	if out == nil && name != "" {
		_, err = findModel(c, name, provider) // which says what there is
	}
	return out, err
}

// isStale reports whether a row's source said so longer ago than a while. What was never
// looked up, such as the price of a model on this machine, is not.
func isStale(p *tally.Price, than time.Duration, now time.Time) bool {
	return !p.Seen.IsZero() && now.Sub(p.Seen) > than
}

// viewPrices shows the rows of a model, as they stand at an instant.
func viewPrices(c *tally.Catalog, m *tally.Model, at, now time.Time) (out []control.PriceView) {
	zone := ownerZone(c).String()
	groups := groupsOf(m.Prices)
	for i, g := range groups {
		state := rowState(groups, i, at)
		for j := range g {
			v := control.PriceView{Model: m.Name, ModelID: m.ID, Provider: providerName(c, m.Provider),
				State: state, Price: g[j], Zone: zone}
			if !v.Seen.IsZero() {
				v.AgeDays = int64(max(now.Sub(v.Seen), 0) / day)
			}
			out = append(out, v)
		}
	}
	return out
}

// rowState says whether a group counts at an instant, whatever the hour.
func rowState(groups []priceGroup, i int, at time.Time) control.RowState {
	p := groups[i].base()
	switch {
	case !p.Until.IsZero() && !p.Until.After(at):
		return control.RowPast
	case p.From.After(at):
		return control.RowComing
	}
	state := control.RowNow
	for j, g := range groups {
		l := g.base()
		later := l.From.After(p.From) || l.From.Equal(p.From) && j > i
		if !later || l.From.After(at) || l.Tier != p.Tier || len(l.Hours) > 0 && !slices.Equal(l.Hours, p.Hours) || !l.Priced() {
			continue
		}
		switch {
		case l.Until.IsZero():
			return control.RowPast
		case l.Until.After(at) && (p.Until.IsZero() || l.Until.Before(p.Until)):
			state = control.RowComing
		case l.Until.After(at):
			return control.RowPast
		}
	}
	return state
}

// setPrice sets a price by hand, for all requests or for some.
func (e *Engine) setPrice(ctx context.Context, in control.SetPrice) (control.PriceSet, error) {
	x := priceEdit{figures: in.Prices, from: in.From, until: in.Until, above: in.Above, tier: in.Tier}
	if len(in.Prices) == 0 {
		return control.PriceSet{}, tally.Errorf(tally.Invalid, "say what it costs").
			WithHint("--price input=0.15 --price output=0.60, in USD per million tokens")
	}
	if in.Hours != "" {
		var err error
		if x.hours, err = tally.ParseHours(in.Hours); err != nil {
			return control.PriceSet{}, err
		}
	}
	c := e.catalog.Load()
	zone := ownerZone(c)
	var had int
	var now time.Time
	m, err := e.editModel(ctx, in.PickModel, func(m *tally.Model, at time.Time) error {
		had, now = len(m.Prices), at
		return setPrices(m, x, zone, at)
	})
	if err != nil {
		return control.PriceSet{}, err
	}
	out := control.PriceSet{Model: m, Zone: zone.String(), Added: viewPrices(c, &m, now, now)[had:]}
	first := out.Added[0].From
	for i := range m.Prices[:had] {
		p := &m.Prices[i]
		later := p.AboveTokens == 0 && p.Tier == "" && p.From.After(first)
		if later && (out.Next.IsZero() || p.From.Before(out.Next)) {
			out.Next = p.From
		}
	}
	return out, nil
}
