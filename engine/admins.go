package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// AdminBy tells who comes with a token to the control plane, and gives a context that ends
// when that may have changed. It is a [control.Who].
func (e *Engine) AdminBy(token string) (name string, may control.Need, until context.Context, ok bool) {
	until = e.untilChange() // before the catalog
	c := e.catalog.Load()
	of, valid := c.Owner(auth.DigestOf(token), e.clock())
	if !valid {
		return "", "", until, false
	}
	for _, g := range c.Guests() {
		if g.ID == of {
			return g.Name, control.MayOf(g.Role), until, true
		}
	}
	return "", "", until, false // a client's key, say
}

func viewAdmin(g *tally.Guest) control.Admin {
	return control.Admin{ID: g.ID, Name: g.Name, Role: g.Role, Hint: g.Fingerprint, Added: g.CreatedAt}
}

// admins are the guests who come with a token.
func admins(c *tally.Catalog) []*tally.Guest {
	return slices.DeleteFunc(slices.Clone(c.Guests()), func(g *tally.Guest) bool { return g.Key != "" })
}

func (e *Engine) listAdmins(_ context.Context, in control.Rows) ([]control.Admin, error) {
	c := e.catalog.Load()
	out := []control.Admin{}
	for _, g := range admins(c) {
		out = append(out, viewAdmin(g))
	}
	return control.Select(control.AdminTable, out, in, commonCalendar(c, e.clock()))
}

func (e *Engine) addAdmin(ctx context.Context, in control.AddAdmin) (out control.AdminAdded, err error) {
	g := tally.Guest{Role: in.Role}
	if err := setName(&g.Name, "name", &in.Name); err != nil {
		return out, err
	}
	if err := checkRole(in.Role); err != nil {
		return out, err
	}
	var s tally.Secret
	out.Token, s.Digest, g.Fingerprint = auth.NewAdminToken()
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		for _, o := range c.Guests() {
			if strings.EqualFold(o.Name, g.Name) {
				return nil, nameTaken("guest", o.Name)
			}
		}
		g.ID = tally.NewID("guest", now)
		s.ID, s.Of = tally.NewID("sec", now), g.ID
		return []tally.Change{tally.Put(&g, now), tally.Put(&s, now)}, nil
	})
	out.Admin = viewAdmin(&g)
	return out, err
}

// removeAdmin answers with who was removed.
func (e *Engine) removeAdmin(ctx context.Context, in control.Named) (was control.Admin, err error) {
	err = e.change(ctx, func(c *tally.Catalog, _ time.Time) ([]tally.Change, error) {
		var names []string
		for _, g := range admins(c) {
			if string(g.ID) == in.Name || strings.EqualFold(g.Name, in.Name) {
				was = viewAdmin(g)
				changes := []tally.Change{tally.Delete(g)}
				if s := c.Secret(g.ID); s != nil {
					changes = append(changes, tally.Delete(s))
				}
				return changes, nil
			}
			names = append(names, g.Name)
		}
		return nil, missing("admin", in.Name, names, control.AdminTable.Make)
	})
	return was, err
}
