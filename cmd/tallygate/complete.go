package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// completionPatience bounds what a press of the tab key may wait for.
const completionPatience = 300 * time.Millisecond

// namesFor finds the names of things of a kind.
func namesFor(ctx context.Context, c control.Caller, of string) []string {
	switch of {
	case "client":
		return namesOf(ctx, c, control.ClientsList, control.Listing{}, func(v control.ClientView) string { return v.Slug })
	case "gateway":
		return namesOf(ctx, c, control.GatewaysList, control.Listing{}, func(v control.GatewayView) string { return v.Slug })
	case "provider":
		return namesOf(ctx, c, control.ProvidersList, control.Listing{}, func(v control.ProviderView) string { return v.Name })
	case "model":
		return namesOf(ctx, c, control.ModelsList, control.ListModels{}, func(v control.ModelView) string { return v.Name })
	case "key":
		return namesOf(ctx, c, control.KeysList, control.ListKeys{}, func(v control.KeyView) string { return string(v.ID) + "\t" + v.ClientSlug + " " + v.Label })
	case "ssh":
		return namesOf(ctx, c, control.SSHList, control.Rows{}, func(v tally.Guest) string { return v.Name })
	case "admin":
		return namesOf(ctx, c, control.AdminList, control.Rows{}, func(v control.Admin) string { return v.Name })
	case "node":
		return namesOf(ctx, c, control.NodesList, control.Rows{}, func(v control.NodeView) string { return v.Name })
	case "template":
		return namesOf(ctx, c, control.TemplatesList, control.Listing{}, func(v control.TemplateView) string { return v.Name })
	case "kind":
		return namesOf(ctx, c, control.ProvidersKinds, control.None{}, func(v control.ProviderKindView) string { return string(v.Kind) + "\t" + v.Title })
	}
	return nil
}

func namesOf[In, View any](ctx context.Context, c control.Caller, op control.Op[In, []View], in In, name func(View) string) []string {
	list, err := op.Do(ctx, c, in)
	if err != nil {
		return nil
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = name(v)
	}
	return out
}

// complete answers with names of a running engine. Where none runs there are no
// names: opening a store is too much for a press of a key.
func (a *app) complete(cmd *cobra.Command, field *control.Field) ([]string, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	if field.Choices != nil {
		return field.Choices, nothingElse
	}
	of := field.Of
	if of == "" && field.Name == "name" && field.Arg != "" { // of whatever the command is about
		of = strings.TrimSuffix(cmd.Parent().Name(), "s")
	}
	if of == "" || a.applySettings(cmd) != nil || a.host != "" { // a machine elsewhere takes longer
		return nil, nothingElse
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	c, err := a.attach(ctx)
	if err != nil {
		return nil, nothingElse
	}
	defer c.close()
	return namesFor(ctx, c, of), nothingElse
}

// completeArgs completes positional arguments.
func (a *app) completeArgs(fields []control.Field) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		for _, f := range fields {
			if f.Arg == "" {
				continue
			}
			if len(args) == 0 || f.Arg == "*" {
				return a.complete(cmd, &f)
			}
			args = args[1:]
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlags completes the values of flags.
func (a *app) completeFlags(cmd *cobra.Command, fields []control.Field) {
	for _, f := range fields {
		if f.Flag != "" && cmd.Flags().Lookup(f.Flag) != nil {
			cmd.RegisterFlagCompletionFunc(f.Flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				return a.complete(cmd, &f)
			})
		}
	}
}
