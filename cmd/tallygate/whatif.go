package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) whatIfCommand() *cobra.Command {
	cmd := verb[control.WhatIf, control.WhatIfDone]{
		op: control.PricesWhatIf, name: "what-if", group: groupSee, slow: "reckoning anew",
		example: "  tallygate what-if --month last --model gpt-4o=gpt-5-mini\n" +
			"  tallygate what-if --month last --client hotel-aurora --tariff percent=30\n" +
			"  tallygate what-if --since 7d --model gpt-4o=gpt-5-mini --tariff \"percent=20;gpt-5-mini:input=1,output=4\"",
		prepare: tariffFile,
		show:    showWhatIf,
		write:   writes(control.WhatIfTable, func(out *control.WhatIfDone) []control.WhatIfRow { return out.Rows }),
	}.command(a)
	cmd.Long = `Shows by model what requests of the past have cost and brought, and what they would have
if another model had answered, or if clients had paid by another tariff. Nothing is
changed.

Each request counts its tokens, by class, at the price that the other model had at its
time. Where that price does not depend on the single request the sums by day answer, else
its record does; the column from says which. What cannot be told exactly is counted as
estimated, with the reason: no price in force then, records that were deleted, pieces that
the other model has no price for. Fees and corrections that are of no model are left out.`
	return cmd
}

// tariffFile adds a flag that names a file with the rows of a tariff.
func tariffFile(cmd *cobra.Command, in *control.WhatIf) func() error {
	path := cmd.Flags().String("tariff-file", "", "`FILE` with the rows of the tariff, one on each line")
	cmd.MarkFlagFilename("tariff-file")
	return func() error {
		if *path == "" {
			return nil
		}
		text, err := os.ReadFile(*path)
		if err != nil {
			return tally.Errorf(tally.NotFound, "%w", err).WithHint("rows like percent=20;gpt-4o:input=3,output=12, or --tariff percent=30")
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			var row control.TariffRow
			if err := row.UnmarshalText([]byte(line)); err != nil {
				return tally.Errorf(tally.Invalid, "%s, line %s: %w", *path, strconv.Itoa(n), err).WithHint("%s", tally.AsError(err).Hint)
			}
			in.Tariff = append(in.Tariff, row)
		}
		return nil
	}
}

func showWhatIf(p *printer, _ *control.WhatIf, out *control.WhatIfDone) {
	p.say("%s to %s", minute(out.Since), minute(out.Until))
	rows(p, control.WhatIfTable, out.Rows, "no requests")
	if len(out.Rows) == 0 {
		return
	}
	p.say("")
	pairs := []string{"cost", otherwise(out.CostWas, out.CostIs), "credits", otherwise(out.CreditsWas, out.CreditsIs)}
	was, is := out.CreditsWas+out.MinimumWas-out.CostWas, out.CreditsIs+out.MinimumIs-out.CostIs
	if out.MinimumWas != 0 || out.MinimumIs != 0 {
		pairs = append(pairs, "minimums add", otherwise(out.MinimumWas, out.MinimumIs))
	}
	p.pairs(append(pairs, "margin", otherwise(was, is))...)
	for i := range out.Rows {
		if r := &out.Rows[i]; r.Why != "" {
			p.say("estimated, of %s: %s", r.Model, r.Why)
		}
	}
	for _, note := range out.Notes {
		p.say("%s", note)
	}
}

// otherwise is what an amount was, and what it would be.
func otherwise(was, is tally.NanoUSD) string {
	if was == is {
		return was.Display() + ", the same"
	}
	return was.Display() + ", would be " + is.Display() + " (" + signed(is-was) + ")"
}
