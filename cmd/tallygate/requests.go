package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) requestCommands() *cobra.Command {
	return family(groupSee, "requests", "every request, with what it cost",
		verb[control.RequestQuery, control.RequestPage]{
			op: control.RequestsList, slow: "searching",
			example: "  tallygate requests list --client hotel-aurora --outcome limited",
			show: func(p *printer, _ *control.RequestQuery, out *control.RequestPage) {
				t := p.table(requestColumns()...)
				for i := range out.Requests {
					r := &out.Requests[i]
					t.addIn(outcomeTone(r.Outcome), requestCells(r)...)
				}
				t.print("no requests")
			},
			// The list itself; where it goes on is said beside it.
			asJSON: func(out *control.RequestPage) any { return out.Requests },
			aside: func(out *control.RequestPage) string {
				return when(out.Next == "", "", "for more: --after "+out.Next)
			},
		}.command(a),
		a.tailCommand(),
		verb[control.PickRequest, control.RequestView]{
			op:      control.RequestsShow,
			example: "  tallygate requests show req_01kb3x0000000000000000000000",
			show:    func(p *printer, _ *control.PickRequest, out *control.RequestView) { showRequest(p, out) },
		}.command(a),
		a.exportCommand(),
	)
}

func requestColumns() []column {
	return []column{text("AT"), text("CLIENT"), spare(5, text("KEY")), text("MODEL"), spare(4, text("PROVIDER")), text("OUTCOME"), spare(6, number("STATUS")),
		spare(2, number("INPUT")), spare(1, number("OUTPUT")), number("COST"), spare(7, number("FIRST")), spare(3, number("TOTAL")), spare(8, text("CODE")), spare(9, text("ID"))}
}

func requestCells(r *control.RequestView) []string {
	outcome := string(r.Outcome)
	if r.Count > 1 {
		outcome += " ×" + strconv.FormatInt(r.Count, 10)
	}
	return []string{moment(r.At), r.Client, r.Key, r.Model, r.Provider, outcome, strconv.Itoa(r.Status),
		count(r.InputTokens), count(r.OutputTokens), when(r.Outcome.Refused(), "", r.CostNanoUSD.Display()), millis(r.FirstByteMS), millis(r.TotalMS), r.Code, string(r.ID)}
}

func outcomeTone(o tally.Outcome) tone {
	switch {
	case o.Failed():
		return red
	case o.Refused():
		return amber
	case o == tally.Canceled:
		return faint
	}
	return plain
}

func showRequest(p *printer, r *control.RequestView) {
	t := r.Tokens
	var classes []string
	for _, c := range []struct {
		n    int64
		what string
	}{{t.CachedInput, "cached"}, {t.CacheWrite, "cache write"}, {t.Reasoning, "reasoning"}} {
		if c.n > 0 {
			classes = append(classes, tally.Group(c.n)+" "+c.what)
		}
	}
	p.pairs(
		"request", string(r.ID), "at", moment(r.At), "outcome", string(r.Outcome), "status", strconv.Itoa(r.Status), "code", r.Code,
		"stands for", when(r.Count > 1, tally.Group(r.Count)+" like it", ""),
		"gateway", r.Gateway, "client", r.Client, "key", r.Key, "session", r.Session+when(r.NewSession, " (new)", ""), "origin", r.Origin, "country", r.Country,
		"access token", r.Token, "visitor", strings.TrimSpace(r.VisitorNet+" "+r.Visitor),
		"endpoint", r.Endpoint+when(r.Stream, " (stream)", ""), "model", r.Model, "upstream model", when(r.Upstream != r.Model, r.Upstream, ""), "provider", r.Provider,
		"attempts", when(r.Attempts > 1, strconv.Itoa(r.Attempts), ""),
		"tokens", tally.Group(r.InputTokens)+" in, "+tally.Group(r.OutputTokens)+" out"+when(r.Basis != "", " ("+string(r.Basis)+")", ""), "of those", strings.Join(classes, ", "),
		"cost", "$"+r.CostNanoUSD.String(), "credits", when(r.CreditsNano != r.CostNanoUSD, "$"+r.CreditsNano.String(), ""),
		"first byte", millis(r.FirstByteMS), "total", millis(r.TotalMS),
	)
	if len(r.Charges) == 0 {
		return
	}
	p.section("Charged to")
	c := p.table(text("LIMIT OF"), text("METRIC"), text("PERIOD"), number("AMOUNT"), number("USED"), number("MAX"))
	for _, x := range r.Charges {
		kind, _ := x.Subject.Split()
		c.add(kind, string(x.Metric), x.Window, x.Metric.Format(x.Amount), x.Metric.Format(x.Used), x.Metric.Format(x.Max))
	}
	c.print("")
}
