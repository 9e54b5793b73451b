package main

import (
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func showModel(p *printer, m *control.ModelView) {
	ends := ""
	if !m.ShutdownAt.IsZero() {
		ends = m.ShutdownAt.UTC().Format(time.DateOnly) + when(m.ReplacedBy != "", "; its publisher names "+m.ReplacedBy+" instead", "")
	}
	set := control.CurrentModel(&m.Model)
	thing(p, control.ModelTable, m, &set, "shut down", ends, "not listed since", minute(m.MissingAt))
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
