package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) recostCommand() *cobra.Command {
	cmd := verb[control.Recost, control.Recosted]{
		op: control.PricesRecost, name: "recost", group: groupOwn, slow: "costing requests anew",
		asks:    asksRecost,
		example: "  tallygate recost --since 2026-11-01 --dry-run\n  tallygate recost --model gpt-4o-mini --client hotel-aurora --since 7d",
		show:    showRecost,
		write:   writes(control.RecostTable, func(out *control.Recosted) []control.RecostRow { return out.Rows }),
	}.command(a)
	cmd.Long = `Costs requests of the past by the prices in force at their time as they are known now,
and books what that is more or less than they were charged: an entry for each client,
UTC day and model, which counts on the limits now and can be reversed. Credits follow the
client's mark-up. Run again, it books only what is still missing, so it may be stopped at
any time. Prices of the past are set with: tallygate prices set MODEL --price … --from DATE.

It leaves what the provider has billed itself (unless --billed says otherwise), what was
booked at what was held, models that are here no more, and days of which records were
deleted. What no client has sent, from visitors and a gateway's own server, is booked for
its gateway, as cost without credits.`
	return cmd
}

// asksRecost says what would be booked.
func asksRecost(ctx context.Context, c control.Caller, in *control.Recost) (string, error) {
	if in.DryRun {
		return "", nil
	}
	look := *in
	look.DryRun = true
	out, err := control.PricesRecost.Do(ctx, c, look)
	if err != nil || len(out.Rows) == 0 {
		return "", err
	}
	return fmt.Sprintf("Book %s for %s: %s of cost and %s of credits. They count on limits at once.\n"+
		"tallygate entries reverse takes one back. See them first with --dry-run.",
		countOf(len(out.Rows), "entry", "entries"), countOf(int(out.Changed), "request", "requests"), signed(out.Cost), signed(out.Credits)), nil
}

// signed writes a difference with its sign.
func signed(n tally.NanoUSD) string {
	if n > 0 {
		return "+" + n.Display()
	}
	return n.Display()
}

func showRecost(p *printer, _ *control.Recost, out *control.Recosted) {
	last := out.Until.AddDate(0, 0, -1)
	p.say("%s requests from %s to %s (UTC) looked at, %s cost something else now",
		strconv.FormatInt(out.Looked, 10), out.Since.Format(time.DateOnly), last.Format(time.DateOnly), strconv.FormatInt(out.Changed, 10))
	if len(out.Rows) > 0 {
		rows(p, control.RecostTable, out.Rows, "")
	}
	switch {
	case len(out.Rows) == 0:
		p.say("nothing is to be booked%s", when(out.Changed > 0, ": the differences are booked already", ""))
	case out.DryRun:
		p.say("would book: %s of cost, %s of credits; nothing is booked yet", signed(out.Cost), signed(out.Credits))
	default:
		p.say("booked: %s of cost, %s of credits; see: tallygate entries list --kind recost", signed(out.Cost), signed(out.Credits))
	}
	for _, why := range []struct{ stay, says string }{
		{"billed", "stay, since their cost is the provider's own figure: --billed takes the prices here"},
		{"held", "stay at what was held for them, since nobody can tell what they used: tallygate clients adjust CLIENT corrects by hand"},
		{"unpriced", "stay, since no price was in force at their time: tallygate prices set MODEL --price … --from DATE"},
		{"gone", "stay, since the model that answered is here no more"},
	} {
		if n := out.Stayed[why.stay]; n > 0 {
			p.say("%s %s", countOf(int(n), "request", "requests"), why.says)
		}
	}
	const most = 8
	for i, gap := range out.Incomplete {
		if i == most {
			p.say("and %s more of which records were deleted", strconv.Itoa(len(out.Incomplete)-most))
			break
		}
		of := strings.TrimSpace(gap.ClientSlug + " " + gap.Model)
		p.say("left out, of %s only %d of %d records are kept: %s", gap.Day, gap.Kept, gap.Of, of)
	}
}
