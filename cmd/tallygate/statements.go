package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
)

// written is how statements are written.
type written struct {
	format   statement.Format
	dir      string
	path     string
	force    bool
	margin   bool
	currency string // that is asked for
	views    bool   // JSON for the owner, with what is for no client's eyes
}

func (o *written) flags(cmd *cobra.Command) {
	words := statement.Format("").Words()
	cmd.Flags().StringVar((*string)(&o.format), "format", "", "`"+strings.Join(words, "|")+"`; default text")
	cmd.Flags().StringVar(&o.path, "output", "", "`FILE` to write; it appears once it is complete; default: standard output")
	cmd.Flags().StringVar(&o.dir, "to", "", "`DIR` for a file per client, named by number and client")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace files that are there already")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	cmd.MarkFlagDirname("to")
}

func (o *written) check(a *app, cmd *cobra.Command) error {
	name := strings.TrimPrefix(filepath.Ext(o.path), ".")
	switch words := statement.Format("").Words(); {
	case o.format != "" && !slices.Contains(words, string(o.format)):
		return wrongUse(cmd, "--format is one of %s, not %q", strings.Join(words, ", "), string(o.format))
	case o.path != "" && o.dir != "":
		return wrongUse(cmd, "--output is one file, and --to a folder of files: give one of both")
	case o.format == "" && a.json:
		o.views = true
	case o.format == "" && slices.Contains(words, name):
		o.format = statement.Format(name) // a file says by its name what it is to be
	case o.format == "":
		o.format = statement.Text
	}
	return nil
}

// writable refuses what could not be written: nothing is closed before.
func (o *written) writable(cmd *cobra.Command, all bool) error {
	if o.format == statement.HTML && all && o.dir == "" {
		return wrongUse(cmd, "a page has one statement: --to DIR writes a file for each")
	}
	if o.path != "" && o.path != "-" && !o.force {
		if _, err := os.Lstat(o.path); err == nil {
			return tally.Errorf(tally.Conflict, "%s is there already", o.path).WithHint("give another name, or say that it may be replaced: --force")
		}
	}
	if o.dir != "" {
		if err := os.MkdirAll(o.dir, 0o700); err != nil {
			return tally.Errorf(tally.Invalid, "%s cannot be made: %w", o.dir, err)
		}
	}
	return nil
}

// write writes statements one after another.
func (o *written) write(w io.Writer, list []control.StatementView) error {
	switch {
	case o.views:
		return writeJSON(w, list)
	case o.format == statement.JSON:
		return documents(w, list)
	}
	switch o.format {
	case statement.CSV:
		lines := control.Pointers(control.StatementLines(list))
		return control.StatementLineTable.Writer(w, control.CSV).WriteAll(lines)
	}
	for i := range list {
		if i > 0 && o.format == statement.HTML {
			return tally.Errorf(tally.Invalid, "a page has one statement, and these are %d", len(list)).WithHint("--to DIR writes a file for each")
		}
		if i > 0 {
			if _, err := io.WriteString(w, "\n"+strings.Repeat("─", 78)+"\n\n"); err != nil {
				return err
			}
		}
		if err := list[i].Write(w, o.format); err != nil {
			return err
		}
	}
	return nil
}

// documents writes statements as they are kept, each on a line: one alone is, byte for byte,
// what its SHA-256 is of.
func documents(w io.Writer, list []control.StatementView) error {
	var out strings.Builder
	for i := range list {
		text, err := list[i].Statement.Text()
		if err != nil {
			return err
		}
		if out.WriteString(text); len(list) > 1 {
			out.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// put writes statements where they are to go, and says so.
func (a *app) putStatements(o *written, list []control.StatementView) error {
	if o.dir == "" {
		to := destination{path: o.path, force: o.force}
		if err := a.toFile(to, func(w io.Writer) error { return o.write(w, list) }); err != nil {
			return err
		}
	}
	var failed error
	for i := range list {
		if o.dir == "" {
			break
		}
		v := &list[i]
		if v.Problem != "" {
			continue
		}
		name := v.Client.Slug + "-" + strings.ReplaceAll(v.Period.Name, " ", "-")
		if v.Number != "" {
			name = v.Number + "-" + v.Client.Slug
		}
		ext := string(o.format)
		if o.format == statement.Text {
			ext = "txt"
		}
		path := filepath.Join(o.dir, name+"."+ext)
		if err := control.WriteFile(path, o.force, func(w io.Writer) error { return o.write(w, list[i:i+1]) }); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Fprintln(a.stderr, clean("wrote "+path))
	}
	return failed
}

// statementCommand shows what clients owe, and closes it.
func (a *app) statementCommand() *cobra.Command {
	in := &control.StatementQuery{}
	var how written
	var closing bool
	fields := control.FieldsOf(reflect.TypeFor[control.StatementQuery]())
	cmd := &cobra.Command{
		Use: "statement" + usage(fields), Short: control.ClientsStatement.Help,
		Long: `Shows what a client owes for a month: usage by model and by key, corrections and fees,
the minimum, tax, and what became of what was paid in advance.

With --close the statement gets a number and is kept as it is: the same command prints
the same bytes later, whatever is renamed, deleted, pruned or priced anew. What is
booked for the month after that stands on the next statement.`,
		Example: "  tallygate clients statement hotel-aurora\n" +
			"  tallygate clients statement --all --month last --close --to statements --format html\n" +
			"  tallygate clients statement hotel-aurora --month last --currency EUR --rate 0.86 --tax 23",
		Args:              func(cmd *cobra.Command, args []string) error { return takeArgs(cmd, fields, in, args) },
		ValidArgsFunction: a.completeArgs(fields),
		Annotations:       map[string]string{madeFrom: control.ClientsStatement.Name},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := how.check(a, cmd); err != nil {
				return err
			}
			op := control.ClientsStatement
			if closing {
				op = control.ClientsClose
			}
			if err := how.writable(cmd, in.All); err != nil {
				return err
			}
			return a.withEngine(cmd, op.Need, false, func(ctx context.Context, c control.Caller) error {
				list, err := op.Do(ctx, c, *in)
				if err != nil {
					return err
				}
				how.currency = in.Currency
				return a.tellStatements(&how, list)
			})
		},
	}
	addFlags(cmd.Flags(), in)
	a.completeFlags(cmd, fields)
	how.flags(cmd)
	cmd.Flags().BoolVar(&closing, "close", false, "close them: each gets a number and stays as it is")
	cmd.Flags().BoolVar(&how.margin, "margin", false, "tell on standard error what each has cost you, and what is left")
	return cmd
}

func (a *app) tellStatements(how *written, list []control.StatementView) error {
	if err := a.putStatements(how, list); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "nobody owes anything")
	}
	refused := 0
	for i := range list {
		v := &list[i]
		if v.Problem != "" {
			refused++
			fmt.Fprintln(a.stderr, clean(fmt.Sprintf("%s was not closed: %s; %s", v.Client.Slug, v.Problem, v.Next)))
		}
		if c := how.currency; c != "" && v.Number != "" && !strings.EqualFold(c, v.Currency) {
			fmt.Fprintln(a.stderr, clean(fmt.Sprintf("statement %s was closed in %s, and stays in it", v.Number, v.Currency)))
		}
		if v.Changed != nil {
			fmt.Fprintln(a.stderr, clean(fmt.Sprintf("%s has used %s by the ledger now, and %s when statement %s was closed", v.Client.Slug,
				v.Changed.Display(), v.Used.Display(), v.Number)))
		}
		if how.margin {
			fmt.Fprintln(a.stderr, clean(fmt.Sprintf("%s: cost you %s, leaves %s", v.Client.Slug, v.Cost.Display(), v.Margin.Display())))
		}
	}
	if refused > 0 {
		return tally.Errorf(tally.Conflict, "%d of %d were not closed", refused, len(list)).WithHint("the others are; run the same again for these")
	}
	return nil
}

func (a *app) statementCommands() *cobra.Command {
	return family(groupOwn, "statements", "statements that were closed: what clients owed, month by month",
		list(verb[control.ListStatements, []control.StatementView]{
			op:      control.StatementsList,
			example: "  tallygate statements list\n  tallygate statements list --client hotel-aurora",
		}, control.StatementTable).command(a),
		a.showStatement(),
	)
}

func (a *app) showStatement() *cobra.Command {
	in := &control.PickStatement{}
	var how written
	fields := control.FieldsOf(reflect.TypeFor[control.PickStatement]())
	cmd := &cobra.Command{
		Use: "show" + usage(fields), Short: control.StatementsShow.Help,
		Example:     "  tallygate statements show 2026-0007\n  tallygate statements show 2026-0007 --output 2026-0007.html",
		Args:        func(cmd *cobra.Command, args []string) error { return takeArgs(cmd, fields, in, args) },
		Annotations: map[string]string{madeFrom: control.StatementsShow.Name},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := how.check(a, cmd); err != nil {
				return err
			}
			return a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) error {
				v, err := control.StatementsShow.Do(ctx, c, *in)
				if err != nil {
					return err
				}
				return a.tellStatements(&how, []control.StatementView{v})
			})
		},
	}
	how.flags(cmd)
	return cmd
}
