package main

import (
	"strconv"

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
