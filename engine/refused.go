package engine

import (
	"context"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
)

// refusing finds out who is refused now, for one answer: what many things have in
// common is looked at once.
type refusing struct {
	*Engine
	c        *tally.Catalog
	now      time.Time
	gateways map[tally.ID]*control.RefusedNow
	clients  map[tally.ID]*control.RefusedNow
}

func (e *Engine) refusing(c *tally.Catalog, now time.Time) *refusing {
	return &refusing{e, c, now, map[tally.ID]*control.RefusedNow{}, map[tally.ID]*control.RefusedNow{}}
}

// gateway tells whether all requests at a gateway are refused; states are those of its
// limits, nil if they are still to be found.
func (r *refusing) gateway(ctx context.Context, gw *tally.Gateway, states []meter.Standing) (*control.RefusedNow, error) {
	if found, ok := r.gateways[gw.ID]; ok {
		return found, nil
	}
	found := byStatus("gateway", gw.Slug, auth.OfGateway(gw))
	var err error
	if found == nil {
		found, err = r.byLimit(ctx, &tally.Principal{Gateway: gw}, "gateway", gw.ID, gw.Slug, gw.Limits, states)
	}
	r.gateways[gw.ID] = found
	return found, err
}

func (r *refusing) client(ctx context.Context, gw *tally.Gateway, cl *tally.Client, states []meter.Standing) (*control.RefusedNow, error) {
	if found, ok := r.clients[cl.ID]; ok {
		return found, nil
	}
	var found *control.RefusedNow
	var err error
	if cl.Status != tally.Active {
		found = byStatus("client", cl.Slug, auth.OfClient(gw, cl))
		found.Status = string(cl.Status)
	} else if found, err = r.byLimit(ctx, &tally.Principal{Gateway: gw, Client: cl}, "client", cl.ID, cl.Slug, cl.Limits, states); found == nil && err == nil {
		found, err = r.gateway(ctx, gw, nil)
	}
	r.clients[cl.ID] = found
	return found, err
}

func (r *refusing) key(ctx context.Context, gw *tally.Gateway, k *tally.Key, states []meter.Standing) (*control.RefusedNow, error) {
	p, refusal := auth.PrincipalOf(r.c, k, r.now)
	if p != nil {
		p.Gateway = gw // also where a client has outlived it
	}
	if state := keyState(k, r.now); state != "active" || p == nil {
		found := byStatus("key", k.Label, refusal)
		found.Status = state
		return found, nil
	}
	if p.Client.Status == tally.Active {
		if found, err := r.byLimit(ctx, p, "key", k.ID, k.Label, k.Limits, states); found != nil || err != nil {
			return found, err
		}
	}
	return r.client(ctx, gw, p.Client, nil)
}

func (r *refusing) token(ctx context.Context, gw *tally.Gateway, t *tally.AccessToken, states []meter.Standing) (*control.RefusedNow, error) {
	p := &tally.Principal{Gateway: gw, Token: t, Visitor: true}
	if found := byStatus("token", t.ID, auth.OfToken(r.c, p, r.now)); found != nil {
		return found, nil
	}
	if found, err := r.byLimit(ctx, p, "token", tally.ID(t.Name()), t.ID, t.Limits, states); found != nil || err != nil {
		return found, err
	}
	return r.gateway(ctx, gw, nil)
}

func byStatus(of, name string, refusal *tally.Refusal) *control.RefusedNow {
	if refusal == nil {
		return nil
	}
	return &control.RefusedNow{Of: of, Name: name, Status: refusal.Code, Sentence: refusal.Message}
}

// byLimit finds the limit of one thing that refuses a principal.
func (r *refusing) byLimit(ctx context.Context, p *tally.Principal, kind string, id tally.ID, name string, limits []tally.Limit, states []meter.Standing) (*control.RefusedNow, error) {
	subject := tally.SubjectOf(kind, id)
	if states == nil && len(limits) > 0 {
		var err error
		if states, err = r.meter.Standings(ctx, r.c, p.Gateway, subject, limits, r.now); err != nil {
			return nil, err
		}
	}
	lastUsed := func() (time.Time, error) {
		used, err := r.store.LastUsed(ctx, subject)
		if err != nil {
			return time.Time{}, err
		}
		return used[0], nil
	}
	for i := range states {
		s := &states[i]
		if err := r.recall(ctx, s); err != nil {
			return nil, err
		}
		if up, err := r.meter.UsedUp(s, lastUsed); err != nil || !up {
			if err != nil {
				return nil, err
			}
			continue
		}
		x := r.meter.RefusalsOf(s)
		out := &control.RefusedNow{
			Of: kind, Name: name, Limit: limitName(*s, r.c.Zone(p.Gateway.ID)), Metric: s.Metric, Used: s.Used, Max: s.Max,
			Since: x.First, Count: x.Count, LastAt: x.Last, Until: resetsAt(*s), Sentence: r.meter.Sentence(r.c, p, s, max(x.Need, 1), r.now),
			Raise: raiseLine(kind, id, name, s),
		}
		if x.Count == 0 {
			var err error
			if out.Since, err = lastUsed(); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, nil
}
