package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// verb is a command made from an operation. Its name, flags, arguments and help
// are those of the declaration; the rest says how results are shown.
type verb[In, Out any] = verbOf[control.Op[In, Out], *In, *Out]

// verbOf is a verb by its operation and what points to its input and to its result. These
// are alike to the compiler whatever the operation is, so that verbs are compiled once.
type verbOf[Op declared, In, Out any] struct {
	op      Op
	name    string // if not the operation's own
	group   string // in the help of the program
	example string
	// show writes the result for people.
	show func(p *printer, in In, out Out)
	// write writes the rows of the result in a format, if it has rows.
	write func(w io.Writer, f control.Format, out Out) error
	// asJSON is what --json writes if it is not the result itself.
	asJSON func(out Out) any
	// prepare adds flags of its own and returns what must happen to the input
	// before the call, nil if nothing must.
	prepare func(cmd *cobra.Command, in In) func() error
	// aside is what people are told on standard error beside the result.
	aside func(out Out) string
	// asks says what will happen and to whom, for a person to agree to; "" if nobody
	// need be asked.
	asks func(ctx context.Context, c control.Caller, in In) (string, error)
	// changed is what the operation has changed, whose changes are told.
	changed func(out Out) *tally.Meta
	// verdict says whether the command has failed though the call has not.
	verdict func(out Out) error
	// alone answers without an engine, if it can.
	alone func(in In) (out Out, done bool, err error)
	// absent answers where there is no store at all, instead of an error.
	absent func(dir string) (Out, error)
	slow   string // what it is doing, for a call that takes over a second
	create bool   // it makes a store where there is none
}

// declared is an operation, whatever its types are.
type declared interface {
	~struct {
		Name string
		Need control.Need
		Help string
	}
}

// command makes the command.
func (v verbOf[Op, In, Out]) command(a *app) *cobra.Command {
	op, in := control.Op[any, any](v.op), control.New[In]()
	fields := control.FieldsOf(reflect.TypeOf(in).Elem())
	name := cmp.Or(v.name, op.Name[strings.LastIndexByte(op.Name, '.')+1:])
	cmd := &cobra.Command{
		Use: name + usage(fields), Short: op.Help, GroupID: v.group, Example: v.example,
		Args:              func(cmd *cobra.Command, args []string) error { return takeArgs(cmd, fields, in, args) },
		ValidArgsFunction: a.completeArgs(fields),
		Annotations:       map[string]string{madeFrom: op.Name},
	}
	addFlags(cmd.Flags(), in)
	a.completeFlags(cmd, fields)
	prepare := func() error { return nil }
	if v.prepare != nil {
		if more := v.prepare(cmd, in); more != nil {
			prepare = more
		}
	}
	var how doing
	if v.write != nil {
		how.to.flags(a, cmd)
	}
	if v.asks != nil {
		cmd.Flags().BoolVar(&how.yes, "yes", false, "do not ask")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := required(cmd, fields, in); err != nil {
			return err
		}
		if err := prepare(); err != nil {
			return err
		}
		if err := how.to.check(a, cmd); err != nil {
			return err
		}
		return v.run(a, cmd, in, how)
	}
	return cmd
}

// doing is how a command is to be done, as its own flags say.
type doing struct {
	to  destination
	yes bool
}

func (v verbOf[Op, In, Out]) run(a *app, cmd *cobra.Command, in In, how doing) error {
	if v.asks != nil && !how.yes && a.canAsk() {
		if err := a.confirm(cmd, func(ctx context.Context, c control.Caller) (string, error) {
			return v.asks(ctx, c, in)
		}); err != nil {
			return err
		}
	}
	out, changes, err := v.call(a, cmd, in)
	if err != nil {
		return err
	}
	if how.to.format != "" {
		return a.toFile(how.to, func(w io.Writer) error { return v.write(w, how.to.format, out) })
	}
	if err := a.print(func(p *printer) {
		v.show(p, in, out)
		for _, line := range changes {
			p.say("  %s", line)
		}
	}, func() any {
		if v.asJSON != nil {
			return v.asJSON(out)
		}
		return out
	}); err != nil {
		return err
	}
	if v.aside != nil {
		if say := v.aside(out); say != "" {
			fmt.Fprintln(a.stderr, clean(say))
		}
	}
	if v.verdict != nil {
		return v.verdict(out)
	}
	return nil
}

// call runs the operation; changes are what it has changed, for people.
func (v verbOf[Op, In, Out]) call(a *app, cmd *cobra.Command, in In) (out Out, changes []string, err error) {
	if v.alone != nil {
		if out, done, err := v.alone(in); done || err != nil {
			return out, nil, err
		}
	}
	if v.absent != nil && !a.elsewhere() {
		dir, err := a.dataDir()
		if err != nil {
			return out, nil, err
		}
		if there, err := process.HasStore(dir); err != nil || !there {
			if err == nil {
				out, err = v.absent(dir)
			}
			return out, nil, err
		}
	}
	op := control.Op[any, any](v.op)
	err = a.withEngine(cmd, op.Need, v.create, func(ctx context.Context, c control.Caller) error {
		defer a.progress(v.slow)()
		out = control.New[Out]()
		err = c.Call(ctx, op.Name, reflect.ValueOf(in).Elem().Interface(), out)
		if err == nil && v.changed != nil && !a.json {
			changes, err = changesOf(ctx, c, v.changed(out))
		}
		if err == nil {
			err = a.tellGateway(ctx, c, in)
		}
		return err
	})
	return out, changes, err
}
