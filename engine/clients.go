package engine

import (
	"context"
	"reflect"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

func (e *Engine) createClient(ctx context.Context, in control.CreateClient) (tally.Client, error) {
	var made *tally.Client
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		gw, err := oneGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		made, err = newClient(c, gw, in.Slug, &in.ClientFields, now)
		if err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(made, now)}, nil
	})
	if err != nil {
		return tally.Client{}, err
	}
	return *made, nil
}

// newClient makes an active client of a gateway.
func newClient(c *tally.Catalog, gw *tally.Gateway, slug string, fields *control.ClientFields, now time.Time) (*tally.Client, error) {
	cl := &tally.Client{Meta: tally.Meta{ID: tally.NewID("cl", now)}, Gateway: gw.ID, Status: tally.Active}
	if fields.Name == nil {
		fields.Name = new(string) // which is refused
	}
	if err := setClient(c, gw, cl, fields, now); err != nil {
		return nil, err
	}
	var err error
	cl.Slug, err = slugFor("client", slug, cl.Name, clientSlugTaken(c, ""))
	return cl, err
}

func clientSlugTaken(c *tally.Catalog, by tally.ID) func(string) bool {
	return func(slug string) bool {
		for _, cl := range c.Clients {
			if cl.Slug == slug && cl.ID != by {
				return true
			}
		}
		return false
	}
}

// setClient applies the owner's fields to a client.
func setClient(c *tally.Catalog, gw *tally.Gateway, cl *tally.Client, f *control.ClientFields, now time.Time) error {
	if err := firstError(
		setName(&cl.Name, "name", f.Name),
		set(&cl.Email, f.Email, checkEmail),
		set(&cl.Company, f.Company, optional("company", 200, false)),
		set(&cl.Phone, f.Phone, optional("phone number", 50, false)),
		set(&cl.Note, f.Note, optional("note", 4000, true)),
		setList(&cl.Origins, f.Origins, checkOrigins),
		setList(&cl.Models, f.Models, func(list []string) ([]string, error) { return checkModels(c, list, gw.Aliases) }),
		setLimits(&cl.Limits, &cl.Raises, f.Limits, clientLimits),
		setLanding(c, &cl.Landing, f.LandingBelow, f.LandingModel, gw.Aliases),
		setThresholds(&cl.AlertAt, f.AlertAt),
		set(&cl.MaxInFlight, f.MaxInFlight, between("the requests at the same time", 0, maxInFlight)),
		set(&cl.MaxBodyBytes, f.MaxBodyBytes, between[int64]("the bytes of a request", 0, tally.MaxBodyBytes)),
		set(&cl.Session.Length, f.SessionLength, during("the length of a session", time.Minute, maxSession)),
		set(&cl.Session.Mode, f.SessionMode, nil),
		set(&cl.Session.Missing, f.SessionMissing, nil),
	); err != nil {
		return err
	}
	if err := setTariffs(c, cl, f, now); err != nil {
		return err
	}
	if f.Name != nil {
		for _, other := range c.Clients {
			if other.ID != cl.ID && other.Gateway == cl.Gateway && strings.EqualFold(other.Name, cl.Name) {
				return nameTaken("client", other.Name)
			}
		}
	}
	return nil
}

func (e *Engine) updateClient(ctx context.Context, in control.UpdateClient) (tally.Client, error) {
	if in.NewSlug == "" && in.Status == nil && reflect.ValueOf(in.ClientFields).IsZero() {
		return tally.Client{}, nothing("clients")
	}
	return e.editClient(ctx, in.Client, func(c *tally.Catalog, cl *tally.Client, now time.Time) error {
		if in.Status != nil {
			cl.Status = *in.Status
		}
		if err := setClient(c, gatewayOf(c, cl), cl, &in.ClientFields, now); err != nil || in.NewSlug == "" {
			return err
		}
		slug, err := slugFor("client", in.NewSlug, "", clientSlugTaken(c, cl.ID))
		cl.Slug = slug
		return err
	})
}

// statusSetter makes the operation that sets a client's status.
func (e *Engine) statusSetter(s tally.Status) func(context.Context, control.Named) (tally.Client, error) {
	return func(ctx context.Context, in control.Named) (tally.Client, error) {
		return e.editClient(ctx, in.Name, func(_ *tally.Catalog, cl *tally.Client, _ time.Time) error {
			cl.Status = s
			return nil
		})
	}
}

// editClient changes a copy of a client and stores it.
func (e *Engine) editClient(ctx context.Context, name string, edit func(*tally.Catalog, *tally.Client, time.Time) error) (tally.Client, error) {
	var cl tally.Client
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findClient(c, name)
		if err != nil {
			return nil, err
		}
		cl = *old
		if err := edit(c, &cl, now); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(&cl, now)}, nil
	})
	return cl, err
}

// deleteClient deletes a client with its keys. Records and sums of its usage
// stay, under its ID.
func (e *Engine) deleteClient(ctx context.Context, in control.Named) (control.None, error) {
	return control.None{}, e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		cl, err := findClient(c, in.Name)
		if err != nil {
			return nil, err
		}
		return dropClient(c, cl, now), nil
	})
}

// dropClient makes the changes that delete a client.
func dropClient(c *tally.Catalog, cl *tally.Client, now time.Time) []tally.Change {
	changes := []tally.Change{tally.Delete(cl), bury(cl, cl.Slug, now)}
	for _, k := range c.KeysOf(cl.ID) {
		changes = append(changes, tally.Delete(k), bury(k, keyName(c, k), now))
		if s := c.Secret(k.ID); s != nil {
			changes = append(changes, tally.Delete(s))
		}
	}
	for _, s := range c.Shares() {
		if s.Client == cl.ID {
			changes = append(changes, dropShare(c, s)...)
		}
	}
	return changes
}

func (e *Engine) listClients(ctx context.Context, in control.Listing) ([]control.ClientView, error) {
	c := e.catalog.Load()
	var only tally.ID
	if in.Gateway != "" {
		gw, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		only = gw.ID
	}
	var found []*tally.Client
	for _, cl := range c.Clients {
		if only == "" || cl.Gateway == only {
			found = append(found, cl)
		}
	}
	views, err := e.viewClients(ctx, c, "", found)
	if err != nil {
		return nil, err
	}
	return control.Select(control.ClientTable, views, in.Rows, commonCalendar(c, e.clock()))
}

func (e *Engine) showClient(ctx context.Context, in control.Named) (control.ClientView, error) {
	c := e.catalog.Load()
	cl, err := findClient(c, in.Name)
	if err != nil {
		return control.ClientView{}, err
	}
	views, err := e.viewClients(ctx, c, string(cl.ID), []*tally.Client{cl})
	if err != nil {
		return control.ClientView{}, err
	}
	return views[0], nil
}

// viewClients tells how clients stand; only is the ID of the one, if it is one.
func (e *Engine) viewClients(ctx context.Context, c *tally.Catalog, only string, clients []*tally.Client) ([]control.ClientView, error) {
	now := e.clock()
	calendar, all := calendars(c, now)
	sums, err := e.spending(ctx, tally.ByClient, only, now, all...)
	if err != nil {
		return nil, err
	}
	used, err := lastUsed(ctx, e, "client", clients)
	if err != nil {
		return nil, err
	}
	var entries []tally.Record
	if !storage.IsOwn(ctx) { // they are no node's own
		if entries, err = e.store.Entries(ctx, storage.EntryQuery{Client: tally.ID(only)}); err != nil {
			return nil, err
		}
	}
	booked := map[tally.ID]bool{}
	for i := range entries {
		booked[entries[i].Client] = true
	}
	refusing, defaults := e.refusing(c, now), e.defaults(c, now)
	out := make([]control.ClientView, 0, len(clients))
	for i, cl := range clients {
		gw := gatewayOf(c, cl)
		states, standings, err := e.limitStates(ctx, c, gw, "client", cl.ID, cl.Slug, cl.Limits, now)
		if err != nil {
			return nil, err
		}
		v := control.ClientView{
			Client: *cl, GatewaySlug: gw.Slug, Zone: c.Zone(gw.ID).String(), LimitStates: states, InFlight: e.meter.InFlight(cl.ID),
			LastUsedAt: used[i],
		}
		of := sums(calendar(cl.Gateway), string(cl.ID))
		v.MonthSince, v.Month, v.Last30Days = of.since, of.month, of.last
		v.DefaultModelUsed = defaults.of(gw, cl)
		if v.Refused, err = refusing.client(ctx, gw, cl, standings); err != nil {
			return nil, err
		}
		for _, k := range c.KeysOf(cl.ID) {
			if keyState(k, now) == "active" {
				v.Keys++
			}
		}
		if booked[cl.ID] {
			f, err := e.funds(ctx, cl.ID)
			if err != nil {
				return nil, err
			}
			v.Balance = &control.Balance{}
			v.Balance.Left, v.Balance.Expiring, v.Balance.ExpiresAt = f.left()
		}
		out = append(out, v)
	}
	return out, nil
}
