package tuitest

import (
	"slices"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/slug"
	"tallygate/engine/tally"
)

func (w *World) gateway(name string) (*control.GatewayView, error) {
	return find(w.gateways, "gateway", name, func(g *control.GatewayView) []string { return []string{string(g.ID), g.Slug, g.Name} })
}

// oneGateway is the gateway of a name, which may be left out if there is one
// only.
func (w *World) oneGateway(name string) (*control.GatewayView, error) {
	switch {
	case name != "":
		return w.gateway(name)
	case len(w.gateways) == 1:
		return w.gateways[0], nil
	case len(w.gateways) == 0:
		return nil, tally.Errorf(tally.NotFound, "there is no gateway yet").WithHint("tallygate init --yes, or tallygate gateways create --name main")
	}
	var slugs []string
	for _, g := range w.gateways {
		slugs = append(slugs, g.Slug)
	}
	return nil, tally.Errorf(tally.Invalid, "there are several gateways").WithHint("say which with --gateway: %s", strings.Join(slugs, ", "))
}

func (w *World) answerGateways() {
	answer(w, control.GatewaysList, func(control.Listing) ([]*control.GatewayView, error) {
		for _, g := range w.gateways {
			g.Clients = 0
			for _, c := range w.clients {
				if c.Gateway == g.ID {
					g.Clients++
				}
			}
		}
		return w.gateways, nil
	})
	answer(w, control.GatewaysShow, func(in control.Named) (*control.GatewayView, error) { return w.gateway(in.Name) })
	answer(w, control.GatewaysCreate, func(in control.CreateGateway) (control.GatewayCreated, error) {
		g := w.newGateway(in.Slug, "")
		if err := w.fillGateway(g, in.GatewayFields); err != nil {
			return control.GatewayCreated{}, err
		}
		if g.Slug == "" {
			g.Slug = slug.Of(g.Name)
		}
		if _, err := w.gateway(g.Slug); err == nil {
			return control.GatewayCreated{}, tally.Errorf(tally.Conflict, "there is a gateway %q already", g.Slug)
		}
		w.gateways = append(w.gateways, g)
		return control.GatewayCreated{Gateway: g.Gateway, PrivateKey: privateKey(g)}, nil
	})
	answer(w, control.GatewaysUpdate, func(in control.UpdateGateway) (tally.Gateway, error) {
		g, err := w.gateway(in.Gateway)
		if err != nil {
			return tally.Gateway{}, err
		}
		changed := *g
		if in.NewSlug != "" {
			changed.Slug = in.NewSlug
		}
		if err := firstOf(tally.CheckSlug(changed.Slug), w.fillGateway(&changed, in.GatewayFields)); err != nil {
			return tally.Gateway{}, err
		}
		*g = changed
		return g.Gateway, nil
	})
	answer(w, control.GatewaysDelete, func(in control.Named) (control.None, error) {
		g, err := w.gateway(in.Name)
		if err != nil {
			return control.None{}, err
		}
		for _, c := range w.clients {
			if c.Gateway == g.ID {
				return control.None{}, tally.Errorf(tally.InUse, "gateway %q has clients", g.Slug).WithHint("delete or move them first")
			}
		}
		w.gateways = slices.DeleteFunc(w.gateways, func(x *control.GatewayView) bool { return x == g })
		return control.None{}, nil
	})
	answer(w, control.GatewaysRotate, func(in control.RotateGateway) (control.GatewayCreated, error) {
		g, err := w.gateway(in.Gateway)
		if err != nil {
			return control.GatewayCreated{}, err
		}
		return control.GatewayCreated{Gateway: g.Gateway, PrivateKey: privateKey(g)}, nil
	})
}

func privateKey(g *control.GatewayView) string {
	return "llm_pk_" + g.PublicID + strings.Repeat("k3Wz", 8)
}

func (w *World) newGateway(slug, name string) *control.GatewayView {
	g := &control.GatewayView{}
	g.Meta = w.meta("gw", 3000*60*60*1e9)
	g.Slug, g.Name, g.TimeZone, g.CycleDay, g.Access, g.Enabled = slug, name, "UTC", 1, tally.AccessByKey, true
	g.PublicID = string(g.ID[len(g.ID)-9:])
	g.LimitStates = []control.LimitState{}
	for _, p := range w.providers {
		g.Providers, g.ProviderNames = append(g.Providers, p.ID), append(g.ProviderNames, p.Name)
	}
	return g
}

func (w *World) fillGateway(g *control.GatewayView, f control.GatewayFields) (err error) {
	set(&g.Name, f.Name)
	set(&g.TimeZone, f.TimeZone)
	set(&g.CycleDay, f.CycleDay)
	set(&g.PublicURL, f.PublicURL)
	set(&g.Access, f.Access)
	set(&g.Origins, f.Origins)
	set(&g.Models, f.Models)
	set(&g.DefaultModel, f.DefaultModel)
	set(&g.Aliases, f.Aliases)
	set(&g.Enabled, f.Enabled)
	set(&g.AllowedCountries, f.AllowedCountries)
	set(&g.BlockedCountries, f.BlockedCountries)
	if g.VisitorLimits, err = tally.EditLimits(g.VisitorLimits, f.VisitorLimits); err != nil {
		return err
	}
	if g.Limits, err = tally.EditLimits(g.Limits, f.Limits); err != nil {
		return err
	}
	g.LimitStates = w.states("gateway", g.Slug, g.Limits, g.LimitStates)
	return firstOf(tally.CheckName("name", g.Name), tally.CheckZone(g.TimeZone))
}
