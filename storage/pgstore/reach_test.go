package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tallygate/engine/tally"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
	"tallygate/storage/pgstore/pgtest"
)

// counted is a bank that counts exchanges. Its nodes have no sessions.
type counted struct {
	*bank
	trips, failed atomic.Int64
	codes         sync.Map // of errors, with a message of each
}

func (b *counted) Exchange(ctx context.Context, op *lease.Exchange) (lease.Reply, error) {
	b.trips.Add(1)
	r, err := b.bank.Exchange(ctx, op)
	if err != nil {
		b.failed.Add(1)
	}
	if at, ok := errors.AsType[*pgconn.PgError](err); ok {
		b.codes.Store(at.Code, at.Message)
	}
	return r, err
}

func (*counted) Claim(context.Context, string, []ledger.Claim) ([]lease.Claimed, error) {
	return nil, nil
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
	n := &node{Ledger: ledger.New(), bank: &counted{bank: w.bank(url)}, used: used, ended: make(chan error, 1)}
	lender := lease.New(lease.Options{Node: name, Bank: n.bank, Ledger: n.Ledger, Now: time.Now, Adopt: n.adopt})
	go func() { n.ended <- lender.Run(ctx) }()
	return n
}

func (n *node) admit(charges ...tally.Charge) (*ledger.Hold, error) {
	now := time.Now()
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", ids.Add(1))), At: now, ExpiresAt: now.Add(time.Minute),
		Bounds: tally.Bounds{{Base: 1}}, Draft: tally.Record{Gateway: "gw", Count: 1}, Charges: charges}
	h, _, err := n.Admit(context.Background(), r, n.adopt)
	if err == nil {
		n.Commit([]*ledger.Hold{h}, nil)
	}
	return h, err
}

func charge(subject string, most int64) tally.Charge {
	return tally.Charge{Counter: counter(subject), Max: most}
}

func (n *node) settle(h *ledger.Hold) {
	rec := h.Draft
	s, err := n.Settle(h.ID, &rec)
	if err != nil {
		panic(err)
	}
	n.Commit(nil, []ledger.Settled{s})
}

// exhaust sends one request after the other, each of which lasts so long, until one is refused
// for good. It returns how many were admitted, and how many were refused since the database
// was out of reach.
func (n *node) exhaust(t testing.TB, lasts time.Duration, charges ...tally.Charge) (admitted, unavailable int64) {
	until := time.Now().Add(time.Minute)
	for {
		h, err := n.admit(charges...)
		var limit *tally.LimitError
		switch {
		case err == nil:
			admitted++
			time.Sleep(lasts)
			n.settle(h)
			continue
		case tally.CodeOf(err) == tally.Unavailable:
			unavailable++
		case !errors.As(err, &limit):
			t.Error(err)
			return admitted, unavailable
		case !limit.ByHoldsOnly():
			return admitted, unavailable
		}
		if time.Now().After(until) && !t.Failed() {
			t.Errorf("after a minute a request is neither admitted nor refused for good: %v", err)
		}
		if t.Failed() {
			return admitted, unavailable
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const callers = 64 // at each node

// serve has callers use up the limit of the gateway. They are charged on a few keys, too.
func (n *node) serve(t testing.TB, most int64, lasts time.Duration) (admitted, unavailable int64) {
	var yes, no atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			a, u := n.exhaust(t, lasts, charge(fmt.Sprint("key/", i%7), most), charge(theGateway, most))
			yes.Add(a)
			no.Add(u)
		})
	}
	all.Wait()
	return yes.Load(), no.Load()
}

// outcome is what nodes have done together.
type outcome struct{ admitted, unavailable, trips, failed int64 }

// spend has nodes use up a limit. Each goes to the database by way of a URL of its own.
func (w *world) spend(most int64, lasts time.Duration, urls ...string) outcome {
	w.Helper()
	return w.together(func(n *node) (int64, int64) { return n.serve(w.TB, most, lasts) }, urls...)
}

// together has nodes do something, each of which goes to the database by way of a URL.
func (w *world) together(do func(*node) (admitted, unavailable int64), urls ...string) (o outcome) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	nodes := make([]*node, len(urls))
	var sum, unavailable atomic.Int64
	var all sync.WaitGroup
	for i, url := range urls {
		n := w.start(ctx, fmt.Sprint("n", i+1), url, 0)
		nodes[i] = n
		all.Go(func() {
			yes, no := do(n)
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
		n.bank.codes.Range(func(code, message any) bool {
			w.Logf("%v: %v", code, message)
			if code == "40P01" {
				w.Error("exchanges wait for each other in a circle")
			}
			return true
		})
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
	same(w.TB, "lent", w.number(`SELECT granted FROM quota WHERE subject = $1`, theGateway), most)
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
			if most >= 1000 && o.trips > most/5 {
				t.Errorf("%d exchanges for %d requests", o.trips, most)
			}
		})
	}
}

// They do so where transactions are aborted and connections break.
func TestReachedUnreliably(t *testing.T) {
	for _, most := range []int64{1, 3, 10, 1000, 20000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t)+serializable)
			line := pgtest.Flaky(t, w.url, 6)
			o := w.spend(most, 5*time.Millisecond, line.URL, line.URL, line.URL)
			t.Logf("faults: %d", line.Faults())
			w.reached(most, o.admitted)
		})
	}
}

const serializable = "&default_transaction_isolation=serializable"

// visitors have nodes serve visitors who may send so many requests each, any of them to any
// node: limits that are used up at once, which takes exchanges all the time. It checks that
// each visitor reaches the limit exactly.
func (w *world) visitors(number int, most int64, urls ...string) outcome {
	w.Helper()
	admitted := make([]atomic.Int64, number)
	o := w.together(func(n *node) (int64, int64) {
		var next, unavailable atomic.Int64
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for i := int(next.Add(1)) - 1; i < number; i = int(next.Add(1)) - 1 {
					yes, no := n.exhaust(w.TB, time.Millisecond, charge(fmt.Sprint("address/", i), most))
					admitted[i].Add(yes)
					unavailable.Add(no)
				}
			})
		}
		all.Wait()
		return 0, unavailable.Load()
	}, urls...)
	for i := range admitted {
		if got := admitted[i].Load(); got != most {
			w.Errorf("visitor %d: %d admitted, want %d", i, got, most)
		}
	}
	return o
}

// So do visitors, where many exchanges go wrong.
func TestVisitorsUnreliably(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t)+serializable)
	line := pgtest.Flaky(t, w.url, 4)
	o := w.visitors(300, 3, line.URL, line.URL, line.URL)
	w.agree()
	faults := line.Faults()
	t.Logf("faults: %d", faults)
	if slices.Min(faults[:]) == 0 || o.failed < 20 {
		t.Errorf("too little has gone wrong: %d, %+v", faults, o)
	}
}

// So do visitors while the server crashes.
func TestVisitorsAcrossCrashes(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	w := newWorld(t, server.Database(t))
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
	o := w.visitors(600, 3, w.url, w.url, w.url)
	close(stop)
	crasher.Wait()
	w.pool.Reset() // its connections are of a server that has crashed
	w.agree()
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
		h, err := old.admit(charge(theGateway, most))
		if err != nil {
			t.Fatal(err)
		}
		old.settle(h)
	}
	now := w.start(ctx, "n1", w.url, 6)
	if err := <-old.ended; tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("the former process has ended with %v", err)
	}
	if _, err := old.admit(charge(theGateway, most)); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("the former process admits a request: %v", err)
	}
	admitted, _ := now.serve(t, most, 0)
	stop()
	<-now.ended
	w.reached(most, 6+admitted)
}
