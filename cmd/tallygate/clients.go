package main

import (
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) clientCommands() *cobra.Command {
	return family(groupOwn, "clients", "customers or apps: who may use it, and how much",
		list(verb[control.Listing, []control.ClientView]{
			op:      control.ClientsList,
			example: "  tallygate clients list\n  tallygate clients list --filter \"status:active used:>80\" --sort used",
		}, control.ClientTable).command(a),
		verb[control.Named, control.ClientView]{
			op:      control.ClientsShow,
			example: "  tallygate clients show hotel-aurora",
			show:    func(p *printer, _ *control.Named, out *control.ClientView) { showClient(p, out) },
		}.command(a),
		verb[control.CreateClient, tally.Client]{
			op:      control.ClientsCreate,
			example: "  tallygate clients create --name \"Hotel Aurora\" --limit cost=50/month --limit requests=60/minute",
			show: func(p *printer, _ *control.CreateClient, out *tally.Client) {
				p.say("created client %s", out.Slug)
				p.say("next: tallygate keys create --client %s --label LABEL", out.Slug)
			},
		}.command(a),
		verb[control.UpdateClient, tally.Client]{
			op:      control.ClientsUpdate,
			changed: func(out *tally.Client) *tally.Meta { return &out.Meta },
			example: "  tallygate clients update hotel-aurora --limit cost=80/month --limit requests=none/minute",
			show:    func(p *printer, _ *control.UpdateClient, out *tally.Client) { p.say("changed client %s", out.Slug) },
		}.command(a),
		verb[control.RaiseClient, control.LimitState]{
			op:      control.ClientsRaise,
			example: "  tallygate clients raise hotel-aurora cost/month --by 20 --until 2026-12-04",
			show:    func(p *printer, _ *control.RaiseClient, out *control.LimitState) { showRaise(p, out) },
		}.command(a),
		verb[control.AddFunds, control.EntryView]{
			op:      control.ClientsTopUp,
			example: "  tallygate clients topup hotel-aurora 50 --ref \"invoice 2026-117\"\n  tallygate clients update hotel-aurora --limit credits=balance",
			show:    showFunds,
		}.command(a),
		verb[control.AddFunds, control.EntryView]{
			op:      control.ClientsGrant,
			example: "  tallygate clients grant hotel-aurora 5 --reason \"to try it out\" --expires 30d",
			show:    showFunds,
		}.command(a),
		verb[control.AdjustClient, control.EntryView]{
			op:      control.ClientsAdjust,
			example: "  tallygate clients adjust hotel-aurora --credits -5 --reason \"outage of 3 November\"\n  tallygate clients adjust hotel-aurora --credits 20 --as fee --reason \"set-up\"",
			show:    func(p *printer, _ *control.AdjustClient, out *control.EntryView) { showBooked(p, out) },
		}.command(a),
		verb[control.SetTariff, tally.Client]{
			op:      control.ClientsTariff,
			changed: func(out *tally.Client) *tally.Meta { return &out.Meta },
			example: "  tallygate clients tariff hotel-aurora --percent 20 --minimum 50\n  tallygate clients tariff hotel-aurora --price gpt-4o:input=3,output=12 --from 2027-01-01",
			show: func(p *printer, in *control.SetTariff, out *tally.Client) {
				p.say("changed what client %s pays", out.Slug)
				row := out.Tariffs[len(out.Tariffs)-1]
				for _, other := range out.Tariffs {
					if other.From.After(row.From) {
						p.say("from %s on another row counts in its place", minute(other.From))
						break
					}
				}
				if row.From.Before(time.Now().Add(-time.Hour)) {
					p.say("requests since then keep what they were charged; to charge them anew: tallygate recost --client %s --since %s",
						out.Slug, row.From.UTC().Format(time.DateOnly))
				}
				p.say("see: tallygate clients show %s", out.Slug)
			},
		}.command(a),
		a.statementCommand(),
		verb[control.Named, control.None]{
			op:      control.ClientsDelete,
			asks:    asksDeleteClient,
			example: "  tallygate clients delete hotel-aurora",
			show:    func(p *printer, in *control.Named, _ *control.None) { p.say("deleted client %s", in.Name) },
		}.command(a),
		verb[control.Named, tally.Client]{
			op:      control.ClientsSuspend,
			example: "  tallygate clients suspend hotel-aurora",
			show: func(p *printer, _ *control.Named, out *tally.Client) {
				p.say("suspended client %s: its requests are refused", out.Slug)
			},
		}.command(a),
		verb[control.Named, tally.Client]{
			op:      control.ClientsActivate,
			example: "  tallygate clients activate hotel-aurora",
			show: func(p *printer, _ *control.Named, out *tally.Client) {
				p.say("activated client %s: its requests are served", out.Slug)
			},
		}.command(a),
	)
}

func showClient(p *printer, c *control.ClientView) {
	set := control.CurrentClient(&c.Client, time.Now())
	thing(p, control.ClientTable, c, set, "in flight now", count(c.InFlight), "created", minute(c.CreatedAt))
	p.limits(c.LimitStates)
	if !tally.OnlyMarkup(c.Tariffs) {
		p.section("Tariff")
		rows(p, control.TariffTable(c.Zone), c.Tariffs, "")
	}
	p.sums("This month", c.Month)
	p.sums("Last 30 days", c.Last30Days)
}

// showRaise says what a limit is now that was raised.
func showRaise(p *printer, l *control.LimitState) {
	p.say("%s %s: %s, %s of %s left", l.Of, l.Name, l.Text, l.Metric.Format(l.Left), l.Metric.Format(l.Max))
}
