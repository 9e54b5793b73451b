package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tallygate/.ci/proc"
)

// farthest is how far clocks are set off, in seconds. A node that is more than a minute off
// must not admit anything.
const farthest = 45

// setClock sets a node's clock off.
func (c *cluster) setClock(n *node, by time.Duration) error {
	n.off, c.stepped = by, true
	return n.SetClock(by)
}

// aside sets one clock ahead, one back, and one so that its minute ends two seconds later.
func (c *cluster) aside(ctx context.Context) (what string, err error) {
	soon := 60 - (time.Now().Second()+2)%60
	if soon > farthest {
		soon -= 60
	}
	for i, at := range c.rnd.Perm(len(c.nodes)) {
		by := []int{farthest, -farthest, soon}[i]
		if err := c.setClock(c.nodes[at], time.Duration(by)*time.Second); err != nil {
			return "", err
		}
	}
	for _, n := range c.nodes {
		what += fmt.Sprintf(" %v", n.off)
	}
	return "clocks are off by" + what, c.told(ctx)
}

// told waits until every node tells how far each clock is off.
func (c *cluster) told(ctx context.Context) error {
	for until := time.Now().Add(10 * time.Second); ; {
		wrong := ""
		for _, asked := range c.nodes {
			views, err := c.viewsOf(ctx, asked)
			if err != nil {
				return err
			}
			for _, n := range c.nodes {
				if v := views[n.Name]; (v.Clock - n.off).Abs() > time.Second {
					wrong = fmt.Sprintf("%s says that the clock of %s is %v off; it was set by %v", asked.Name, n.Name, v.Clock, n.off)
				}
			}
		}
		if wrong == "" || time.Now().After(until) {
			if wrong != "" {
				return fmt.Errorf("after 10 s %s", wrong)
			}
			return nil
		}
		if err := proc.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// jump sets a node's clock while it is asked. Every third time the node is killed meanwhile,
// and comes back with another one.
func jump(ctx context.Context, r *round) error {
	n, by := r.c.any(), time.Duration(r.c.rnd.IntN(2*farthest)-farthest)*time.Second
	kill := r.c.rnd.IntN(3) == 0
	if kill {
		r.c.kill(r, n)
	}
	if err := r.c.setClock(n, by); err != nil {
		return err
	}
	r.what = strings.TrimPrefix(r.what+fmt.Sprintf(", %s by %v", n.Name, by), ", ")
	if kill {
		return n.Start(ctx)
	}
	return nil
}

// jumps sets clocks again and again.
func jumps(ctx context.Context, r *round) error {
	for range 5 {
		if err := jump(ctx, r); err != nil {
			return err
		}
		if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(600))*time.Millisecond); err != nil {
			return err
		}
	}
	return r.c.told(ctx)
}

// offMinutes has callers use minutes up that begin at other times on each node, until nothing
// is left of the limit over all of them. If the round has an event, it comes every second, for
// a while.
func offMinutes(ctx context.Context, r *round) (err error) {
	if r.what, err = r.c.aside(ctx); err != nil {
		return err
	}
	r.load.begin(ctx)
	err = proc.Sleep(ctx, 3*time.Second)
	for i := 0; err == nil && (r.event != nil && i < 10 || r.load.ok.Load() < r.max && i < 40); i++ {
		if r.event != nil {
			err = r.event(ctx, r)
		}
		if err == nil {
			err = proc.Sleep(ctx, time.Second)
		}
	}
	if err != nil {
		r.load.cancel()
		r.load.all.Wait()
		return err
	}
	if err := r.load.end(ctx); err != nil {
		return err
	}
	if err := r.scrape(ctx); err != nil {
		return err
	}
	if _, err := r.c.any().Verify(ctx); err != nil {
		return err
	}
	return r.tooFar(ctx)
}

// tooFar sets a clock over a minute off, whose node then admits nothing.
func (r *round) tooFar(ctx context.Context) error {
	n := r.c.any()
	if err := r.c.setClock(n, 75*time.Second); err != nil {
		return err
	}
	said := n.call(ctx, request{key: r.key, output: 1})
	if said.status != http.StatusServiceUnavailable {
		return fmt.Errorf("%s, whose clock is 75 s off, answers %d: %s", n.Name, said.status, said.text)
	}
	return nil
}

// rightClocks sets all clocks right, and lets the nodes go by them again.
func (c *cluster) rightClocks(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := c.setClock(n, 0); err != nil {
			return err
		}
	}
	if err := c.told(ctx); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := n.Settled(ctx); err != nil {
			return err
		}
		out, err := n.Command(ctx, "settings", "accept-clock", "--yes").CombinedOutput()
		if err != nil && !strings.Contains(string(out), "there is nothing to accept") {
			return fmt.Errorf("%s does not go by its clock again: %w: %s", n.Name, err, out)
		}
	}
	c.stepped = false
	return nil
}

// offMinutesKept: no minute has had more than 60 requests, and there were several.
func offMinutesKept(_ *round, b *books) error {
	used := b.minutes()
	for w, n := range used {
		if n > 60 {
			return fmt.Errorf("%d requests were used in the minute %s, of 60", n, w)
		}
	}
	if len(used) < 2 {
		return fmt.Errorf("there were requests in the minutes %v alone", used)
	}
	return nil
}

// begun is how many sessions a record counts.
func begun(r *record) (n int64) {
	for _, c := range r.Charges {
		if c.Metric == "sessions" {
			n += c.Amount
		}
	}
	return n
}
