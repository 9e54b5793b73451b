package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// node is a machine: a journal that outlives its processes, and the process.
type node struct {
	name  string
	clock time.Duration // ahead of the world's
	used  map[key]int64
	holds map[tally.ID]*ledger.Hold // kept, and not settled
	ends  map[string]time.Time      // of sessions, as settled records tell

	up     bool
	ledger *ledger.Ledger
	lender *Lender
	call   *Exchange     // it waits for the answer
	claims *ledger.Claim // the first of those that it waits for
	latest *Exchange
	fresh  []*ledger.Hold
	stale  bool // it may use grants that the bank has forgotten
}

// bugs are mistakes that the simulator must find.
type bugs struct {
	raiseBeforeCommit, lowerAfterSend, noFence, retryAdds, noRowOnRetry bool
	claimBeforeKept, retryJoins                                         bool
}

// world runs nodes and a bank, one step after the other, as its seed says.
type world struct {
	*rand.Rand
	now    time.Time
	bank   *vault
	down   bool // the bank
	backup *vault
	nodes  []*node
	net    []message
	limits map[tally.Metric]int64
	keyMax int64
	bugs
	ids int

	counters map[key]tally.Counter
	max      map[key]int64 // the largest limit there was
	excess   map[key]int64 // used beyond holds
	lost     map[key]int64 // grants that a bank forgot
	visits   map[string][]*visit
	visitOf  map[tally.ID]*visit
	claimed  map[tally.ID]bool // requests that have claimed a session
	log      []string

	faults, crashes, setBacks, jumps, overruns, tokens, minutes, changes, places, members bool
}

var errLater = errors.New("the answer of the bank is awaited")

// later is a lender that does not wait.
type later struct{ *Lender }

func (l later) Borrow(_ context.Context, short []ledger.Short) (bool, error) {
	answer, err := l.demand(short)
	if answer != nil {
		err = errLater
	}
	return false, err
}

func (l later) Claim(_ context.Context, c ledger.Claim) { l.claim(c) }

func newWorld(seed uint64, b bugs) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), now: noon, bank: newVault(), bugs: b,
		counters: map[key]tally.Counter{}, max: map[key]int64{}, excess: map[key]int64{}, lost: map[key]int64{},
		visits: map[string][]*visit{}, visitOf: map[tally.ID]*visit{}, claimed: map[tally.ID]bool{}}
	w.bank.noFence = b.noFence
	w.backup = w.bank.clone()
	flag := func() bool { return w.IntN(2) == 0 }
	w.faults, w.crashes, w.setBacks, w.jumps = w.IntN(4) > 0, flag(), w.IntN(4) == 0, flag()
	w.overruns, w.tokens, w.minutes, w.changes = w.IntN(4) == 0, flag(), w.IntN(4) == 0, w.IntN(4) == 0
	most := []int64{1, 3, 10, 50, 200}[w.IntN(5)]
	w.places, w.members = flag(), flag()
	w.jumps = w.jumps && !w.members // sessions are as exact as clocks are
	w.limits = map[tally.Metric]int64{tally.Requests: most, tally.TokensIO: most * 40,
		tally.Sessions: 1 + most/4, ledger.InFlight: []int64{1, 2, 5}[w.IntN(3)]}
	w.keyMax = []int64{1, 3, 40}[w.IntN(3)]
	for i := range 2 + w.IntN(3) {
		n := &node{name: fmt.Sprint("n", i+1), used: map[key]int64{}, holds: map[tally.ID]*ledger.Hold{},
			ends: map[string]time.Time{}}
		w.nodes = append(w.nodes, n)
		w.start(n)
	}
	return w
}

// start begins a process of a node, from its journal.
func (w *world) start(n *node) {
	n.up, n.call, n.claims, n.fresh, n.stale = true, nil, nil, nil, false
	n.ledger = ledger.New()
	n.lender = New(Options{Node: n.name, Ledger: n.ledger, Now: func() time.Time { return w.now.Add(n.clock) },
		Adopt: n.adopt})
	n.ledger.LentBy(later{n.lender})
	w.remember(n)
	for _, h := range n.holds {
		n.ledger.Orphaned(h)
	}
}

func (n *node) adopt(list []tally.Counter) error {
	for _, c := range list {
		n.ledger.Adopt(c, n.used[keyOf(&c)])
	}
	return nil
}

// charge is one more charge of a reservation.
func (w *world) charge(r *tally.Reservation, s tally.Subject, m tally.Metric, u tally.Unit, most int64) {
	c := tally.Counter{Subject: s, Metric: m, Period: tally.Window{Unit: u}.Period(r.At, time.UTC, 0)}
	w.counters[keyOf(&c)], w.max[keyOf(&c)] = c, max(w.max[keyOf(&c)], most)
	r.Charges = append(r.Charges, tally.Charge{Counter: c, Max: most})
}

// reserve has a node admit a request. Without a key it is charged on the gateway alone.
func (w *world) reserve(n *node, withKey bool) (final bool) {
	w.ids++
	at := w.now.Add(n.clock)
	r := &tally.Reservation{ID: tally.ID(fmt.Sprint("req_", w.ids)), At: at, ExpiresAt: at.Add(time.Minute),
		MinOutput: 5, WantOutput: 20 + w.Int64N(40),
		Bounds: tally.Bounds{{Base: 1}, {Base: 10, PerMillion: 1e6}}, Draft: tally.Record{Gateway: "gw", Count: 1}}
	if withKey {
		r.Draft.Key = tally.ID(fmt.Sprint("ke_", w.IntN(3)))
		w.charge(r, tally.Subject("key/"+r.Draft.Key), tally.Requests, tally.Total, w.keyMax)
	}
	if w.minutes {
		w.charge(r, "gateway/gw", tally.Requests, tally.Minute, 1+w.limits[tally.Requests]/4)
	}
	w.charge(r, "gateway/gw", tally.Requests, tally.Total, w.limits[tally.Requests])
	w.enter(r)
	if w.tokens {
		w.charge(r, "gateway/gw", tally.TokensIO, tally.Total, w.limits[tally.TokensIO])
	}
	h, _, err := n.ledger.Admit(context.Background(), r, n.adopt)
	var limit *tally.LimitError
	switch {
	case err == nil:
		w.seen(h)
		if w.claimBeforeKept {
			n.ledger.Claim(context.Background(), h)
		}
		if n.fresh = append(n.fresh, h); w.IntN(10) > 0 {
			w.keep(n)
		}
	case errors.As(err, &limit):
		if final = !limit.ByHoldsOnly(); final && limit.Period.Ends() {
			final = false
			w.now = w.now.Add(10 * time.Second)
		}
	}
	w.logf("%s reserve: %v", n.name, err)
	return final
}

// keep makes holds durable.
func (w *world) keep(n *node) {
	n.ledger.Commit(n.fresh, nil)
	for _, h := range n.fresh {
		n.holds[h.ID] = h
		if v := w.visitOf[h.ID]; v != nil {
			v.kept = true
		}
		if !w.claimBeforeKept {
			n.ledger.Claim(context.Background(), h)
		}
	}
	n.fresh = nil
}

// hold is one of a node's holds.
func (w *world) hold(n *node) *ledger.Hold {
	ids := make([]string, 0, len(n.holds))
	for id := range n.holds {
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	return n.holds[tally.ID(ids[w.IntN(len(ids))])]
}

// raise adds another attempt to one of a node's holds.
func (w *world) raise(n *node) {
	old := w.hold(n)
	if old.Orphan {
		return
	}
	h, _, err := n.ledger.Raise(context.Background(), old.ID, 5, 20, tally.Bounds{{}, {PerMillion: 1e6}})
	if err == nil {
		n.ledger.Commit([]*ledger.Hold{h}, nil)
		n.holds[h.ID] = h
	}
	w.logf("%s raises %s: %v", n.name, old.ID, err)
}

// settle settles one of a node's holds.
func (w *world) settle(n *node) {
	h := w.hold(n)
	rec := h.Draft
	var s ledger.Settled
	var err error
	held := h.Holds()
	for {
		if h.Orphan {
			s, err = n.ledger.Lost(h.ID, w.now, &rec)
		} else {
			rec.Outcome = tally.OK
			rec.Tokens = tally.Tokens{Input: 10, Output: w.Int64N(h.Output + 1)}
			if w.overruns && w.IntN(4) == 0 {
				rec.Tokens.Output = h.Output + 30
			}
			s, err = n.ledger.Settle(h.ID, &rec)
		}
		if err != nil {
			panic(err)
		}
		if s.Lacking == nil {
			break
		}
		n.adopt(s.Lacking)
	}
	delete(n.holds, h.ID)
	if rec.SessionEnds.After(n.ends[rec.Session]) {
		n.ends[rec.Session] = rec.SessionEnds
	}
	for i := range rec.Charges {
		c := &rec.Charges[i]
		k := keyOf(&h.Charges[i].Counter)
		n.used[k] += c.Amount
		if c.Metric != tally.Sessions { // another hold has paid less
			w.excess[k] += max(0, c.Amount-held.Of(c.Metric))
		}
	}
	n.ledger.Commit(nil, []ledger.Settled{s})
	w.logf("%s settles %s: %v", n.name, h.ID, rec.Tokens.Output)
}

// step lets something happen.
func (w *world) step() {
	n := w.nodes[w.IntN(len(w.nodes))]
	w.now = w.now.Add(time.Duration(w.IntN(100)) * time.Millisecond)
	x := w.IntN(100)
	switch {
	case x < 3 && w.crashes:
		if n.up = !n.up; n.up {
			w.start(n)
		}
		w.logf("%s is up: %v", n.name, n.up)
	case x < 5 && w.crashes: // connections end with the bank
		w.down, w.net = !w.down, nil
		w.logf("the bank is down: %v", w.down)
	case x == 5 && w.setBacks:
		if w.IntN(2) == 0 {
			w.backup = w.bank.clone()
			return
		}
		w.setBack()
	case x == 6 && w.changes: // the owner raises or lowers limits
		w.limits[tally.Requests], w.limits[tally.TokensIO] = w.Int64N(100), w.Int64N(3000)
		w.keyMax, w.limits[ledger.InFlight], w.limits[tally.Sessions] = w.Int64N(10), 1+w.Int64N(5), w.Int64N(50)
	case x < 8 && w.jumps:
		n.clock = time.Duration(w.IntN(7200)-3600) * time.Second
	case !n.up:
	case x == 8: // the store keeps few accounts in memory
		n.ledger.Changed()
		n.ledger.Sweep(w.now.Add(n.clock), 0)
	case x == 9:
		if len(n.holds) > 0 {
			w.raise(n)
		}
	case x < 35:
		w.reserve(n, true)
	case x < 38:
		w.keep(n)
	case x < 40 && len(n.fresh) > 0 && !(w.members && w.crashes): // its caller has gone
		n.ledger.Drop(n.fresh[0])
		n.fresh = n.fresh[1:]
	case x < 55:
		if len(n.holds) > 0 {
			w.settle(n)
		}
	case x < 75 && len(w.net) > 0:
		w.deliver()
	case x < 80:
		w.turn(n, true)
	case n.call == nil || x < 84:
		w.turn(n, false)
	case len(w.net) > 0:
		w.deliver()
	}
}

// setBack restores the bank from its backup.
func (w *world) setBack() {
	w.logf("the bank is set back")
	for k, q := range w.bank.quotas {
		old := w.backup.quotas[k]
		for n, granted := range q.granted {
			if old != nil {
				granted -= old.granted[n]
			}
			w.lost[k] += max(0, granted)
		}
	}
	w.bank, w.net = w.backup.clone(), nil
	for _, n := range w.nodes {
		n.stale = true
	}
}

func (w *world) logf(format string, args ...any) {
	if w.log != nil {
		w.log = append(w.log, fmt.Sprintf(format, args...))
	}
}
