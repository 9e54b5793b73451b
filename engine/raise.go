package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// maxRaises is how many raises a thing may have at a time.
const maxRaises = 100

func (e *Engine) raiseGateway(ctx context.Context, in control.RaiseGateway) (control.LimitState, error) {
	return e.raise(ctx, &in.RaiseFields, func(c *tally.Catalog) (*raised, error) {
		gw, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		next := *gw
		return &raised{entity: &next, id: gw.ID, name: gw.Slug, gateway: gw, limits: next.Limits, raises: &next.Raises}, nil
	})
}

func (e *Engine) raiseClient(ctx context.Context, in control.RaiseClient) (control.LimitState, error) {
	return e.raise(ctx, &in.RaiseFields, func(c *tally.Catalog) (*raised, error) {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return nil, err
		}
		next := *cl
		return &raised{entity: &next, id: cl.ID, name: cl.Slug, gateway: gatewayOf(c, cl), limits: next.Limits, raises: &next.Raises}, nil
	})
}

func (e *Engine) raiseKey(ctx context.Context, in control.RaiseKey) (control.LimitState, error) {
	return e.raise(ctx, &in.RaiseFields, func(c *tally.Catalog) (*raised, error) {
		k, err := findKey(c, in.Key, in.Client)
		if err != nil {
			return nil, err
		}
		if err := alive(k); err != nil {
			return nil, err
		}
		next := *k
		return &raised{entity: &next, id: k.ID, name: k.Label, gateway: gatewayOf(c, c.Client(k.Client)), limits: next.Limits, raises: &next.Raises}, nil
	})
}

// raised is a copy of what a limit of is raised.
type raised struct {
	entity  tally.Entity
	id      tally.ID
	name    string
	gateway *tally.Gateway // whose zone dates are in
	limits  []tally.Limit
	raises  *[]tally.Raise
}

// raise adds a raise to a limit, or ends those that it has, and tells how the limit
// stands then.
func (e *Engine) raise(ctx context.Context, in *control.RaiseFields, find func(*tally.Catalog) (*raised, error)) (control.LimitState, error) {
	var of *raised
	var limit tally.Limit
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		var err error
		if of, err = find(c); err != nil {
			return nil, err
		}
		if limit, err = namedLimit(of.limits, in.Limit); err != nil {
			return nil, err
		}
		if limit.Metric == tally.Balance {
			return nil, tally.Errorf(tally.Invalid, "a balance is not raised").
				WithHint("tallygate clients topup %s 20, or grant in place of topup", tally.ShellWord(of.name))
		}
		list := tally.KeptRaises(of.limits, *of.raises, now)
		if by := strings.TrimSpace(in.By); by == "none" || by == "0" {
			had := len(list)
			if list = slices.DeleteFunc(list, func(r tally.Raise) bool { return r.Of(limit) }); len(list) == had {
				return nil, tally.Errorf(tally.NotFound, "%s is not raised", limit)
			}
		} else {
			r, err := newRaise(limit, list, in, calendarOf(c, of.gateway.ID, now))
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
		*of.raises = list
		return []tally.Change{tally.Put(of.entity, now)}, nil
	})
	if err != nil {
		return control.LimitState{}, err
	}
	states, _, err := e.limitStates(ctx, e.catalog.Load(), of.gateway, string(of.entity.Kind()), of.id, of.name, []tally.Limit{limit}, e.clock())
	if err != nil {
		return control.LimitState{}, err
	}
	return states[0], nil
}

func newRaise(limit tally.Limit, others []tally.Raise, in *control.RaiseFields, cal control.Calendar) (tally.Raise, error) {
	r := tally.Raise{Metric: limit.Metric, Window: limit.Window}
	if strings.TrimSpace(in.By) == "" {
		return r, tally.Errorf(tally.Invalid, "say by how much %s/%s is raised", limit.Metric, limit.Window).
			WithHint("--by 20, 5k or 2M, or none to end its raises")
	}
	var err error
	if r.By, err = limit.Metric.Parse(strings.TrimSpace(in.By)); err != nil || r.By <= 0 {
		return r, tally.Errorf(tally.Invalid, "%q is not what %s can be raised by", shown(in.By), limit.Metric).WithHint("an amount like 20, 5k or 2M, or none to end its raises")
	}
	if len(others) >= maxRaises {
		return r, tally.Errorf(tally.Invalid, "there are %d raises already", len(others)).WithHint("end some with --by none")
	}
	most := limit
	if most.Max = tally.AddSat(limit.MaxAt(others, cal.Now), r.By); most.Validate() != nil {
		return r, most.Validate()
	}
	if r.Until, err = in.Until.At(cal); err != nil {
		return r, err
	}
	if r.Until.IsZero() {
		return r, tally.Errorf(tally.Invalid, "a raise needs an end").WithHint("--until %s, or --until 3d; for good: update it with --limit", cal.Now.AddDate(0, 0, 7).In(cal.Zone).Format(time.DateOnly))
	}
	return r, nil
}

// namedLimit finds a limit by its metric and window, or by its metric alone where
// there is one of it: "cost/month", "cost"; "" is the only one there is.
func namedLimit(limits []tally.Limit, name string) (tally.Limit, error) {
	name = strings.TrimSpace(name)
	var found []tally.Limit
	var known []string
	for _, l := range limits {
		full := string(l.Metric) + "/" + l.Window.String()
		if known = append(known, full); name == full || name == string(l.Metric) || name == "" {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(limits) == 0:
		return tally.Limit{}, tally.Errorf(tally.NotFound, "there are no limits here").WithHint("nothing needs to be raised; see also the limits of the client and the gateway")
	case len(found) > 1:
		return tally.Limit{}, tally.Errorf(tally.Invalid, "there are several limits on %s", cmp.Or(name, "it")).
			WithHint("say which: %s", strings.Join(known, ", "))
	}
	return tally.Limit{}, tally.Errorf(tally.NotFound, "there is no limit %q", shown(name)).WithHint("there is %s", strings.Join(known, ", "))
}
