package screen

import (
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// priceLines are the prices of a model, by date and band, the one in force
// marked.
func priceLines(t *theme.Theme, prices []tally.Price, now time.Time, width int) []string {
	if len(prices) == 0 {
		return []string{t.Paint(theme.Warn, "none: p sets one")}
	}
	current := priceInForce(prices, now)
	var out, sources []string
	for i := range prices {
		p := &prices[i]
		from := "always"
		if !p.From.IsZero() {
			from = p.From.UTC().Format("2 Jan 2006")
		}
		if p.AboveTokens > 0 {
			from = "over " + widget.Compact(p.AboveTokens) + " tokens"
		}
		mark := " "
		if current != nil && p.From.Equal(current.From) {
			mark = t.Paint(theme.OK, t.Glyphs.Pointer)
		}
		head, rates := mark+" "+widget.Pad(from, 18), rateWords(t, p)
		if widget.Width(head+rates) <= width {
			out = append(out, head+rates)
		} else {
			out = append(out, head)
			for _, l := range widget.Wrap(rates, width-4) {
				out = append(out, "    "+l)
			}
		}
		if p.Source != "" && !slices.Contains(sources, p.Source) {
			sources = append(sources, p.Source)
		}
	}
	if len(sources) > 0 {
		out = append(out, t.Paint(theme.Muted, widget.Truncate("  by "+widget.Safe(strings.Join(sources, ", ")), width)))
	}
	return out
}

// rateWords are the rates that a price names.
func rateWords(t *theme.Theme, p *tally.Price) string {
	var out []string
	for _, x := range []struct {
		name string
		rate *tally.NanoUSD
	}{{"in", p.Input}, {"out", p.Output}, {"cached", p.CachedInput}, {"write", p.CacheWrite}, {"reasoning", p.Reasoning}} {
		if x.rate != nil {
			out = append(out, t.Paint(theme.Muted, x.name+" ")+dollarsOf(*x.rate))
		}
	}
	if p.Request > 0 {
		out = append(out, t.Paint(theme.Muted, "request ")+p.Request.Display())
	}
	return strings.Join(out, "  ")
}

// priceInForce is the price of an instant without its bands, nil if there is
// none.
func priceInForce(prices []tally.Price, at time.Time) (found *tally.Price) {
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 && !p.From.After(at) && (p.Input != nil || p.Output != nil) && (found == nil || p.From.After(found.From)) {
			found = p
		}
	}
	return found
}
