package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// destination is where rows are written, and how, if not for people.
type destination struct {
	format control.Format
	path   string
	force  bool
}

func (d *destination) flags(a *app, cmd *cobra.Command) {
	formats := control.Format("").Words()
	cmd.Flags().StringVar((*string)(&d.format), "format", "", "`csv|json` instead of a table")
	cmd.Flags().StringVar(&d.path, "output", "", "`FILE` to write; it appears once it is complete; default: standard output")
	cmd.Flags().BoolVar(&d.force, "force", false, "replace the file if it is there already")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses a format that there is not. A file says by its name what it is to
// be, if nothing else does.
func (d *destination) check(a *app, cmd *cobra.Command) error {
	if d.format == "" && d.path != "" {
		d.format = control.CSV
		if a.json || len(d.path) > 5 && d.path[len(d.path)-5:] == ".json" {
			d.format = control.JSON
		}
	}
	if d.format != "" && d.format != control.CSV && d.format != control.JSON {
		return wrongUse(cmd, "--format is csv or json, not %q", string(d.format))
	}
	return nil
}

// writes is how rows are written that a result has.
func writes[Out, V any](t *control.Table[*V], of func(*Out) []V) func(io.Writer, control.Format, *Out) error {
	return func(w io.Writer, f control.Format, out *Out) error {
		return t.Writer(w, f).WriteAll(control.Pointers(of(out)))
	}
}

// toFile gives standard output to write to, which is also called -, or the file that is named.
func (a *app) toFile(to destination, write func(io.Writer) error) error {
	if to.path != "" && to.path != "-" {
		return control.WriteFile(to.path, to.force, write)
	}
	w := bufio.NewWriter(a.stdout)
	if err := errors.Join(write(w), w.Flush()); err != nil {
		return tally.Errorf(tally.Internal, "write the result: %w", err)
	}
	return nil
}
