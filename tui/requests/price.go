package requests

import (
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// priceLines show how the cost came about: tokens of each class times their
// rate.
func (s *Screen) priceLines(v *control.RequestView, width int) []string {
	t := s.Env.Theme
	total := widget.Between(t.Strong(theme.Text, "cost"), t.Strong(theme.Text, "$"+v.CostNanoUSD.String()), width)
	basis := map[tally.Basis]string{
		tally.Exact: "Tokens as the provider reported them.", tally.Estimated: "Tokens counted from the bytes delivered: the provider reported none.",
		tally.Held: "The most that it can have cost: nobody told what was used.",
	}[v.Basis]
	q := s.quote(v)
	rates, ok := q.Rates, q.Row != nil
	var lines []string
	for _, c := range tally.AllClasses {
		n := v.Tokens.ByClass()[c]
		if n == 0 {
			continue
		}
		left := widget.Pad(strings.ReplaceAll(c.String(), "_", " "), 16) + widget.PadLeft(tally.Group(n), 9)
		right := ""
		if ok {
			left += t.Paint(theme.Muted, " × $"+rates.Of[c].String())
			var one [tally.NumClasses]int64
			one[c] = n
			right = "$" + (tally.Rates{Of: rates.Of}).Cost(tally.TokensOf(one)).String()
		}
		lines = append(lines, widget.Between(left+" ", right, width))
	}
	if ok && rates.Request > 0 {
		lines = append(lines, widget.Between("per call", "$"+rates.Request.String(), width))
	}
	pieces := q.CostOfPieces(v.Piece, v.Pieces)
	if v.Pieces > 0 {
		left, right := widget.Pad(widget.Safe(string(v.Piece)), 16)+widget.PadLeft(tally.Group(v.Pieces), 9), ""
		if ok {
			right = "$" + pieces.String()
		}
		lines = append(lines, widget.Between(left, right, width))
	}
	if v.BilledNano != nil && v.ListedNano != nil {
		lines = append(lines, widget.Between("by our prices", "$"+v.ListedNano.String(), width), widget.Between("billed by the provider", "$"+v.BilledNano.String(), width))
	}
	lines = append(lines, total)
	if v.SavedNano != 0 {
		lines = append(lines, widget.Between(t.Paint(theme.Muted, "saved by the provider's cache"), "$"+v.SavedNano.String(),
			width))
	}
	if v.CreditsNano != v.CostNanoUSD {
		lines = append(lines, widget.Between("credits, with mark-up", "$"+v.CreditsNano.String(), width))
	}
	say := func(role theme.Role, text string) {
		for _, l := range widget.Wrap(text, width) {
			lines = append(lines, t.Paint(role, l))
		}
	}
	listed := v.CostNanoUSD
	if v.ListedNano != nil {
		listed = *v.ListedNano
	}
	switch {
	case len(v.Tries) > 0:
		say(theme.Muted, "The cost is that of all attempts together.")
	case v.Basis == tally.Held: // its tokens are bounds, of whatever class is the dearest
	case !ok && s.Snap.Loaded:
		say(theme.Muted, "The model has no price any more, so the rates cannot be shown.")
	case v.Answered != "" && v.Price != "" && v.Price != q.ID():
		say(theme.Warn, "Charged at the price of the model that answered, which is dearer.")
	case rates.Cost(v.Tokens)+pieces != listed:
		say(theme.Warn, "The model's price has been changed since: what was booked stays.")
	}
	if basis != "" {
		say(theme.Muted, basis)
	}
	return lines
}

// quote is what the model had as its price when the request came in, as far as its
// rows tell.
func (s *Screen) quote(v *control.RequestView) tally.Quote {
	for i := range s.Snap.Models {
		m := &s.Snap.Models[i]
		if m.ProviderName == v.Provider && (m.UpstreamName() == v.Upstream || m.Name == v.Model) {
			return tally.QuoteAt(m.Prices, v.At, v.Tier, v.Tokens.Prompt())
		}
	}
	return tally.Quote{}
}
