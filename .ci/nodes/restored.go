package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tallygate/.ci/proc"
)

// restored sets the database back under load: a dump of it takes its place, made some requests
// ago, as the guide says. Nodes go on, and tell it again what it has forgotten.
func restored(ctx context.Context, r *round) error {
	c := r.c
	r.what, r.crashed = "the database is set back to a dump", true
	if err := r.load.reached(ctx, r.max/4); err != nil {
		return err
	}
	if err := c.db.Tool("pg_dump", "-Fc", "-f", "tally.dump", "tally"); err != nil {
		return err
	}
	if err := r.load.reached(ctx, r.max/2); err != nil {
		return err
	}
	if _, err := c.db.Make("restored"); err != nil {
		return err
	}
	if err := c.db.Tool("pg_restore", "-1", "-d", "restored", "tally.dump"); err != nil {
		return err
	}
	for _, sql := range []string{"DROP DATABASE tally WITH (FORCE)", "ALTER DATABASE restored RENAME TO tally"} {
		if err := c.db.Run("postgres", sql); err != nil {
			return err
		}
	}
	c.setBack = true
	return proc.Sleep(ctx, 3*time.Second) // a node may have refused for lack of it
}

// toldOf: each node that was there says what has happened.
func toldOf(r *round, _ *books) error {
	views, err := r.c.views(context.Background())
	if err != nil {
		return err
	}
	for _, n := range r.c.nodes {
		if faults := views[n.Name].Faults; len(faults) != 1 || !strings.Contains(faults[0], "was set back") {
			return fmt.Errorf("%s does not say that the database was set back, but %q", n.Name, faults)
		}
	}
	return nil
}
