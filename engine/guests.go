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

// Guests are those who may come in over ssh now, and a context that ends when they may
// have changed.
func (e *Engine) Guests() ([]*tally.Guest, context.Context) {
	changed := e.untilChange() // before the catalog: of a change in between one hears at once
	return byKey(e.catalog.Load()), changed
}

// byKey are the guests who come in over ssh.
func byKey(c *tally.Catalog) []*tally.Guest {
	return slices.DeleteFunc(slices.Clone(c.Guests()), func(g *tally.Guest) bool { return g.Key == "" })
}

func (e *Engine) listGuests(_ context.Context, in control.Rows) ([]tally.Guest, error) {
	c := e.catalog.Load()
	out := []tally.Guest{}
	for _, g := range byKey(c) {
		out = append(out, *g)
	}
	return control.Select(control.GuestTable, out, in, commonCalendar(c, e.clock()))
}

func (e *Engine) addGuest(ctx context.Context, in control.AddGuest) (tally.Guest, error) {
	g := tally.Guest{Role: in.Role}
	if err := setName(&g.Name, "name", &in.Name); err != nil {
		return g, err
	}
	if err := checkRole(in.Role); err != nil {
		return g, err
	}
	var err error
	if g.Key, g.Fingerprint, err = auth.ReadPublicKey(in.Key); err != nil {
		return g, err
	}
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		for _, o := range c.Guests() {
			if strings.EqualFold(o.Name, g.Name) {
				return nil, nameTaken("guest", o.Name)
			}
			if o.Key == g.Key {
				return nil, tally.Errorf(tally.Conflict, "%s comes in by that key already, as %s", o.Name, o.Role).
					WithHint("to change the role: tallygate ssh remove %s, then add it again", tally.ShellWord(o.Name))
			}
		}
		g.ID = tally.NewID("guest", now)
		return []tally.Change{tally.Put(&g, now)}, nil
	})
	return g, err
}

// removeGuest answers with who was removed.
func (e *Engine) removeGuest(ctx context.Context, in control.Named) (was tally.Guest, err error) {
	err = e.change(ctx, func(c *tally.Catalog, _ time.Time) ([]tally.Change, error) {
		var names []string
		for _, g := range byKey(c) {
			if string(g.ID) == in.Name || strings.EqualFold(g.Name, in.Name) {
				was = *g
				return []tally.Change{tally.Delete(g)}, nil
			}
			names = append(names, g.Name)
		}
		return nil, missing("guest", in.Name, names, control.GuestTable.Make)
	})
	return was, err
}

func checkRole(r tally.Role) error {
	if slices.Contains(r.Words(), string(r)) {
		return nil
	}
	return tally.Errorf(tally.Invalid, "the role is missing").WithHint("one of %s", strings.Join(r.Words(), ", "))
}
