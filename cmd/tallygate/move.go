package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore"
)

// moved is what has moved, and where to.
type moved struct {
	To string `json:"to"`
	pgstore.Moved
	Sealed bool `json:"needs_key_file,omitempty"` // secrets.key is not there yet
}

// dayTable has what both stores have of each day.
var dayTable = control.NewTable(control.Table[*pgstore.Day]{
	Thing: "day", Make: "tallygate requests",
	Columns: []control.Column[*pgstore.Day]{
		{Name: "day", Get: func(d *pgstore.Day) control.Value { return control.WordOf(d.Day) }},
		{Name: "requests", Get: func(d *pgstore.Day) control.Value { return control.CountOf(d.Requests) }},
		{Name: "refused", Get: func(d *pgstore.Day) control.Value { return control.CountOf(d.Refused) }},
		{Name: "tokens", Get: func(d *pgstore.Day) control.Value { return control.CountOf(d.Tokens) }},
		{Name: "cost", Get: func(d *pgstore.Day) control.Value { return control.MoneyOf(d.Cost) }},
		{Name: "credits", Get: func(d *pgstore.Day) control.Value { return control.MoneyOf(d.Credits) }},
	},
})

func (a *app) moveCommand() *cobra.Command {
	var o serveOptions
	var to string
	cmd := &cobra.Command{
		Use: "move", Short: "move everything into the database of several nodes, or back", Args: noArguments, GroupID: groupOwn,
		Long: `With --to URL it moves all that the data folder has into an empty PostgreSQL database,
and makes the folder the first node's. Limits go on in the middle of their periods.
With --to DIR it makes a data folder for a gateway with one node of all that the nodes of
--store have. Nothing may serve meanwhile: stop it first, and all nodes.

It prints what both have of each day, and fails if that is not the same. What it moves
from stays as it was. If it is broken off, the same command goes on.`,
		Example: "  tallygate move --to postgres://tally@db.example.com/tally --node fra-1\n" +
			"  tallygate move --store postgres://tally@db.example.com/tally --to /var/lib/tallygate-one",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case to == "":
				return wrongUse(cmd, "say where to: %s --to URL, or --to DIR", cmd.CommandPath())
			case strings.Contains(to, "://") && o.store != "" && setFrom(cmd.Flag("store")) != variable("store"):
				return wrongUse(cmd, "--store is where nodes move from, and --to a folder then")
			case strings.Contains(to, "://"):
				return a.moveIn(cmd, &o, to)
			}
			return a.moveOut(cmd, &o, to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`URL` of an empty database, like postgres://tally@db/tally, or DIR for a gateway with one node")
	cmd.Flags().StringVar(&o.store, "store", "",
		"`URL` of the database that nodes move from; its password in TALLYGATE_STORE, PGPASSWORD or PGPASSFILE")
	cmd.Flags().StringVar(&o.node, "node", "",
		"`NAME` of the node that the data folder becomes (default the machine's)")
	return cmd
}

func (a *app) moveIn(cmd *cobra.Command, o *serveOptions, to string) error {
	if o.store != "" && process.ShownStore(o.store) == process.ShownStore(to) {
		to = o.store // the variable may have the password
	} else if process.Password(to) {
		return tally.Errorf(tally.Invalid, "--to has a password in it, and arguments are read by others").
			WithHint("leave it out of the URL and put it into PGPASSWORD, or a file that PGPASSFILE names; " +
				"or give the whole URL as TALLYGATE_STORE, too")
	}
	var err error
	if o.shared, err = process.ReadStore(to, o.node, a.env); err != nil {
		return err
	}
	dir, opts, err := a.moveOptions(cmd.Context(), o)
	if err != nil {
		return err
	}
	defer a.progress("moving")()
	m, err := process.MoveIn(cmd.Context(), opts, func(_, _ uint64) {})
	if err != nil {
		return err
	}
	at := process.ShownStore(o.shared.URL)
	return a.tellMoved(moved{To: at, Moved: m},
		"next: tallygate serve --store "+tally.ShellWord(at)+" --data "+tally.ShellWord(dir))
}

func (a *app) moveOut(cmd *cobra.Command, o *serveOptions, to string) error {
	if o.store == "" {
		return wrongUse(cmd, "say what moves: --store URL, or TALLYGATE_STORE")
	}
	if err := o.readStore(a, cmd); err != nil {
		return err
	}
	dir, err := filepath.Abs(to)
	if err != nil {
		return tally.Errorf(tally.Invalid, "%w", err)
	}
	_, opts, err := a.moveOptions(cmd.Context(), o)
	if err != nil {
		return err
	}
	if process.HasKeyFile(dir) {
		if opts.Keys, err = a.keys(cmd.Context(), dir, ""); err != nil {
			return err
		}
	}
	defer a.progress("moving")()
	m, err := process.MoveOut(cmd.Context(), opts, dir)
	if err != nil {
		return err
	}
	out := moved{To: dir, Moved: m, Sealed: !process.HasKeyFile(dir)}
	next := "next: tallygate serve --data " + tally.ShellWord(dir)
	if out.Sealed {
		next = "next: copy secrets.key of a node's data folder into " + tally.ShellWord(dir) + ", then: tallygate serve --data " + tally.ShellWord(dir)
	}
	return a.tellMoved(out, next)
}

// moveOptions are how to open the data folder.
func (a *app) moveOptions(ctx context.Context, o *serveOptions) (string, process.Options, error) {
	dir, err := a.dataDir()
	if err != nil {
		return "", process.Options{}, err
	}
	keys, err := a.keys(ctx, dir, "")
	return dir, process.Options{Dir: dir, Shared: o.shared, Profile: badgerdb.Server, Keys: keys,
		Log: slog.New(slog.DiscardHandler), Version: a.version}, err
}

func (a *app) tellMoved(m moved, next string) error {
	return a.print(func(p *printer) {
		rows(p, dayTable, m.Days, noRows(dayTable))
		p.say("moved to %s: %s, %s, %s of the book of money, %s of the audit log; each day adds up to the same", m.To,
			countOf(int(m.Records), "record", "records"), countOf(m.Entities, "thing", "things"), countOf(m.Entries,
				"entry", "entries"),
			countOf(m.Changes, "entry", "entries"))
		p.say("%s", next)
	}, func() any { return m })
}
