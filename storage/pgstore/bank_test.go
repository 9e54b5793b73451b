package pgstore

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
	"tallygate/storage/pgstore/pgtest"
)

// world is a database with the schema and three nodes.
type world struct {
	testing.TB
	pool *pgxpool.Pool
	url  string
}

func newWorld(t testing.TB, url string) *world {
	t.Helper()
	w := &world{TB: t, url: url, pool: connect(t, url)}
	w.exec(schema1)
	w.exec(`INSERT INTO cluster VALUES (1, 'c', 1, 1, '', 7, 0, '', 3, 0, 0, 0)`)
	for _, step := range laterSchemas {
		w.exec(step)
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		w.exec(`INSERT INTO node VALUES ($1, $1, 'host', 'v', 'live', 0, 0, now(), now(), 0, 0, 0, '')`, n)
	}
	return w
}

func connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := dial(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.pool.Exec(w.Context(), sql, args...); err != nil {
		w.Fatal(err)
	}
}

// number is the first value of what a query returns.
func (w *world) number(sql string, args ...any) (n int64) {
	w.Helper()
	if err := w.pool.QueryRow(w.Context(), sql, args...).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// bank is the bank of a node, by way of a URL.
func (w *world) bank(url string) *bank {
	return &bank{pool: connect(w, url), said: func() string { return "{}" }, changed: func(int64, int64) {}}
}

// member is a node whose exchanges a test makes itself.
type member struct {
	*world
	*bank
	name      string
	epoch, op int64
}

func (w *world) join(name string) *member {
	w.Helper()
	m := &member{world: w, bank: w.bank(w.url), name: name}
	epoch, err := m.Join(w.Context(), name, 0)
	if err != nil {
		w.Fatal(err)
	}
	m.epoch = epoch
	return m
}

// next is the node's next operation.
func (m *member) next(asks ...lease.Ask) *lease.Exchange {
	m.op++
	return &lease.Exchange{Node: m.name, Epoch: m.epoch, Op: m.op, Asks: asks}
}

// send carries out an operation, or tries to.
func (m *member) send(op *lease.Exchange) lease.Reply {
	m.Helper()
	r, err := m.Exchange(m.Context(), op)
	if err != nil {
		m.Error(err)
		r.Leases = make([]lease.Lease, len(op.Asks))
	}
	return r
}

func counter(subject string) tally.Counter {
	return tally.Counter{Subject: tally.Subject(subject), Metric: tally.Requests,
		Period: tally.Window{Unit: tally.Total}.Period(time.Now(), time.UTC, 0)}
}

// ask is for so much of a counter that may be new.
func ask(subject string, most, want int64) lease.Ask {
	return lease.Ask{Counter: counter(subject), New: true, Max: most, Least: want, Want: want}
}

// leases are what was granted, what was used elsewhere and what was granted there, each.
func leases(amounts ...int64) (out []lease.Lease) {
	for x := range slices.Chunk(amounts, 3) {
		out = append(out, lease.Lease{Granted: x[0], Elsewhere: x[1], Others: x[2]})
	}
	return out
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

// What an exchange answers, in the ways in which statements can be sent.
func TestExchange(t *testing.T) {
	for _, mode := range []string{"cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, pgtest.Database(t)+"&default_query_exec_mode="+mode)
			one, two := w.join("n1"), w.join("n2")
			odd := "key/\x00\xff"
			r := one.send(one.next(ask("b", 10, 4), ask("a", 1000, 7), ask(odd, 5, 5)))
			same(t, "granted", r, lease.Reply{Epoch: one.epoch, Op: 1, Leases: leases(4, 0, 0, 7, 0, 0, 5, 0, 0)})
			a := ask("b", 10, 5)
			a.Have, a.Least, a.Used, a.New = 4, 4, 3, false
			r = one.send(one.next(a))
			same(t, "a larger one", r.Leases, leases(5, 0, 0))

			r = two.send(two.next(ask("b", 10, 6), ask(odd, 5, 1)))
			same(t, "too little", r, lease.Reply{Epoch: two.epoch, Op: 1, Leases: leases(0, 3, 5, 0, 0, 5)})
			a = ask("b", 10, 9)
			a.Least = 1
			r = two.send(two.next(a))
			same(t, "the rest", r.Leases, leases(5, 3, 5))
			same(t, "in all", w.number(`SELECT granted FROM quota WHERE subject = 'b'`), 10)

			unknown := ask("c", 10, 1)
			unknown.New = false
			same(t, "unknown", two.send(two.next(unknown)).Leases, leases(0, 0, 0))
			news, err := one.Poll(t.Context(), "n1")
			if err != nil {
				t.Fatal(err)
			}
			var wanted []string
			for i := range news.Wanted {
				if c := counter(string(news.Wanted[i].Subject)); !news.Wanted[i].Period.Start.Equal(c.Period.Start) ||
					!news.Wanted[i].Period.End.Equal(c.Period.End) || news.Wanted[i].Metric != c.Metric {
					t.Errorf("wanted is %+v", news.Wanted[i])
				}
				wanted = append(wanted, string(news.Wanted[i].Subject))
			}
			slices.Sort(wanted)
			same(t, "wanted", wanted, []string{"b", odd})
		})
	}
}

// An operation is carried out once, and only if it is the next one of the node that is.
func TestFence(t *testing.T) {
	w := newWorld(t, pgtest.Database(t))
	one, two := w.join("n1"), w.join("n2")
	op := one.next(ask("g", 10, 6))
	first := one.send(op)
	// Another node takes what is left. A copy that were carried out would find less.
	two.send(two.next(ask("g", 10, 4)))
	back := ask("g", 10, 0)
	two.send(two.next(back))
	same(t, "a copy", one.send(op), first)
	larger := *op
	larger.Asks = []lease.Ask{ask("g", 10, 10)}
	same(t, "a copy that asks for more", one.send(&larger), first)

	ahead := *op
	ahead.Op += 2
	if r := one.send(&ahead); r.Epoch != one.epoch || r.Op != 1 {
		t.Errorf("one that is ahead: %+v", r)
	}
	other := w.join("n1")
	if other.epoch <= one.epoch {
		t.Errorf("epoch %d after %d", other.epoch, one.epoch)
	}
	if r := one.send(one.next(ask("g", 10, 8), ask("new", 10, 8))); r.Epoch != other.epoch || r.Op != 0 {
		t.Errorf("of the former process: %+v", r)
	}
	same(t, "lent", w.number(`SELECT granted FROM quota WHERE subject = 'g'`), 6)
	same(t, "begun", w.number(`SELECT count(*) FROM quota`), 1)

	if _, err := other.Join(t.Context(), "n9", 0); tally.CodeOf(err) != tally.NotFound {
		t.Errorf("a node without a row joins: %v", err)
	}
	if epoch, err := other.Join(t.Context(), "n1", 1<<60); err != nil || epoch != 1<<60 {
		t.Errorf("epoch %d, %v", epoch, err)
	}
	w.exec(`UPDATE node SET state = 'left' WHERE id = 'n1'`)
	other.polls = 0 // it tells of itself with the next one
	if _, err := other.Poll(t.Context(), "n1"); err != nil || w.text(`SELECT state FROM node WHERE id = 'n1'`) != "left" {
		t.Errorf("it polls after it has left, and is live again: %v", err)
	}
	w.exec(`UPDATE node SET state = 'forgotten', epoch = epoch + 1 WHERE id = 'n1'`)
	epoch, err := other.Join(t.Context(), "n1", 0)
	news, err2 := other.Poll(t.Context(), "n1")
	if r := one.send(one.next(ask("g", 10, 8))); epoch != lease.Forgotten || news.Epoch != epoch || r.Epoch != epoch {
		t.Errorf("once it is forgotten: %d, %v; %+v, %v; %+v", epoch, err, news, err2, r)
	}
}

// Of copies of an operation that come at once, one is carried out, and all tell the same.
func TestCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	one, two := w.join("n1"), w.join("n2")
	granted := map[string]int64{}
	for round := range int64(30) {
		a := ask("g", 1000, 0)
		a.Want, a.Extra = 20*round, 100
		op := one.next(a)
		replies := make([]lease.Reply, 4)
		var copies sync.WaitGroup
		for i := range replies {
			copies.Go(func() { replies[i] = one.send(op) })
		}
		a.Want, a.Extra = 10*round, 200
		other := two.send(two.next(a))
		copies.Wait()
		for _, r := range replies {
			if r.Op != op.Op || r.Leases[0].Granted != replies[0].Leases[0].Granted {
				t.Fatalf("%+v and %+v", r, replies[0])
			}
		}
		granted["n1"], granted["n2"] = replies[0].Leases[0].Granted, other.Leases[0].Granted
		for n, g := range granted {
			same(t, n, w.number(`SELECT granted FROM lease WHERE node = $1`, n), g)
		}
		w.agree()
	}
}

// Poll tells of the node's own counters, of the last second, and of what has changed.
func TestPoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	one, two := w.join("n1"), w.join("n2")
	places := ask("client/cl", 2, 3)
	places.Metric = ledger.InFlight
	one.send(one.next(ask("both", 10, 10), ask("first", 10, 10), places))
	two.send(two.next(ask("both", 10, 10), ask("second", 10, 11)))
	var heard [][2]int64
	one.changed = func(rev, entries int64) { heard = append(heard, [2]int64{rev, entries}) }
	one.said = func() string { return `{"holds":1}` }
	poll := func() (out []string) {
		n, err := one.Poll(t.Context(), "n1")
		if err != nil {
			t.Fatal(err)
		}
		if n.Epoch != one.epoch || n.Op != 1 {
			t.Errorf("%+v", n)
		}
		for i := range n.Wanted {
			out = append(out, fmt.Sprint(n.Wanted[i].Subject, " ", n.Wanted[i].Metric))
		}
		slices.Sort(out)
		return out
	}
	w.exec(`UPDATE node SET beat = '2020-01-01'`)
	same(t, "wanted", poll(), fmt.Sprintf("[both requests client/cl %s]", ledger.InFlight))
	same(t, "beats", w.number(`SELECT count(*) FROM node WHERE id = 'n1' AND beat > '2021-01-01' AND state = 'live'
		AND said = '{"holds":1}'`), 1)
	w.exec(`UPDATE quota SET wanted = now() - interval '1100 milliseconds'`)
	same(t, "later", poll(), "[]")
	w.exec(`UPDATE cluster SET entries = 4`)
	poll()
	poll()
	w.exec(`UPDATE cluster SET rev = 8, entries = 5`)
	poll()
	poll()
	same(t, "changes", heard, "[[7 3] [7 4] [8 5]]")

	w.join("n1") // whose process it is now
	w.exec(`UPDATE node SET said = ''`)
	for range 2 * heartbeatEvery {
		if _, err := one.Poll(t.Context(), "n1"); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "of the former process", w.number(`SELECT count(*) FROM node WHERE said <> ''`), 0)
}

// A join that arrives late, when the node has joined anew, does not take its place.
func TestLateJoin(t *testing.T) {
	w := newWorld(t, pgtest.Database(t))
	w.join("n1")
	is := w.join("n1").epoch
	w.exec(sqlJoin, "n1", is+100, 0)
	same(t, "epoch", w.number(`SELECT epoch FROM node WHERE id = 'n1'`), is)
}

// What a counter's period has seen before it begins is lent to those who have used it.
func TestSeeds(t *testing.T) {
	w := newWorld(t, pgtest.Database(t))
	for n, used := range map[string]int{"n1": 2, "n2": 3, "n9": 4} {
		for _, bucket := range []int{1_900_000, 1_950_000} {
			w.exec(`INSERT INTO sums VALUES (1, 0, $3, 'gw', '', $1, $2, 0, 0, $2, 70, 0, 0, 0, 0, '')`, n,
				used*(bucket-1_900_000)/50_000, bucket)
		}
		w.exec(`INSERT INTO sums VALUES (1, 2, 20000, 'gw', '', $1, $2, 0, 0, $2, 0, 0, 0, 0, 0, '')`, n, used)
	}
	one := w.join("n1")
	a := ask("gateway/gw", 20, 20)
	a.Have, a.Least, a.Used = 2, 2, 2
	same(t, "with seeds", one.send(one.next(a, ask("gateway/new", 20, 20))).Leases, leases(13, 7, 7, 20, 0, 0))
	same(t, "in all", w.number(`SELECT granted FROM quota WHERE subject = 'gateway/gw'`), 20)
	same(t, "again", one.send(one.next(a)).Leases, leases(13, 7, 7))
}

// Counters whose periods have been over for an hour are forgotten, and no others.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	one := w.join("n1")
	one.send(one.next(ask("total", 10, 1)))
	now := time.Now().Unix()
	w.exec(`INSERT INTO quota SELECT 's' || i, 0, 0, $1::int8, 0 FROM generate_series(1, 5001) AS i`, now-3700)
	w.exec(`INSERT INTO quota SELECT 's' || i, 0, 0, $1::int8, 0 FROM generate_series(1, 5) AS i`, now-3500)
	w.exec(`INSERT INTO lease SELECT subject, metric, starts, ends, n, 0, 0 FROM quota, unnest(ARRAY['', 'n2']) AS n`)
	n, err := one.sweep(context.Background())
	if err != nil || n != 5001 {
		t.Errorf("%d swept, %v", n, err)
	}
	same(t, "quotas left", w.number(`SELECT count(*) FROM quota`), 6)
	same(t, "leases left", w.number(`SELECT count(*) FROM lease`), 13)
}
