package engine

import (
	"cmp"
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/storage"
)

// listTokens lists the tokens that were minted here, used in a span or since the start, or
// revoked. Of one that was minted elsewhere it is known only while it is in use what it
// may do.
func (e *Engine) listTokens(ctx context.Context, in control.ListTokens) ([]control.TokenView, error) {
	c, now := e.catalog.Load(), e.clock()
	var only *tally.Gateway
	if in.Gateway != "" {
		var err error
		if only, err = findGateway(c, in.Gateway); err != nil {
			return nil, err
		}
	}
	since, err := in.Since.At(commonCalendar(c, now), shownSpan)
	if err != nil {
		return nil, err
	}
	views, err := e.tokenViews(ctx, c, since, now)
	if err != nil {
		return nil, err
	}
	all, err := e.viewTokens(ctx, c, only, views, now)
	if err != nil {
		return nil, err
	}
	return control.Select(control.TokenTable, all, in.Rows, commonCalendar(c, now))
}

// tokenViews are the views of all tokens that are known, by name, before they are completed.
func (e *Engine) tokenViews(ctx context.Context, c *tally.Catalog, since, now time.Time) (map[string]*tokenView, error) {
	points, err := e.store.Series(ctx, storage.SeriesQuery{
		Family: tally.ByToken, Edges: []time.Time{bucketDown(since), bucketDown(now).Add(tally.Bucket)},
	})
	if err != nil {
		return nil, err
	}
	views := map[string]*tokenView{}
	add := func(name string) *tokenView {
		if views[name] == nil {
			gid, id := tally.SplitTokenName(name)
			v := &tokenView{name: name, gateway: c.GatewayByPublicID(gid)}
			v.TokenView = control.TokenView{
				ID: id, State: "unknown", Limits: []control.LimitState{}, Used: control.NewSums(&tally.Sums{}),
			}
			if v.gateway != nil {
				v.Gateway, v.GatewayName = v.gateway.Slug, v.gateway.Name
			}
			views[name] = v
		}
		return views[name]
	}
	for i := range points {
		add(points[i].Dim[0]).Used = control.NewSums(&points[i].Sums)
	}
	for _, m := range c.Minted {
		v := add(string(m.ID))
		v.Label, v.MintedAt, v.MintedBy = m.Label, m.CreatedAt, m.By
	}
	for _, gw := range c.Gateways {
		for name, t := range e.tokensOf(c, gw) {
			v := add(name)
			v.token, v.State, v.ExpiresAt, v.Domains, v.Allows = t, "active", t.ExpiresAt, t.Domains, token.Words(t, now)
			v.Templates, v.Mints = t.Templates, t.Mints
			if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
				v.State = "expired"
			}
			if t.IssuedBefore(gw.NotBefore) {
				v.State, v.RevokedAt = "revoked", gw.NotBefore
			}
		}
	}
	for _, r := range c.Revocations {
		v := add(string(r.ID))
		v.State, v.RevokedAt = "revoked", r.CreatedAt
	}
	return views, nil
}

// tokensOf are the access tokens of a gateway of which it is known what they may do, by
// name: those minted here, and those used lately.
func (e *Engine) tokensOf(c *tally.Catalog, gw *tally.Gateway) map[string]*tally.AccessToken {
	out := e.verifier.Tokens(c, gw)
	for _, m := range c.Minted {
		if m.Gateway == gw.ID && out[string(m.ID)] == nil {
			out[string(m.ID)] = &m.Token
		}
	}
	return out
}

// tokenView is a view under way.
type tokenView struct {
	control.TokenView
	name    string
	gateway *tally.Gateway     // nil if it was deleted
	token   *tally.AccessToken // nil if what it may do is not known
}

// viewTokens completes the views of the tokens of a gateway, or of all.
func (e *Engine) viewTokens(ctx context.Context, c *tally.Catalog, only *tally.Gateway, views map[string]*tokenView,
	now time.Time) ([]control.TokenView, error) {
	busiest := make([]*tokenView, 0, len(views))
	for _, v := range views {
		if only == nil || v.gateway == only {
			busiest = append(busiest, v)
		}
	}
	tally.Order(busiest, func(a, b *tokenView) int {
		return cmp.Or(cmp.Compare(b.Used.Requests+b.Used.Refused, a.Used.Requests+a.Used.Refused),
			b.MintedAt.Compare(a.MintedAt), cmp.Compare(a.name, b.name))
	})
	busiest = busiest[:min(len(busiest), mostTokens)]
	subjects := make([]tally.Subject, len(busiest))
	for i, v := range busiest {
		subjects[i] = tally.SubjectOf("token", tally.ID(v.name))
	}
	used, err := e.store.LastUsed(ctx, subjects...)
	if err != nil {
		return nil, err
	}
	calendar, months := calendars(c, now)
	sums, err := e.spending(ctx, tally.ByToken, "", now, months...)
	if err != nil {
		return nil, err
	}
	refusing := e.refusing(c, now)
	out := make([]control.TokenView, len(busiest))
	for i, v := range busiest {
		if v.token != nil {
			var standings []meter.Standing
			if v.Limits, standings, err = e.limitStates(ctx, c, v.gateway, "token", tally.ID(v.name), v.ID, v.token.Limits,
				now); err != nil {
				return nil, err
			}
			if v.Refused, err = refusing.token(ctx, v.gateway, v.token, standings); err != nil {
				return nil, err
			}
			if v.State == "active" && v.Refused.ByLimit("token") {
				v.State = "used up"
			}
		}
		v.LastUsedAt = used[i]
		var gateway tally.ID
		if v.gateway != nil {
			gateway = v.gateway.ID
		}
		of := sums(calendar(gateway), v.name)
		v.MonthSince, v.Month = of.since, of.month
		out[i] = v.TokenView
	}
	return out, nil
}
