package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
	"tallygate/storage/pgstore/pgtest"
)

// counted is a bank that counts exchanges.
type counted struct {
	lease.Bank
	trips, failed atomic.Int64
}

func (b *counted) Exchange(ctx context.Context, op *lease.Exchange) (lease.Reply, error) {
	b.trips.Add(1)
	r, err := b.Bank.Exchange(ctx, op)
	if err != nil {
		b.failed.Add(1)
	}
	return r, err
}

// node is a ledger that the database lends to.
type node struct {
	*ledger.Ledger
	bank  *counted
	used  int64 // what its journal has of the gateway's counter when it starts
	ended chan error
}

func (n *node) adopt(list []tally.Counter) error {
	for _, c := range list {
		used := int64(0)
		if c.Subject == theGateway {
			used = n.used
		}
		n.Adopt(c, used)
	}
	return nil
}

const theGateway = "gateway/gw"

// start starts a node that goes to the database by way of a URL.
func (w *world) start(ctx context.Context, name, url string, used int64) *node {
	n := &node{Ledger: ledger.New(), bank: &counted{Bank: w.bank(url)}, used: used, ended: make(chan error, 1)}
	lender := lease.New(lease.Options{Node: name, Bank: n.bank, Ledger: n.Ledger, Now: time.Now, Adopt: n.adopt})
	go func() { n.ended <- lender.Run(ctx) }()
	return n
}

var ids atomic.Int64

// request admits a request, which is charged on the gateway, whose limit is most, and on one
// of a few keys.
func (n *node) request(most int64) (*ledger.Hold, error) {
	now, id := time.Now(), ids.Add(1)
	key := tally.ID(fmt.Sprint("ke_", id%7))
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", id)), At: now, ExpiresAt: now.Add(time.Minute),
		Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Key: key, Count: 1}}
	r.Charges = []tally.Charge{{Counter: counter("key/" + string(key)), Max: most}, {Counter: counter(theGateway), Max: most}}
	h, _, err := n.Admit(context.Background(), r, n.adopt)
	if err == nil {
		n.Commit([]*ledger.Hold{h}, nil)
	}
	return h, err
}

func (n *node) settle(h *ledger.Hold) {
	rec := h.Draft
	s, err := n.Settle(h.ID, &rec)
	if err != nil {
		panic(err)
	}
	n.Commit(nil, []ledger.Settled{s})
}

// serve has 64 callers admit requests, each of which lasts so long, until they are refused
// for good. It returns how many there were, and how many were refused since the database was
// out of reach.
func (n *node) serve(t *testing.T, most int64, lasts time.Duration) (admitted, unavailable int64) {
	var yes, no atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for t.Context().Err() == nil {
				h, err := n.request(most)
				var limit *tally.LimitError
				switch {
				case err == nil:
					yes.Add(1)
					time.Sleep(lasts)
					n.settle(h)
				case tally.CodeOf(err) == tally.Unavailable:
					no.Add(1)
					time.Sleep(20 * time.Millisecond)
				case !errors.As(err, &limit):
					t.Error(err)
					return
				case !limit.ByHoldsOnly():
					return
				default: // in a moment
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	callers.Wait()
	return yes.Load(), no.Load()
}

// outcome is what nodes have done together.
type outcome struct{ admitted, unavailable, trips, failed int64 }

// spend has nodes use up a limit. Each goes to the database by way of a URL of its own.
func (w *world) spend(most int64, lasts time.Duration, urls ...string) (o outcome) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	nodes := make([]*node, len(urls))
	var sum, unavailable atomic.Int64
	var all sync.WaitGroup
	for i, url := range urls {
		n := w.start(ctx, fmt.Sprint("n", i+1), url, 0)
		nodes[i] = n
		all.Go(func() {
			yes, no := n.serve(w.T, most, lasts)
			sum.Add(yes)
			unavailable.Add(no)
		})
	}
	all.Wait()
	stop()
	o.admitted, o.unavailable = sum.Load(), unavailable.Load()
	for _, n := range nodes {
		if err := <-n.ended; err != nil {
			w.Error(err)
		}
		o.trips, o.failed = o.trips+n.bank.trips.Load(), o.failed+n.bank.failed.Load()
	}
	w.Logf("%+v", o)
	return o
}

// reached checks that a limit was reached exactly.
func (w *world) reached(most, admitted int64) {
	w.Helper()
	if admitted != most {
		w.Errorf("%d admitted, want %d", admitted, most)
	}
	same(w.T, "lent", w.number(`SELECT granted FROM quota WHERE subject = $1`, theGateway), most)
	w.agree()
}

// agree checks that what is lent of every counter is the sum of its leases.
func (w *world) agree() {
	w.Helper()
	if n := w.number(`SELECT count(*) FROM quota AS q WHERE granted <> greatest(-9223372036854775808,
		least(9223372036854775807, coalesce((SELECT sum(granted) FROM lease AS l WHERE l.subject = q.subject
			AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends), 0)))`); n != 0 {
		w.Errorf("of %d counters the sum of the leases is not what is lent", n)
	}
}

// Three nodes with many callers reach a limit exactly, and go to the database a few times.
func TestReached(t *testing.T) {
	for _, most := range []int64{1, 3, 10, 1000, 20000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t))
			o := w.spend(most, time.Millisecond, w.url, w.url, w.url)
			w.reached(most, o.admitted)
			if o.failed+o.unavailable > 0 {
				t.Error("something has failed")
			}
			if most >= 1000 && o.trips > most/5 {
				t.Errorf("%d exchanges for %d requests", o.trips, most)
			}
		})
	}
}

// They do so where transactions are aborted and connections break.
func TestReachedUnreliably(t *testing.T) {
	for _, most := range []int64{3, 10, 1000, 20000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t)+"&default_transaction_isolation=serializable")
			line := pgtest.Flaky(t, w.url, 12)
			o := w.spend(most, 5*time.Millisecond, line.URL, line.URL, line.URL)
			t.Logf("faults: %d", line.Faults())
			w.reached(most, o.admitted)
			if most >= 1000 && o.failed == 0 {
				t.Error("nothing has gone wrong")
			}
		})
	}
}

// They do so while the server crashes.
func TestReachedAcrossCrashes(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	w := newWorld(t, server.Database(t))
	const most = 20000
	crashes := 0
	stop := make(chan struct{})
	var crasher sync.WaitGroup
	crasher.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(400 * time.Millisecond):
			}
			server.Crash()
			crashes++
			time.Sleep(200 * time.Millisecond)
			if err := server.StartAgain(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	o := w.spend(most, 20*time.Millisecond, w.url, w.url, w.url)
	close(stop)
	crasher.Wait()
	w.pool.Reset() // its connections are of a server that has crashed
	w.reached(most, o.admitted)
	if t.Logf("%d crashes", crashes); crashes == 0 || o.failed == 0 {
		t.Error("no crash has been in the way")
	}
}

// A process whose place another one has taken stops, and what it was lent is the other's.
func TestFencedLender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	const most = 10
	ctx, stop := context.WithCancel(t.Context())
	old := w.start(ctx, "n1", w.url, 0)
	for range 6 {
		h, err := old.request(most)
		if err != nil {
			t.Fatal(err)
		}
		old.settle(h)
	}
	now := w.start(ctx, "n1", w.url, 6)
	if err := <-old.ended; tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("the former process has ended with %v", err)
	}
	if _, err := old.request(most); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("the former process admits a request: %v", err)
	}
	admitted, _ := now.serve(t, most, 0)
	stop()
	<-now.ended
	w.reached(most, 6+admitted)
}
