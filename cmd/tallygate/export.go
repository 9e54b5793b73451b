package main

import (
	"context"
	"io"
	"reflect"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) exportCommand() *cobra.Command {
	var in control.RequestQuery
	var to destination
	cmd := &cobra.Command{
		Use: "export", Short: "write all selected requests as CSV or JSON, the latest first",
		Example: "  tallygate requests export --since 30d > requests.csv\n  tallygate requests export --format json --client hotel-aurora --output aurora.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := to.check(a, cmd); err != nil {
				return err
			}
			if to.format == "" {
				to.format = when(a.json, control.JSON, control.CSV)
			}
			return a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) error {
				defer a.progress("exporting")()
				return a.toFile(to, func(w io.Writer) error {
					return export(ctx, c, in, control.RequestTable.Writer(w, to.format))
				})
			})
		},
	}
	addFlags(cmd.Flags(), &in, "limit", "after", "sort")
	a.completeFlags(cmd, control.FieldsOf(reflect.TypeFor[control.RequestQuery]()))
	to.flags(a, cmd)
	return cmd
}

// export writes page after page; no more than one is in memory.
func export(ctx context.Context, c control.Caller, q control.RequestQuery,
	w *control.RowWriter[*control.RequestView]) error {
	for q.Limit = maxPage; ; {
		page, err := control.RequestsList.Do(ctx, c, q)
		if err != nil {
			return err
		}
		for i := range page.Requests {
			page.Requests[i].ForgetDetails() // they may quote prompts
			if err := w.Write(&page.Requests[i]); err != nil {
				return tally.Errorf(tally.Internal, "write the export: %w", err)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if err := w.End(); err != nil {
		return tally.Errorf(tally.Internal, "write the export: %w", err)
	}
	return nil
}
