package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// secret is a password that nobody may read anywhere.
const secret = "Sesame99"

// The exit codes of the program.
const (
	failed      = 1
	usage       = 2
	unreachable = 3
	notFound    = 4
	conflict    = 5
	inUse       = 6
)

// wrong is a node that must not start.
type wrong struct {
	what string
	node func(ctx context.Context, n *node) error // makes it so; n is a new node with the right key
	exit int
	says string
	hint string
}

func (c *cluster) wrongs() []wrong {
	elsewhere := func(change func(*url.URL)) func(context.Context, *node) error {
		return func(_ context.Context, n *node) error {
			u, err := url.Parse(c.url)
			if err != nil {
				return err
			}
			change(u)
			n.store = u.String()
			return nil
		}
	}
	first := c.nodes[0]
	return []wrong{
		{"a wrong password", elsewhere(func(u *url.URL) { u.User = url.UserPassword("stranger", secret) }),
			failed, "does not let stranger in", "PGPASSWORD"},
		{"a database that is not there", elsewhere(func(u *url.URL) { u.Path = "/nowhere" }),
			notFound, "no database nowhere", "createdb"},
		{"no server", elsewhere(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
			unreachable, "out of reach", "psql"},
		{"another kind of server", elsewhere(func(u *url.URL) { u.Host = c.up.address }),
			unreachable, "out of reach", "psql"},
		{"a newer schema", c.newer, usage, "has the schema 99", "a later one"},
		{"tables of something else", c.foreign, conflict, "tables of something else", "createdb"},
		{"another key file", func(_ context.Context, n *node) error {
			return os.Remove(filepath.Join(n.Data, "secrets.key")) // it makes one
		}, failed, "key file", "secrets.key"},
		{"a name that another node has", func(_ context.Context, n *node) error { n.Name = "n1"; return nil },
			conflict, "another node has the name n1", "--node"},
		{"a folder that is served", func(_ context.Context, n *node) error {
			n.Name, n.Data = first.Name, first.Data
			return nil
		}, inUse, "is served by process", "tallygate status"},
		{"a copy of a folder that is served", func(_ context.Context, n *node) error {
			n.Name = first.Name
			return copyFolder(first.Data, n.Data)
		}, inUse, "node n1 runs at", "a folder of its own"},
		{"a folder of another database", c.moved, conflict, "of another database", "empty folder"},
	}
}

// newer makes a database whose schema is of a later program.
func (c *cluster) newer(ctx context.Context, n *node) (err error) {
	if n.store, err = c.db.Make("newer"); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	if err := n.Stop(); err != nil {
		return err
	}
	return c.db.Run("newer", "UPDATE cluster SET version = 99, least = 99")
}

func (c *cluster) foreign(_ context.Context, n *node) (err error) {
	if n.store, err = c.db.Make("wiki"); err != nil {
		return err
	}
	return c.db.Run("wiki", "CREATE TABLE entity (id int8)")
}

// moved lets a node that has left the cluster start with another database.
func (c *cluster) moved(ctx context.Context, n *node) (err error) {
	if err := n.Start(ctx); err != nil {
		return err
	}
	if err := n.Stop(); err != nil {
		return err
	}
	n.store, err = c.db.Make("other")
	return err
}

func copyFolder(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-r", "--preserve=mode", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	for _, name := range []string{"tallygate.lock", "control.sock"} {
		if err := os.RemoveAll(filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// refusals starts nodes that must not start, and looks at what they say.
func (c *cluster) refusals(ctx context.Context) error {
	if err := c.db.Run("postgres", `CREATE ROLE stranger LOGIN PASSWORD 'another';
		DO $$ BEGIN EXECUTE format('COPY (SELECT unnest(ARRAY[%L, %L])) TO %L', 'host all stranger all scram-sha-256',
			'host all all all trust', current_setting('hba_file')); END $$;
		SELECT pg_reload_conf()`); err != nil {
		return err
	}
	for i, w := range c.wrongs() {
		n, err := c.newNode(fmt.Sprint("wrong-", i), c.url)
		if err != nil {
			return err
		}
		if err := copyKey(c.nodes[0].Data, n.Data); err != nil {
			return err
		}
		if err := w.node(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", w.what, err)
		}
		if err := w.starts(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", w.what, err)
		}
	}
	if err := c.takenOver(ctx); err != nil {
		return fmt.Errorf("a process in a node's place: %w", err)
	}
	if err := c.withoutDatabase(ctx); err != nil {
		return fmt.Errorf("without the database: %w", err)
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	fmt.Printf("   %d nodes that must not start do not, and say why\n", len(c.wrongs()))
	_, err := c.any().Verify(ctx)
	return err
}

// starts starts a node, and looks how it ends.
func (w *wrong) starts(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := n.Serve(ctx).CombinedOutput()
	said := string(out)
	var ended *exec.ExitError
	switch {
	case !errors.As(err, &ended):
		return fmt.Errorf("it ends with %v: %s", err, said)
	case ended.ExitCode() != w.exit:
		return fmt.Errorf("it ends with code %d, want %d: %s", ended.ExitCode(), w.exit, said)
	case strings.Contains(said, secret):
		return fmt.Errorf("it tells the password: %s", said)
	}
	_, hint, _ := strings.Cut(said, "\nhint: ")
	if !strings.Contains(said, "error: ") || !strings.Contains(said, w.says) || !strings.Contains(hint, w.hint) {
		return fmt.Errorf("it says %q", said)
	}
	return nil
}

// withoutDatabase looks at what nodes say while the database is gone. They go on by
// themselves when it is back.
func (c *cluster) withoutDatabase(ctx context.Context) error {
	key, err := c.client(ctx, "late", "--limit", "requests=5/total")
	if err != nil {
		return err
	}
	c.db.Crash()
	c.crashes++
	n := c.any()
	said := n.call(ctx, request{key: key, output: 1})
	if said.status != http.StatusServiceUnavailable || !strings.Contains(said.text, "limits cannot be found out") {
		return fmt.Errorf("a request for which nothing was lent is answered with %d: %s", said.status, said.text)
	}
	out, err := n.Command(ctx, "clients", "update", "late", "--note", "changed").CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != unreachable || !strings.Contains(string(out), "\nhint: ") {
		return fmt.Errorf("a change ends with %v: %s", err, out)
	}
	if err := c.db.StartAgain(); err != nil {
		return err
	}
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
		if said = n.call(ctx, request{key: key, output: 1}); said.status == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("10 s after it is back a request is answered with %d: %s", said.status, said.text)
}

// takenOver puts another process in the place of one that still runs, as a machine that was
// copied may do. The old one has to notice and to end.
func (c *cluster) takenOver(ctx context.Context) error {
	key, err := c.client(ctx, "contested", "--limit", "requests=500/total")
	if err != nil {
		return err
	}
	old := c.nodes[2]
	if said := old.call(ctx, request{key: key, output: 1}); said.status != http.StatusOK {
		return fmt.Errorf("a request is answered with %d: %s", said.status, said.text)
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	fresh, err := c.newNode(old.Name, c.url)
	if err != nil {
		return err
	}
	aside := old.Data + "-aside"
	if err := os.Rename(old.Data, aside); err != nil {
		return err
	}
	if err := copyFolder(aside, fresh.Data); err != nil {
		return err
	}
	if err := fresh.Start(ctx); err != nil {
		return err
	}
	c.nodes[2] = fresh
	select {
	case err = <-old.Ended:
	case <-time.After(10 * time.Second):
		old.Kill()
		return fmt.Errorf("the old one goes on")
	}
	log, _ := os.ReadFile(old.Log)
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != unreachable ||
		!strings.Contains(string(log), "another process acts for this node") {
		return fmt.Errorf("the old one ends with %v: %s", err, log)
	}
	// Both were on this machine, so that the old one has taken the new one's socket away.
	if err := fresh.Stop(); err != nil {
		return err
	}
	if err := fresh.Start(ctx); err != nil {
		return err
	}
	if said := fresh.call(ctx, request{key: key, output: 1}); said.status != http.StatusOK {
		return fmt.Errorf("the new one answers %d: %s", said.status, said.text)
	}
	return nil
}
