package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tallygate/.ci/proc"
)

// events are what happens in the middle of a round, if it has nothing of its own.
var events = []func(context.Context, *round) error{killOne, comeAndGo, crash, both, killTwice, joinAndKill,
	leaveAndCrash}

// under waits until a third of the limit is used.
func (r *round) under(ctx context.Context) error {
	if err := proc.Sleep(ctx, 150*time.Millisecond); err != nil {
		return err
	}
	each := int64(1)
	if r.output > 0 {
		each = r.output + inputTokens
		if r.name == "cost" {
			each = r.output*outputPrice + inputTokens*inputPrice
		}
	}
	return r.load.reached(ctx, r.max/each/3)
}

// killOne kills a node, which is back after a moment.
func killOne(ctx context.Context, r *round) error {
	n := r.c.any()
	r.what = n.Name + " is killed"
	if err := r.under(ctx); err != nil {
		return err
	}
	r.c.kill(r, n)
	if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(1000))*time.Millisecond); err != nil {
		return err
	}
	return n.Start(ctx)
}

// killTwice kills a node, and again as it comes back.
func killTwice(ctx context.Context, r *round) error {
	n := r.c.any()
	r.what = n.Name + " is killed twice"
	if err := r.under(ctx); err != nil {
		return err
	}
	r.c.kill(r, n)
	if err := n.Launch(); err != nil {
		return err
	}
	if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(1500))*time.Millisecond); err != nil {
		return err
	}
	r.c.kill(r, n)
	return n.Start(ctx)
}

// comeAndGo lets another node join, and leave while it is asked.
func comeAndGo(ctx context.Context, r *round) error {
	n := r.c.extra
	r.what = n.Name + " joins and leaves"
	if err := n.Start(ctx); err != nil {
		return err
	}
	r.load.join.Store(true)
	if err := proc.Sleep(ctx, 1200*time.Millisecond); err != nil {
		return err
	}
	r.load.join.Store(false)
	return n.Stop()
}

// joinAndKill lets another node join while one is killed, and leave when that is back.
func joinAndKill(ctx context.Context, r *round) error {
	n, other := r.c.any(), r.c.extra
	r.what = other.Name + " joins as " + n.Name + " is killed"
	if err := r.under(ctx); err != nil {
		return err
	}
	if err := other.Launch(); err != nil {
		return err
	}
	if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(500))*time.Millisecond); err != nil {
		return err
	}
	r.c.kill(r, n)
	if err := other.Wait(ctx); err != nil {
		return err
	}
	r.load.join.Store(true)
	if err := n.Start(ctx); err != nil {
		return err
	}
	r.load.join.Store(false)
	return other.Stop()
}

// leaveAndCrash lets the database crash while another node leaves. It has left once it was
// there again, and could say so.
func leaveAndCrash(ctx context.Context, r *round) error {
	n := r.c.extra
	r.what, r.crashed = "the database crashes as "+n.Name+" leaves", true
	if err := n.Start(ctx); err != nil {
		return err
	}
	r.load.join.Store(true)
	if err := proc.Sleep(ctx, 800*time.Millisecond); err != nil {
		return err
	}
	r.load.join.Store(false)
	done := make(chan error, 1)
	go func() { done <- n.Stop() }()
	if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(100))*time.Millisecond); err != nil {
		return err
	}
	r.c.db.Crash()
	r.c.crashes++
	left := <-done
	if err := r.c.db.StartAgain(); err != nil {
		return err
	}
	if left != nil {
		return left
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	if err := n.Stop(); err != nil {
		return err
	}
	return proc.Sleep(ctx, 3*time.Second) // a node may have refused for lack of it
}

// crash lets the database crash, and come back after a moment.
func crash(ctx context.Context, r *round) error {
	return r.crash(ctx, time.Duration(r.c.rnd.IntN(2000))*time.Millisecond)
}

// both lets the database crash, and a node while it is gone.
func both(ctx context.Context, r *round) error {
	n := r.c.any()
	r.what, r.crashed = "the database crashes, and "+n.Name+" is killed", true
	if err := r.under(ctx); err != nil {
		return err
	}
	r.c.db.Crash()
	r.c.crashes++
	if err := proc.Sleep(ctx, time.Duration(r.c.rnd.IntN(1000))*time.Millisecond); err != nil {
		return err
	}
	r.c.kill(r, n)
	if err := r.c.db.StartAgain(); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return proc.Sleep(ctx, 3*time.Second) // a node may have refused for lack of it
}

// crashForLong lets the database be gone for half a minute.
func crashForLong(ctx context.Context, r *round) error { return r.crash(ctx, 30*time.Second) }

func (r *round) crash(ctx context.Context, gone time.Duration) error {
	r.what, r.crashed = fmt.Sprintf("the database crashes for %v", gone.Round(100*time.Millisecond)), true
	if err := r.under(ctx); err != nil {
		return err
	}
	r.c.db.Crash()
	r.c.crashes++
	if err := proc.Sleep(ctx, gone); err != nil {
		return err
	}
	if err := r.c.db.StartAgain(); err != nil {
		return err
	}
	return proc.Sleep(ctx, 3*time.Second) // a node may have refused for lack of it
}

// limited sets a limit when a part of it is used already: a new one, or a lower one. A node is
// killed that may not know of it.
func limited(ctx context.Context, r *round) error {
	r.what = fmt.Sprintf("a limit of %d is set", r.max)
	if err := r.load.reached(ctx, 200); err != nil {
		return err
	}
	err := r.c.any().Ask(ctx, nil, "clients", "update", r.slug, "--limit", fmt.Sprintf("requests=%d/total", r.max))
	if err != nil {
		return err
	}
	n := r.c.any()
	r.what += ", " + n.Name + " is killed"
	r.c.kill(r, n)
	return n.Start(ctx)
}

// revoke revokes a key on one node; within a second no node takes it. Callers have another
// one by then. Nor does a node take it that was killed before, once it is back.
func revoke(ctx context.Context, r *round) error {
	if err := r.load.reached(ctx, 200); err != nil {
		return err
	}
	second, err := r.c.key(ctx, r.slug, "second")
	if err != nil {
		return err
	}
	gone := r.c.rnd.IntN(len(r.c.nodes))
	there := slices.Delete(slices.Clone(r.c.nodes), gone, gone+1)
	r.c.kill(r, r.c.nodes[gone])
	if err := there[0].Ask(ctx, nil, "keys", "revoke", "second", "--client", r.slug, "--yes"); err != nil {
		return err
	}
	begin := time.Now()
	for _, n := range there {
		if _, err := r.c.until(ctx, n, second, false); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	r.what = fmt.Sprintf("a key is revoked, everywhere %v after the command", took.Round(time.Millisecond))
	if took > time.Second {
		return fmt.Errorf("it takes over a second")
	}
	if err := r.c.nodes[gone].Start(ctx); err != nil {
		return err
	}
	for _, n := range r.c.nodes {
		if said := n.call(ctx, request{key: second, output: 1}); said.status != http.StatusUnauthorized {
			return fmt.Errorf("%s answers %d to it: %s", n.Name, said.status, said.text)
		}
	}
	return nil
}

// forget lets another node join, and be lost for good when the database has its records: what
// it was lent and has not spent is for the others.
func forget(ctx context.Context, r *round) (err error) {
	n := r.c.extra
	r.what = n.Name + " is killed and forgotten"
	if err := n.Start(ctx); err != nil {
		return err
	}
	r.load.join.Store(true)
	if err := proc.Sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	r.load.join.Store(false)
	for until := time.Now().Add(10 * time.Second); ; {
		views, err := r.c.views(ctx)
		if v := views[n.Name]; err != nil || v.Requests > 0 && v.Unshipped == 0 && v.Holds == 0 {
			break
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s has records and holds for itself: %+v", n.Name, views[n.Name])
		}
	}
	n.Kill()
	r.c.kills++
	if err := r.c.any().Ask(ctx, nil, "nodes", "forget", n.Name, "--stopped", "--yes"); err != nil {
		return err
	}
	var said bytes.Buffer
	again := n.Serve(ctx)
	again.Stderr = &said
	if err := again.Run(); again.ProcessState.ExitCode() != conflict || !strings.Contains(said.String(), "was forgotten") {
		return fmt.Errorf("%s starts although it is forgotten, or says something else: %v, %s", n.Name, err, &said)
	}
	r.c.extras++
	if r.c.extra, err = r.c.newNode(fmt.Sprint("n", 4+r.c.extras), r.c.url); err != nil {
		return err
	}
	return copyKey(r.c.nodes[0].Data, r.c.extra.Data)
}
