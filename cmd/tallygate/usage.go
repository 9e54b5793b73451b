package main

import (
	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) usageCommand() *cobra.Command {
	return verb[control.UsageQuery, control.Usage]{
		op: control.UsageShow, name: "usage", group: groupSee, slow: "summing up",
		example: "  tallygate usage --by client --since 30d\n  tallygate usage --by model --every day --since 7d",
		show:    showUsage,
	}.command(a)
}

func showUsage(p *printer, in *control.UsageQuery, out *control.Usage) {
	p.say("%s to %s", minute(out.Since), minute(out.Until))
	t := p.table(spare(0, text("WHAT")), number("REQUESTS"), spare(4, number("REFUSED")), spare(3, number("ERRORS")), spare(5, number("SESSIONS")),
		number("INPUT"), number("OUTPUT"), number("COST"), spare(6, number("CREDITS")), spare(2, number("MEDIAN")), spare(1, number("P99")), spare(7, text("ATTEMPTS FAILED")))
	add := func(how tone, what string, s *control.Sums, failed string) {
		credits := ""
		if s.CreditsNanoUSD != s.CostNanoUSD {
			credits = s.CreditsNanoUSD.Display()
		}
		t.addIn(how, what, tally.Group(s.Requests), count(s.Refused), count(s.Errors), count(s.Sessions),
			tally.Group(s.InputTokens), tally.Group(s.OutputTokens), s.CostNanoUSD.Display(), credits, millis(s.P50MS), millis(s.P99MS), failed)
	}
	for i := range out.Rows {
		r := &out.Rows[i]
		what := r.Name
		if what == "" {
			what = r.ID
		}
		if !r.At.IsZero() {
			what = when(what == "", minute(r.At), minute(r.At)+" "+what)
		}
		add(plain, what, &r.Sums, r.Failures.String())
	}
	add(bold, "total", &out.Total, "")
	t.print("")
}
