package main

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// addFlags makes a flag of every field of an operation's input that has one.
// Parsing them fills the input, which in points to. Fields named in skip get
// none.
func addFlags(fs *pflag.FlagSet, in any, skip ...string) {
	v := reflect.ValueOf(in).Elem()
	for _, f := range control.FieldsOf(v.Type()) {
		if f.Flag == "" || slices.Contains(skip, f.Name) {
			continue
		}
		value := &fieldValue{field: v.FieldByIndex(f.Index)}
		flag := fs.VarPF(value, f.Flag, "", f.Help)
		if value.kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
	}
}

// fieldValue is a field of an input as the value of a flag. A pointer is set
// when its flag is given, and a list grows each time.
type fieldValue struct {
	field reflect.Value
}

func (v *fieldValue) elem() reflect.Type {
	t := v.field.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func (v *fieldValue) kind() reflect.Kind { return v.elem().Kind() }

// String implements pflag.Value. The default of a flag is said in its help.
func (v *fieldValue) String() string { return "" }

// Type implements pflag.Value: what the help calls the value.
func (v *fieldValue) Type() string {
	t := v.elem()
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "DURATION"
	case reflect.TypeFor[[]tally.LimitEdit]():
		return "LIMIT"
	case reflect.TypeFor[[]control.PriceField]():
		return "CLASS=USD"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool" // pflag shows no value for it
	case reflect.Int, reflect.Int64:
		return "N"
	case reflect.Map:
		return "ASKED=MODEL"
	}
	return "TEXT"
}

// Set implements pflag.Value.
func (v *fieldValue) Set(s string) error {
	t := v.elem()
	target := v.field
	if v.field.Kind() == reflect.Pointer {
		if v.field.IsNil() {
			v.field.Set(reflect.New(t))
		}
		target = v.field.Elem()
	}
	switch list := target.Addr().Interface().(type) {
	case *[]tally.LimitEdit:
		edit, err := tally.ParseLimit(s)
		if err != nil {
			return err
		}
		*list = append(*list, edit)
		return nil
	case *[]control.PriceField:
		price, err := parsePrice(s)
		if err != nil {
			return err
		}
		*list = append(*list, price)
		return nil
	case *[]string:
		*list = append(*list, s)
		return nil
	case *map[string]string:
		return addPair(list, s)
	case *time.Duration:
		d, err := parseDuration(s)
		*list = d
		return err
	case encoding.TextUnmarshaler:
		return list.UnmarshalText([]byte(s))
	}
	return setScalar(target, s)
}

func setScalar(target reflect.Value, s string) error {
	switch target.Kind() {
	case reflect.String:
		target.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return tally.Errorf(tally.Invalid, "%q is neither true nor false", s)
		}
		target.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, target.Type().Bits())
		if err != nil {
			return tally.Errorf(tally.Invalid, "%q is not a whole number in range", s)
		}
		target.SetInt(n)
	default:
		return tally.Errorf(tally.Internal, "a field of type %s cannot be given as a flag", target.Type())
	}
	return nil
}

// parsePrice reads CLASS=USD, exactly. Which classes there are is the engine's
// to say.
func parsePrice(s string) (control.PriceField, error) {
	class, amount, ok := strings.Cut(s, "=")
	if !ok || class == "" {
		return control.PriceField{}, tally.Errorf(tally.Invalid, "price %q is not CLASS=USD", s).WithHint("like input=0.15, in US dollars per million tokens")
	}
	usd, err := tally.ParseUSD(amount)
	return control.PriceField{Class: strings.ReplaceAll(class, "-", "_"), Amount: usd}, err
}

// addPair reads ASKED=MODEL into a map; "none" makes it an empty one.
func addPair(m *map[string]string, s string) error {
	if *m == nil {
		*m = map[string]string{}
	}
	if s == "none" {
		return nil
	}
	from, to, ok := strings.Cut(s, "=")
	if !ok || from == "" || to == "" {
		return tally.Errorf(tally.Invalid, "%q is not ASKED=MODEL", s).WithHint("like gpt-4=gpt-4o-mini; none clears")
	}
	(*m)[from] = to
	return nil
}

// parseDuration reads a length of time with days and weeks: "90d", "2w",
// "1d12h", "30s", "0".
func parseDuration(s string) (time.Duration, error) {
	bad := tally.Errorf(tally.Invalid, "%q is not a length of time", s).WithHint("like 90d, 24h, 30m or 10s")
	var whole time.Duration
	rest := s
	for _, unit := range [...]struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		digits, after, ok := strings.Cut(rest, unit.letter)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || time.Duration(n) > 200*366*24*time.Hour/unit.length {
			return 0, bad
		}
		whole += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" && rest != s {
		return whole, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || whole+d < 0 {
		return 0, bad
	}
	return whole + d, nil
}
