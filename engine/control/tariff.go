package control

import (
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// ModelPrice is what a model costs a client, whatever it costs the owner, written
// "gpt-4o:input=3,output=12"; "gpt-4o:none" is its cost again.
type ModelPrice struct {
	Model  string
	Prices []PriceField // none: the price is taken away
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *ModelPrice) UnmarshalText(b []byte) error {
	s := string(b)
	at := strings.LastIndexByte(s, ':') // names of models have colons too
	if at <= 0 || at == len(s)-1 {
		return tally.Errorf(tally.Invalid, "%.200q is not MODEL:CLASS=USD", s).
			WithHint("like gpt-4o:input=3,output=12, in US dollars per million tokens; gpt-4o:none removes")
	}
	m.Model, m.Prices = s[:at], nil
	if s[at+1:] == none {
		return nil
	}
	for part := range strings.SplitSeq(s[at+1:], ",") {
		p, err := ParsePrice(part)
		if err != nil {
			return err
		}
		m.Prices = append(m.Prices, p)
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (m ModelPrice) MarshalText() ([]byte, error) {
	prices := none
	if len(m.Prices) > 0 {
		prices = strings.ReplaceAll(joined(m.Prices, PriceField.String), " ", ",")
	}
	return []byte(m.Model + ":" + prices), nil
}

// PricesOf are the figures of a row as the owner writes them.
func PricesOf(p *tally.Price) (out []PriceField) {
	for _, c := range tally.AllClasses {
		if rate := *p.Rate(c); rate != nil {
			out = append(out, PriceField{Class: c.String(), Amount: *rate})
		}
	}
	if p.Request != 0 {
		out = append(out, PriceField{Class: "request", Amount: p.Request})
	}
	for _, piece := range slices.Sorted(maps.Keys(p.Pieces)) {
		out = append(out, PriceField{Class: string(piece), Amount: p.Pieces[piece]})
	}
	return out
}

// TariffRow is a row of a client's tariff as one word, its parts between semicolons:
// "from=2026-12-01T00:00:00Z;percent=20;minimum=50;gpt-4o:input=3,output=12".
type TariffRow struct {
	From    time.Time
	Percent Percent
	Minimum tally.NanoUSD
	Fixed   []ModelPrice
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *TariffRow) UnmarshalText(b []byte) error {
	*t = TariffRow{}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(string(b), ";") {
		name, value, _ := strings.Cut(part, "=")
		if strings.Contains(name, ":") {
			var m ModelPrice
			if err := m.UnmarshalText([]byte(part)); err != nil {
				return err
			}
			name, t.Fixed = m.Model, append(t.Fixed, m)
		} else if err := t.set(name, value); err != nil {
			return err
		}
		if seen[name] {
			return tally.Errorf(tally.Invalid, "%.200q is there twice in the tariff", name)
		}
		seen[name] = true
	}
	return nil
}

func (t *TariffRow) set(name, value string) (err error) {
	switch name {
	case "from":
		if t.From, err = time.Parse(time.RFC3339, value); err != nil {
			return tally.Errorf(tally.Invalid, "%.100q is not an instant", value).WithHint("like 2026-12-01T00:00:00Z")
		}
		t.From = t.From.UTC()
	case "percent":
		err = t.Percent.UnmarshalText([]byte(value))
	case "minimum":
		t.Minimum, err = tally.ParseUSD(value)
	default:
		err = tally.Errorf(tally.Invalid, "a tariff has no %.100q", name).
			WithHint("like from=2026-12-01T00:00:00Z;percent=20;minimum=50;gpt-4o:input=3,output=12")
	}
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (t TariffRow) MarshalText() ([]byte, error) {
	var parts []string
	if !t.From.IsZero() {
		parts = append(parts, "from="+t.From.UTC().Format(time.RFC3339))
	}
	parts = append(parts, "percent="+t.Percent.String())
	if t.Minimum != 0 {
		parts = append(parts, "minimum="+t.Minimum.String())
	}
	for _, m := range t.Fixed {
		text, _ := m.MarshalText()
		parts = append(parts, string(text))
	}
	return []byte(strings.Join(parts, ";")), nil
}

// TariffRows are the rows of a client's tariff as words.
func TariffRows(rows []tally.Tariff) []TariffRow {
	out := make([]TariffRow, 0, len(rows))
	for i := range rows {
		t := &rows[i]
		row := TariffRow{From: t.From, Percent: Percent(t.Added), Minimum: t.Minimum}
		for j := range t.Fixed {
			row.Fixed = append(row.Fixed, ModelPrice{t.Fixed[j].Model, PricesOf(&t.Fixed[j].Price)})
		}
		out = append(out, row)
	}
	return out
}

// SetTariff changes what a client pays from a date on. What is left out stays as it is
// then.
type SetTariff struct {
	Client  string       `json:"client" arg:"1" of:"client" help:"slug or id"`
	Percent *Percent     `json:"percent,omitempty" help:"what it pays more than a request costs, like 20, or less, like -10"`
	Prices  []ModelPrice `json:"prices,omitempty" flag:"price" help:"MODEL:CLASS=USD,…, like gpt-4o:input=3,output=12: what the model costs it, whatever it costs you; repeat; MODEL:none removes"`
	Minimum *Amount      `json:"minimum_nano_usd,omitempty" flag:"minimum" help:"what a month comes to at least, in USD; 0 for none"`
	From    Date         `json:"from,omitempty" help:"from when on, a date; left out: now"`
}

// TariffTable shows what a client pays; its days are those of a zone.
func TariffTable(zone string) *Table[*tally.Tariff] {
	return &Table[*tally.Tariff]{Thing: "tariff", Columns: []Column[*tally.Tariff]{
		{Name: "from", Get: func(t *tally.Tariff) Value { return WordOf(Instant(t.From, zone, true)) }},
		{Name: "percent", Title: "% on cost", Get: func(t *tally.Tariff) Value { return WordOf(PlusPercent(t.Added)) }},
		{Name: "minimum", Title: "minimum per month", Get: func(t *tally.Tariff) Value {
			if t.Minimum == 0 {
				return WordOf("")
			}
			return MoneyOf(t.Minimum)
		}},
		{Name: "fixed", Title: "fixed prices", Get: func(t *tally.Tariff) Value {
			return WordOf(joined(TariffRows([]tally.Tariff{*t})[0].Fixed, func(m ModelPrice) string {
				text, _ := m.MarshalText()
				return string(text)
			}))
		}},
	}}
}

// PlusPercent writes basis points that are added: "+20", "-10", "0".
func PlusPercent(basisPoints int) string {
	if text := Percent(basisPoints).String(); basisPoints <= 0 {
		return text
	} else {
		return "+" + text
	}
}
