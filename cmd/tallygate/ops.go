package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// madeFrom is the annotation of a command that names its operation.
const madeFrom = "operation"

// verb is a command made from an operation. Its name, flags, arguments and help
// are those of the declaration; the rest says how results are shown.
type verb[In, Out any] struct {
	op      control.Op[In, Out]
	name    string // if not the operation's own
	group   string // in the help of the program
	example string
	// show writes the result for people.
	show func(p *printer, in *In, out *Out)
	// write writes the rows of the result in a format, if it has rows.
	write func(w io.Writer, f control.Format, out *Out) error
	// asJSON is what --json writes if it is not the result itself.
	asJSON func(out *Out) any
	// prepare adds flags of its own and returns what must happen to the input
	// before the call, nil if nothing must.
	prepare func(cmd *cobra.Command, in *In) func() error
	// aside is what people are told on standard error beside the result.
	aside func(out *Out) string
	// asks says what will happen and to whom, for a person to agree to; "" if nobody
	// need be asked.
	asks func(ctx context.Context, c control.Caller, in *In) (string, error)
	// changed is what the operation has changed, whose changes are told.
	changed func(out *Out) *tally.Meta
	// verdict says whether the command has failed though the call has not.
	verdict func(out *Out) error
	// alone answers without an engine, if it can.
	alone func(in *In) (out Out, done bool, err error)
	// absent answers where there is no store at all, instead of an error.
	absent func(dir string) (Out, error)
	slow   string // what it is doing, for a call that takes over a second
	create bool   // it makes a store where there is none
}

// command makes the command. All that is not a type's own is done by [lift], which is compiled
// once.
func (v verb[In, Out]) command(a *app) *cobra.Command {
	in := new(In)
	d := &deed{op: v.op.Name, need: v.op.Need, help: v.op.Help, name: v.name, group: v.group, example: v.example,
		in: in, fields: control.FieldsOf(reflect.TypeFor[In]()), slow: v.slow, create: v.create}
	lift(d, reflect.TypeFor[Out](), v.show, v.write, v.asJSON, v.prepare, v.aside, v.asks, v.changed, v.verdict, v.alone, v.absent)
	return d.command(a)
}

// tellGateway says on standard error which gateway was meant by an input that names
// none, if there are several.
func (a *app) tellGateway(ctx context.Context, c control.Caller, in any) error {
	fields := control.FieldsOf(reflect.TypeOf(in).Elem())
	if !slices.ContainsFunc(fields, func(f control.Field) bool { return isGateway(f) && f.Zero(in) }) {
		return nil
	}
	list, err := control.GatewaysList.Do(ctx, c, control.Listing{})
	for _, gw := range list {
		if gw.Default && len(list) > 1 {
			fmt.Fprintf(a.stderr, "in gateway %s, the oldest; for another: --gateway, or TALLYGATE_GATEWAY\n", gw.Slug)
		}
	}
	return err
}

// withEngine runs something that needs an engine, and that right.
func (a *app) withEngine(cmd *cobra.Command, need control.Need, create bool, do func(context.Context, control.Caller) error) error {
	ctx := cmd.Context()
	c, err := a.connect(ctx, strings.TrimPrefix(cmd.CommandPath(), "tallygate "), need, create)
	if err != nil {
		return err
	}
	err = do(ctx, c)
	if closed := c.close(); err == nil {
		err = closed
	}
	return err
}

// print writes a result to standard output, for people or as JSON.
func (a *app) print(show func(*printer), value func() any) error {
	if a.json {
		return writeJSON(a.stdout, value())
	}
	failing := &failingWriter{w: a.stdout}
	show(&printer{failing, a.out})
	if failing.err != nil {
		return tally.Errorf(tally.Internal, "write the result: %w", failing.err)
	}
	return nil
}

// list makes the command that lists what an operation returns.
func list[In, V any](a *app, v verb[In, []V], t *control.Table[*V]) *cobra.Command {
	v.show = func(p *printer, _ *In, out *[]V) {
		rows(p, t, *out, noRows(t))
		refusals(p, t, control.Pointers(*out))
	}
	v.write = writes(t, func(out *[]V) []V { return *out })
	return v.command(a)
}

// noRows says that there are none, and how to make the first.
func noRows[P any](t *control.Table[P]) string {
	if t.Make == "" {
		return "no " + t.Things()
	}
	return "no " + t.Things() + "; make one with: " + t.Make
}

func writeJSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	if err == nil {
		_, err = w.Write(tally.EscapeControls(out.Bytes()))
	}
	if err != nil {
		return tally.Errorf(tally.Internal, "write the result: %w", err)
	}
	return nil
}

// failingWriter remembers the first error, so that a table need not look for
// one at every cell.
type failingWriter struct {
	w   io.Writer
	err error
}

func (f *failingWriter) Write(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	var n int
	n, f.err = f.w.Write(b)
	return n, f.err
}

// usage is the part of a command's usage after its name.
func usage(fields []control.Field) string {
	var b strings.Builder
	for _, f := range fields {
		name := argName(&f)
		switch f.Arg {
		case "1":
			b.WriteString(" " + name)
		case "1?":
			b.WriteString(" [" + name + "]")
		case "*":
			b.WriteString(" " + name + "...")
		}
	}
	return b.String()
}

// argName is what usage calls a positional argument: a text by its name, anything else by
// what it is.
func argName(f *control.Field) string {
	if f.Go.Kind() == reflect.String || f.Go.Kind() == reflect.Slice {
		return strings.ToUpper(strings.TrimSuffix(f.Name, "s"))
	}
	return f.Value()
}

// takeArgs puts positional arguments into the input.
func takeArgs(cmd *cobra.Command, fields []control.Field, in any, args []string) error {
	v := reflect.ValueOf(in).Elem()
	for _, f := range fields {
		switch {
		case f.Arg == "":
			continue
		case f.Arg == "*" && len(args) > 0:
			v.FieldByIndex(f.Index).Set(reflect.ValueOf(args))
			return nil
		case len(args) > 0:
			if err := f.Set(in, args[0]); err != nil {
				return err
			}
			args = args[1:]
		case f.Arg != "1?":
			return wrongUse(cmd, "say which: %s %s", cmd.CommandPath(), argName(&f))
		}
	}
	if len(args) > 0 {
		return wrongUse(cmd, "%q is too much: %s", args[0], cmd.UseLine())
	}
	return nil
}

// required refuses an input that lacks what its operation cannot do without.
func required(cmd *cobra.Command, fields []control.Field, in any) error {
	v := reflect.ValueOf(in).Elem()
	var missing []string
	for _, f := range fields {
		if f.Required && f.Flag != "" && v.FieldByIndex(f.Index).IsZero() {
			missing = append(missing, "--"+f.Flag)
		}
	}
	if len(missing) > 0 {
		return wrongUse(cmd, "%s: %s must be given", cmd.CommandPath(), strings.Join(missing, " and "))
	}
	return nil
}
