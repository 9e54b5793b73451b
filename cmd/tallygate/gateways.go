package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) gatewayCommands() *cobra.Command {
	return family(groupOwn, "gateways", "sites: each with its clients, zone, providers and limits",
		verb[control.Listing, []control.GatewayView]{
			op:      control.GatewaysList,
			example: "  tallygate gateways list",
			show: func(p *printer, _ *control.Listing, out *[]control.GatewayView) {
				t := p.table(text("GATEWAY"), spare(3, text("NAME")), text("ID"), spare(2, text("ZONE")), text("ACCESS"), text("ON"), spare(1, number("CLIENTS")),
					number("30D REQUESTS"), number("30D COST"), spare(4, text("LIMITS")))
				for i := range *out {
					g := &(*out)[i]
					t.addIn(onTone(g.Enabled), g.Slug, g.Name, g.PublicID, g.TimeZone, string(g.Access), yes(g.Enabled), strconv.Itoa(g.Clients),
						tally.Group(g.Last30Days.Requests), g.Last30Days.CostNanoUSD.Display(), limitTexts(g.Limits))
				}
				t.print("no gateways; make one with: tallygate gateways create --name NAME")
			},
		}.command(a),
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
			example: "  tallygate gateways delete my-site",
			show:    func(p *printer, in *control.Named, _ *control.None) { p.say("deleted gateway %s", in.Name) },
		}.command(a),
		verb[control.RotateGateway, control.GatewayCreated]{
			op:      control.GatewaysRotate,
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
	var aliases []string
	for _, asked := range slices.Sorted(maps.Keys(g.Aliases)) {
		aliases = append(aliases, asked+"="+g.Aliases[asked])
	}
	p.pairs(
		"gateway", g.Slug, "id", g.PublicID, "name", g.Name, "on", yes(g.Enabled), "access", string(g.Access),
		"time zone", g.TimeZone, "month starts on", when(g.CycleDay > 1, strconv.Itoa(g.CycleDay), ""), "public url", g.PublicURL,
		"providers", strings.Join(g.ProviderNames, ", then "), "models", list(g.Models, "all"), "default model", g.DefaultModel,
		"aliases", list(aliases, ""), "origins", list(g.Origins, ""), "each visitor", limitTexts(g.VisitorLimits),
		"largest request", bodySize(g.MaxBodyBytes), "of visitors", bodySize(g.VisitorMaxBodyBytes),
		"countries", list(g.AllowedCountries, ""), "not from", list(g.BlockedCountries, ""), "tokens count from", minute(g.NotBefore), "clients", strconv.Itoa(g.Clients), "created", minute(g.CreatedAt),
	)
	p.limits(g.LimitStates)
	p.sums("Last 30 days", g.Last30Days)
	showShares(p, "Visitors of the last 24 hours", "COUNTRY", g.Countries)
	showShares(p, "Refusals of the last 24 hours", "CODE", g.Refusals)
}

func showShares(p *printer, heading, what string, shares []control.Share) {
	if len(shares) == 0 {
		return
	}
	p.section(heading)
	t := p.table(text(what), number("REQUESTS"), number("REFUSED"))
	for _, s := range shares {
		t.add(s.Name, tally.Group(s.Requests), tally.Group(s.Refused))
	}
	t.print("")
}

func onTone(on bool) tone {
	if on {
		return plain
	}
	return faint
}

// list joins words, or says what none of them means.
func list(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ", ")
}

func limitTexts(limits []tally.Limit) string {
	texts := make([]string, len(limits))
	for i, l := range limits {
		texts[i] = l.String()
	}
	return strings.Join(texts, " ")
}
