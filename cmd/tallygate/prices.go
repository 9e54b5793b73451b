package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) priceCommands() *cobra.Command {
	return family(groupOwn, "prices", "what models cost: rows that are never edited, each with its dates and its source",
		list(verb[control.ListPrices, []control.PriceView]{
			op:      control.PricesList,
			example: "  tallygate prices list gpt-4o-mini\n  tallygate prices list --at 2026-12-01 --provider openai\n  tallygate prices list --stale 60d --format csv > stale.csv",
		}, control.PriceRowTable).command(a),
		a.priceSetCommand(),
		a.priceImportCommand(),
		verb[control.CheckPrices, []control.PriceFinding]{
			op:      control.PricesCheck,
			example: "  tallygate prices check\n  tallygate prices check --provider openai --stale 90d",
			show:    func(p *printer, _ *control.CheckPrices, out *[]control.PriceFinding) { showFindings(p, *out) },
			verdict: func(out *[]control.PriceFinding) error {
				if n := mustDo(*out); n > 0 {
					return tally.Errorf(tally.Internal, "something must be done about %s", countOf(n, "price", "prices")).
						WithHint("each line says what")
				}
				return nil
			},
		}.command(a),
	)
}

func (a *app) priceSetCommand() *cobra.Command {
	cmd := verb[control.SetPrice, control.PriceSet]{
		op: control.PricesSet,
		example: "  tallygate prices set my-model --price input=0.15 --price output=0.60\n" +
			"  tallygate prices set my-model --price input=0.30 --price output=1.20 --above 200000\n" +
			"  tallygate prices set my-model --price input=0.07 --hours \"Mon-Fri 16:30-00:30\" --from 2026-12-01",
		show: showPriceSet,
	}.command(a)
	cmd.Long = `Gives a model another price. It adds rows and changes none: what was charged before stays
charged, and a row that was wrong stays on record with the one that takes its place. Figures
that are not given are those in force when the price begins; bands, hours and tiers stay
beside it. --above, --hours and --tier set the price of a part of the requests.

A price from a date of the past corrects that time: tallygate recost books the differences.
Amounts are US dollars per million tokens, and exact: a list that says 1.5e-07 per token
says 0.15.`
	return cmd
}

func showPriceSet(p *printer, _ *control.SetPrice, out *control.PriceSet) {
	first := &out.Added[0]
	p.say("the price of %s counts from %s; what was charged before stays", out.Name, control.Instant(first.From, out.Zone, true))
	table := control.PriceTable(out.Zone)
	var added []tally.Price
	for i := range out.Added {
		added = append(added, out.Added[i].Price)
	}
	rows(p, table, added, "")
	if !out.Next.IsZero() {
		p.say("another price takes its place on %s: tallygate prices list %s", control.Instant(out.Next, out.Zone, true), tally.ShellWord(out.Name))
	}
	if first.From.Before(out.UpdatedAt.Add(-time.Minute)) && !first.From.IsZero() {
		p.say("requests since then were charged by other prices: tallygate recost --model %s --since %s --dry-run", tally.ShellWord(out.Name), first.From.UTC().Format(time.DateOnly))
	}
}

// mustDo is how many findings something must be done about.
func mustDo(list []control.PriceFinding) (n int) {
	for i := range list {
		if list[i].Must() {
			n++
		}
	}
	return n
}

func showFindings(p *printer, list []control.PriceFinding) {
	rows(p, control.FindingTable, list, "all prices of models that are offered are there, and none looks wrong")
	if rest := len(list) - mustDo(list); rest > 0 {
		p.say("about %s nothing must be done", strconv.Itoa(rest))
	}
}

func showModel(p *printer, m *control.ModelView) {
	ends := ""
	if !m.ShutdownAt.IsZero() {
		ends = m.ShutdownAt.UTC().Format(time.DateOnly) + when(m.ReplacedBy != "", "; its publisher names "+m.ReplacedBy+" instead", "")
	}
	set := control.CurrentModel(&m.Model)
	thing(p, control.ModelTable, m, set, "shut down", ends, "not listed since", minute(m.MissingAt))
	if m.AllowExtras {
		p.warning(control.Warn, "Extras are allowed: what they cost is not bounded, so this model can pass a limit on money", "", "", 0)
	}
	p.section("Prices, in USD per million tokens")
	rows(p, control.PriceTable(m.Zone), m.Prices, "none: requests for it are refused; price it with: tallygate models update "+tally.ShellWord(m.Name)+" --price input=USD --price output=USD")
	p.sums("This month", m.Month)
	p.sums("Last 30 days", m.Last30Days)
	if m.ElsewhereNanoUSD > 0 {
		p.say("and %s in 30 days under this name, at a provider that is not known", m.ElsewhereNanoUSD.Display())
	}
}
