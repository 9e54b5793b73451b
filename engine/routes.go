package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/route"
	"tallygate/engine/tally"
)

// setLanding applies the owner's fields to a soft landing: both or none.
func setLanding(c *tally.Catalog, l *tally.Landing, below *int, model *string, aliases map[string]string) error {
	if below == nil && model == nil {
		return nil
	}
	if err := set(&l.Below, below, between("the percent of a soft landing", 0, 99)); err != nil {
		return err
	}
	if model != nil {
		one, err := checkModels(c, []string{*model}, aliases)
		if err != nil {
			return err
		}
		l.Model = ""
		if len(one) > 0 {
			l.Model = one[0]
		}
		if !chats(c, l.Model, aliases) {
			return tally.Errorf(tally.Invalid, "model %q does not chat, so it cannot answer in the place of one that does",
				l.Model).WithHint("tallygate models list shows what each does")
		}
	}
	switch {
	case below != nil && *below == 0 && model == nil || model != nil && l.Model == "" && below == nil:
		*l = tally.Landing{}
	case (l.Below == 0) != (l.Model == ""):
		return tally.Errorf(tally.Invalid, "a soft landing needs a share and a model").
			WithHint("--landing-below 20 --landing-model MODEL; --landing-below 0 ends it")
	}
	return nil
}

// chats reports whether a model, or what an alias makes of it, chats at one provider at least,
// as far as is known; no model does.
func chats(c *tally.Catalog, name string, aliases map[string]string) bool {
	models := c.ModelsNamed(cmp.Or(aliases[name], name))
	return len(models) == 0 || slices.ContainsFunc(models,
		func(m *tally.Model) bool { return m.Mode == "" || m.Mode == "chat" })
}

// healthOf is what is not well with a provider that is switched on.
func (e *Engine) healthOf(c *tally.Catalog, p *tally.Provider) (out []control.HealthView) {
	if !p.Enabled {
		return nil
	}
	for _, h := range e.router.Health(p.ID, time.Now()) {
		out = append(out, viewHealth(c, p, &h))
	}
	return out
}

// silent reports whether nothing behind a provider's address answers.
func (e *Engine) silent(provider tally.ID) bool {
	return slices.ContainsFunc(e.router.Health(provider, time.Now()), func(h route.Health) bool {
		return h.Model == "" && h.Key == 0 && h.State != route.Closed
	})
}

func viewHealth(c *tally.Catalog, p *tally.Provider, h *route.Health) control.HealthView {
	of := ""
	if h.Model != "" {
		of = "model " + string(h.Model)
		if m, ok := c.Entity(tally.KindModel, h.Model).(*tally.Model); ok {
			of = "model " + m.Name
		}
	}
	if h.Key > 0 && (len(p.KeyHints) > 1 || h.Model == "") {
		if of != "" {
			of += " with "
		}
		of += "key " + keyHintAt(p, h.Key-1)
	}
	return control.HealthView{
		Of: of, State: string(h.State), Failed: h.Failed, Since: h.Since, Until: h.Until, Cause: string(h.Cause),
		Status: h.Status, Code: h.Code, Asked: h.Asked,
	}
}

// keyHintAt is what may be seen of one of a provider's API keys.
func keyHintAt(p *tally.Provider, i int) string {
	if i < len(p.KeyHints) {
		return p.KeyHints[i]
	}
	return fmt.Sprintf("%d", i+1)
}

// routeModel says who would answer a client's request for a model.
func (e *Engine) routeModel(ctx context.Context, in control.RouteModel) (control.Routed, error) {
	a := &attempt{Engine: e, c: e.catalog.Load(), now: e.clock(), in: control.Try{Client: in.Client, Model: in.Model}}
	if err := a.choose(); err != nil {
		return control.Routed{}, err
	}
	out := control.Routed{Asked: in.Model, Client: a.p.Client.Slug}
	name, why, err := e.landsOn(ctx, a.c, a.p, in.Model, a.now)
	if err != nil {
		return out, err
	}
	var to []route.Target
	if out.Why = why; why != "" {
		to = e.router.Landing(a.c, a.p.Gateway, name, a.now)
	} else {
		var refusal *tally.Refusal
		if to, refusal = e.router.Plan(a.c, a.p, in.Model, a.now); refusal != nil {
			return out, tally.Errorf(tally.NotFound, "%s", refusal.Message).WithHint("%s", routeHint(a.c, a.p, in.Model))
		}
		out.Why = resolved(a.p.Gateway, in.Model, to[0].Model.Name)
	}
	out.Model = to[0].Model.Name
	out.Routes, err = e.routesOf(ctx, a.c, to, route.Affinity(a.p, in.Session), a.now)
	return out, err
}

// routeHint is the owner's next step where nobody can answer a client's request for a model.
func routeHint(c *tally.Catalog, p *tally.Principal, asked string) string {
	name := cmp.Or(p.Gateway.Aliases[asked], asked)
	models := c.ModelsNamed(name)
	switch {
	case len(models) == 0:
		return "tallygate models list shows what there is"
	case !route.Allowed(p, asked, name):
		return "tallygate clients show " + tally.ShellWord(p.Client.Slug) + " and tallygate gateways show " + tally.ShellWord(p.Gateway.Slug) + " list what it may use"
	case !slices.ContainsFunc(models, func(m *tally.Model) bool { return m.Enabled }):
		return "it is switched off: tallygate models enable " + tally.ShellWord(name)
	}
	return "tallygate providers list shows how its providers are"
}

// resolved says why a model that answers is not the one that was asked for.
func resolved(g *tally.Gateway, asked, name string) string {
	switch {
	case asked == "" && g.DefaultModel == name:
		return "none was named: it is the gateway's default"
	case asked == "":
		return "none was named: it was chosen, since the gateway has no default"
	case asked != name:
		return fmt.Sprintf("%s is an alias of it", asked)
	}
	return ""
}

// landsOn is the model that the owner's rule puts in the place of the one that is asked for,
// and why; both are empty if there is none.
func (e *Engine) landsOn(ctx context.Context, c *tally.Catalog, p *tally.Principal, asked string,
	now time.Time) (name, why string, err error) {
	rule := p.Landing()
	if rule.Model == "" || rule.Model == asked {
		return "", "", nil
	}
	low, left, ok, err := e.meter.Low(ctx, c, p, rule.Below, now)
	if err != nil || !ok || len(e.router.Landing(c, p.Gateway, rule.Model, now)) == 0 {
		return "", "", err
	}
	of, _ := low.Subject.Split()
	return rule.Model, fmt.Sprintf("soft landing: of the %s's %s %s only %s are left, less than %d%%", of,
		low.Metric.Format(low.Max), low.Metric, low.Metric.Format(left), rule.Below), nil
}

// routesOf lists the lanes of targets in the order in which they would be asked.
func (e *Engine) routesOf(ctx context.Context, c *tally.Catalog, to []route.Target, affinity uint64,
	now time.Time) ([]control.RouteStep, error) {
	var course route.Course
	course.Look(to, affinity, time.Now())
	var out []control.RouteStep
	for i, l := range course.Lanes() {
		p := l.Upstream.Config
		s := control.RouteStep{
			Place: i + 1, Provider: p.Name, Model: l.Model.UpstreamName(), State: stateWell, Price: priceText(l.Model, now),
		}
		s.Speaks, s.Translated = l.Upstream.Kind.DialectNames(p.BaseURL), l.Upstream.Kind.ChatTo(p.BaseURL)
		if len(p.KeyHints) > 0 {
			s.Key = keyHintAt(p, l.Key)
		}
		s.Why = placeText(s.Place)
		if p.Weight > 0 && i == 0 && len(course.Targets()) > 1 {
			s.Why += fmt.Sprintf(", by its weight of %d", p.Weight)
		}
		for _, h := range e.router.Health(p.ID, time.Now()) {
			if (h.Model == "" || h.Model == l.Model.ID) && (h.Key == 0 || h.Key == l.Key+1) {
				v := viewHealth(c, p, &h)
				s.State, s.Why = v.State, v.Why()
				if v.State == control.HealthHalfOpen {
					s.Why = "the next attempt tries it: " + s.Why
				}
				if !v.Until.IsZero() {
					s.Why += ", until " + tally.Civil(v.Until, ownerZone(c))
				}
				if v.State != control.HealthClosed {
					break
				}
			}
		}
		caps, err := e.meter.Caps(ctx, l.Model, now)
		if err != nil {
			return nil, err
		}
		for _, x := range caps {
			s.Caps = append(s.Caps, fmt.Sprintf("%s: %s used, %s held", x.Limit.Display(), x.Metric.Format(x.Used),
				x.Metric.Format(x.Held)))
			if x.Left() <= 0 {
				s.State, s.Why = "full", "at its cap of "+x.Limit.Display()+", until "+tally.Civil(x.Period.End, ownerZone(c))
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// stateWell is the state of what nothing is wrong with.
const stateWell = "well"

func placeText(place int) string {
	if place == 1 {
		return "asked first"
	}
	return "asked if those before it fail"
}

// priceText is what a model costs; "" without a price.
func priceText(m *tally.Model, now time.Time) string {
	rates, ok := tally.PriceAt(m.Prices, now, 0)
	if !ok {
		return ""
	}
	text := fmt.Sprintf("$%s in, $%s out per million tokens", rates.Of[tally.ClassInput], rates.Of[tally.ClassOutput])
	if rates.Request > 0 {
		text += fmt.Sprintf(", $%s per call", rates.Request)
	}
	return text
}
