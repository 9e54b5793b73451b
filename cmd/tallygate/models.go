package main

import (
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) modelCommands() *cobra.Command {
	return family(groupOwn, "models", "what can be asked, and what it costs",
		list(verb[control.ListModels, []control.ModelView]{
			op:      control.ModelsList,
			example: "  tallygate models list --provider openai --usable\n  tallygate models list --filter \"input:<0.5 context:>100k\" --sort input",
		}, control.ModelTable).command(a),
		verb[control.PickModel, control.ModelView]{
			op:      control.ModelsShow,
			example: "  tallygate models show gpt-4o-mini",
			show:    func(p *printer, _ *control.PickModel, out *control.ModelView) { showModel(p, out) },
		}.command(a),
		verb[control.CreateModel, control.ModelChanged]{
			op:      control.ModelsCreate,
			example: "  tallygate models create --provider spare --name my-model --price input=0.15 --price output=0.60",
			show: func(p *printer, _ *control.CreateModel, out *control.ModelChanged) {
				p.say("created model %s", out.Name)
				priceHint(p, &out.Model)
			},
		}.command(a),
		verb[control.UpdateModel, control.ModelChanged]{
			op:      control.ModelsUpdate,
			asks:    asksUpdateModel,
			changed: func(out *control.ModelChanged) *tally.Meta { return &out.Meta },
			example: "  tallygate models update my-model --price input=0.15 --price output=0.60\n  tallygate models update my-model --price output=0.80 --price-from 2027-01-01",
			show: func(p *printer, in *control.UpdateModel, out *control.ModelChanged) {
				p.say("changed model %s", out.Name)
				if len(in.Prices) > 0 {
					p.say("the price counts from %s; what was charged before stays", control.Instant(out.Prices[len(out.Prices)-1].From, out.Zone, true))
				}
				priceHint(p, &out.Model)
			},
		}.command(a),
		verb[control.PickModel, control.None]{
			op:      control.ModelsDelete,
			asks:    asksDeleteModel,
			example: "  tallygate models delete my-model --provider spare",
			show:    func(p *printer, in *control.PickModel, _ *control.None) { p.say("deleted model %s", in.Model) },
		}.command(a),
		verb[control.PickModel, tally.Model]{
			op:      control.ModelsEnable,
			example: "  tallygate models enable gpt-4o-mini",
			show: func(p *printer, _ *control.PickModel, out *tally.Model) {
				p.say("model %s is offered", out.Name)
				priceHint(p, out)
			},
		}.command(a),
		verb[control.PickModel, tally.Model]{
			op:      control.ModelsDisable,
			example: "  tallygate models disable gpt-4o-mini",
			show: func(p *printer, _ *control.PickModel, out *tally.Model) {
				p.say("model %s is no longer offered", out.Name)
			},
		}.command(a),
		verb[control.RouteModel, control.Routed]{
			op:      control.ModelsRoute,
			example: "  tallygate models route gpt-4o --client hotel-aurora",
			show:    func(p *printer, _ *control.RouteModel, out *control.Routed) { showRoute(p, out) },
		}.command(a),
		verb[control.ImportModels, control.Imported]{
			op: control.ModelsImport, slow: "importing models",
			example: "  tallygate models import openai --dry-run\n  tallygate models import openai --accept gpt-4o-mini",
			show:    func(p *printer, _ *control.ImportModels, out *control.Imported) { showImport(p, out) },
		}.command(a),
	)
}

func showRoute(p *printer, out *control.Routed) {
	who := "client " + out.Client
	if out.Asked != "" && out.Asked != out.Model {
		p.say("%s would answer %s for %s: %s.", out.Model, out.Asked, who, out.Why)
	} else {
		p.say("%s, for %s%s", out.Model, who, when(out.Why != "", " ("+out.Why+")", ""))
	}
	rows(p, control.RouteTable, out.Routes, "")
	said := map[string]bool{} // a provider has a route for each of its API keys
	for i := range out.Routes {
		if r := &out.Routes[i]; len(r.Caps) > 0 && !said[r.Provider] {
			said[r.Provider] = true
			p.pairs("caps at "+r.Provider, strings.Join(r.Caps, "; "))
		}
	}
}

func priceHint(p *printer, m *tally.Model) {
	if len(m.Prices) == 0 {
		p.say("it has no price, so it is refused; price it with: tallygate models update %s --price input=USD --price output=USD", tally.ShellWord(m.Name))
	}
}
