package control

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// The text of a value: every kind has one parser and one printer. Flags, the
// environment, the config file, completion and forms all go by them.

// Percent is what is added to an amount, in basis points of it, written "20" or "12.5"; what
// is taken off it, "-10".
type Percent int

// The bounds of a percentage: 1000 % more, and nothing left.
const (
	MaxPercent Percent = 100_000
	MinPercent Percent = -10_000
)

// UnmarshalText implements encoding.TextUnmarshaler. It is exact: "20", "12.5%", "-10".
func (p *Percent) UnmarshalText(b []byte) error {
	s := string(b)
	bad := func(why string) error {
		return tally.Errorf(tally.Invalid, "%q is not a percentage: %s", s, why).WithHint("from -100 to 1000 with at most two decimals, like 20 or 12.5")
	}
	text, less := strings.CutPrefix(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%")), "-")
	if !less {
		text = strings.TrimPrefix(text, "+")
	}
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return bad("not a decimal number")
	}
	if frac = strings.TrimRight(frac, "0"); len(frac) > 2 {
		return bad("more than two decimals")
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 4 {
		return bad("too large")
	}
	n, err := strconv.Atoi("0" + whole + frac + strings.Repeat("0", 2-len(frac)))
	if less {
		n = -n
	}
	if err != nil || Percent(n) > MaxPercent || Percent(n) < MinPercent {
		return bad("too large")
	}
	*p = Percent(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler: "20", "12.5".
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the percentage without its sign.
func (p Percent) String() string {
	return strings.TrimSuffix(tally.NanoUSD(int64(p)*int64(tally.Dollar)/100).String(), ".")
}

// ParsePrice reads CLASS=USD, exactly. Which classes there are is the engine's
// to say.
func ParsePrice(s string) (PriceField, error) {
	class, amount, ok := strings.Cut(s, "=")
	if !ok || class == "" {
		return PriceField{}, tally.Errorf(tally.Invalid, "price %q is not CLASS=USD", s).WithHint("like input=0.15, in US dollars per million tokens")
	}
	usd, err := tally.ParseUSD(amount)
	return PriceField{Class: strings.ReplaceAll(class, "-", "_"), Amount: usd}, err
}

// String writes the figure as [ParsePrice] reads it.
func (p PriceField) String() string { return p.Class + "=" + p.Amount.String() }

// none clears a list, wherever it is written.
const none = "none"

// repeated is whether a field takes several values: a flag is repeated, and in a
// form there are spaces between.
func repeated(t reflect.Type) bool { return t.Kind() == reflect.Slice || t.Kind() == reflect.Map }

// valueType is the type of what a field holds, behind a pointer too.
func valueType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// Value is what help calls a value of the field: "DURATION".
func (f *Field) Value() string {
	switch t := valueType(f.Go); {
	case len(f.Choices) > 0 && len(f.Choices) <= 4:
		return strings.Join(f.Choices, "|")
	case len(f.Choices) > 0:
		return "WORD"
	case f.Of != "":
		return strings.ToUpper(f.Of)
	case t == reflect.TypeFor[time.Duration]():
		return "DURATION"
	case t == reflect.TypeFor[[]tally.LimitEdit]():
		return "LIMIT"
	case t == reflect.TypeFor[[]PriceField]():
		return "CLASS=USD"
	case t == reflect.TypeFor[[]ModelPrice]():
		return "MODEL:CLASS=USD,…"
	case t == reflect.TypeFor[Percent]():
		return "PERCENT"
	case t == reflect.TypeFor[Size]():
		return "BYTES"
	case t == reflect.TypeFor[tally.Thresholds]():
		return "PERCENTS"
	case t == reflect.TypeFor[tally.NanoUSD](), t == reflect.TypeFor[Amount]():
		return "USD"
	case t == reflect.TypeFor[Date](), t == reflect.TypeFor[Since](), t == reflect.TypeFor[Expiry]():
		return "WHEN"
	case t == reflect.TypeFor[Month]():
		return "MONTH"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "N"
	case t.Kind() == reflect.Map:
		return "ASKED=MODEL"
	}
	return "TEXT"
}

// Set reads one value into the field of an input, to which in points. A pointer
// is made, and a list grows; "none" makes an empty one.
func (f *Field) Set(in any, text string) error {
	target := reflect.ValueOf(in).Elem().FieldByIndex(f.Index)
	if target.Kind() == reflect.Pointer {
		made := reflect.New(target.Type().Elem())
		if !target.IsNil() {
			made.Elem().Set(target.Elem())
		}
		if err := f.set(made.Elem(), text); err != nil {
			return err
		}
		target.Set(made)
		return nil
	}
	return f.set(target, text)
}

func (f *Field) set(target reflect.Value, s string) error {
	switch to := target.Addr().Interface().(type) {
	case *[]tally.LimitEdit:
		edit, err := tally.ParseLimit(s)
		if err == nil {
			*to = append(*to, edit)
		}
		return err
	case *[]PriceField:
		price, err := ParsePrice(s)
		if err == nil {
			*to = append(*to, price)
		}
		return err
	case *[]string:
		*to = append(*to, s)
		return nil
	case *[]Secret:
		*to = append(*to, Secret(s))
		return nil
	case *map[string]string:
		return setPair(to, s)
	case *time.Duration:
		d, err := ParseSpan(s)
		*to = d
		return err
	case *tally.NanoUSD:
		usd, err := tally.ParseUSD(s)
		*to = usd
		return err
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(s))
	}
	if target.Kind() == reflect.Slice {
		if one, ok := reflect.New(target.Type().Elem()).Interface().(encoding.TextUnmarshaler); ok {
			if s == none {
				target.Set(reflect.MakeSlice(target.Type(), 0, 0))
				return nil
			}
			err := one.UnmarshalText([]byte(s))
			if err == nil {
				target.Set(reflect.Append(target, reflect.ValueOf(one).Elem()))
			}
			return err
		}
	}
	switch target.Kind() {
	case reflect.String:
		if err := f.checkWord(s); err != nil {
			return err
		}
		target.SetString(s)
	case reflect.Bool:
		b, err := parseBool(s)
		target.SetBool(b)
		return err
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, target.Type().Bits())
		if err != nil {
			return tally.Errorf(tally.Invalid, "%q is not a whole number in range", s)
		}
		if n < f.Min {
			return tally.Errorf(tally.Invalid, "%s is out of range: at least %d", s, f.Min)
		}
		target.SetInt(n)
	default:
		return tally.Errorf(tally.Internal, "a field of type %s has no text", target.Type())
	}
	return nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, tally.Errorf(tally.Invalid, "%q is neither yes nor no", s)
}

// setPair reads ASKED=MODEL into a map; "none" makes it an empty one.
func setPair(m *map[string]string, s string) error {
	if *m == nil {
		*m = map[string]string{}
	}
	if s == none {
		return nil
	}
	from, to, ok := strings.Cut(s, "=")
	if !ok || from == "" || to == "" {
		return tally.Errorf(tally.Invalid, "%q is not ASKED=MODEL", s).WithHint("like gpt-4=gpt-4o-mini; none clears")
	}
	if was, twice := (*m)[from]; twice && was != to {
		return tally.Errorf(tally.Invalid, "%q is there twice", from)
	}
	(*m)[from] = to
	return nil
}

// checkWord refuses a word that is no choice of the field; one that is left out
// may be.
func (f *Field) checkWord(s string) error {
	if len(f.Choices) == 0 || s == "" || slices.Contains(f.Choices, s) {
		return nil
	}
	e := tally.Errorf(tally.Invalid, "%q is no choice for %s", s, strings.ReplaceAll(f.Name, "_", " "))
	if near := Nearest(s, f.Choices); near != "" {
		return e.WithHint("did you mean %s? One of %s", near, strings.Join(f.Choices, ", "))
	}
	return e.WithHint("one of %s", strings.Join(f.Choices, ", "))
}

// Fill reads the whole of what stands in a form: several values have spaces
// between, and nothing is the value that the field may be left out for. Of a
// list of limits, those in was, the text there was before, that are gone are
// removed.
func (f *Field) Fill(in any, text, was string) error {
	target := reflect.ValueOf(in).Elem().FieldByIndex(f.Index)
	text = strings.TrimSpace(text)
	t := valueType(f.Go)
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(t))
		target = target.Elem()
	}
	if !repeated(t) {
		if text == "" {
			target.SetZero()
			return nil
		}
		return f.set(target, text)
	}
	target.SetZero()
	if t.Kind() == reflect.Map {
		target.Set(reflect.MakeMap(t))
	}
	for _, word := range words(text) {
		if err := f.set(target, word); err != nil {
			return err
		}
	}
	if edits, ok := target.Addr().Interface().(*[]tally.LimitEdit); ok {
		return removeGone(edits, was)
	}
	if prices, ok := target.Addr().Interface().(*[]PriceField); ok {
		return nothingGone(*prices, was)
	}
	if target.Kind() == reflect.Slice && target.IsNil() && f.Go.Kind() == reflect.Pointer {
		target.Set(reflect.MakeSlice(t, 0, 0))
	}
	return nil
}

// words cuts a text at its blanks, except those of a limit per part.
func words(text string) (out []string) {
	list := strings.Fields(text)
	for i := 0; i < len(list); i++ {
		if n := len(out); n > 0 && list[i] == "per" && i+1 < len(list) {
			out[n-1] += " per " + list[i+1]
			i++
			continue
		}
		out = append(out, list[i])
	}
	return out
}

// removeGone adds the removal of each limit that stood there and does not any
// more.
func removeGone(edits *[]tally.LimitEdit, was string) error {
	for _, word := range words(was) {
		old, err := tally.ParseLimit(word)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(*edits, func(e tally.LimitEdit) bool { return e.Metric == old.Metric && e.Window == old.Window }) {
			old.Remove = true
			*edits = append(*edits, old)
		}
	}
	return nil
}

// nothingGone refuses prices of which a figure is gone that stood there: leaving it
// out would not take it away.
func nothingGone(prices []PriceField, was string) error {
	for _, word := range strings.Fields(was) {
		old, err := ParsePrice(word)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(prices, func(p PriceField) bool { return p.Class == old.Class }) {
			return tally.Errorf(tally.Invalid, "the rate of %s cannot be taken away", strings.ReplaceAll(old.Class, "_", " ")).WithHint("%s=0 makes it free", old.Class)
		}
	}
	return nil
}

// Check says what is wrong with the text of a form.
func (f *Field) Check(text string) error {
	single := Field{Name: f.Name, Choices: f.Choices, Go: f.Go, Index: []int{0}}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Field", Type: f.Go}}))
	if err := single.Fill(holder.Interface(), text, ""); err != nil {
		return err
	}
	v := holder.Elem().Field(0)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if c, ok := v.Interface().(interface{ Check(Calendar) error }); ok && strings.TrimSpace(text) != "" {
		return c.Check(Calendar{Now: time.Now(), Zone: time.UTC})
	}
	return nil
}

// Check says whether a text is one, as do the methods below; it need not lie
// right for what it is used for.
func (d Date) Check(c Calendar) error {
	if d == none {
		return nil // where it may be cleared
	}
	_, err := d.At(c)
	return err
}

func (s Since) Check(c Calendar) error  { _, err := s.At(c, 0); return err }
func (x Expiry) Check(c Calendar) error { _, err := x.At(c); return err }
func (m Month) Check(c Calendar) error  { _, err := m.In(c); return err }
func (z Zone) Check(Calendar) error     { return tally.CheckZone(string(z)) }

// Text writes what the field of an input holds as [Field.Fill] reads it; "" for
// nothing, and for what is as it is left out.
func (f *Field) Text(in any) string {
	v := reflect.Indirect(reflect.ValueOf(in)).FieldByIndex(f.Index)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case []tally.LimitEdit:
		return joined(x, func(e tally.LimitEdit) string { return e.String() })
	case []PriceField:
		return joined(x, PriceField.String)
	case []string:
		return strings.Join(x, " ")
	case []Secret, Secret:
		return "" // it is never shown
	case map[string]string:
		return joined(slices.Sorted(maps.Keys(x)), func(asked string) string { return asked + "=" + x[asked] })
	case time.Duration:
		if x == 0 && f.Go.Kind() != reflect.Pointer {
			return ""
		}
		return FormatSpan(x)
	case tally.NanoUSD, Amount:
		if v.IsZero() && f.Go.Kind() != reflect.Pointer {
			return ""
		}
		return tally.NanoUSD(v.Int()).String()
	case bool:
		if x {
			return "yes"
		}
		return "no"
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	case interface{ String() string }:
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Slice:
		return strings.Join(f.Texts(in), " ")
	}
	return ""
}

// Texts writes each of the values that a field of an input holds, if these write
// themselves; nil otherwise.
func (f *Field) Texts(in any) (out []string) {
	v := reflect.Indirect(reflect.Indirect(reflect.ValueOf(in)).FieldByIndex(f.Index))
	if !v.IsValid() || v.Kind() != reflect.Slice {
		return nil
	}
	for i := range v.Len() {
		if one, ok := v.Index(i).Interface().(encoding.TextMarshaler); ok {
			text, _ := one.MarshalText() // what was read can be written
			out = append(out, string(text))
		}
	}
	return out
}

// Zero reports whether the field of an input holds nothing, or what stands for it.
func (f *Field) Zero(in any) bool {
	v := reflect.Indirect(reflect.Indirect(reflect.ValueOf(in)).FieldByIndex(f.Index))
	return !v.IsValid() || v.IsZero() || repeated(v.Type()) && v.Len() == 0
}

// given reports whether an input says something of the field: a pointer that is there
// does, also to nothing.
func (f *Field) given(in any) bool {
	v := reflect.Indirect(reflect.ValueOf(in)).FieldByIndex(f.Index)
	if v.Kind() == reflect.Pointer {
		return !v.IsNil()
	}
	return !f.Zero(in)
}

// IsSecret and IsBool tell what kind of value the field takes.
func (f *Field) IsSecret() bool { return element(f.Go) == reflect.TypeFor[Secret]() }
func (f *Field) IsBool() bool   { return valueType(f.Go).Kind() == reflect.Bool }

func joined[T any](list []T, text func(T) string) string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = text(x)
	}
	return strings.Join(out, " ")
}
