package engine

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// priceEdit is a price that the owner sets by hand.
type priceEdit struct {
	figures     []control.PriceField
	from, until control.Date // days of the zone; "": now, and until another price begins
	above       int64        // of prompts with more tokens; 0: of all
	hours       tally.Hours  // none: at any hour
	tier        tally.Tier   // "": the plain one
}

// plain is whether the edit is of the price that others are measured by.
func (x *priceEdit) plain() bool { return x.tier == "" && len(x.hours) == 0 }

// setPrices gives a model a price by hand from a date on, or from now on: it adds
// rows, and changes none. Rates that the owner does not give are those in force
// when the price begins, with bands, hours and tiers: a correction of one figure
// must not make the others free. A model that had no price at all has it from
// ever, so that what was booked without one has it too; a new one as long as that
// of the price book would have counted.
func setPrices(m *tally.Model, x priceEdit, zone *time.Location, now time.Time) error {
	if len(x.figures) == 0 {
		if x.from != "" {
			return tally.Errorf(tally.Invalid, "a date was given, and no price").WithHint("--price input=USD --price output=USD --price-from %s", x.from)
		}
		return nil
	}
	from, until, at, err := x.span(m, zone, now)
	if err != nil {
		return err
	}
	groups := unitAt(m.Prices, at)
	if m.Rev == 0 && x.from == "" && len(groups) > 0 {
		from = tally.InForce(m.Prices, at)[0].From
	}
	rows, err := x.apply(groups)
	if err != nil {
		return err
	}
	edited := 0 // those that end with the edit stand behind those that it leaves as they are
	if !until.IsZero() {
		edited = len(groups)
		if !x.plain() {
			rows = rows[len(rows)-1:]
		}
		rows = append(slices.Clone(groups), rows...)
	}
	known := map[tally.ID]bool{}
	for i := range m.Prices {
		known[m.Prices[i].ID] = true
	}
	m.Prices = slices.Clip(m.Prices)
	for i, g := range rows {
		for j := range g {
			p := &g[j]
			p.ID, p.From, p.Source, p.Seen = "", from, sourceOwner, now.UTC().Truncate(time.Second)
			if i >= edited && !until.IsZero() && (p.Until.IsZero() || until.Before(p.Until)) {
				p.Until = until
			}
			p.NameRow(string(m.ID))
			for n := 2; known[p.ID]; n++ { // the same twice within a second is another row
				p.ID = ""
				p.NameRow(string(m.ID) + " " + strconv.Itoa(n))
			}
			known[p.ID] = true
			m.Prices = append(m.Prices, *p)
		}
	}
	return nil
}

// span is from when and until when the price counts, and the instant whose rates it takes
// over.
func (x *priceEdit) span(m *tally.Model, zone *time.Location, now time.Time) (from, until, at time.Time, err error) {
	cal := control.Calendar{Now: now, Zone: zone}
	from, at = now.UTC().Truncate(time.Second), now
	switch {
	case x.from != "":
		if from, err = x.from.At(cal); err != nil {
			return from, until, at, tally.Errorf(tally.Invalid, "%q is not a date", string(x.from)).
				WithHint("like %s; a price begins at midnight in %s", now.AddDate(0, 1, 0).Format(time.DateOnly), zone)
		}
		at = from
	case !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() }):
		from = time.Time{}
	}
	if x.until == "" {
		return from, until, at, nil
	}
	if until, err = x.until.At(cal); err != nil {
		return from, until, at, tally.Errorf(tally.Invalid, "%q is not a date", string(x.until)).
			WithHint("like %s; a price ends at midnight in %s", now.AddDate(0, 1, 0).Format(time.DateOnly), zone)
	}
	if !from.Before(until) {
		return from, until, at, tally.Errorf(tally.Invalid, "the price would end before it begins").
			WithHint("it begins on %s; --until names the first day on which it counts no more", control.Instant(from, zone.String(), true))
	}
	return from, until, at, nil
}

// unitAt returns all that counts at an instant, in groups that are safe to change: the price
// of all hours first.
func unitAt(prices []tally.Price, at time.Time) (out []priceGroup) {
	at = at.UTC().Truncate(time.Second)
	for _, g := range groupsOf(inForceFrom(prices, at)) {
		if g.base().From.Equal(at) {
			out = append(out, g)
		}
	}
	tally.OrderStable(out, func(a, b priceGroup) int {
		all := func(g priceGroup) int { return len(g.base().Tier) + len(g.base().Hours) }
		return cmp.Compare(min(all(a), 1), min(all(b), 1))
	})
	return out
}

// apply puts the owner's figures into what counts, with what follows from them. What is
// edited takes the place of all of its kind.
func (x *priceEdit) apply(groups []priceGroup) ([]priceGroup, error) {
	like := &tally.Price{Tier: x.tier, Hours: x.hours}
	var edited, plain priceGroup // the later one of a kind counts
	var others []priceGroup
	for _, g := range groups {
		g = slices.Clone(g)
		if p := g.base(); p.Tier == "" && len(p.Hours) == 0 {
			plain = g
		}
		if sameKind(g.base(), like) {
			edited = g
		} else {
			others = append(others, g)
		}
	}
	switch {
	case x.above < 0 || x.above > maxModelTokens:
		return nil, tally.Errorf(tally.Invalid, "a band begins above 0 to %s tokens", tally.Group(maxModelTokens))
	case plain == nil && (!x.plain() || x.above > 0):
		return nil, tally.Errorf(tally.Invalid, "there is no price yet that this one could stand beside").
			WithHint("set the plain one first: --price input=USD --price output=USD")
	case edited == nil && x.plain():
		edited = priceGroup{{}}
	}
	fresh := edited == nil
	if fresh {
		base := *plain.base()
		base.Tier, base.Hours = x.tier, x.hours
		edited = priceGroup{base}
	}
	for i := range edited {
		edited[i].Until = time.Time{}
	}
	was := *edited.base()
	if x.above == 0 || fresh {
		figures := x.figures
		if x.above > 0 {
			figures = nil
		}
		if err := editPrice(edited.base(), figures); err != nil {
			return nil, err
		}
	}
	if fresh {
		for _, band := range plain[1:] {
			edited = append(edited, dearest(band, edited.base()))
		}
	}
	if x.above > 0 {
		var err error
		if edited, err = x.band(edited); err != nil {
			return nil, err
		}
	}
	if !x.plain() {
		return append(others, edited), nil
	}
	for _, g := range others {
		for i := range g {
			follow(&g[i], &was, edited.base())
		}
	}
	return append([]priceGroup{edited}, others...), nil
}

// band puts the owner's figures into the band of a price, which is made if it has none. What
// the price names nowhere follows its parent there, too.
func (x *priceEdit) band(g priceGroup) (priceGroup, error) {
	for _, f := range x.figures {
		if _, ok := tally.ParseClass(f.Class); !ok {
			return nil, tally.Errorf(tally.Invalid, "a band of long prompts prices tokens, and not %q", f.Class).
				WithHint("leave --above out for what is priced by the call or by the piece")
		}
	}
	i := slices.IndexFunc(g, func(p tally.Price) bool { return p.AboveTokens >= x.above })
	if i < 0 {
		i = len(g)
	}
	if i == len(g) || g[i].AboveTokens != x.above {
		base := g.base()
		g = slices.Insert(g, i, tally.Price{Tier: base.Tier, Hours: base.Hours, AboveTokens: x.above})
	}
	for _, c := range slices.Backward(tally.AllClasses[:]) { // children before their parents
		own, parent := g[i].Rate(c), *g[i].Rate(c.Parent())
		if *g.base().Rate(c) == nil && *own != nil && parent != nil && **own == *parent && c != c.Parent() {
			*own = nil
		}
	}
	if err := editFigures(&g[i], x.figures); err != nil {
		return nil, err
	}
	fillBands(g)
	return g, nil
}

// follow brings a row in line with a correction of the plain one. What does not
// depend on hours and tiers is the same. A tier counts as a whole, and where it is
// dearer: so one that was dearer stays so in every class, and one that was not
// becomes it in none.
func follow(p, was, plain *tally.Price) {
	if p.AboveTokens > 0 {
		return
	}
	p.Request, p.Pieces = plain.Request, plain.Pieces
	if p.Tier == "" {
		return
	}
	more := func(a, b *tally.NanoUSD) bool { return a != nil && b != nil && *a > *b }
	dearer := more(p.Input, was.Input) || more(p.Output, was.Output)
	for _, c := range tally.AllClasses {
		old, now, own := *was.Rate(c), *plain.Rate(c), p.Rate(c)
		switch {
		case now == nil || old != nil && *old == *now: // not corrected
		case *own == nil, dearer && more(now, *own), !dearer && more(*own, now):
			*own = now
		}
	}
}

// editFigures puts the owner's figures into a row.
func editFigures(p *tally.Price, edits []control.PriceField) error {
	given := map[string]bool{}
	for _, e := range edits {
		if e.Amount < 0 || e.Amount > tally.MaxMoney {
			return tally.Errorf(tally.Invalid, "the price %s must be between $0 and %s", e.Class, tally.MaxMoney.Display())
		}
		if given[e.Class] {
			return tally.Errorf(tally.Invalid, "the price %s is given twice", e.Class)
		}
		given[e.Class] = true
		amount := e.Amount
		class, isClass := tally.ParseClass(e.Class)
		switch piece := tally.Piece(e.Class); {
		case isClass:
			*p.Rate(class) = &amount
		case e.Class == "request":
			p.Request = amount
		case piece.Metered():
			pieces := map[tally.Piece]tally.NanoUSD{piece: amount}
			for name, each := range p.Pieces { // the map is of the row that this one follows
				if name != piece && !(ofSound(name) && ofSound(piece)) {
					pieces[name] = each
				}
			}
			p.Pieces = pieces
		default:
			var names []string
			for _, c := range tally.AllClasses {
				names = append(names, c.String())
			}
			return tally.Errorf(tally.Invalid, "%q is not a class of price", e.Class).
				WithHint("one of %s, in USD per million tokens; request, in USD per call; search, in USD each, and so image, character, query, second and hour; image_high or image_1024x1536 for one quality or size", strings.Join(names, ", "))
		}
	}
	return nil
}

// editPrice is editFigures of a row that stands alone.
func editPrice(p *tally.Price, edits []control.PriceField) error {
	if err := editFigures(p, edits); err != nil {
		return err
	}
	if !p.Priced() {
		return tally.Errorf(tally.Invalid, "a price needs a rate for input or output, or one by the piece").
			WithHint("--price input=0 says that tokens cost nothing; --price image=0.04, character=0.000015 and second=0.0001 are of what is made, spoken and written down")
	}
	return nil
}

// ofSound reports whether a piece is a length of sound: of two prices of the same only one
// can be right.
func ofSound(p tally.Piece) bool { return p == tally.SoundSecond || p == tally.SoundHour }

// ownerZone is the zone in which days are that the owner names where no gateway is
// meant: that of the oldest gateway.
func ownerZone(c *tally.Catalog) *time.Location {
	if len(c.Gateways) == 0 {
		return time.UTC
	}
	return c.Zone(c.Gateways[0].ID)
}
