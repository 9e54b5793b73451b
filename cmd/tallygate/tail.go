package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// tailPause is the least time between two looks for new requests: it gathers
// what comes at once.
const tailPause = 100 * time.Millisecond

// maxPage is the most records that one call returns.
const maxPage = 1000

func (a *app) tailCommand() *cobra.Command {
	var in control.RequestQuery
	cmd := &cobra.Command{
		Use: "tail", Short: "follow requests as they are settled, one a line",
		Example: "  tallygate requests tail\n  tallygate requests tail --client hotel-aurora --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.attach(cmd.Context())
			if err != nil {
				return err
			}
			defer c.close()
			t := tail{caller: c, query: in, write: a.requestLine()}
			if err := t.look(cmd.Context(), true); err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "following requests; interrupt to end")
			err = t.follow(cmd.Context())
			if cmd.Context().Err() != nil {
				return nil // ending it is how it is used
			}
			return err
		},
	}
	addFlags(cmd.Flags(), &in, "limit", "after", "since", "until")
	a.completeFlags(cmd, control.FieldsOf(reflect.TypeFor[control.RequestQuery]()))
	return cmd
}

// tail follows requests. Events only say that there is something new: what it
// is comes from the same operation as a list, so that names and filters are the
// engine's, and a gap in the events loses nothing.
type tail struct {
	caller control.Caller
	query  control.RequestQuery
	write  func(*control.RequestView) error
	seen   uint64 // the latest record that was looked at
}

// follow writes what is settled after the first look.
func (t *tail) follow(ctx context.Context) error {
	for e, err := range t.caller.Events(ctx, 0) {
		switch {
		case err != nil:
			return err
		case e.Kind == tally.RecordEvent && e.Request.Seq > t.seen, e.Kind == tally.GapEvent:
			time.Sleep(tailPause)
			if err := t.look(ctx, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// look writes the records that are new since the last look; the first one only
// finds out where that is.
func (t *tail) look(ctx context.Context, first bool) error {
	newest, err := control.RequestsList.Do(ctx, t.caller, control.RequestQuery{Limit: 1})
	if err != nil || len(newest.Requests) == 0 {
		return err
	}
	upTo := newest.Requests[0].Seq
	var fresh []control.RequestView
	for q := t.query; !first && upTo > t.seen; {
		q.Limit = int(min(upTo-t.seen, maxPage)) // the numbers are dense: no more than that are new
		page, err := control.RequestsList.Do(ctx, t.caller, q)
		if err != nil {
			return err
		}
		old := slices.IndexFunc(page.Requests, func(r control.RequestView) bool { return r.Seq <= t.seen })
		if old >= 0 {
			page.Requests, page.Next = page.Requests[:old], ""
		}
		fresh = append(fresh, page.Requests...)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	for _, r := range slices.Backward(fresh) {
		if err := t.write(&r); err != nil {
			return err
		}
		upTo = max(upTo, r.Seq)
	}
	t.seen = max(t.seen, upTo)
	return nil
}

// requestLine returns what writes one request a line.
func (a *app) requestLine() func(*control.RequestView) error {
	if a.json {
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false)
		return func(r *control.RequestView) error {
			line.Reset()
			err := enc.Encode(r)
			if err == nil {
				_, err = a.stdout.Write(tally.EscapeControls(line.Bytes()))
			}
			return err
		}
	}
	// Columns cannot be fitted to rows that are yet to come.
	widths := []int{8, 16, 24, 10, 8, 6, 6, 9, 8}
	return func(r *control.RequestView) error {
		cells := []string{r.At.Local().Format(time.TimeOnly), r.Client, r.Model, r.Provider, string(r.Outcome),
			tally.Group(r.InputTokens), tally.Group(r.OutputTokens), r.CostNanoUSD.Display(), millis(r.TotalMS), r.Code}
		var b strings.Builder
		for i, cell := range cells {
			cell = clean(cell)
			pad := ""
			if i < len(widths) {
				pad = strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			}
			if right := i >= 5 && i < 9; right {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString(cell + "  ")
		}
		_, err := fmt.Fprintln(a.stdout, a.out.paint(inks[control.RequestTable.Tone(r)], strings.TrimRight(b.String(), " ")))
		return err
	}
}

// noArguments refuses arguments of a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUse(cmd, "%q is too much: %s", args[0], cmd.UseLine())
	}
	return nil
}
