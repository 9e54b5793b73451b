package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tallygate/.ci/proc"
)

// record is what is read of a record.
type record struct {
	ID      string `json:"id"`
	Node    string `json:"node,omitempty"`
	Seq     int64  `json:"seq"`
	At      string `json:"at"`
	Outcome string `json:"outcome"`
	Visitor string `json:"visitor"`
	Session string `json:"session"`
	Count   int64  `json:"count"`
	Tokens  struct{ Input, Output int64 }
	Cost    int64 `json:"cost_nano_usd"`
	Charges []struct {
		Metric, Window    string
		Amount, Used, Max int64
	} `json:"charges"`
}

type clientView struct {
	Limits []limitView `json:"limit_states"`
}

type limitView struct {
	Metric          string `json:"metric"`
	Used, Held, Max int64
}

type nodeView struct {
	Name, State string
	Silent      time.Duration `json:"silent_ns"`
	Clock       time.Duration `json:"clock_ns"`
	Unshipped   int64
	Shipped     time.Time
	Holds       int
	Lent        map[string]int64
	Exchanges   int64
	Requests    int64
	Faults      []string
}

// books are what nodes tell of a round.
type books struct {
	records []record // of requests that were not refused
	ok      int64    // of them, those that ended well
	lost    int64
	units   int64 // what counts of the limit
	output  int64 // tokens
}

// settled waits until nothing is held any more and the database has all records.
func (c *cluster) settled(ctx context.Context) error {
	for began, until := time.Now(), time.Now().Add(20*time.Second); ; {
		why, err := c.unsettled(ctx, began)
		if err != nil || why == "" {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("20 s after the last request %s", why)
		}
		if err := proc.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// unsettled says what is not settled, or what is wrong with a node. What nodes say is up to a
// second old, and must be of after the round.
func (c *cluster) unsettled(ctx context.Context, round time.Time) (string, error) {
	if busy, err := c.any().Busy(ctx); err != nil || busy != "" {
		return busy, err
	}
	nodes, err := c.views(ctx)
	if err != nil {
		return "", err
	}
	for _, n := range c.nodes {
		v, is := nodes[n.Name]
		switch {
		case !is || v.State != "live" || v.Silent > 3*time.Second:
			return fmt.Sprintf("%s is missed: %+v", n.Name, v), nil
		case v.Unshipped != 0 || v.Holds != 0 || v.Shipped.Before(round):
			return fmt.Sprintf("%s has %d records for itself, and %d holds", n.Name, v.Unshipped, v.Holds), nil
		case len(v.Faults) > 0 && !(c.setBack && strings.Contains(v.Faults[0], "was set back")) || v.Clock.Abs() > time.Second:
			return fmt.Sprintf("%s has faults: %+v", n.Name, v), nil
		}
	}
	if v, is := nodes[c.extra.Name]; is && v.State != "left" && !c.extra.Runs() {
		return fmt.Sprintf("%s has not left: %+v", c.extra.Name, v), nil
	}
	return "", nil
}

func (c *cluster) views(ctx context.Context) (map[string]nodeView, error) {
	return c.viewsOf(ctx, c.any())
}

// viewsOf is what a node knows of all of them.
func (c *cluster) viewsOf(ctx context.Context, n *node) (map[string]nodeView, error) {
	var list []nodeView
	if err := n.Ask(ctx, &list, "nodes"); err != nil {
		return nil, err
	}
	out := map[string]nodeView{}
	for _, v := range list {
		out[v.Name] = v
	}
	return out, nil
}

// audit looks at all that a round has left, each time asking any node.
func (r *round) audit(ctx context.Context) (*books, error) {
	c := r.c
	if err := c.settled(ctx); err != nil {
		return nil, err
	}
	b := &books{}
	if err := r.read(ctx, b); err != nil {
		return nil, err
	}
	var usage struct{ Total struct{ Requests int64 } }
	if err := c.any().Ask(ctx, &usage, append([]string{"usage", "--since", "24h"}, r.whose...)...); err != nil {
		return nil, err
	}
	n := int64(len(b.records))
	if usage.Total.Requests != n {
		return nil, fmt.Errorf("usage tells %d requests, and %d are recorded", usage.Total.Requests, n)
	}
	if err := r.counted(b); err != nil {
		return nil, err
	}
	if err := r.reachedExactly(ctx, b); err != nil {
		return nil, err
	}
	if r.after != nil {
		if err := r.after(r, b); err != nil {
			return nil, err
		}
	}
	_, err := c.any().Verify(ctx)
	return b, err
}

// read reads the round's records.
func (r *round) read(ctx context.Context, b *books) error {
	var all []record
	args := append([]string{"requests", "export", "--format", "json"}, r.whose...)
	if err := r.c.any().Ask(ctx, &all, args...); err != nil {
		return err
	}
	if text, err := json.MarshalIndent(all, "", " "); err == nil { // for people, if the round fails
		os.WriteFile(filepath.Join(r.c.work, r.slug+".json"), text, 0o600)
	}
	seen := map[string]bool{}
	for i := range all {
		x := &all[i]
		switch x.Outcome {
		case "denied", "limited":
			continue
		case "ok":
			b.ok++
		case "lost":
			b.lost++
		default:
			return fmt.Errorf("request %s is recorded as %s", x.ID, x.Outcome)
		}
		if seen[x.ID] {
			return fmt.Errorf("request %s is recorded twice", x.ID)
		}
		seen[x.ID] = true
		b.records = append(b.records, *x)
		b.units += r.used(x)
		b.output += x.Tokens.Output
		for _, ch := range x.Charges {
			if ch.Used > ch.Max {
				return fmt.Errorf("request %s says that %d of %d %s were used", x.ID, ch.Used, ch.Max, ch.Metric)
			}
		}
	}
	return nil
}

// counted compares the records with what the upstream and the callers have counted.
func (r *round) counted(b *books) error {
	served, output := r.c.up.served.Load()-r.at[0], r.c.up.output.Load()-r.at[1]
	n, answered := int64(len(b.records)), r.load.ok.Load()
	switch {
	case b.lost > 0 && !r.killed:
		return fmt.Errorf("%d requests are lost, and nothing was killed", b.lost)
	case served < b.ok || served > n:
		return fmt.Errorf("the upstream has served %d; %d are recorded, %d of them as ok", served, n, b.ok)
	case answered > b.ok || answered < b.ok && !r.killed:
		return fmt.Errorf("callers have %d answers, and %d requests are recorded as ok", answered, b.ok)
	case output > b.output || output < b.output && b.lost == 0:
		return fmt.Errorf("the upstream has written %d tokens, and %d are recorded", output, b.output)
	}
	return nil
}

// reachedExactly compares what was used with the limit: by the records, and by what any node
// says.
func (r *round) reachedExactly(ctx context.Context, b *books) error {
	if r.max == 0 {
		return nil
	}
	var client clientView
	if err := r.c.any().Ask(ctx, &client, "clients", "show", r.slug); err != nil {
		return err
	}
	i := slices.IndexFunc(client.Limits, func(l limitView) bool { return l.Max == r.max })
	if i < 0 {
		return fmt.Errorf("there is no limit of %d: %+v", r.max, client.Limits)
	}
	l := client.Limits[i]
	if l.Used != b.units || l.Held != 0 {
		return fmt.Errorf("the limit says that %d %s are used and %d held; by the records it is %d", l.Used, l.Metric,
			l.Held, b.units)
	}
	least := int64(1) // what a request needs
	switch l.Metric {
	case "tokens":
		least = r.c.least
	case "cost":
		least = (r.c.least-1)*inputPrice + outputPrice
	}
	if b.units > r.max || b.units <= r.max-least {
		return fmt.Errorf("%d %s are used; the limit is %d, and the least request needs %d", b.units, l.Metric, r.max, least)
	}
	return nil
}
