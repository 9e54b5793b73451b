package engine

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// orderProviders sets the order in which a gateway asks. Providers that are not
// named follow in the order of their creation.
func (e *Engine) orderProviders(ctx context.Context, in control.OrderProviders) ([]string, error) {
	var gw tally.Gateway
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := oneGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		if len(in.Providers) == 0 {
			return nil, tally.Errorf(tally.Invalid, "no provider was named").WithHint("tallygate providers order FIRST SECOND")
		}
		gw = *old
		gw.Providers = nil
		for _, name := range in.Providers {
			p, err := findProvider(c, name)
			if err != nil {
				return nil, err
			}
			if slices.Contains(gw.Providers, p.ID) {
				return nil, tally.Errorf(tally.Invalid, "provider %q is named twice", p.Name)
			}
			gw.Providers = append(gw.Providers, p.ID)
		}
		return []tally.Change{tally.Put(&gw, now)}, nil
	})
	if err != nil {
		return nil, err
	}
	return orderOf(e.catalog.Load(), &gw), nil
}

// orderOf names all providers in the order in which a gateway asks them.
func orderOf(c *tally.Catalog, gw *tally.Gateway) []string {
	var first, rest []string
	for _, id := range gw.Providers {
		if p := c.Provider(id); p != nil {
			first = append(first, p.Name)
		}
	}
	for _, p := range c.Providers {
		if !slices.Contains(gw.Providers, p.ID) {
			rest = append(rest, p.Name)
		}
	}
	return append(first, rest...)
}
