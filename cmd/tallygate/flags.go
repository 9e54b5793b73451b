package main

import (
	"reflect"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"tallygate/engine/control"
)

// addFlags makes a flag of every field of an operation's input that has one.
// Parsing them fills the input, which in points to. Fields named in skip get
// none.
func addFlags(fs *pflag.FlagSet, in any, skip ...string) {
	for _, f := range control.FieldsOf(reflect.TypeOf(in).Elem()) {
		if f.Flag == "" || slices.Contains(skip, f.Name) {
			continue
		}
		flag := fs.VarPF(&fieldValue{in, f}, f.Flag, "", f.Help)
		if flag.Value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		if isGateway(f) {
			fs.SetAnnotation(f.Flag, needsGateway, []string{})
		}
	}
}

// isGateway reports whether a field names a gateway that is needed, so that leaving it
// out means one, too.
func isGateway(f control.Field) bool { return f.Of == "gateway" && f.Unset != "" }

// fieldValue is a field of an input as the value of a flag.
type fieldValue struct {
	in    any
	field control.Field
}

// String implements pflag.Value, as do the methods below. The default of a flag is
// said in its help.
func (v *fieldValue) String() string     { return "" }
func (v *fieldValue) Type() string       { return v.field.Value() }
func (v *fieldValue) Set(s string) error { return v.field.Set(v.in, s) }

// spanFlag is a length of time as the value of a flag.
type spanFlag time.Duration

// String implements pflag.Value, as do the methods below.
func (s *spanFlag) String() string { return control.FormatSpan(time.Duration(*s)) }
func (s *spanFlag) Type() string   { return "span" }
func (s *spanFlag) Set(text string) error {
	span, err := control.ParseSpan(text)
	if err == nil {
		*s = spanFlag(span)
	}
	return err
}
