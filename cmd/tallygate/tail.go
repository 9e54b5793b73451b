package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

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
			t := tail{caller: c, query: in}
			latest, err := t.begin(cmd.Context())
			if err != nil {
				return err
			}
			t.write = a.requestLine(latest)
			fmt.Fprintln(a.stderr, "following requests; interrupt to end")
			err = t.follow(cmd.Context())
			if cmd.Context().Err() != nil {
				return nil // ending it is how it is used
			}
			return err
		},
	}
	addFlags(cmd.Flags(), &in, "limit", "after", "since", "until", "sort")
	a.completeFlags(cmd, control.FieldsOf(reflect.TypeFor[control.RequestQuery]()))
	return cmd
}

// tail follows requests. Events carry them as lists show them; what a gap in the
// events has left out is asked for.
type tail struct {
	caller control.Caller
	query  control.RequestQuery
	filter control.Filter[*control.RequestView]
	write  func(*control.RequestView) error
	seen   map[string]uint64 // by node, the latest record that was looked at
}

// begin finds out where to begin and what to follow, and returns some of the latest
// requests that would have been shown.
func (t *tail) begin(ctx context.Context) ([]control.RequestView, error) {
	newest, err := control.RequestsList.Do(ctx, t.caller, control.RequestQuery{Limit: 100})
	if err != nil {
		return nil, err
	}
	t.seen = map[string]uint64{}
	for _, r := range newest.Requests {
		t.seen[r.Node] = max(t.seen[r.Node], r.Seq)
	}
	latest, err := control.RequestsList.Do(ctx, t.caller, t.query) // which says what is wrong with the flags
	if err != nil {
		return nil, err
	}
	terms, err := t.terms(ctx)
	if err != nil {
		return nil, err
	}
	t.filter, err = control.RequestTable.ParseFilter(terms, control.Calendar{Now: time.Now(), Zone: time.Local})
	return latest.Requests, err
}

// terms is what the flags ask for, as a filter. Things are called in it as requests
// call them.
func (t *tail) terms(ctx context.Context) (string, error) {
	q := &t.query
	terms := []string{q.Filter}
	add := func(column, value string) {
		if value != "" {
			terms = append(terms, fmt.Sprintf("%s:=%q", column, value))
		}
	}
	if q.Client != "" {
		v, err := control.ClientsShow.Do(ctx, t.caller, control.Named{Name: q.Client})
		if err != nil {
			return "", err
		}
		add("client", v.Slug)
	}
	if q.Provider != "" {
		v, err := control.ProvidersShow.Do(ctx, t.caller, control.Named{Name: q.Provider})
		if err != nil {
			return "", err
		}
		add("provider", v.Name)
	}
	if q.Key != "" {
		k, err := keyView(ctx, t.caller, control.PickKey{Key: q.Key, Client: q.Client})
		if err != nil {
			return "", err
		}
		if k == nil {
			return "", tally.Errorf(tally.NotFound, "there is no key %q", q.Key).WithHint("tallygate keys list shows their ids")
		}
		add("key_id", string(k.ID))
	}
	if q.Token != "" {
		_, id := tally.SplitTokenName(q.Token)
		add("token", id)
	}
	if q.Status != 0 {
		add("status", strconv.Itoa(q.Status))
	}
	add("model", q.Model)
	add("outcome", string(q.Outcome))
	add("code", q.Code)
	return strings.TrimSpace(strings.Join(terms, " ")), nil
}

// follow writes what is settled from the beginning on.
func (t *tail) follow(ctx context.Context) error {
	for e, err := range t.caller.Events(ctx, 0) {
		if err == nil {
			switch {
			case e.Kind == tally.GapEvent:
				err = t.catchUp(ctx)
			case e.Kind == tally.RecordEvent:
				err = t.look(e.Request)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// look writes a request, unless it was looked at or is not asked for.
func (t *tail) look(r *control.RequestView) error {
	if r.Seq <= t.seen[r.Node] {
		return nil
	}
	t.seen[r.Node] = r.Seq
	if !t.filter.Match(r) {
		return nil
	}
	return t.write(r)
}

// catchUp writes the requests since the last ones that were looked at.
func (t *tail) catchUp(ctx context.Context) error {
	var fresh []control.RequestView
	past := false // what comes is older than something that was looked at
	for q := (control.RequestQuery{Limit: maxPage}); ; {
		page, err := control.RequestsList.Do(ctx, t.caller, q)
		if err != nil {
			return err
		}
		was := len(fresh)
		for _, r := range page.Requests {
			last, known := t.seen[r.Node]
			if r.Seq > last && (known || !past) {
				fresh = append(fresh, r)
			}
			past = past || r.Seq <= last
		}
		if q.After = page.Next; q.After == "" || len(fresh) == was {
			break
		}
	}
	for _, r := range slices.Backward(fresh) {
		if err := t.look(&r); err != nil {
			return err
		}
	}
	return nil
}

// requestLine returns what writes one request a line. The latest ones say how wide
// the columns are to be.
func (a *app) requestLine(latest []control.RequestView) func(*control.RequestView) error {
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
	failing := &failingWriter{w: a.stdout}
	write := stream(&printer{failing, a.out}, control.RequestTable, control.Pointers(latest))
	return func(r *control.RequestView) error {
		write(r)
		return failing.err
	}
}

// noArguments refuses arguments of a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUse(cmd, "%q is too much: %s", args[0], cmd.UseLine())
	}
	return nil
}
