package main

import (
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) modelCommands() *cobra.Command {
	return family(groupOwn, "models", "what can be asked, and what it costs",
		verb[control.ListModels, []control.ModelView]{
			op:      control.ModelsList,
			example: "  tallygate models list --provider openai --usable",
			show: func(p *printer, _ *control.ListModels, out *[]control.ModelView) {
				t := p.table(text("MODEL"), text("PROVIDER"), text("ON"), number("INPUT $/M"), number("OUTPUT $/M"), spare(3, number("CONTEXT")), spare(4, number("MAX OUTPUT")),
					spare(2, number("30D REQUESTS")), spare(1, number("30D COST")))
				for i := range *out {
					m := &(*out)[i]
					input, how := m.InputUSD, onTone(m.Enabled)
					if !m.Priced {
						input, how = "no price", amber
					}
					t.addIn(how, m.Name, m.ProviderName, yes(m.Enabled), input, m.OutputUSD, count(m.ContextTokens), count(m.MaxOutputTokens),
						count(m.Month.Requests), when(m.Month.Requests > 0, m.Month.CostNanoUSD.Display(), ""))
				}
				t.print("no models; import some with: tallygate models import PROVIDER")
			},
		}.command(a),
		verb[control.PickModel, control.ModelView]{
			op:      control.ModelsShow,
			example: "  tallygate models show gpt-4o-mini",
			show:    func(p *printer, _ *control.PickModel, out *control.ModelView) { showModel(p, out) },
		}.command(a),
		verb[control.CreateModel, tally.Model]{
			op:      control.ModelsCreate,
			example: "  tallygate models create --provider spare --name my-model --price input=0.15 --price output=0.60",
			show: func(p *printer, _ *control.CreateModel, out *tally.Model) {
				p.say("created model %s", out.Name)
				priceHint(p, out)
			},
		}.command(a),
		verb[control.UpdateModel, tally.Model]{
			op:      control.ModelsUpdate,
			example: "  tallygate models update my-model --price input=0.15 --price output=0.60",
			show: func(p *printer, _ *control.UpdateModel, out *tally.Model) {
				p.say("changed model %s", out.Name)
				priceHint(p, out)
			},
		}.command(a),
		verb[control.PickModel, control.None]{
			op:      control.ModelsDelete,
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
		verb[control.Named, control.Imported]{
			op: control.ModelsImport, slow: "importing models",
			example: "  tallygate models import openai",
			show:    func(p *printer, _ *control.Named, out *control.Imported) { showImport(p, out) },
		}.command(a),
	)
}

func priceHint(p *printer, m *tally.Model) {
	if len(m.Prices) == 0 {
		p.say("it has no price, so it is refused; price it with: tallygate models update %s --price input=USD --price output=USD", m.Name)
	}
}

func showModel(p *printer, m *control.ModelView) {
	p.pairs(
		"model", m.Name, "id", string(m.ID), "provider", m.ProviderName, "upstream", m.Upstream, "mode", m.Mode, "on", yes(m.Enabled),
		"context", count(m.ContextTokens), "longest answer", count(m.MaxOutputTokens),
	)
	p.section("Prices, in USD per million tokens")
	t := p.table(text("FROM"), text("PROMPTS ABOVE"), number("INPUT"), spare(1, number("CACHED")), spare(2, number("CACHE WRITE")), number("OUTPUT"), spare(3, number("REASONING")),
		spare(4, number("PER CALL")), spare(5, text("SOURCE")))
	for _, price := range m.Prices {
		from := "always"
		if !price.From.IsZero() {
			from = price.From.UTC().Format("2006-01-02")
		}
		t.add(from, count(price.AboveTokens), rate(price.Input), rate(price.CachedInput), rate(price.CacheWrite), rate(price.Output), rate(price.Reasoning),
			when(price.Request != 0, price.Request.String(), ""), price.Source)
	}
	t.print("none: requests for it are refused; price it with: tallygate models update " + m.Name + " --price input=USD --price output=USD")
	p.sums("Last 30 days", m.Month)
}

// rate writes a rate, with two decimals at least; "" where the parent's counts.
func rate(r *tally.NanoUSD) string {
	if r == nil {
		return ""
	}
	s := r.String()
	if whole, frac, _ := strings.Cut(s, "."); len(frac) < 2 {
		return whole + "." + (frac + "00")[:2]
	}
	return s
}
