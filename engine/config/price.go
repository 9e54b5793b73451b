package config

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"tallygate/engine/tally"
)

// A row of prices is one line of a file: {from: 2026-12-01T00:00:00Z, input: 2.5, output:
// 10}. Its fields are those of [tally.Price], amounts in USD without the unit in their
// names. The ID of a row follows from what it says.

// Owner is the source of a price that the owner has set, and of one that names none.
const Owner = "owner"

// SameRow reports whether rows say the same.
func SameRow(a, b tally.Price) bool {
	a.ID, b.ID = "", ""
	a.NameRow("")
	b.NameRow("")
	return a.ID == b.ID
}

type rowField struct {
	name  string
	value reflect.Value
}

// rowFields are the fields of a row that a file has, in the order of declaration.
func rowFields(p *tally.Price) (out []rowField) {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "id" {
			out = append(out, rowField{strings.TrimSuffix(name, "_nano_usd"), v.Field(i)})
		}
	}
	return out
}

func rowNode(p *tally.Price) *yaml.Node {
	n := inline(yaml.MappingNode)
	for _, f := range rowFields(p) {
		if f.value.IsZero() || f.value.Kind() == reflect.Map && f.value.Len() == 0 {
			continue
		}
		if f.value.Kind() != reflect.Map {
			add(n, f.name, figureNode(reflect.Indirect(f.value)))
			continue
		}
		m := inline(yaml.MappingNode)
		names := map[string]reflect.Value{}
		for _, key := range f.value.MapKeys() {
			names[key.String()] = f.value.MapIndex(key)
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			add(m, name, figureNode(names[name]))
		}
		add(n, f.name, m)
	}
	return n
}

func figureNode(v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case tally.NanoUSD:
		return figure(x.String())
	case time.Time:
		return figure(x.UTC().Format(time.RFC3339Nano))
	case encoding.TextMarshaler:
		text, _ := x.MarshalText() // of hours, which cannot fail
		return word(string(text))
	}
	if v.Kind() == reflect.Int64 {
		return figure(strconv.FormatInt(v.Int(), 10))
	}
	return word(v.String())
}

// setFigure reads what figureNode writes.
func setFigure(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		made := reflect.New(v.Type().Elem())
		err := setFigure(made.Elem(), text)
		v.Set(made)
		return err
	}
	switch x := v.Addr().Interface().(type) {
	case *tally.NanoUSD:
		usd, err := tally.ParseUSD(text)
		if err == nil && (usd < 0 || usd > tally.MaxMoney) {
			err = tally.Errorf(tally.Invalid, "a price is between $0 and %s, not %s", tally.MaxMoney.Display(), text)
		}
		*x = usd
		return err
	case *time.Time:
		at, err := time.Parse(time.RFC3339, text)
		if day, dated := time.Parse(time.DateOnly, text); dated == nil {
			at, err = day, nil
		}
		if err != nil {
			return tally.Errorf(tally.Invalid, "%.100q is not an instant", text).
				WithHint("like 2026-12-01T00:00:00Z, or 2026-12-01 for its beginning in UTC")
		}
		*x = at.UTC()
		return nil
	case encoding.TextUnmarshaler:
		return x.UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.Int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return tally.Errorf(tally.Invalid, "%.100q is not a whole number in range", text)
		}
		v.SetInt(n)
		return nil
	}
	v.SetString(text)
	return nil
}

// checkRow refuses a row that would never count, or count as something else.
func checkRow(p *tally.Price) error {
	tiers := []tally.Tier{"", tally.TierFlex, tally.TierPriority, tally.TierFast, tally.TierBatch}
	switch {
	case !slices.Contains(tiers, p.Tier):
		return tally.Errorf(tally.Invalid, "%.100q is not a tier", string(p.Tier)).
			WithHint("one of flex, priority, fast and batch")
	case !p.Until.IsZero() && !p.From.Before(p.Until):
		return tally.Errorf(tally.Invalid, "the price ends before it begins")
	case p.AboveTokens == 0 && !p.Priced():
		return tally.Errorf(tally.Invalid, "a price needs a rate for input or output, or one by the piece").
			WithHint("input: 0 says that tokens cost nothing")
	case p.Source != "" && p.Source != Owner: // of a list, which may know pieces that are never charged
		return nil
	}
	for piece := range p.Pieces {
		if !piece.Metered() {
			return tally.Errorf(tally.Invalid, "%.100q is not a piece that is charged", string(piece)).
				WithHint("one of search, image, character, query, second and hour; image_high or image_1024x1536 for one quality or size")
		}
	}
	return nil
}
