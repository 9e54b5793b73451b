package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"tallygate/storage/pgstore/pgtest"
)

// cluster is three nodes, their database and their upstream.
type cluster struct {
	options
	work    string
	rnd     *rand.Rand
	db      *pgtest.Server
	url     string // of the nodes' database
	up      upstream
	nodes   []*node
	extra   *node // the one that joins and leaves
	least   int64 // tokens that the least request of the callers holds
	extras  int   // that were forgotten
	kills   int
	clocks  bool // of nodes can be set
	stepped bool // one of them was
	crashes int
	setBack bool // the database was, of which nodes tell for a day
}

// setUp starts everything. The database keeps what it has committed, as one of an owner's.
func (c *cluster) setUp(ctx context.Context) (err error) {
	settings := append([]string{"fsync=on", "full_page_writes=on", "synchronous_commit=on"}, c.settings...)
	if c.db, err = pgtest.Open(settings...); err != nil {
		return err
	}
	if c.url, err = c.db.Make("tally"); err != nil {
		return err
	}
	if err := c.up.open(); err != nil {
		return err
	}
	for i := range 4 {
		n, err := c.newNode(fmt.Sprint("n", i+1), c.url)
		if err != nil {
			return err
		}
		if i > 0 {
			if err := copyKey(c.nodes[0].Data, n.Data); err != nil {
				return err
			}
		}
		if i == 3 {
			c.extra = n
			break
		}
		c.nodes = append(c.nodes, n)
		if err := n.Start(ctx); err != nil {
			return err
		}
		if i == 0 {
			if err := c.furnish(ctx, n); err != nil {
				return err
			}
		}
	}
	return c.probe(ctx)
}

// furnish sets up a gateway with one model.
func (c *cluster) furnish(ctx context.Context, n *node) error {
	for _, args := range [][]string{
		{"init", "--yes", "--limit", "requests=1000M/day"},
		{"settings", "set", "--trusted-proxy", "127.0.0.1"},
		{"providers", "create", "--name", "up", "--kind", "custom", "--base-url", "http://" + c.up.address + "/v1",
			"--api-key-env", "NODES_API"},
		{"models", "update", "m", "--provider", "up", "--context-tokens", "8000", "--max-output-tokens", "200",
			"--price", "input=1", "--price", "output=5"},
	} {
		if err := n.Ask(ctx, nil, args...); err != nil {
			return err
		}
	}
	return nil
}

// copyKey gives a new node the key file of another one.
func copyKey(from, to string) error {
	key, err := os.ReadFile(filepath.Join(from, "secrets.key"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "secrets.key"), key, 0o600)
}

func (c *cluster) close() {
	for _, n := range append(c.nodes, c.extra) {
		if n != nil {
			n.Kill()
		}
	}
	c.up.close()
	if c.db != nil {
		c.db.Close()
	}
}

// kill kills a node in a round.
func (c *cluster) kill(r *round, n *node) {
	r.killed = true
	n.Kill()
	c.kills++
}

// any is one of the nodes that serve.
func (c *cluster) any() *node { return c.nodes[c.rnd.IntN(len(c.nodes))] }

// client makes a client with a key that has the limits, on any node.
func (c *cluster) client(ctx context.Context, slug string, args ...string) (key string, err error) {
	args = append([]string{"clients", "create", "--name", slug, "--slug", slug}, args...)
	if err := c.any().Ask(ctx, nil, args...); err != nil {
		return "", err
	}
	return c.key(ctx, slug, "first")
}

// key makes a key on any node, and waits until all of them know it. The client may have been
// made on another one, which this one hears of within the second.
func (c *cluster) key(ctx context.Context, slug, label string) (string, error) {
	var made struct{ Key string }
	var err error
	for range 20 {
		if err = c.any().Ask(ctx, &made, "keys", "create", "--client", slug, "--label", label); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return "", err
	}
	for _, n := range c.nodes {
		if _, err := c.until(ctx, n, made.Key, true); err != nil {
			return "", err
		}
	}
	return made.Key, nil
}

// until waits until a node knows a key, or does not know it any more. It asks what costs
// nothing.
func (c *cluster) until(ctx context.Context, n *node, key string, known bool) (time.Duration, error) {
	begin := time.Now()
	for {
		status, err := n.models(ctx, key)
		if err != nil {
			return 0, err
		}
		if (status == 200) == known {
			return time.Since(begin), nil
		}
		if time.Since(begin) > 5*time.Second {
			return 0, fmt.Errorf("%s answers %d to a key 5 s after it has changed on another node", n.Name, status)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// probe finds what the least request holds: one that asks for a single token.
func (c *cluster) probe(ctx context.Context) error {
	key, err := c.client(ctx, "probe", "--limit", "tokens=1M/total")
	if err != nil {
		return err
	}
	c.up.delay.Store(int64(2 * time.Second))
	done := make(chan reply, 1)
	go func() { done <- c.nodes[0].call(ctx, request{key: key, output: 1}) }()
	defer func() { <-done }()
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		var client clientView
		if err := c.nodes[0].Ask(ctx, &client, "clients", "show", "probe"); err != nil {
			return err
		}
		if c.least = client.Limits[0].Held; c.least > 0 {
			return nil
		}
	}
	return fmt.Errorf("a request holds nothing")
}
