package engine

import (
	"math/big"
	"slices"
	"time"

	"tallygate/engine/tally"
)

// rows reads the prices of a line: the plain row and its bands, then those of
// hours, tiers and other dates, each with all that it is charged at.
func (l *bookLine) rows(sources []string) ([]tally.Price, error) {
	var groups [][]tally.Price
	for i := range l.Prices {
		p, err := l.Prices[i].read(sources, l.Confidence)
		if err != nil {
			return nil, err
		}
		if p.AboveTokens == 0 {
			groups = append(groups, []tally.Price{p})
			continue
		}
		if len(groups) == 0 {
			return nil, tally.Errorf(tally.Corrupt, "a band stands before its price")
		}
		last := &groups[len(groups)-1]
		if below := &(*last)[len(*last)-1]; !sameKind(below, &p) || !p.From.Equal(below.From) || !p.Until.Equal(below.Until) || below.AboveTokens >= p.AboveTokens {
			return nil, tally.Errorf(tally.Corrupt, "the band above %d tokens does not follow its price", p.AboveTokens)
		}
		*last = append(*last, p)
	}
	if first := &groups[0][0]; first.Tier != "" || len(first.Hours) > 0 || !first.From.IsZero() || !first.Until.IsZero() {
		return nil, tally.Errorf(tally.Corrupt, "the first price is not the plain one")
	}
	for i := range groups[1:] {
		groups[i+1] = complete(groups[i+1], groups[0])
	}
	var out []tally.Price
	for _, g := range groups {
		fillBands(g)
		out = append(out, g...)
	}
	return out, nil
}

// sameKind reports whether rows are of the same tier and hours.
func sameKind(a, b *tally.Price) bool { return a.Tier == b.Tier && slices.Equal(a.Hours, b.Hours) }

func (c *bookCite) cite(sources []string) (source string, seen time.Time, err error) {
	if c.Source < 1 || c.Source > len(sources) {
		return "", seen, tally.Errorf(tally.Corrupt, "there is no source %d", c.Source)
	}
	if seen, err = bookDate(c.Seen); err != nil || seen.IsZero() {
		return "", seen, tally.Errorf(tally.Corrupt, "%q is not the day on which its source was seen", c.Seen)
	}
	return sources[c.Source-1], seen, nil
}

func (b *bookPrice) read(sources []string, confidence string) (p tally.Price, err error) {
	if p.From, err = bookDate(b.From); err != nil {
		return p, err
	}
	if p.Until, err = bookDate(b.Until); err != nil {
		return p, err
	}
	if !p.Until.IsZero() {
		if p.Until = p.Until.AddDate(0, 0, 1); !p.From.Before(p.Until) {
			return p, tally.Errorf(tally.Corrupt, "a price ends before it begins")
		}
	}
	if b.Hours != "" {
		if p.Hours, err = tally.ParseHours(b.Hours); err != nil {
			return p, err
		}
	}
	if p.Tier, p.AboveTokens = b.Tier, b.AboveTokens; b.AboveTokens < 0 {
		return p, tally.Errorf(tally.Corrupt, "above_tokens is negative")
	}
	if !slices.Contains([]tally.Tier{"", tally.TierFlex, tally.TierPriority, tally.TierFast, tally.TierBatch}, p.Tier) {
		return p, tally.Errorf(tally.Corrupt, "%q is not a tier", p.Tier)
	}
	source, seen, err := b.cite(sources)
	if err != nil {
		return p, err
	}
	for _, c := range b.Cites {
		if c == nil {
			return p, tally.Errorf(tally.Corrupt, "a source is missing")
		}
		if _, _, err := c.cite(sources); err != nil {
			return p, err
		}
	}
	if p.Source, p.Seen = sourceBook+": "+source, seen; confidence != "high" {
		p.Source = sourceBook + ", " + confidence + " confidence: " + source
	}
	return p, b.figures(&p)
}

// figures reads the amounts of a row.
func (b *bookPrice) figures(p *tally.Price) (err error) {
	for name, text := range b.Rates {
		class, ok := tally.ParseClass(name)
		if !ok {
			return tally.Errorf(tally.Corrupt, "%q is not a class", name)
		}
		n, err := tally.ParseUSD(text)
		if err != nil {
			return err
		}
		*p.Rate(class) = &n
	}
	if b.Request != "" {
		if p.Request, err = tally.ParseUSD(b.Request); err != nil {
			return err
		}
	}
	for name, text := range b.Pieces {
		n, err := tally.ParseUSD(text)
		if err != nil {
			return err
		}
		if p.Pieces == nil {
			p.Pieces = map[tally.Piece]tally.NanoUSD{}
		}
		p.Pieces[tally.Piece(name)] = n
	}
	for name, text := range b.Other {
		n, err := tally.ParseUSD(text)
		if err != nil {
			return err
		}
		if p.Other == nil {
			p.Other = map[string]tally.NanoUSD{}
		}
		p.Other[name] = n
	}
	for name, n := range b.Factors {
		if n <= 0 {
			return tally.Errorf(tally.Corrupt, "the factor %q is %d", name, n)
		}
	}
	p.Factors = b.Factors
	return nil
}

// complete returns a price of hours, a tier or a date with what it shares with the
// plain one, which is left out of the book.
func complete(group, plain []tally.Price) []tally.Price {
	p, of := &group[0], &plain[0]
	if p.Pieces == nil {
		p.Pieces = of.Pieces
	}
	if p.Request == 0 {
		p.Request = of.Request
	}
	dearer := p.Tier != "" && p.Input != nil && of.Input != nil && *p.Input > *of.Input
	for _, c := range tally.AllClasses {
		own, plain := p.Rate(c), *of.Rate(c)
		if *own != nil || plain == nil {
			continue
		}
		if dearer {
			plain = inProportion(plain, p, of, c)
		}
		*own = plain
	}
	if len(group) > 1 || p.Tier != "" && !dearer {
		return group // a tier that is not dearer counts nowhere
	}
	out := slices.Clone(group)
	for _, band := range plain[1:] {
		out = append(out, dearest(band, p))
	}
	return out
}

// inProportion is a rate at the factor by which a dearer tier raises the input or
// the output: nobody names it, and the plain rate would be too low.
func inProportion(rate *tally.NanoUSD, tier, plain *tally.Price, c tally.Class) *tally.NanoUSD {
	to, from := tier.Input, plain.Input
	if !c.Prompt() && tier.Output != nil && plain.Output != nil {
		to, from = tier.Output, plain.Output
	}
	if *from <= 0 {
		return rate
	}
	n := new(big.Int).Mul(big.NewInt(int64(*rate)), big.NewInt(int64(*to)))
	n.Add(n, big.NewInt(int64(*from)-1)).Quo(n, big.NewInt(int64(*from)))
	out := tally.MaxMoney
	if n.IsInt64() {
		out = min(out, tally.NanoUSD(n.Int64()))
	}
	return &out
}

// dearest is a band of a price that has none: what the plain band costs, and no
// less than the price below it does.
func dearest(band tally.Price, below *tally.Price) tally.Price {
	band.Tier, band.From, band.Until, band.Hours, band.Source, band.Seen = below.Tier, below.From, below.Until, below.Hours, below.Source, below.Seen
	for _, c := range tally.AllClasses {
		rate, least := band.Rate(c), *below.Rate(c)
		if *rate != nil && least != nil && **rate < *least {
			*rate = least
		}
	}
	return band
}

// fillBands puts into bands the rates that are their parents': those that the
// price names nowhere are the parent's above a band too.
func fillBands(group []tally.Price) {
	base := &group[0]
	for i := 1; i < len(group); i++ {
		band := &group[i]
		for _, c := range tally.AllClasses {
			if rate := band.Rate(c); *rate == nil && *base.Rate(c) == nil && *band.Rate(c.Parent()) != nil {
				n := **band.Rate(c.Parent())
				*rate = &n
			}
		}
	}
}
