package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// deed is a verb whatever its types are, so that it is compiled once: in and what is returned
// are pointers.
type deed struct {
	op, help             string
	need                 control.Need
	name, group, example string
	in                   any
	fields               []control.Field
	do                   func(context.Context, control.Caller) (any, error)
	show                 func(p *printer, out any)
	write                func(w io.Writer, f control.Format, out any) error
	asJSON               func(out any) any
	prepare              func(cmd *cobra.Command) func() error
	aside                func(out any) string
	asks                 func(ctx context.Context, c control.Caller) (string, error)
	changed              func(out any) *tally.Meta
	verdict              func(out any) error
	alone                func() (out any, done bool, err error)
	absent               func(dir string) (any, error)
	slow                 string
	create               bool
}

func (d *deed) command(a *app) *cobra.Command {
	if d.name == "" {
		d.name = d.op[strings.LastIndexByte(d.op, '.')+1:]
	}
	cmd := &cobra.Command{
		Use: d.name + usage(d.fields), Short: d.help, GroupID: d.group, Example: d.example,
		Args:              func(cmd *cobra.Command, args []string) error { return takeArgs(cmd, d.fields, d.in, args) },
		ValidArgsFunction: a.completeArgs(d.fields),
		Annotations:       map[string]string{madeFrom: d.op},
	}
	addFlags(cmd.Flags(), d.in)
	a.completeFlags(cmd, d.fields)
	prepare := func() error { return nil }
	if d.prepare != nil {
		if more := d.prepare(cmd); more != nil {
			prepare = more
		}
	}
	var how doing
	if d.write != nil {
		how.to.flags(a, cmd)
	}
	if d.asks != nil {
		cmd.Flags().BoolVar(&how.yes, "yes", false, "do not ask")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := required(cmd, d.fields, d.in); err != nil {
			return err
		}
		if err := prepare(); err != nil {
			return err
		}
		if err := how.to.check(a, cmd); err != nil {
			return err
		}
		return d.run(a, cmd, how)
	}
	return cmd
}

// doing is how a command is to be done, as its own flags say.
type doing struct {
	to  destination
	yes bool
}

func (d *deed) run(a *app, cmd *cobra.Command, how doing) error {
	if d.asks != nil && !how.yes && a.canAsk() {
		if err := a.confirm(cmd, d.asks); err != nil {
			return err
		}
	}
	out, changes, err := d.call(a, cmd)
	if err != nil {
		return err
	}
	if how.to.format != "" {
		return a.toFile(how.to, func(w io.Writer) error { return d.write(w, how.to.format, out) })
	}
	if err := a.print(func(p *printer) {
		d.show(p, out)
		for _, line := range changes {
			p.say("  %s", line)
		}
	}, func() any {
		if d.asJSON != nil {
			return d.asJSON(out)
		}
		return out
	}); err != nil {
		return err
	}
	if d.aside != nil {
		if say := d.aside(out); say != "" {
			fmt.Fprintln(a.stderr, clean(say))
		}
	}
	if d.verdict != nil {
		return d.verdict(out)
	}
	return nil
}

// call runs the operation; changes are what it has changed, for people.
func (d *deed) call(a *app, cmd *cobra.Command) (out any, changes []string, err error) {
	if d.alone != nil {
		if out, done, err := d.alone(); done || err != nil {
			return out, nil, err
		}
	}
	if d.absent != nil && !a.elsewhere() {
		dir, err := a.dataDir()
		if err != nil {
			return nil, nil, err
		}
		if there, err := process.HasStore(dir); err != nil || !there {
			if err == nil {
				out, err = d.absent(dir)
			}
			return out, nil, err
		}
	}
	err = a.withEngine(cmd, d.need, d.create, func(ctx context.Context, c control.Caller) error {
		defer a.progress(d.slow)()
		if out, err = d.do(ctx, c); err == nil && d.changed != nil && !a.json {
			changes, err = changesOf(ctx, c, d.changed(out))
		}
		if err == nil {
			err = a.tellGateway(ctx, c, d.in)
		}
		return err
	})
	return out, changes, err
}
