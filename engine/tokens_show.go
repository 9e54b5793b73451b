package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/storage"
)

// showToken shows an access token with who came to its pages, as far back as records are
// kept, and with what is pasted into a page to use it.
func (e *Engine) showToken(ctx context.Context, in control.PickToken) (out control.TokenShown, err error) {
	c, now := e.catalog.Load(), e.clock()
	called := strings.TrimSpace(in.Token)
	if out.Since, err = in.Since.At(commonCalendar(c, now), shownSpan); err != nil {
		return out, err
	}
	out.Since = out.Since.UTC()
	views, err := e.tokenViews(ctx, c, out.Since, now)
	if err != nil {
		return out, err
	}
	name, err := e.tokenNamed(ctx, c, in.Gateway, called, views)
	if err != nil {
		return out, err
	}
	shown, err := e.viewTokens(ctx, c, nil, map[string]*tokenView{name: views[name]}, now)
	if err != nil {
		return out, err
	}
	out.TokenView = shown[0]
	if out.Partial, err = e.countVisits(ctx, c, name, &out); err != nil {
		return out, err
	}
	if n := out.Total.Visits; n > 0 {
		out.CostVisitNano = out.Total.CostNano / tally.NanoUSD(n)
		out.CostVisitUSD = out.CostVisitNano.String()
	}
	address, _ := e.publicURL()
	gid, _ := tally.SplitTokenName(name)
	title := ""
	if gw := c.GatewayByPublicID(gid); gw != nil {
		address, title = cmp.Or(gw.PublicURL, address), gw.Name
	}
	if _, ok := token.GatewayOf(called); !ok {
		called = "" // tokens are kept nowhere, so the lines have it only if it was given
	}
	out.Page = control.PageWith(address, called, len(out.Templates) > 0)
	out.Widget = control.WidgetLine(address, called, title, out.Mints)
	return out, nil
}

// tokenNamed is the name of the access token that is called by its ID, its label or the
// whole of it, among those that are known.
func (e *Engine) tokenNamed(ctx context.Context, c *tally.Catalog, gateway, called string,
	views map[string]*tokenView) (string, error) {
	var gw *tally.Gateway
	if gateway != "" {
		var err error
		if gw, err = findGateway(c, gateway); err != nil {
			return "", err
		}
		if m := tokenLabelled(c, gw.ID, called); m != nil {
			return string(m.ID), nil
		}
		if name := tally.TokenName(gw.PublicID, called); views[name] != nil {
			return name, nil
		}
	}
	name, err := e.tokenName(ctx, c, called)
	if err != nil {
		return "", err
	}
	if v := views[name]; v != nil && (gw == nil || v.gateway == gw) {
		return name, nil
	}
	known := slices.Sorted(func(yield func(string) bool) {
		for _, v := range views {
			if !yield(cmp.Or(v.Label, v.ID)) {
				return
			}
		}
	})
	if _, ok := token.GatewayOf(called); ok {
		called = "that was given" // a credential does not stand in an error
	}
	return "", missing("token", called, known, control.TokenTable.Make)
}

// visits are requests of one day or country, under way.
type visits struct {
	control.TokenVisits
	who map[string]bool
}

// countVisits adds up the records of a token by country and by day. A visit is a visitor on
// a day, so that who comes back on another day counts again. Refusals alone make no visit.
func (e *Engine) countVisits(ctx context.Context, c *tally.Catalog, name string,
	out *control.TokenShown) (partial bool, err error) {
	zone := time.UTC
	gid, _ := tally.SplitTokenName(name)
	if gw := c.GatewayByPublicID(gid); gw != nil {
		zone = c.Zone(gw.ID)
	}
	total, countries, days := &visits{who: map[string]bool{}}, map[string]*visits{}, map[string]*visits{}
	q := storage.RecordQuery{Limit: 1000, Token: name, Since: out.Since}
	for looked := 0; ; {
		records, next, err := e.store.Records(ctx, q)
		if err != nil {
			return false, err
		}
		for i := range records {
			r := &records[i]
			day := r.At.In(zone).Format(time.DateOnly)
			for _, of := range [...]*visits{total, visitsOf(countries, r.Country), visitsOf(days, day)} {
				of.add(r, day)
			}
		}
		looked += len(records)
		if q.After = next; next == "" {
			break
		}
		if partial = looked >= mostRecords; partial {
			break
		}
	}
	out.Total = total.done()
	out.Countries, out.Days = []control.TokenVisits{}, []control.TokenVisits{}
	for _, v := range countries {
		out.Countries = append(out.Countries, v.done())
	}
	tally.Order(out.Countries, func(a, b control.TokenVisits) int {
		return cmp.Or(cmp.Compare(b.Visits, a.Visits), cmp.Compare(b.Requests+b.Refused, a.Requests+a.Refused),
			cmp.Compare(a.Name, b.Name))
	})
	for _, day := range slices.Backward(slices.Sorted(maps.Keys(days))) {
		out.Days = append(out.Days, days[day].done())
	}
	return partial, nil
}

func visitsOf(all map[string]*visits, name string) *visits {
	if all[name] == nil {
		all[name] = &visits{TokenVisits: control.TokenVisits{Name: name}, who: map[string]bool{}}
	}
	return all[name]
}

func (v *visits) add(r *tally.Record, day string) {
	if r.Outcome.Refused() {
		v.Refused += r.Count
		return
	}
	v.who[day+string(r.Visitor)] = true
	v.Requests++
	v.CostNano = tally.NanoUSD(tally.AddSat(int64(v.CostNano), int64(r.Cost)))
}

func (v *visits) done() control.TokenVisits {
	v.Visits, v.CostUSD = int64(len(v.who)), v.CostNano.String()
	return v.TokenVisits
}
