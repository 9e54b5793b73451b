package main

import (
	"context"
	"io"
	"reflect"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// lift gives a deed the functions of a verb, of which the types are known no more: those that
// are nil it leaves out. Each is called with what the verb declares.
func lift(d *deed, answer reflect.Type, show, write, asJSON, prepare, aside, asks, changed, verdict, alone, absent any) {
	d.do = func(ctx context.Context, c control.Caller) (any, error) {
		out := reflect.New(answer).Interface()
		return out, c.Call(ctx, d.op, reflect.ValueOf(d.in).Elem().Interface(), out)
	}
	pointer := func(v reflect.Value) any {
		out := reflect.New(answer)
		out.Elem().Set(v)
		return out.Interface()
	}
	d.show = func(p *printer, out any) { call(show, p, d.in, out) }
	if has(write) {
		d.write = func(w io.Writer, f control.Format, out any) error { return failed(call(write, w, f, out)[0]) }
	}
	if has(asJSON) {
		d.asJSON = func(out any) any { return call(asJSON, out)[0].Interface() }
	}
	if has(prepare) {
		d.prepare = func(cmd *cobra.Command) func() error { return call(prepare, cmd, d.in)[0].Interface().(func() error) }
	}
	if has(aside) {
		d.aside = func(out any) string { return call(aside, out)[0].String() }
	}
	if has(asks) {
		d.asks = func(ctx context.Context, c control.Caller) (string, error) {
			said := call(asks, ctx, c, d.in)
			return said[0].String(), failed(said[1])
		}
	}
	if has(changed) {
		d.changed = func(out any) *tally.Meta { return call(changed, out)[0].Interface().(*tally.Meta) }
	}
	if has(verdict) {
		d.verdict = func(out any) error { return failed(call(verdict, out)[0]) }
	}
	if has(alone) {
		d.alone = func() (any, bool, error) {
			said := call(alone, d.in)
			return pointer(said[0]), said[1].Bool(), failed(said[2])
		}
	}
	if has(absent) {
		d.absent = func(dir string) (any, error) {
			said := call(absent, dir)
			return pointer(said[0]), failed(said[1])
		}
	}
}

// has reports whether a verb has a function.
func has(f any) bool { return !reflect.ValueOf(f).IsNil() }

func call(f any, args ...any) []reflect.Value {
	values := make([]reflect.Value, len(args))
	for i, arg := range args {
		values[i] = reflect.ValueOf(arg)
	}
	return reflect.ValueOf(f).Call(values)
}

// failed is a result that is an error.
func failed(v reflect.Value) error {
	err, _ := v.Interface().(error)
	return err
}
