package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tallygate/engine/billfile"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) reconcileCommand() *cobra.Command {
	cmd := verb[control.Reconcile, control.Reconciled]{
		op: control.ProvidersReconcile, name: "reconcile", group: groupOwn, slow: "comparing with the ledger",
		prepare: func(_ *cobra.Command, in *control.Reconcile) func() error {
			return func() error { return a.readBill(in) }
		},
		asks: asksReconcile,
		example: "  tallygate reconcile openai costs.csv\n  tallygate reconcile anthropic costs.csv --month last --book\n" +
			"  tallygate reconcile openrouter --since 7d",
		show:  showReconciled,
		write: writes(control.ReconcileTable, func(out *control.Reconciled) []control.ReconcileRow { return out.Rows }),
		verdict: func(out *control.Reconciled) error {
			if !out.Off || out.Format == "" {
				return nil
			}
			return tally.Errorf(tally.Internal, "the bill of %s is not what is booked", out.Provider).
				WithHint("see what it comes from; --book books what differs, and status warns until then")
		},
	}.command(a)
	cmd.Long = `Compares what a provider says it has charged with what is booked here, by day of UTC and
model, and says what each difference is likely to come from: a request that they do not
have, an account that is used elsewhere, another price, the border of a day, rounding.
What is named is shown by the figures; the rest is unknown.

The file is the export of costs that the provider's console offers (OpenAI, Anthropic,
OpenRouter), the JSON of its API of costs, or a CSV of your own with the columns day,
model, cost in US dollars. It is read here, and only its sums are sent to the engine.
Without a file it compares what answers said of their cost with what the prices here come
to.

If the bill is off by more than 2 % over the span, or on more than one day, it fails, an
alert is sent, and status warns until the next bill of the provider is not, or is booked.
--book books what differs as cost of the gateway, by day and model; it is a part of ours
from then on, so that the same bill is booked once. An entry can be reversed.`
	return cmd
}

// readBill reads the file that is named.
func (a *app) readBill(in *control.Reconcile) error {
	if in.File == "" {
		return nil
	}
	from, name := io.Reader(a.stdin), "the export"
	if in.File != "-" {
		file, err := os.Open(in.File)
		if err != nil {
			return tally.Errorf(tally.Invalid, "%w", err).
				WithHint("name the provider's export of costs, or - for standard input")
		}
		defer file.Close()
		from, in.File = file, filepath.Base(in.File)
		name = in.File
	}
	defer a.progress("reading " + name)()
	bill, err := billfile.Read(from)
	if err != nil {
		e := tally.AsError(err)
		return tally.Errorf(e.Code, "%s: %s", name, e.Message).WithHint("%s", e.Hint)
	}
	in.Bill = bill
	return nil
}

// asksReconcile says what would be booked.
func asksReconcile(ctx context.Context, c control.Caller, in *control.Reconcile) (string, error) {
	if !in.Book {
		return "", nil
	}
	look := *in
	look.Book = false
	out, err := control.ProvidersReconcile.Do(ctx, c, look)
	n := 0
	for i := range out.Rows {
		if r := &out.Rows[i]; r.Difference != 0 && r.Cause != control.CauseOpen {
			n++
		}
	}
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("Book %s as cost of the gateway: %s. They count on its limits at once.\ntallygate entries reverse takes one back. See them first without --book.",
		countOf(n, "difference", "differences"), signed(out.Difference)), nil
}

func showReconciled(p *printer, in *control.Reconcile, out *control.Reconciled) {
	theirs := out.Format
	if out.Format == "" {
		theirs = "as answers said"
	} else if in.Bill != nil {
		theirs += ", " + countOf(int(in.Bill.Rows), "row", "rows")
	}
	p.say("%s from %s to %s (UTC): they have %s (%s), here it is %s", out.Provider, out.First, out.Last,
		out.Theirs.Display(), theirs, out.Ours.Display())
	var differ []control.ReconcileRow
	for i := range out.Rows {
		if out.Rows[i].Difference != 0 {
			differ = append(differ, out.Rows[i])
		}
	}
	rows(p, control.ReconcileTable, differ, "")
	if same := len(out.Rows) - len(differ); same > 0 {
		p.say("%s the same on both sides", countOf(same, "day of a model is", "days of models are"))
	}
	next := map[string]bool{}
	for i := range differ {
		if n := differ[i].Next; n != "" && !next[n] {
			if next[n] = true; len(next) > mostNext {
				p.say("  and more: --json has what to do for each")
				break
			}
			p.say("  %s, %s: %s", differ[i].Day, differ[i].Model, n)
		}
	}
	if out.Outside > 0 {
		p.say("left out: %s of days that were not asked for",
			countOf(int(out.Outside), "line of the bill", "lines of the bill"))
	}
	if b := in.Bill; b != nil && b.Twice > 0 {
		p.say("%s there once more, and counted once",
			countOf(int(b.Twice), "row of the export stands", "rows of the export stand"))
	}
	if b := in.Bill; b != nil && b.Finer > 0 {
		p.say("%s finer than a nano-dollar: sums are rounded to one", countOf(int(b.Finer), "amount is", "amounts are"))
	}
	if out.Thinned > 0 {
		p.say("records of %s were deleted: sums are compared there", countOf(int(out.Thinned), "day", "days"))
	}
	switch {
	case in.Book && out.Booked == 0 && len(differ) == 0:
		p.say("nothing is to be booked")
	case in.Book:
		p.say("booked: %s of cost; see: tallygate entries list --kind adjustment", signed(out.Booked))
	case !out.Off && len(differ) > 0:
		p.say("that is within 2 %% of the bill")
	}
}

// mostNext are the commands that are told below a comparison.
const mostNext = 5
