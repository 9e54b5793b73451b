package main

import (
	"slices"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
)

func (a *app) usageCommand() *cobra.Command {
	return verb[control.UsageQuery, control.Usage]{
		op: control.UsageShow, name: "usage", group: groupSee, slow: "summing up",
		example: "  tallygate usage --by client --since 30d\n  tallygate usage --by model --month last\n  tallygate usage --every day --since 7d --format csv",
		show:    showUsage,
		write:   writes(control.UsageTable, func(out *control.Usage) []control.UsageRow { return out.Rows }),
	}.command(a)
}

// showUsage writes the rows, and below them what they add up to.
func showUsage(p *printer, _ *control.UsageQuery, out *control.Usage) {
	p.say("%s to %s", minute(out.Since), minute(out.Until))
	rows(p, control.UsageTable, append(slices.Clone(out.Rows), control.UsageRow{Name: "total", Sums: out.Total}), "")
}
