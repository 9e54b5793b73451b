package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tallygate/.ci/proc"
)

// measures tells how much nodes ask the database, what they add to a request's time, and how
// soon a change holds on the others.
func (c *cluster) measures(ctx context.Context) error {
	c.up.delay.Store(0)
	var keys []string
	for i := range 20 {
		key, err := c.client(ctx, fmt.Sprint("steady-", i), "--limit", "requests=10M/month", "--limit", "cost=10000/month",
			"--limit", "requests=100000/minute")
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for _, rate := range []int{200, 1000} {
		if err := c.exchanges(ctx, rate, keys); err != nil {
			return err
		}
	}
	if err := c.latency(ctx, keys); err != nil {
		return err
	}
	return c.changes(ctx)
}

// exchanges counts trips to the database.
func (c *cluster) exchanges(ctx context.Context, rate int, keys []string) error {
	within, cancel := context.WithCancel(ctx)
	l := &load{c: c, said: map[int]int{}}
	steady := c.steady(within, rate, keys, l)
	defer steady.Wait()
	defer cancel()
	count := func(after time.Duration) (exchanges, requests int64, err error) {
		if err := proc.Sleep(ctx, after); err != nil {
			return 0, 0, err
		}
		views, err := c.views(ctx)
		for _, n := range c.nodes {
			exchanges += views[n.Name].Exchanges
			requests += views[n.Name].Requests
		}
		return exchanges, requests, err
	}
	e0, r0, err := count(3*c.measure + 2*time.Second)
	if err != nil {
		return err
	}
	e1, r1, err := count(2*c.measure + 2*time.Second) // nodes tell each second
	if err != nil {
		return err
	}
	cancel()
	steady.Wait()
	fmt.Printf("   %d requests/s of %d clients with 3 limits each: %d exchanges for %d requests, %.4f a request; %s\n",
		rate, len(keys), e1-e0, r1-r0, float64(e1-e0)/float64(max(1, r1-r0)), l.tells())
	return nil
}

// waited is how long a share of the calls took at most.
func (l *load) waited(share float64) time.Duration {
	slices.Sort(l.took)
	if len(l.took) == 0 {
		return 0
	}
	return l.took[int(share*float64(len(l.took)-1))].Round(10 * time.Microsecond)
}

// tells says what callers have met, for people.
func (l *load) tells() string {
	return fmt.Sprintf("half took %v, one in a hundred over %v; callers heard %v", l.waited(0.5), l.waited(0.99), l.said)
}

// latency compares with a node that has a store of its own.
func (c *cluster) latency(ctx context.Context, keys []string) error {
	alone, err := c.newNode("alone", "")
	if err != nil {
		return err
	}
	defer alone.Kill()
	if err := alone.Start(ctx); err != nil {
		return err
	}
	if err := c.furnish(ctx, alone); err != nil {
		return err
	}
	var made struct{ Key string }
	if err := alone.Ask(ctx, &made, "keys", "create", "--client", "default", "--label", "alone"); err != nil {
		return err
	}
	for _, x := range []struct {
		what  string
		nodes []*node
		keys  []string
	}{{"with the database", c.nodes, keys}, {"without", []*node{alone}, []string{made.Key}}} {
		within, cancel := context.WithCancel(ctx)
		l := &load{c: c, said: map[int]int{}}
		one := &cluster{nodes: x.nodes}
		steady := one.steady(within, 100, x.keys, l)
		err := proc.Sleep(ctx, 2*c.measure)
		cancel()
		steady.Wait()
		if err != nil {
			return err
		}
		fmt.Printf("   100 requests/s %s: %s\n", x.what, l.tells())
	}
	return nil
}

// changes suspends a client on one node, and looks when the others do not serve it any more.
func (c *cluster) changes(ctx context.Context) error {
	key, err := c.client(ctx, "changing")
	if err != nil {
		return err
	}
	var took []time.Duration
	for range 6 {
		for _, verb := range []string{"suspend", "activate"} {
			begin := time.Now()
			if err := c.nodes[0].Ask(ctx, nil, "clients", verb, "changing"); err != nil {
				return err
			}
			for _, n := range c.nodes[1:] {
				if _, err := c.until(ctx, n, key, verb == "activate"); err != nil {
					return err
				}
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	fmt.Printf("   a change holds on the other nodes %v after the command begins, at most %v\n",
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	return nil
}
