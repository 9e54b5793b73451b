package pgstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
)

// Options say how to open a node's part of a store.
type Options struct {
	URL string // of the database
	Dir string // where the node's identity is
	// Name is the node's, one that no other has; "" for the one it had.
	Name string
	// Host is what tells two processes of one identity apart; "" for the machine and folder.
	Host string
	// Print is the fingerprint of the node's key file, "" if it has none yet.
	Print string
	// ForgetKey lets a node in whose key file is not that of the others, if none of them runs.
	ForgetKey bool
	Journal   badgerdb.Options
}

// Store is a storage.Cluster on PostgreSQL. Make one with Open.
type Store struct {
	opts    Options
	log     *slog.Logger
	id      Identity
	pool    *pgxpool.Pool
	banking *pgxpool.Pool // the lender's own: it waits for nobody who reads
	readers chan struct{} // who reads, as many as may at a time
	bank    *bank
	ledger  *ledger.Ledger
	lender  *lease.Lender
	journal *badgerdb.Store

	life    context.Context // ends when the store is to be closed
	endLife context.CancelFunc
	lending context.CancelFunc
	running sync.WaitGroup
	lends   sync.WaitGroup
	closed  atomic.Bool

	planned      atomic.Int64 // the revision that the latest Load or Apply has told
	rev          atomic.Int64 // the latest that was heard of
	entriesHeard atomic.Int64
	hearNow      chan struct{}
	joined       chan struct{}
	moves        atomic.Bool // what the folder had is not all in the database yet
	requests     atomic.Int64
	apart        atomic.Pointer[unreached]
	looks        singleflight.Group        // whether it is back
	contact      atomic.Pointer[time.Time] // when the database last answered
	compared     atomic.Pointer[compared]  // the clock with the database's
	lent         atomic.Pointer[[]lent]    // to this node, as of some seconds ago
	fenced       atomic.Pointer[error]
	broken       chan struct{}
	breaks       func() // closes broken, once
	faults       []string
	setBack      atomic.Pointer[time.Time] // when the database was found to have forgotten something
	gone         [3]atomic.Int64           // records of each kind (prune.go) settled before this day are not looked for again
	duties       sync.Map                  // until when this node has each, by the database's clock

	shipped   atomic.Uint64
	shippedAt atomic.Int64 // what was settled before is shipped, Unix nanoseconds
	shipNow   chan struct{}
	shipAnew  atomic.Bool // the database may have less than it has said
	shipping  sync.Mutex
	ships     shipper // shipping guards it
}

var _ storage.Cluster = (*Store)(nil)

// Open joins the nodes of a database as the node that a folder belongs to, or as a new one.
// The error says what stands in the way and what to do; then nothing has joined.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	if o.Journal.Logger == nil {
		o.Journal.Logger = slog.New(slog.DiscardHandler)
	}
	o.Host = hostOf(o)
	s := &Store{opts: o, log: o.Journal.Logger, ledger: ledger.New(), hearNow: make(chan struct{}, 1),
		joined: make(chan struct{}), shipNow: make(chan struct{}, 1), readers: make(chan struct{}, 4)}
	s.contact.Store(new(time.Now()))
	s.broken = make(chan struct{})
	s.breaks = sync.OnceFunc(func() { close(s.broken) })
	s.life, s.endLife = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	var id atomic.Value // of the database, a string, once it is known
	known := func() string { is, _ := id.Load().(string); return is }
	if s.pool, err = dialFor(ctx, o.URL, 6, known); err != nil {
		return nil, err
	}
	store, print, err := prepare(ctx, s.pool)
	if err != nil {
		return nil, err
	}
	id.Store(store)
	s.pool.Reset() // until now they may have come to different hosts
	if s.banking, err = dialFor(ctx, o.URL, 2, known); err != nil {
		return nil, err
	}
	if err = sameKey(print, o.Print); err != nil && o.ForgetKey {
		err = s.forgetKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	if s.faults = doubts(ctx, s.pool); len(s.faults) > 0 {
		s.log.Warn("the nodes' database does not keep all it is given", "faults", s.faults)
	}
	if err := again(ctx, s.lookAtClock); err != nil {
		return nil, err
	}
	if err := s.openJournal(ctx, store); err != nil {
		return nil, err
	}
	return s, s.join(ctx)
}

// openJournal takes the node's place in the database and opens its journal.
func (s *Store) openJournal(ctx context.Context, store string) (err error) {
	was, err := ReadIdentity(s.opts.Dir)
	if err != nil {
		return err
	}
	if err := s.choose(ctx, store, was); err != nil {
		return err
	}
	s.bank = &bank{pool: s.banking, said: s.say, changed: s.heard}
	s.lender = lease.New(lease.Options{Node: s.id.ID, Bank: &watched{bank: s.bank, of: s},
		Ledger: s.ledger, Now: time.Now,
		Adopt: func(c []tally.Counter) error { return s.journal.Adopt(c) }})
	s.opts.Journal.Ledger = s.ledger
	if s.journal, err = badgerdb.Open(ctx, s.opts.Journal); err != nil {
		return err
	}
	return s.enroll(ctx, was)
}

// join begins to lend and to ship, and waits until the node has its place.
func (s *Store) join(ctx context.Context) error {
	lending, stop := context.WithCancel(context.Background())
	s.lending = stop
	failed := make(chan error, 1)
	s.lends.Go(func() {
		if err := s.lender.Run(lending); err != nil {
			failed <- err
			s.fence(err)
		}
	})
	select {
	case <-s.joined:
	case err := <-failed:
		return err
	case <-ctx.Done():
		return tally.Errorf(tally.Unavailable, "the nodes were not joined: %w", context.Cause(ctx))
	case <-time.After(30 * time.Second):
		since, cause := s.Reach()
		return tally.Errorf(tally.Unavailable, "the nodes were not joined: their database does not answer since %s: %w",
			since.Format(time.TimeOnly), cause)
	}
	var rev, entries int64
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT rev, entries FROM cluster WHERE one = 1`).Scan(&rev, &entries)
	})
	if err != nil {
		return err
	}
	s.planned.Store(rev)
	s.heardRev(rev)
	s.entriesHeard.Store(entries)
	s.running.Go(s.keepShipping)
	s.running.Go(s.keepHearing)
	s.running.Go(s.watchJournal)
	return nil
}

// fence ends the store for good: another process has its place.
func (s *Store) fence(err error) {
	s.fenced.Store(&err)
	s.breaks()
}

// Broken is closed once this process must end: another one has the node's place, the node was
// forgotten, or the disk of the journal has failed.
func (s *Store) Broken() <-chan struct{} { return s.broken }

// Fault is why, nil if nothing is wrong.
func (s *Store) Fault() error {
	if err := s.fenced.Load(); err != nil {
		return *err
	}
	return s.journal.Fault()
}

// watchJournal waits for the disk of the journal to fail.
func (s *Store) watchJournal() {
	select {
	case <-s.life.Done():
	case <-s.journal.Broken():
		s.breaks()
	}
}

// usable says whether the store can be used.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return tally.Errorf(tally.Unavailable, "the store is closed")
	}
	if err := s.fenced.Load(); err != nil {
		return *err
	}
	return nil
}

// admits says whether the node may spend what it was lent.
func (s *Store) admits(charged bool) error {
	if err := s.fenced.Load(); err != nil {
		return *err
	}
	now := time.Now()
	skew, set := s.compared.Load().skew(now)
	if skew.Abs() > mostSkew && set && s.lookAtClock(s.life) == nil {
		skew, _ = s.compared.Load().skew(time.Now())
	}
	if skew.Abs() > mostSkew {
		return tally.Errorf(tally.Unavailable, "the clock of this node is %s off the database's",
			skew.Abs().Round(time.Second)).
			WithHint("set the clock: it decides which day's budget is spent")
	}
	if alone := s.alone(now); charged && alone > aloneFor {
		return tally.Errorf(tally.Unavailable, "the nodes' database is out of reach for %s, and what this node was lent may be others' by now", alone.Round(time.Second)).
			WithHint("bring the database back; this node goes on by itself then")
	}
	return nil
}

// alone is for how long the database has not answered: by the clock, which goes on while a
// machine sleeps, or by what has passed, which nobody sets back.
func (s *Store) alone(now time.Time) time.Duration {
	at := *s.contact.Load()
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)))
}

// Reserve implements storage.Meter. It is Unavailable if the node has too little of a limit
// left and the database is out of reach.
func (s *Store) Reserve(ctx context.Context, r tally.Reservation) (tally.Grant, error) {
	if err := s.admits(len(r.Charges) > 0); err != nil {
		return tally.Grant{}, err
	}
	s.requests.Add(1)
	return s.journal.Reserve(ctx, r)
}

// Raise implements storage.Meter. A request that is under way for long takes no more of what may
// be others' by now than a new one.
func (s *Store) Raise(ctx context.Context, id tally.ID, least, want int64, bounds tally.Bounds) (tally.Grant, error) {
	if err := s.admits(true); err != nil {
		return tally.Grant{}, err
	}
	return s.journal.Raise(ctx, id, least, want, bounds)
}

// Join implements storage.Meter, as [Store.Raise].
func (s *Store) Join(ctx context.Context, id tally.ID, charges []tally.Charge, places []tally.Place) error {
	if err := s.admits(len(charges) > 0); err != nil {
		return err
	}
	return s.journal.Join(ctx, id, charges, places)
}

// Settle implements storage.Meter.
func (s *Store) Settle(ctx context.Context, in tally.Settlement) error {
	return s.journal.Settle(ctx, in)
}

// Refuse implements storage.Meter.
func (s *Store) Refuse(ctx context.Context, r tally.Record) error { return s.journal.Refuse(ctx, r) }

// Extend implements storage.Meter, for holds of this node.
func (s *Store) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	return s.journal.Extend(ctx, id, until)
}

// Expire implements storage.Meter, for holds of this node. Those of a node that is gone are
// settled when it comes back.
func (s *Store) Expire(ctx context.Context, now time.Time, most int) (int, error) {
	return s.journal.Expire(ctx, now, most)
}

// AcceptClock implements storage.Store, for this node.
func (s *Store) AcceptClock(ctx context.Context, now time.Time) error {
	if err := s.journal.AcceptClock(ctx, now); err != nil {
		return err
	}
	_, err := s.exec(ctx, `UPDATE node SET seen = least(seen, $2) WHERE id = $1`, s.id.ID, now.UnixNano())
	return err
}

// Status implements storage.Store. LastSeen is this node's own: that of another one, whose
// clock is ahead, must not become this one's time.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	st, err := s.journal.Status(ctx)
	if err != nil || s.fenced.Load() != nil {
		return st, errors.Join(err, s.usable(ctx))
	}
	var others int64
	if err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(sum(records), 0)::int8 FROM node WHERE id <> $1`,
			s.id.ID).Scan(&others)
	}); err != nil {
		return st, ctx.Err() // the warnings tell that the database is out of reach
	}
	st.Records += others
	return st, nil
}

// Close implements storage.Store. The node ships what it has and gives back what it was
// lent, as far as the database is in reach, and has then left.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.release()
}

// leavePatience bounds how long a node that closes waits for the database.
const leavePatience = 5 * time.Second

func (s *Store) release() (err error) {
	s.endLife()
	s.running.Wait()
	if s.lending != nil && s.fenced.Load() == nil && s.apart.Load() == nil {
		s.leave()
	}
	if s.lending != nil {
		s.lending()
		s.lends.Wait()
	}
	if s.journal != nil {
		err = s.journal.Close()
	}
	for _, pool := range []*pgxpool.Pool{s.pool, s.banking} {
		if pool != nil {
			pool.Close()
		}
	}
	return err
}

// leave gives back what the node was lent, and says that it has left if all it has is there.
func (s *Store) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leavePatience)
	defer cancel()
	err := s.lender.Leave(ctx)
	if err == nil { // others need not wait until they are over
		_, err = s.exec(ctx, `DELETE FROM duty WHERE node = $1 AND name <> 'move'`, s.id.ID)
	}
	if err == nil {
		err = s.lookAtLent(ctx)
	}
	var through uint64
	if err == nil {
		err = again(ctx, func(ctx context.Context) error { through, err = s.shipAll(ctx); return err })
	}
	if err == nil && through == s.journal.Latest() && s.ledger.Holds() == 0 {
		_, err = s.exec(ctx, `UPDATE node SET state = 'left', said = $3, beat = now() WHERE id = $1 AND epoch = $2`,
			s.id.ID, s.bank.epoch.Load(), s.say())
	}
	if err != nil {
		s.log.Warn("the node has not told the others that it leaves; what it was lent stays lent until it is back", "error", err)
	}
}
