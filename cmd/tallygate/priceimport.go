package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) priceImportCommand() *cobra.Command {
	var in control.ImportPrices
	var yes bool
	cmd := &cobra.Command{
		Use: "import FILE|-|book|provider NAME", Short: control.PricesImport.Help,
		Long: `Compares what models that are here cost with a list, shows each figure that differs, asks,
and takes the new prices: they count from now on, and what was charged before stays. The
list is a file, whose format is found by what it says (what tallygate prices list writes as
JSON or CSV, a spreadsheet with the columns model, input and output, LiteLLM's
model_prices_and_context_window.json, models.dev's api.json, a price book), the built-in
price book, or what a provider offers now.

Refused are prices that look wrong: ten times as much or as little, another unit, free where
they were not, an older source, or one that you have set yourself. --accept MODEL takes one
all the same, --accept-all takes all, and --leave MODEL keeps what there is. Models that are
not here are left out: tallygate models import adds those of a provider.`,
		Example: "  tallygate prices import book --dry-run\n  tallygate prices import model_prices_and_context_window.json --accept gpt-4o-mini\n  tallygate prices import provider openrouter --yes",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 2 && args[0] == "provider", len(args) == 1 && (args[0] != "provider" || in.Provider != ""):
				return nil
			case len(args) == 1:
				return wrongUse(cmd, "say which provider: tallygate prices import provider NAME")
			}
			return wrongUse(cmd, "name a list: a file, book, or provider NAME")
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0:
				return []string{"book\tthe built-in price book", "provider\twhat a provider offers now"}, cobra.ShellCompDirectiveDefault
			case len(args) == 1 && args[0] == "provider":
				return a.complete(cmd, &control.Field{Of: "provider"})
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.readPriceList(&in, args); err != nil {
				return err
			}
			return a.importPrices(cmd, &in, yes)
		},
		Annotations: map[string]string{madeFrom: control.PricesImport.Name},
	}
	addFlags(cmd.Flags(), &in)
	a.completeFlags(cmd, control.FieldsOf(reflect.TypeFor[control.ImportPrices]()))
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// maxPrices bounds a list of prices that is read, in bytes.
const maxPrices = 8 << 20

// readPriceList reads what the arguments name.
func (a *app) readPriceList(in *control.ImportPrices, args []string) error {
	in.From, in.Name = control.FromFile, filepath.Base(args[0])
	switch {
	case args[0] == string(control.FromProvider):
		in.From, in.Provider = control.FromProvider, append(args, in.Provider)[1]
		return nil
	case args[0] == string(control.FromBook):
		in.From = control.FromBook
		return nil
	}
	from := a.stdin
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return tally.Errorf(tally.NotFound, "%w", err).
				WithHint("name a file with a list of prices, or: book, provider NAME, - for standard input")
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxPrices+1))
	switch {
	case err != nil:
		return tally.Errorf(tally.Invalid, "%s cannot be read: %w", args[0], err).WithHint("is it a file?")
	case len(text) > maxPrices:
		return tally.Errorf(tally.Invalid, "%s is larger than 8 MiB", args[0]).WithHint("lists of prices have a few MB: is it another file?")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) == nil { // it travels to the engine as a text within JSON
		text = compact.Bytes()
	}
	in.Text = string(text)
	return nil
}

// importPrices shows what an import would change, asks, and does it.
func (a *app) importPrices(cmd *cobra.Command, in *control.ImportPrices, yes bool) error {
	call := func(in control.ImportPrices) (out control.Imported, err error) {
		err = a.withEngine(cmd, control.PricesImport.Need, false, func(ctx context.Context, c control.Caller) (err error) {
			defer a.progress("comparing prices")()
			out, err = control.PricesImport.Do(ctx, c, in)
			return err
		})
		return out, err
	}
	if !yes && !in.DryRun && a.canAsk() {
		look := *in
		look.DryRun = true
		out, err := call(look)
		if err != nil {
			return err
		}
		showPriceImport(&printer{a.stderr, a.err}, in, &out)
		n := takes(&out)
		if n == 0 {
			return nil
		}
		if err := a.confirm(cmd, func(context.Context, control.Caller) (string, error) {
			return "Take the new prices of " + countOf(n, "model", "models") + " from now on.", nil
		}); err != nil {
			return err
		}
	}
	out, err := call(*in)
	if err != nil {
		return err
	}
	return a.print(func(p *printer) { showPriceImport(p, in, &out) }, func() any { return out })
}

// takes is of how many models an import takes the price.
func takes(out *control.Imported) int {
	var models []tally.ID
	for i := range out.Changes {
		if c := &out.Changes[i]; c.Applied && !slices.Contains(models, c.ModelID) {
			models = append(models, c.ModelID)
		}
	}
	return len(models)
}

func showPriceImport(p *printer, in *control.ImportPrices, out *control.Imported) {
	if out.DryRun {
		p.say("nothing is changed: this is what an import would do")
	}
	list := map[control.PriceSource]string{control.FromBook: "the price book", control.FromProvider: "the list of " + out.Provider,
		control.FromFile: when(in.Name == "-", "the list", in.Name) + " (" + out.Format + ")"}[in.From]
	p.say("%s has %s, %d of them here", list, countOf(out.Offered, "model", "models"), out.Matched)
	showChanges(p, out, priceImportLine(in))
	if len(out.Changes) == 0 && out.Matched > 0 {
		p.say("no price differs")
	}
	if n := takes(out); n > 0 && !out.DryRun {
		p.say("took the prices of %s from now on; what was charged before stays", countOf(n, "model", "models"))
	}
	if len(out.Left) > 0 {
		most := min(len(out.Left), 8)
		more := when(len(out.Left) > most, fmt.Sprintf(" and %d more", len(out.Left)-most), "")
		p.say("left out, since nobody here charges by them: %s", strings.Join(out.Left[:most], ", ")+more)
	}
	if out.Warning != "" {
		p.say("warning: %s", out.Warning)
	}
}

// priceImportLine is the command that imports the same list again.
func priceImportLine(in *control.ImportPrices) string {
	line := "tallygate prices import "
	switch in.From {
	case control.FromBook:
		return line + "book"
	case control.FromProvider:
		return line + "provider " + tally.ShellWord(in.Provider)
	}
	return line + tally.ShellWord(in.Name)
}
