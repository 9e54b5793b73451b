package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// kind is a kind of round.
type kind struct {
	name   string
	args   []string // of the client
	max    int64    // what may be used of its first limit
	unit   func(*record) int64
	output int64 // tokens that a request asks for
	rest   time.Duration
	delay  time.Duration // of the upstream
	heavy  bool
	event  func(context.Context, *round) error // nil: one of events
	alone  func(context.Context, *round) error // plays all of it
	after  func(*round, *books) error          // what is asserted beside
}

var kinds = []kind{
	{name: "one", args: []string{"--limit", "requests=1/total"}, max: 1, unit: one, delay: 300 * time.Millisecond},
	{name: "ten", args: []string{"--limit", "requests=10/total"}, max: 10, unit: one, delay: 300 * time.Millisecond},
	{name: "thousand", args: []string{"--limit", "requests=1000/total"}, max: 1000, unit: one, delay: 100 * time.Millisecond},
	{name: "tokens", args: []string{"--limit", "tokens=100000/total"}, max: 100_000, unit: tokens, output: 60, delay: 60 * time.Millisecond},
	{name: "cost", args: []string{"--limit", "cost=0.2/total"}, max: 200_000_000, unit: cost, output: 40, delay: 60 * time.Millisecond},
	{name: "lowered", args: []string{"--limit", "requests=1000/total"}, max: 600, unit: one, rest: 50 * time.Millisecond,
		delay: 100 * time.Millisecond, event: lower},
	{name: "added", args: []string{"--limit", "cost=1000/total"}, max: 900, unit: one, rest: 200 * time.Millisecond,
		delay: 100 * time.Millisecond, event: add},
	{name: "revoked", args: []string{"--limit", "requests=900/total"}, max: 900, unit: one, delay: 100 * time.Millisecond, event: revoke},
	{name: "visitors", unit: one, delay: 20 * time.Millisecond, after: threeEach},
	{name: "sessions", args: []string{"--session-length", "2h", "--limit", "sessions=100/total"}, unit: one,
		delay: 20 * time.Millisecond, alone: sessions, after: hundredSessions},
	{name: "in-flight", args: []string{"--max-in-flight", "7", "--limit", "requests=300/total"}, max: 300, unit: one,
		delay: 60 * time.Millisecond, event: nothing, after: fullHouse},
	{name: "outage", args: []string{"--limit", "requests=1M/total"}, unit: one, delay: 20 * time.Millisecond, alone: outage},
	{name: "minute", args: []string{"--limit", "requests=60/minute"}, unit: one, delay: 20 * time.Millisecond,
		rest: 200 * time.Millisecond, alone: overTheMinute, after: fullMinutes},
	{name: "hundred", args: []string{"--limit", "requests=100000/total"}, max: 100_000, unit: one, heavy: true},
	{name: "long", args: []string{"--limit", "requests=3000/total"}, max: 3000, unit: one, delay: 100 * time.Millisecond,
		heavy: true, event: crashForLong},
}

func one(r *record) int64    { return r.Count }
func tokens(r *record) int64 { return r.Tokens.Input + r.Tokens.Output }
func cost(r *record) int64   { return r.Cost }

// choose is the kinds of rounds that are played, in their order.
func (c *cluster) choose() []*kind {
	var out []*kind
	for i := range kinds {
		if k := &kinds[i]; k.name == c.only || c.only == "" && (c.heavy || !k.heavy) {
			out = append(out, k)
		}
	}
	for len(out) > 0 && len(out) < c.rounds {
		out = append(out, out...)
	}
	return out[:cmp.Or(min(len(out), c.rounds), len(out))]
}

// round is one that is played.
type round struct {
	*kind
	c         *cluster
	slug, key string
	load      *load
	whose     []string // says to commands whose records are meant
	at        [2]int64 // what the upstream had counted before: served, tokens
	what      string   // the event, for people
	over      int64    // by how much the limit may be exceeded
	killed    bool
	crashed   bool // the database
}

// play plays a round and says what came of it.
func (c *cluster) play(ctx context.Context, k *kind, number int) (said string, err error) {
	r := &round{kind: k, c: c, slug: fmt.Sprintf("%s-%d", k.name, number)}
	if err := r.prepare(ctx); err != nil {
		return "", err
	}
	if err := r.perform(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", cmp.Or(r.what, "before the event"), err)
	}
	b, err := r.audit(ctx)
	if err != nil {
		return "", fmt.Errorf("%s, callers heard %v: %w", r.what, r.load.said, err)
	}
	if r.load.busy != "" {
		fmt.Println(r.load.busy)
	}
	return fmt.Sprintf("%s: %d requests, %d lost, %d of the limit, callers heard %v", r.what, len(b.records), b.lost, b.units, r.load.said), nil
}

// prepare makes who the round is about.
func (r *round) prepare(ctx context.Context) (err error) {
	c := r.c
	r.whose = []string{"--client", r.slug}
	if r.name == "visitors" {
		var made struct {
			ID    string `json:"tid"`
			Token string
		}
		if err := c.any().ask(ctx, &made, "tokens", "mint", "--ip-quota", "3/day", "--requests", "1000000/month"); err != nil {
			return err
		}
		r.whose, r.key = []string{"--token", made.ID}, made.Token
	} else if r.key, err = c.client(ctx, r.slug, r.args...); err != nil {
		return err
	}
	c.up.delay.Store(int64(r.delay))
	c.up.most.Store(0)
	r.at = [2]int64{c.up.served.Load(), c.up.output.Load()}
	r.load = &load{c: c, rest: r.rest, make: func(rnd *rand.Rand) request {
		q := request{key: r.key, output: cmp.Or(r.output, 5)}
		switch r.name {
		case "sessions":
			q.user = fmt.Sprint("user ", rnd.IntN(300))
		case "visitors":
			q.visitor = fmt.Sprint("198.51.100.", rnd.IntN(visitors))
		}
		return q
	}}
	return nil
}

// perform has the callers work, lets the event happen, and waits until the limit is reached.
func (r *round) perform(ctx context.Context) (err error) {
	if r.alone != nil {
		return r.alone(ctx, r)
	}
	r.load.begin(ctx)
	event := r.event
	if event == nil {
		event = events[r.c.rnd.IntN(len(events))]
	}
	if err := event(ctx, r); err != nil {
		r.load.cancel()
		r.load.all.Wait()
		return err
	}
	if err := r.load.end(ctx); err != nil {
		return err
	}
	if r.load.odd != "" {
		return fmt.Errorf("an answer that should not come: %s", r.load.odd)
	}
	return r.scrape(ctx)
}

// scrape asks every node for what is left, with the least request there is, until each has
// refused it several times in a row.
func (r *round) scrape(ctx context.Context) error {
	if r.max == 0 {
		return nil
	}
	for refused := 0; refused < 3*len(r.c.nodes); {
		n := r.c.nodes[refused%len(r.c.nodes)]
		switch said := n.call(ctx, request{key: r.key, output: 1}); said.status {
		case http.StatusOK:
			refused = 0
			r.load.ok.Add(1)
		case http.StatusTooManyRequests:
			refused++
		default:
			return fmt.Errorf("%s answers %d instead of a refusal: %s", n.name, said.status, said.text)
		}
	}
	return nil
}
