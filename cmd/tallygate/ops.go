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

// list shows what an operation returns as a list.
func list[In, V any](v verb[In, []V], t *control.Table[*V]) verb[In, []V] {
	v.show = func(p *printer, _ *In, out *[]V) {
		rows(p, t, *out, noRows(t))
		refusals(p, t, control.Pointers(*out))
	}
	v.write = writes(t, func(out *[]V) []V { return *out })
	return v
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
