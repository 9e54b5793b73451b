package engine

import (
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// setPrices gives a model a price by hand from a date on, or from now on: it adds
// rows, and changes none. Rates that the owner does not give are those in force
// when the price begins, with bands, hours and tiers: a correction of one figure
// must not make the others free. A model that had no price at all has it from
// ever, so that what was booked without one has it too; a new one as long as that
// of the price book would have counted.
func setPrices(m *tally.Model, edits []control.PriceField, date control.Date, zone *time.Location, now time.Time) error {
	if len(edits) == 0 {
		if date != "" {
			return tally.Errorf(tally.Invalid, "a date was given, and no price").WithHint("--price input=USD --price output=USD --price-from %s", date)
		}
		return nil
	}
	from := now.UTC().Truncate(time.Second)
	at := now
	switch {
	case date != "":
		var err error
		if from, err = date.At(control.Calendar{Now: now, Zone: zone}); err != nil {
			return tally.Errorf(tally.Invalid, "%q is not a date", string(date)).WithHint("like %s; a price begins at midnight in %s", now.AddDate(0, 1, 0).Format(time.DateOnly), zone)
		}
		at = from
	case !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() }):
		from = time.Time{}
	}
	rows := tally.InForce(m.Prices, at)
	if rows == nil {
		rows = []tally.Price{{}}
	} else if m.Rev == 0 && date == "" {
		from = rows[0].From
	}
	was := rows[0]
	if err := editPrice(&rows[0], edits); err != nil {
		return err
	}
	for i := range rows[1:] {
		follow(&rows[i+1], &was, &rows[0])
	}
	for i := range rows {
		p := &rows[i]
		p.ID, p.From, p.Until, p.Source, p.Seen = "", from, time.Time{}, sourceOwner, now.UTC().Truncate(time.Second)
		p.NameRow(string(m.ID))
	}
	m.Prices = append(slices.Clip(m.Prices), rows...)
	return nil
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

// editPrice puts the owner's figures into a row.
func editPrice(p *tally.Price, edits []control.PriceField) error {
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
