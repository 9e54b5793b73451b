package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// round is one that is played.
type round struct {
	*kind
	c         *cluster
	number    int
	slug, key string
	load      *load
	whose     []string // says to commands whose records are meant
	at        [2]int64 // what the upstream had counted before: served, tokens
	what      string   // the event, for people
	killed    bool
	crashed   bool // the database
}

// play plays a round and says what came of it.
func (r *round) play(ctx context.Context) (said string, err error) {
	r.c.rnd = random(r.c.seed, r.number)
	if err := r.prepare(ctx); err != nil {
		return "", err
	}
	if err := r.perform(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", cmp.Or(r.what, "before the event"), err)
	}
	if r.c.stepped {
		if err := r.c.rightClocks(ctx); err != nil {
			return "", fmt.Errorf("%s: %w", r.what, err)
		}
	}
	b, err := r.audit(ctx)
	if err != nil {
		return "", fmt.Errorf("%s, callers heard %v: %w", r.what, r.load.said, err)
	}
	return fmt.Sprintf("%s: %d requests, %d lost, %d of the limit, callers heard %v", r.what, len(b.records),
		b.lost, b.units, r.load.said), nil
}

// prepare makes who the round is about.
func (r *round) prepare(ctx context.Context) (err error) {
	c := r.c
	r.whose = []string{"--client", r.slug}
	if r.who == "visitors" {
		var made struct {
			ID    string `json:"tid"`
			Token string
		}
		err := c.any().Ask(ctx, &made, "tokens", "mint", "--ip-quota", "3/day", "--requests", "1000000/month")
		if err != nil {
			return err
		}
		r.whose, r.key = []string{"--token", made.ID}, made.Token
	} else if r.key, err = c.client(ctx, r.slug, strings.Fields(r.limits)...); err != nil {
		return err
	}
	c.up.delay.Store(r.delay * int64(time.Millisecond))
	c.up.most.Store(0)
	r.at = [2]int64{c.up.served.Load(), c.up.output.Load()}
	r.load = &load{c: c, rest: time.Duration(r.rest) * time.Millisecond, make: func(rnd *rand.Rand) request {
		q := request{key: r.key, output: cmp.Or(r.output, 5)}
		switch r.who {
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
	if err := r.happens()(ctx, r); err != nil {
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

// happens is what happens in the middle of the round.
func (r *round) happens() func(context.Context, *round) error {
	if r.event != nil {
		return r.event
	}
	return events[r.c.rnd.IntN(len(events))]
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
			return fmt.Errorf("%s answers %d instead of a refusal: %s", n.Name, said.status, said.text)
		}
	}
	return nil
}
