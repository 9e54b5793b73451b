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
