package lease

import (
	"cmp"
	"context"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

const (
	pollEvery = 200 * time.Millisecond
	// patience is how long a request waits for a bank that is out of reach.
	patience              = 3 * time.Second
	leastPause, mostPause = 5 * time.Millisecond, 200 * time.Millisecond
	// dryFor is how long a counter that the bank had too little of is not asked for again.
	dryFor = 100 * time.Millisecond
	// tightFor is how long a counter that others want is lent without extra.
	tightFor = 3 * time.Second
	// The extra is what so many requests take, as many as there are within growWithin. More is
	// asked for when half of it is left, which is how long a node goes on when the bank is gone:
	// six seconds.
	leastChunk, mostChunk = 64, 1 << 16
	growWithin            = 12 * time.Second
	shrinkAfter           = 2 * growWithin
	mostGrowth            = 8 // times, from one ask to the next
	// mostAsks is how many counters are told of with one exchange that nobody waits for, and
	// mostBeside how many with one that somebody does. A node that leaves, or whose bank has
	// forgotten, may have hundreds of thousands: all at once would take a bank longer than the
	// node is patient, each time anew.
	mostAsks, mostBeside = 5000, 500
	// mostOfLimit is the part of a limit that a node takes in advance, at most: 1/20.
	mostOfLimit = 20
)

// Options are what a Lender needs.
type Options struct {
	Node   string // its name, the same after a restart
	Bank   Bank
	Ledger *ledger.Ledger // to be lent to
	// Adopt makes the ledger count on counters, from what the node's journal has.
	Adopt func([]tally.Counter) error
	Now   func() time.Time
}

// Lender gets a node its leases. It is the [ledger.Lender] of the node's ledger.
type Lender struct {
	opt  Options
	wake chan struct{}

	mu       sync.Mutex // guards what follows; the ledger's lock is taken within
	state    state
	why      error // it is fenced
	epoch    int64
	op       int64     // the latest one that is known to be carried out
	sent     *Exchange // whose outcome is not known yet
	known    map[key]*lease
	demands  map[key]*demand // for the next exchange
	callers  []chan error    // that wait for the next exchange
	waiting  []chan error    // that wait for sent
	short    map[key]*lease  // whose latest exchange gave less than was wanted
	swept    time.Time
	claims   []claim // not answered yet, in the order in which they are made
	out      bool    // the bank is out of reach
	leaving  bool
	prepared int64 // the end, in Unix seconds, of the latest minute whose next one was asked for
	stats    Stats
}

// Stats are what a lender has done since it was made.
type Stats struct {
	Exchanges int64 // trips to the bank for leases, those that failed included
	Asks      int64 // counters that it asked for in them
	Claims    int64 // trips for sessions
}

type state int

const (
	apart state = iota // it has no epoch, or one that the bank has forgotten
	joined
	fenced // another process has taken its place, or nobody may have it
)

// key identifies a counter.
type key struct {
	subject    tally.Subject
	metric     int
	start, end int64
}

func keyOf(c *tally.Counter) key {
	return key{c.Subject, c.Metric.Index(), c.Period.Start.Unix(), c.Period.End.Unix()}
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.subject, o.subject), cmp.Compare(k.metric, o.metric),
		cmp.Compare(k.start, o.start), cmp.Compare(k.end, o.end))
}

// lease is what the lender knows of a counter. It may be forgotten, if it is dropped first.
type lease struct {
	counter   tally.Counter
	max       int64
	under     int64 // the limit that it was granted under; of a lower one it is given back
	row       bool  // the bank has begun it
	lacked    bool  // the latest exchange gave less than was of use
	gave      bool  // the latest exchange gave a place back, and asked for none
	granted   int64
	elsewhere int64     // what others have used, as last heard
	reported  int64     // used, as the bank was told
	one       int64     // what a request wants
	chunk     int64     // how many requests to take in advance
	at        time.Time // of the latest demand
	taken     int64     // then
	tight     time.Time // since when others want it
	dry       time.Time // since when the bank has too little
}

// whole is the most that a node can have use for: the limit, and what was paid in advance
// beside it, which others have used less than nothing of.
func (x *lease) whole() int64 { return tally.AddSat(x.max, -min(x.elsewhere, 0)) }

// demand is why a counter is part of the next exchange.
type demand struct {
	least, want int64 // beyond what is taken; 0 if nobody is short
	yield       bool  // give back what is not taken
	awaited     bool  // somebody waits for the next exchange, which has to have it
}

// New makes a lender, and its ledger one that is lent to. [Lender.Run] must be running for
// it to lend.
func New(o Options) *Lender {
	l := &Lender{opt: o, wake: make(chan struct{}, 1),
		known: map[key]*lease{}, demands: map[key]*demand{}, short: map[key]*lease{}}
	o.Ledger.LentBy(l)
	return l
}

// within reports whether less than a span has gone by since a time. A clock that was put
// back says no.
func (l *Lender) within(since time.Time, span time.Duration) bool {
	d := l.opt.Now().Sub(since)
	return !since.IsZero() && 0 <= d && d < span
}

// Borrow implements [ledger.Lender]. The error is Unavailable if the bank is out of reach or
// ctx is done.
func (l *Lender) Borrow(ctx context.Context, short []ledger.Short) (lent bool, err error) {
	answer, err := l.demand(short)
	if answer == nil {
		return false, err
	}
	l.stir()
	select {
	case err := <-answer:
		return err == nil, err
	case <-ctx.Done():
		return false, tally.Errorf(tally.Unavailable, "the request was not waited for: %w", context.Cause(ctx))
	}
}

// stir has Run look what there is to do.
func (l *Lender) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// ended is why nothing is borrowed any more, nil if it is.
func (l *Lender) ended() error {
	switch {
	case l.state == fenced:
		return l.why
	case l.leaving:
		return tally.Errorf(tally.Unavailable, "this node is about to stop").WithHint("ask another node")
	}
	return nil
}

// demand makes what is short part of the next exchange, which answers the channel. It is
// nil if the bank was asked just now and had too little.
func (l *Lender) demand(short []ledger.Short) (answer chan error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ended(); err != nil {
		return nil, err
	}
	for i := range short {
		s := &short[i]
		x := l.lease(&s.Counter)
		x.max = s.Max
		for k := range short[:i] { // a reservation may be charged on it by two limits
			if o := &short[k]; keyOf(&o.Counter) == keyOf(&s.Counter) {
				x.max = min(x.max, o.Max)
			}
		}
		if l.within(x.dry, dryFor) || s.Has && !l.within(x.tight, tightFor) {
			continue
		}
		d := l.next(x)
		if d.least == 0 || s.Least < d.least {
			d.least = s.Least
		}
		d.want, d.awaited = tally.AddSat(d.want, s.Want), true
		x.one = s.Want
		if answer == nil && !s.Has {
			answer = make(chan error, 1)
			l.callers = append(l.callers, answer)
		}
	}
	return answer, nil
}

func (l *Lender) lease(c *tally.Counter) *lease {
	k := keyOf(c)
	x := l.known[k]
	if x == nil {
		x = &lease{counter: *c}
		l.known[k] = x
	}
	return x
}

// next is a lease's part of the next exchange.
func (l *Lender) next(x *lease) *demand {
	k := keyOf(&x.counter)
	d := l.demands[k]
	if d == nil {
		d = &demand{}
		l.demands[k] = d
	}
	return d
}

// fencedBy is why a node is fenced that is in so late an epoch.
func fencedBy(epoch int64) error {
	if epoch == Forgotten {
		return tally.Errorf(tally.Unavailable, "this node was forgotten, and what it was lent is others' now").
			WithHint("start it with an empty --data folder, as a new node; what it had shipped is kept")
	}
	return tally.Errorf(tally.Unavailable, "another process acts for this node").
		WithHint("stop one of the two; each node needs a data folder of its own")
}
