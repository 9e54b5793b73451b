package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tallygate/.ci/proc"
)

// visitors are how many addresses there are.
const visitors = 60

// threeEach: each visitor has had three answers.
func threeEach(_ *round, b *books) error {
	had := map[string]int64{}
	for i := range b.records {
		had[b.records[i].Visitor] += b.records[i].Count
	}
	if len(had) != visitors {
		return fmt.Errorf("there are %d visitors of %d", len(had), visitors)
	}
	for v, n := range had {
		if n != 3 {
			return fmt.Errorf("visitor %s has had %d requests of 3", v, n)
		}
	}
	return nil
}

// fullHouse: as many requests as there are places were in flight, and never more.
func fullHouse(r *round, _ *books) error {
	if most := r.c.up.most.Load(); most != 7 {
		return fmt.Errorf("%d requests were in flight at a time, and 7 may be", most)
	}
	return nil
}

// sessions has many people begin sessions, for a while: those that have begun go on.
func sessions(ctx context.Context, r *round) error {
	r.load.begin(ctx)
	defer r.load.all.Wait()
	defer r.load.cancel()
	if err := r.happens()(ctx, r); err != nil {
		return err
	}
	return proc.Sleep(ctx, 3*time.Second)
}

// hundredSessions: there are a hundred, or fewer if some were counted that nobody has heard of.
func hundredSessions(r *round, b *books) error {
	is := map[string]bool{}
	var counted int64
	for i := range b.records {
		is[b.records[i].Session] = true
		counted += begun(&b.records[i])
	}
	most := 0
	if r.killed || r.crashed {
		most = callers // each request of a session that was to begin may have counted one
	}
	if len(is) > 100 || counted != 100 || len(is) < 100-most {
		return fmt.Errorf("there are %d sessions, and %d are counted; 100 may be", len(is), counted)
	}
	return nil
}

// soonest is how long it takes at most to use a minute up.
const soonest = 8 * time.Second

func minuteLeft() time.Duration { return time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)) }

// overTheMinute uses a minute up, and the next one.
func overTheMinute(ctx context.Context, r *round) error {
	r.what = "a minute ends"
	if minuteLeft() < soonest {
		if err := proc.Sleep(ctx, minuteLeft()); err != nil {
			return err
		}
	}
	edge := minuteLeft()
	r.load.begin(ctx)
	if err := proc.Sleep(ctx, edge+4*time.Second); err != nil {
		r.load.cancel()
		r.load.all.Wait()
		return err
	}
	return r.load.end(ctx)
}

// minutes are how much was used of each, of a limit of 60.
func (b *books) minutes() map[string]int64 {
	used := map[string]int64{}
	for i := range b.records {
		for _, c := range b.records[i].Charges {
			if c.Max == 60 {
				used[c.Window] += c.Amount
			}
		}
	}
	return used
}

// fullMinutes: each of the minutes was used up.
func fullMinutes(_ *round, b *books) error {
	used := b.minutes()
	for w, n := range used {
		if n != 60 {
			return fmt.Errorf("%d requests were used in the minute %s, of 60", n, w)
		}
	}
	if len(used) != 2 {
		return fmt.Errorf("there were requests in %d minutes instead of 2", len(used))
	}
	return nil
}

// outage takes the database away while nodes have leases: no request may notice. Every other
// time a node is killed meanwhile: none of the others may notice that, either.
func outage(ctx context.Context, r *round) error {
	const gone, warm = 4 * time.Second, 9 * time.Second
	rate := 100
	if r.c.heavy {
		rate = 1000
	}
	r.what = fmt.Sprintf("the database is gone for %v at %d requests/s", gone, rate)
	r.load.said = map[int]int{}
	ctx, cancel := context.WithCancel(ctx)
	steady := r.c.steady(ctx, rate, []string{r.key}, r.load)
	stop := func() {
		cancel()
		steady.Wait()
	}
	if err := proc.Sleep(ctx, warm); err != nil {
		stop()
		return err
	}
	r.c.db.Crash()
	r.c.crashes++
	n, kill := r.c.any(), r.c.rnd.IntN(2) == 0
	if kill {
		r.what += ", and " + n.Name + " is killed"
		r.c.kill(r, n)
	}
	err := proc.Sleep(ctx, gone)
	if err == nil {
		err = r.c.db.StartAgain()
	}
	if err == nil && kill {
		err = n.Start(ctx)
	}
	if err == nil {
		err = proc.Sleep(ctx, 3*time.Second)
	}
	stop()
	if err != nil {
		return err
	}
	if r.killed {
		delete(r.load.said, 0) // it does not answer
	}
	if n := r.load.said[http.StatusOK]; n == 0 || len(r.load.said) > 1 {
		return fmt.Errorf("callers heard %v: %s", r.load.said, r.load.odd)
	}
	return nil
}

// steady makes so many requests each second of all nodes in turn, with keys in turn, until it
// is called off. Who waits for it knows that all are answered.
func (c *cluster) steady(ctx context.Context, rate int, keys []string, l *load) *sync.WaitGroup {
	var all sync.WaitGroup
	all.Go(func() {
		var calls sync.WaitGroup
		defer calls.Wait()
		begin := time.Now()
		for i := range 1 << 30 {
			if proc.Sleep(ctx, time.Until(begin.Add(time.Duration(i)*time.Second/time.Duration(rate)))) != nil {
				return
			}
			calls.Go(func() { l.once(context.WithoutCancel(ctx), c.nodes[i%len(c.nodes)], keys[i/len(c.nodes)%len(keys)]) })
		}
	})
	return &all
}

// once makes one request and counts what comes of it.
func (l *load) once(ctx context.Context, n *node, key string) {
	begin := time.Now()
	said := n.call(ctx, request{key: key, output: 5})
	took := time.Since(begin)
	if said.status == http.StatusOK {
		l.ok.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said[said.status]++
	l.took = append(l.took, took)
	if said.status != http.StatusOK {
		l.odd = fmt.Sprintf("%s answers %d after %v: %s", n.Name, said.status, took, said.text)
	}
}
