package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// PriceTable shows the rows of a model's price; days that the owner named are
// those of a zone. Where there is little room the classes that few models price
// go first.
func PriceTable(zone string) *Table[*tally.Price] {
	own := func(p *tally.Price) (*tally.Price, string) { return p, zone }
	return &Table[*tally.Price]{Thing: "price", Columns: priceColumns(own, OwnRate)}
}

// PriceRowTable shows rows of prices of several models.
var PriceRowTable = NewTable(Table[*PriceView]{
	Thing: "price", Make: "tallygate prices set MODEL --price input=USD --price output=USD",
	ID: func(v *PriceView) string { return string(v.ID) },
	Tone: func(v *PriceView) Tone {
		if v.State == RowPast {
			return Faint
		}
		return Plain
	},
	Text:   func(v *PriceView) string { return joinLines(string(v.ID), v.Model, v.Provider, v.Source) },
	Orders: []string{"model", "provider", "age"},
	Columns: append([]Column[*PriceView]{
		{Name: "model"},
		{Name: "provider", Spare: 2},
		{Name: "state"},
	}, append(priceColumns(func(v *PriceView) (*tally.Price, string) { return &v.Price, v.Zone }, wholeRate),
		Column[*PriceView]{Name: "age", Title: "days ago", Field: "age_days", Spare: 16, NoZero: true},
		Column[*PriceView]{Name: "tier", Hidden: true},
		Column[*PriceView]{Name: "hours", Hidden: true,
			Get: func(v *PriceView) Value { return WordOf(v.Hours.String()) }},
		Column[*PriceView]{Name: "above_tokens", Hidden: true},
		Column[*PriceView]{Name: "model_id", Hidden: true},
	)...),
})

// wholeRate is OwnRate of the plain rows. Of the others it is what they name: a band has the
// rate of the band below where it names none, and whoever reads a file may take what a tier
// does not name from the plain row.
func wholeRate(p *tally.Price, c tally.Class) *tally.NanoUSD {
	if p.AboveTokens > 0 || p.Tier != "" || len(p.Hours) > 0 {
		return *p.Rate(c)
	}
	return OwnRate(p, c)
}

// priceColumns are the columns of what is or has a row of a price, and the zone in which days
// are that the owner named; rate is what a row shows of a class.
func priceColumns[P any](of func(P) (*tally.Price, string),
	rate func(*tally.Price, tally.Class) *tally.NanoUSD) []Column[P] {
	row := func(v P) *tally.Price { p, _ := of(v); return p }
	columns := []Column[P]{
		{Name: "from", Get: func(v P) Value {
			p, zone := of(v)
			return WordOf(Instant(p.From, zone, p.Source == "owner"))
		}},
		{Name: "until", Spare: 3, Get: func(v P) Value {
			p, zone := of(v)
			if p.Until.IsZero() {
				return WordOf("")
			}
			return WordOf(Instant(p.Until, zone, p.Source == "owner"))
		}},
		{Name: "for", Spare: 2, Get: func(v P) Value { return WordOf(PriceFor(row(v))) }},
	}
	spare := map[tally.Class]int{tally.ClassCachedInput: 4, tally.ClassCacheWrite: 5, tally.ClassReasoning: 6, tally.ClassCacheWriteLong: 9, tally.ClassAudioInput: 10,
		tally.ClassImageInput: 11, tally.ClassAudioOutput: 12, tally.ClassImageOutput: 13}
	for _, c := range tally.AllClasses {
		columns = append(columns, Column[P]{
			Name: c.String(), Title: strings.ReplaceAll(c.String(), "_", " "), Spare: spare[c],
			Get: func(v P) Value {
				n := rate(row(v), c)
				if n == nil {
					return RateOf(0, false)
				}
				return RateOf(*n, true)
			}})
	}
	return append(columns,
		Column[P]{Name: "request", Title: "per call", Spare: 7,
			Get: func(v P) Value { return RateOf(row(v).Request, row(v).Request != 0) }},
		Column[P]{Name: "pieces", Title: "each", Spare: 8, Get: func(v P) Value {
			var out []string
			for _, name := range slices.Sorted(maps.Keys(row(v).Pieces)) {
				out = append(out, string(name)+" "+row(v).Pieces[name].String())
			}
			return WordOf(strings.Join(out, ", "))
		}},
		Column[P]{Name: "beside", Spare: 14, Get: func(v P) Value {
			var out []string
			for _, name := range slices.Sorted(maps.Keys(row(v).Other)) {
				out = append(out, name+" "+row(v).Other[name].String())
			}
			for _, name := range slices.Sorted(maps.Keys(row(v).Factors)) {
				out = append(out, name+" × "+factorText(row(v).Factors[name]))
			}
			return WordOf(strings.Join(out, ", "))
		}},
		Column[P]{Name: "source", Spare: 15, Get: func(v P) Value { return WordOf(row(v).Source) }},
		Column[P]{Name: "seen", Spare: 16, Get: func(v P) Value { return WordOf(day(row(v).Seen)) }},
		Column[P]{Name: "id", Spare: 1, Get: func(v P) Value { return WordOf(row(v).ID) }},
	)
}

// OwnRate is the rate of a class that a row names; nil where it is told with its
// parent.
func OwnRate(p *tally.Price, c tally.Class) *tally.NanoUSD {
	own, parent := *p.Rate(c), *p.Rate(c.Parent())
	if c != c.Parent() && c != tally.ClassOutput && own != nil && parent != nil && *own == *parent {
		return nil
	}
	return own
}

// PriceFor says for which requests a row is; "" for all.
func PriceFor(p *tally.Price) string {
	var out []string
	if p.Tier != "" {
		out = append(out, string(p.Tier))
	}
	if p.AboveTokens > 0 {
		out = append(out, "prompts above "+tally.Group(p.AboveTokens))
	}
	if len(p.Hours) > 0 {
		out = append(out, p.Hours.String()+" UTC")
	}
	return strings.Join(out, ", ")
}

// Instant writes when a price begins or ends, with the zone that it is said in:
// the book's days are those of UTC, the owner's those of the oldest gateway.
func Instant(t time.Time, zone string, owner bool) string {
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

// day is the date of an instant in UTC, "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// factorText writes basis points: "1.1".
func factorText(basisPoints int64) string {
	s := strings.TrimRight(fmt.Sprintf("%d.%04d", basisPoints/10_000, basisPoints%10_000), "0")
	return strings.TrimSuffix(s, ".")
}

// ChangeTable shows figures of prices that an import has in another way, in USD
// per million tokens or each.
var ChangeTable = NewTable(Table[*PriceChange]{
	Thing: "change",
	Tone: func(c *PriceChange) Tone {
		if c.Applied {
			return Plain
		}
		return Warn
	},
	Columns: []Column[*PriceChange]{
		{Name: "model", Title: "price of", Get: func(c *PriceChange) Value { return WordOf(c.Model) }},
		{Name: "class", Get: func(c *PriceChange) Value { return WordOf(c.of()) }},
		{Name: "old", Title: "was", Field: "old_usd", Get: func(c *PriceChange) Value { return WordOf(c.OldUSD) }},
		{Name: "new", Title: "is", Field: "new_usd", Get: func(c *PriceChange) Value {
			if c.NewUSD == "" && c.Class != "" {
				return WordOf("as its parent")
			}
			return WordOf(c.NewUSD)
		}},
		{Name: "percent", Title: "%", Get: func(c *PriceChange) Value {
			if p := string(c.Percent); p != "" && !strings.HasPrefix(p, "-") {
				return WordOf("+" + p)
			}
			return WordOf(c.Percent)
		}},
		{Name: "source", Spare: 2, Get: func(c *PriceChange) Value { return WordOf(c.Source) }},
		{Name: "seen", Spare: 1, Get: func(c *PriceChange) Value { return WordOf(day(c.Seen)) }},
		{Name: "reason", Title: "what became of it", Get: func(c *PriceChange) Value {
			switch {
			case !c.Applied:
				return WordOf("refused: " + c.Reason)
			case c.Reason != "":
				return WordOf("accepted, though " + c.Reason)
			}
			return WordOf("taken")
		}},
	},
})

// of says what a figure is of.
func (c *PriceChange) of() string {
	out := strings.ReplaceAll(c.Class, "_", " ")
	if row := PriceFor(&tally.Price{Tier: c.Tier, Hours: c.Hours, AboveTokens: c.AboveTokens}); row != "" {
		out += ", " + row
	}
	if !c.From.IsZero() {
		out += ", from " + Instant(c.From, "", false)
	}
	return out
}
