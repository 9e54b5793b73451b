package main

import (
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) gatewayCommands() *cobra.Command {
	return family(groupOwn, "gateways", "sites: each with its clients, zone, providers and limits",
		list(verb[control.Listing, []control.GatewayView]{
			op:      control.GatewaysList,
			example: "  tallygate gateways list",
		}, control.GatewayTable).command(a),
		verb[control.Named, control.GatewayView]{
			op:      control.GatewaysShow,
			example: "  tallygate gateways show main",
			show:    func(p *printer, _ *control.Named, out *control.GatewayView) { showGateway(p, out) },
		}.command(a),
		verb[control.CreateGateway, control.GatewayCreated]{
			op: control.GatewaysCreate, create: true,
			example: "  tallygate gateways create --name \"My site\" --time-zone Europe/Lisbon --limit cost=100/month",
			show: func(p *printer, _ *control.CreateGateway, out *control.GatewayCreated) {
				p.say("created gateway %s (%s)", out.Slug, out.PublicID)
				showPrivateKey(p, out)
			},
		}.command(a),
		verb[control.UpdateGateway, tally.Gateway]{
			op:      control.GatewaysUpdate,
			asks:    asksUpdateGateway,
			changed: func(out *tally.Gateway) *tally.Meta { return &out.Meta },
			example: "  tallygate gateways update main --limit cost=200/month --alias gpt-4=gpt-4o-mini",
			show:    func(p *printer, _ *control.UpdateGateway, out *tally.Gateway) { p.say("changed gateway %s", out.Slug) },
		}.command(a),
		verb[control.RaiseGateway, control.LimitState]{
			op:      control.GatewaysRaise,
			example: "  tallygate gateways raise main cost/day --by 50 --until 1d",
			show:    func(p *printer, _ *control.RaiseGateway, out *control.LimitState) { showRaise(p, out) },
		}.command(a),
		verb[control.Named, control.None]{
			op:      control.GatewaysDelete,
			asks:    asksDeleteGateway,
			example: "  tallygate gateways delete my-site",
			show:    func(p *printer, in *control.Named, _ *control.None) { p.say("deleted gateway %s", in.Name) },
		}.command(a),
		verb[control.RotateGateway, control.GatewayCreated]{
			op:      control.GatewaysRotate,
			asks:    asksRotateGateway,
			example: "  tallygate gateways rotate my-site --grace 24h",
			show:    func(p *printer, _ *control.RotateGateway, out *control.GatewayCreated) { showPrivateKey(p, out) },
		}.command(a),
	)
}

func showPrivateKey(p *printer, g *control.GatewayCreated) {
	p.say("Its private key, for your server only, is shown once:")
	p.say("\n  %s\n", g.PrivateKey)
}

func showGateway(p *printer, g *control.GatewayView) {
	set := control.CurrentGateway(&g.Gateway)
	thing(p, control.GatewayTable, g, set, "providers", strings.Join(g.ProviderNames, ", then "),
		"created", minute(g.CreatedAt))
	p.limits(g.LimitStates)
	p.sums("This month", g.Month)
	p.sums("Last 30 days", g.Last30Days)
	showParts(p, "Visitors of the last 24 hours", "country", g.Countries)
	showParts(p, "Refusals of the last 24 hours", "code", g.Refusals)
}

func showParts(p *printer, heading, what string, parts []control.Part) {
	if len(parts) == 0 {
		return
	}
	p.section(heading)
	rows(p, control.PartTable(what), parts, "")
}
