package part

import (
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// priceLines are the prices of a model, row by row: those in force, marked, and
// those that are announced. What is over is for the command line.
func Prices(t *theme.Theme, prices []tally.Price, now time.Time, width int) []string {
	if len(prices) == 0 {
		return []string{t.Paint(theme.Warn, "none: p sets one")}
	}
	var out, sources []string
	past, over := 0, false
	for i := range prices {
		p := &prices[i]
		if p.AboveTokens == 0 {
			over = isOver(prices, i, now)
		}
		if over {
			past++
			continue
		}
		mark := " "
		if !p.From.After(now) {
			mark = t.Paint(theme.OK, t.Glyphs.Pointer)
		}
		words, rates := rowWords(p), rateWords(t, p)
		head := mark + " " + widget.Pad(words, max(18, widget.Width(words)+2))
		if widget.Width(head+rates) <= width {
			out = append(out, head+rates)
		} else {
			out = append(out, widget.Wrap(mark+" "+words, width)...)
			for _, l := range widget.Wrap(rates, width-4) {
				out = append(out, "    "+l)
			}
		}
		if source := sourceWords(p, now); source != "" && !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	if past > 0 {
		out = append(out, t.Paint(theme.Muted, "  "+Plural(int64(past), "earlier row")+": tallygate models show"))
	}
	if len(sources) > 0 {
		out = append(out, t.Paint(theme.Muted, widget.Truncate("  "+strings.Join(sources, "; "), width)))
	}
	return out
}

// sourceWords say how long ago who said so; "" where nobody is named.
func sourceWords(p *tally.Price, now time.Time) string {
	days := int64(now.Sub(p.Seen) / (24 * time.Hour))
	switch {
	case p.Source == "":
		return ""
	case p.Seen.IsZero():
		return widget.Safe(p.Source)
	case days > 0:
		return Plural(days, "day") + " ago: " + widget.Safe(p.Source)
	}
	return "today: " + widget.Safe(p.Source)
}

// isOver reports whether a row without a band counts no more: it has ended, or a
// later one has taken its place.
func isOver(prices []tally.Price, i int, now time.Time) bool {
	p := &prices[i]
	if !p.Until.IsZero() && !p.Until.After(now) {
		return true
	}
	for j := range prices {
		l := &prices[j]
		after := l.From.After(p.From) || l.From.Equal(p.From) && j > i
		if after && !l.From.After(now) && l.AboveTokens == 0 && l.Until.IsZero() && l.Tier == p.Tier && (len(l.Hours) == 0 || l.Hours.String() == p.Hours.String()) {
			return true
		}
	}
	return false
}

// rowWords say when and for what a row counts. Days are those of UTC, as in the
// price book.
func rowWords(p *tally.Price) string {
	const date = "2 Jan 2006"
	when := "always"
	switch {
	case !p.From.IsZero() && !p.Until.IsZero():
		when = p.From.UTC().Format(date) + " to " + p.Until.UTC().Format(date)
	case !p.From.IsZero():
		when = p.From.UTC().Format(date)
	case !p.Until.IsZero():
		when = "until " + p.Until.UTC().Format(date)
	}
	var kind []string
	if p.Tier != "" {
		kind = append(kind, string(p.Tier))
	}
	if len(p.Hours) > 0 {
		kind = append(kind, p.Hours.String()+" UTC")
	}
	if p.AboveTokens > 0 {
		kind = append(kind, "over "+control.Compact(p.AboveTokens)+" tokens")
	}
	if len(kind) == 0 {
		return when
	}
	words := strings.Join(kind, ", ")
	if p.AboveTokens == 0 && when != "always" {
		words += " " + when
	}
	return widget.Safe(words)
}

// shortClasses are the names of classes where there is little space.
var shortClasses = [tally.NumClasses]string{"in", "cached", "write", "write 1h", "audio in", "image in", "out", "reasoning", "audio out", "image out"}

// rateWords are the rates that a price names, without those that are what it has
// for their parents.
func rateWords(t *theme.Theme, p *tally.Price) string {
	var out []string
	for _, c := range []tally.Class{tally.ClassInput, tally.ClassOutput, tally.ClassCachedInput, tally.ClassCacheWrite, tally.ClassCacheWriteLong, tally.ClassReasoning,
		tally.ClassAudioInput, tally.ClassImageInput, tally.ClassAudioOutput, tally.ClassImageOutput} {
		own, parent := *p.Rate(c), *p.Rate(c.Parent())
		if own != nil && (c == tally.ClassInput || c == tally.ClassOutput || parent == nil || *own != *parent) {
			out = append(out, t.Paint(theme.Muted, shortClasses[c]+" ")+dollarsOf(*own))
		}
	}
	if p.Request > 0 {
		out = append(out, t.Paint(theme.Muted, "request ")+p.Request.Display())
	}
	for _, name := range slices.Sorted(maps.Keys(p.Pieces)) {
		out = append(out, t.Paint(theme.Muted, widget.Safe(strings.ReplaceAll(string(name), "_", " "))+" ")+p.Pieces[name].Display())
	}
	return strings.Join(out, "  ")
}

// PriceInForce is the price of an instant at any hour, without its bands; nil if
// there is none.
func PriceInForce(prices []tally.Price, at time.Time) *tally.Price {
	if rows := tally.InForce(prices, at); len(rows) > 0 {
		return &rows[0]
	}
	return nil
}

// dollarsOf writes a rate without its sign: the column has it.
func dollarsOf(n tally.NanoUSD) string { return strings.TrimPrefix(n.Display(), "$") }
