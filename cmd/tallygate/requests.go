package main

import (
	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) requestCommands() *cobra.Command {
	return family(groupSee, "requests", "every request, with what it cost",
		verb[control.RequestQuery, control.RequestPage]{
			op: control.RequestsList, slow: "searching",
			example: "  tallygate requests list --client hotel-aurora --outcome limited\n  tallygate requests list --filter \"latency:>1s cost:>0.01\" --since 24h\n  tallygate requests list --sort latency --month this --limit 10",
			show: func(p *printer, _ *control.RequestQuery, out *control.RequestPage) {
				rows(p, control.RequestTable, out.Requests, "no requests")
			},
			write: writes(control.RequestTable, func(out *control.RequestPage) []control.RequestView { return out.Requests }),
			// The list itself; where it goes on is said beside it.
			asJSON: func(out *control.RequestPage) any { return out.Requests },
			aside: func(out *control.RequestPage) string {
				switch {
				case !out.Since.IsZero():
					return "chosen from the latest " + tally.Group(int64(out.From)) + " requests, since " + moment(out.Since)
				case out.Next != "":
					return "for more: --after " + out.Next
				}
				return ""
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
