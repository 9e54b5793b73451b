package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// endsSoon is how far ahead the end of a model is told.
const endsSoon = 30 * 24 * time.Hour

// showImport says what an import did, and what is left for the owner to do.
func showImport(p *printer, i *control.Imported) {
	if i.DryRun {
		p.say("nothing is changed: this is what an import would do")
	}
	if i.Offered > 0 || i.Added > 0 {
		p.say("%s models offered, %s new, %s of them priced", strconv.Itoa(i.Offered), strconv.Itoa(i.Added), strconv.Itoa(i.Priced))
	}
	if len(i.Unpriced) > 0 {
		more := ""
		if rest := i.Added - i.Priced - len(i.Unpriced); rest > 0 {
			more = " and " + strconv.Itoa(rest) + " more"
		}
		p.say("without a price, so refused: %s", strings.Join(i.Unpriced, ", ")+more)
		p.say("price one with: tallygate models update MODEL --price input=USD --price output=USD")
	}
	showChanges(p, i, "tallygate models import "+tally.ShellWord(i.Provider))
	for _, m := range i.Missing {
		p.say("no longer listed: %s, since %s", m.Model, m.Since.UTC().Format(time.DateOnly))
	}
	for _, s := range i.Shutdowns {
		if time.Until(s.At) < endsSoon {
			p.say("shut down on %s: %s", s.At.UTC().Format(time.DateOnly), s.Model+when(s.ReplacedBy != "", "; use "+s.ReplacedBy, ""))
		}
	}
	if i.Warning != "" {
		p.say("warning: %s", i.Warning)
	}
}

// showChanges lists prices that differ: figure by figure where there was one, and
// in a line for each model what has a figure for the first time. The command imports the same
// again.
func showChanges(p *printer, i *control.Imported, command string) {
	if len(i.Changes) == 0 {
		return
	}
	var known []control.PriceChange
	var models []string
	first := map[string][]string{}
	for n := range i.Changes {
		c := &i.Changes[n]
		if c.OldUSD == "" && c.Applied {
			kind := c.Class
			if c.Tier != "" {
				kind = string(c.Tier) + " tier"
			} else if len(c.Hours) > 0 {
				kind = "hours"
			} else if c.AboveTokens > 0 {
				kind = "prompts above " + tally.Group(c.AboveTokens)
			}
			if !slices.Contains(models, c.Model) {
				models = append(models, c.Model)
			}
			if !slices.Contains(first[c.Model], kind) {
				first[c.Model] = append(first[c.Model], kind)
			}
			continue
		}
		known = append(known, *c)
	}
	if len(known) > 0 {
		p.section("Prices that differ, in USD per million tokens or each")
		rows(p, control.ChangeTable, known, "")
	}
	for _, m := range models {
		p.say("priced for the first time, %s: %s", m, strings.Join(first[m], ", "))
	}
	if len(i.Refused) > 0 {
		p.say("refused: the prices of %s. Take one with: %s --accept MODEL, or all with --accept-all", strings.Join(i.Refused, ", "), command)
	}
}
