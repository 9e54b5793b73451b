package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func showModel(p *printer, m *control.ModelView) {
	ends := ""
	if !m.ShutdownAt.IsZero() {
		ends = m.ShutdownAt.UTC().Format(time.DateOnly) + when(m.ReplacedBy != "", "; its publisher names "+m.ReplacedBy+" instead", "")
	}
	p.pairs(
		"model", m.Name, "id", string(m.ID), "provider", m.ProviderName, "upstream", m.Upstream, "mode", m.Mode, "on", yes(m.Enabled),
		"context", count(m.ContextTokens), "longest answer", count(m.MaxOutputTokens), "a picture, at most", when(m.ImageTokens > 0, count(m.ImageTokens)+" tokens", ""),
		"shut down", ends, "not listed since", minute(m.MissingAt),
	)
	if m.AllowExtras {
		p.say("%s", p.paint(amber, "extras are allowed: what they cost is not bounded, so this model can pass a limit on money"))
	}
	p.section("Prices, in USD per million tokens")
	showPrices(p, m)
	p.sums("Last 30 days", m.Last30Days)
}

// showPrices lists the rows of a model. On a narrow terminal the classes that few
// models price go first; the JSON has everything.
func showPrices(p *printer, m *control.ModelView) {
	columns := []column{text("FROM"), spare(3, text("UNTIL")), spare(2, text("FOR"))}
	order := map[tally.Class]int{tally.ClassCachedInput: 4, tally.ClassCacheWrite: 5, tally.ClassReasoning: 6, tally.ClassCacheWriteLong: 9, tally.ClassAudioInput: 10, tally.ClassImageInput: 11, tally.ClassAudioOutput: 12, tally.ClassImageOutput: 13}
	for _, c := range tally.AllClasses {
		columns = append(columns, spare(order[c], number(strings.ToUpper(strings.ReplaceAll(c.String(), "_", " ")))))
	}
	t := p.table(append(columns, spare(7, number("PER CALL")), spare(8, text("EACH")), spare(14, text("BESIDE")), spare(15, text("SOURCE")), spare(16, text("SEEN")), spare(1, text("ID")))...)
	for i := range m.Prices {
		row := &m.Prices[i]
		owner := row.Source == "owner"
		cells := []string{instant(row.From, m.Zone, owner), when(row.Until.IsZero(), "", instant(row.Until, m.Zone, owner)), rowKind(row)}
		for _, c := range tally.AllClasses {
			own, parent := *row.Rate(c), *row.Rate(c.Parent())
			if c != c.Parent() && c != tally.ClassOutput && own != nil && parent != nil && *own == *parent {
				own = nil // it is told with its parent
			}
			cells = append(cells, rate(own))
		}
		var each, beside []string
		for _, name := range slices.Sorted(maps.Keys(row.Pieces)) {
			each = append(each, string(name)+" "+row.Pieces[name].String())
		}
		for _, name := range slices.Sorted(maps.Keys(row.Other)) {
			beside = append(beside, name+" "+row.Other[name].String())
		}
		for _, name := range slices.Sorted(maps.Keys(row.Factors)) {
			beside = append(beside, name+" × "+factor(row.Factors[name]))
		}
		seen := ""
		if !row.Seen.IsZero() {
			seen = row.Seen.UTC().Format(time.DateOnly)
		}
		t.add(append(cells, when(row.Request != 0, row.Request.String(), ""), strings.Join(each, ", "), strings.Join(beside, ", "), row.Source, seen, string(row.ID))...)
	}
	t.print("none: requests for it are refused; price it with: tallygate models update " + tally.ShellWord(m.Name) + " --price input=USD --price output=USD")
}

// rowKind says for which requests a row is.
func rowKind(p *tally.Price) string {
	var out []string
	if p.Tier != "" {
		out = append(out, string(p.Tier))
	}
	if p.AboveTokens > 0 {
		out = append(out, "prompts above "+count(p.AboveTokens))
	}
	if len(p.Hours) > 0 {
		out = append(out, p.Hours.String()+" UTC")
	}
	return strings.Join(out, ", ")
}

// instant writes when a price begins or ends, with the zone that it is said in:
// the book's days are those of UTC, the owner's those of the oldest gateway.
func instant(t time.Time, zone string, owner bool) string {
	if t.IsZero() {
		return "always"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || !owner {
		loc, zone = time.UTC, "UTC"
	}
	t = t.In(loc)
	switch {
	case t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0:
		return t.Format(time.DateOnly) + " " + zone
	case t.Second() == 0:
		return t.Format("2006-01-02 15:04") + " " + zone
	}
	return t.Format(time.DateTime) + " " + zone
}

// factor writes basis points: "1.1".
func factor(basisPoints int64) string {
	s := strings.TrimRight(fmt.Sprintf("%d.%04d", basisPoints/10_000, basisPoints%10_000), "0")
	return strings.TrimSuffix(s, ".")
}

// rate writes a rate, with two decimals at least; "" where the parent's counts.
func rate(r *tally.NanoUSD) string {
	if r == nil {
		return ""
	}
	s := r.String()
	if whole, frac, _ := strings.Cut(s, "."); len(frac) < 2 {
		return whole + "." + (frac + "00")[:2]
	}
	return s
}
