package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// completionPatience bounds what a press of the tab key may wait for.
const completionPatience = 300 * time.Millisecond

// namesFor finds the names that a field of an operation's input can have. What
// kind of thing a field means is told by its name.
func namesFor(ctx context.Context, c control.Caller, family, field string) []string {
	switch {
	case field == "client" || field == "name" && family == "clients":
		return namesOf(ctx, c, control.ClientsList, control.Listing{}, func(v control.ClientView) string { return v.Slug })
	case field == "gateway" || field == "name" && family == "gateways":
		return namesOf(ctx, c, control.GatewaysList, control.Listing{}, func(v control.GatewayView) string { return v.Slug })
	case field == "provider" || field == "providers" || field == "name" && (family == "providers" || family == "models"):
		return namesOf(ctx, c, control.ProvidersList, control.Listing{}, func(v control.ProviderView) string { return v.Name })
	case field == "model" || field == "models" || field == "default_model" || field == "accept":
		return namesOf(ctx, c, control.ModelsList, control.ListModels{}, func(v control.ModelView) string { return v.Name })
	case field == "key":
		return namesOf(ctx, c, control.KeysList, control.ListKeys{}, func(v control.KeyView) string { return string(v.ID) + "\t" + v.ClientSlug + " " + v.Label })
	case field == "kind":
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

// wordsFor are the values of a field that has a few.
func wordsFor(family, field string) []string {
	switch field {
	case "status":
		if family == "clients" {
			return []string{string(tally.Active), string(tally.Suspended), string(tally.Inactive)}
		}
	case "session_mode":
		return []string{string(tally.Rolling), string(tally.Fixed)}
	case "session_missing":
		return []string{string(tally.MissingOne), string(tally.MissingIgnore), string(tally.MissingRefuse)}
	case "access":
		return []string{string(tally.AccessByToken), string(tally.AccessPublic), string(tally.AccessByKey)}
	case "unpriced":
		return []string{string(tally.RefuseUnpriced), string(tally.AllowAtZero)}
	case "by":
		return []string{"client", "key", "model", "upstream", "provider", "gateway", "country", "status", "code", "token"}
	case "cost_by":
		return []string{string(tally.CostOurs), string(tally.CostTheirs), string(tally.CostMax)}
	case "every":
		return []string{"hour", "day"}
	case "since":
		return []string{"24h", "7d", "30d", "90d"}
	case "outcome":
		return []string{string(tally.OK), string(tally.OutcomeDenied), string(tally.OutcomeLimited), string(tally.OutcomeFailed), string(tally.Canceled), string(tally.Lost)}
	}
	return nil
}

// complete answers with names of a running engine. Where none runs there are no
// names: opening a store is too much for a press of a key.
func (a *app) complete(cmd *cobra.Command, field string) ([]string, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	if words := wordsFor(cmd.Parent().Name(), field); words != nil {
		return words, nothingElse
	}
	if a.applySettings(cmd) != nil {
		return nil, nothingElse
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	c, err := a.attach(ctx)
	if err != nil {
		return nil, nothingElse
	}
	defer c.close()
	return namesFor(ctx, c, cmd.Parent().Name(), field), nothingElse
}

// completeArgs completes positional arguments.
func (a *app) completeArgs(fields []control.Field) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		for _, f := range fields {
			if f.Arg == "" {
				continue
			}
			if len(args) == 0 || f.Arg == "*" {
				return a.complete(cmd, f.Name)
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
				return a.complete(cmd, f.Name)
			})
		}
	}
}
