package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) clientCommands() *cobra.Command {
	return family(groupOwn, "clients", "customers or apps: who may use it, and how much",
		verb[control.Listing, []control.ClientView]{
			op:      control.ClientsList,
			example: "  tallygate clients list\n  tallygate clients list --filter status:suspended",
			show:    showClients,
		}.command(a),
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
			example: "  tallygate clients update hotel-aurora --limit cost=80/month --limit requests=none/minute",
			show:    func(p *printer, _ *control.UpdateClient, out *tally.Client) { p.say("changed client %s", out.Slug) },
		}.command(a),
		verb[control.RaiseClient, control.LimitState]{
			op:      control.ClientsRaise,
			example: "  tallygate clients raise hotel-aurora cost/month --by 20 --until 2026-12-04",
			show:    func(p *printer, _ *control.RaiseClient, out *control.LimitState) { showRaise(p, out) },
		}.command(a),
		verb[control.Named, control.None]{
			op:      control.ClientsDelete,
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

func showClients(p *printer, _ *control.Listing, out *[]control.ClientView) {
	t := p.table(text("CLIENT"), spare(1, text("NAME")), spare(5, text("COMPANY")), text("STATUS"), spare(4, number("KEYS")),
		number("30D REQUESTS"), number("30D COST"), spare(2, text("LIMITS")), spare(3, text("LAST USED")))
	for i := range *out {
		c := &(*out)[i]
		t.addIn(statusTone(c.Status), c.Slug, c.Name, c.Company, string(c.Status), strconv.Itoa(c.Keys),
			tally.Group(c.Last30Days.Requests), c.Last30Days.CostNanoUSD.Display(), limitTexts(c.Limits), minute(c.LastUsedAt))
	}
	t.print("no clients; make one with: tallygate clients create --name NAME")
}

func showClient(p *printer, c *control.ClientView) {
	p.pairs(
		"client", c.Slug, "id", string(c.ID), "name", c.Name, "company", c.Company, "email", c.Email, "phone", c.Phone, "note", c.Note,
		"status", string(c.Status), "gateway", c.GatewaySlug, "models", list(c.Models, "all"), "origins", list(c.Origins, ""),
		"keys", strconv.Itoa(c.Keys), "in flight", inFlight(c.InFlight, c.MaxInFlight), "largest request", bodySize(c.MaxBodyBytes), "mark-up", markup(c.MarkupBasisPoints),
		"sessions", sessionRule(c.Session), "last used", minute(c.LastUsedAt), "created", minute(c.CreatedAt),
	)
	p.limits(c.LimitStates)
	p.sums("Last 30 days", c.Last30Days)
}

// showRaise says what a limit is now that was raised.
func showRaise(p *printer, l *control.LimitState) {
	p.say("%s %s: %s, %s of %s left", l.Of, l.Name, l.Text, l.Metric.Format(l.Left), l.Metric.Format(l.Max))
}

func statusTone(s tally.Status) tone {
	switch s {
	case tally.Active:
		return plain
	case tally.Suspended:
		return amber
	}
	return faint
}

// bodySize writes the bound on a request; "" if there is none of its own.
func bodySize(bytes int64) string { return when(bytes == 0, "", tally.Group(bytes)+" bytes") }

func inFlight(n, most int) string {
	if most == 0 {
		return count(n)
	}
	return strconv.Itoa(n) + " of at most " + tally.Group(int64(most))
}

// markup writes basis points as a percentage.
func markup(basisPoints int) string {
	if basisPoints == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(basisPoints)/100, 'f', -1, 64) + "%"
}

func sessionRule(r tally.SessionRule) string {
	if r == (tally.SessionRule{}) {
		return ""
	}
	s := span(r.Length)
	for _, part := range []string{string(r.Mode), when(r.Missing != "", "missing: "+string(r.Missing), "")} {
		if part != "" {
			s += when(s == "", "", ", ") + part
		}
	}
	return s
}
