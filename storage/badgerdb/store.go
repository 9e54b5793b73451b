// Package badgerdb is the store of the program: storage.Store on Badger.
//
// Admission is decided in memory (package ledger). What is decided is made
// durable by one goroutine, many acts to a transaction (queue.go, writer.go):
// holds as a journal (hold.go), records in blocks (record.go).
//
// Records are the truth. Rollups are their sums by quarter of an hour, hour and day
// (rollup.go). Checkpoints bring rollups up, and say up to which record they count
// (checkpoint.go). Recovery counts the records behind that one, each once (recover.go).
// Counters are not stored at all: what a period has seen is a sum of rollups (seed.go).
// Rollups outlive the records, so pruning never reopens a budget. A search passes over
// records that cannot be meant (presence.go). Verify proves all of this (verify.go).
//
// An act is durable once its transaction is in the memory-mapped log, which survives the
// process. The log is synced twice a second, or with Strict in each transaction. Whether
// the syncs succeed decides what is admitted and acknowledged (disk.go).
package badgerdb

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/ledger"
)

// Profile is a set of sizes for Badger.
type Profile string

// The profiles: about 50 MB of memory on a desktop, more caches on a server.
const (
	Desktop Profile = "desktop"
	Server  Profile = "server"
)

// Durability says what an act waits for.
type Durability string

// The durabilities. Normal waits for the memory-mapped log, which survives the process and
// is synced to the disk twice a second. Strict waits for the sync, too.
const (
	Normal Durability = "normal"
	Strict Durability = "strict"
)

// Options say how to open a store. Zero fields mean the defaults.
type Options struct {
	Dir        string
	Profile    Profile    // default Desktop
	Durability Durability // default Normal
	Logger     *slog.Logger
	Hook       storage.Hook
	// Ledger is a new one that the store is to use, nil for one of its own.
	Ledger *ledger.Ledger
	// Free returns the free bytes of the disk that a folder is on; nil asks the
	// system.
	Free func(dir string) (int64, error)
	// Disk is asked before each step by which the store makes sure that the disk keeps what
	// it is given. An error fails the step, so that tests can let any step fail. Disk may
	// also take its time. Nil for none.
	Disk func(DiskStep) error
	// Reads opens the store for those who only look at it: what an earlier process left
	// under way stays so. Badger cannot open a store that was not closed without bringing
	// its own files in order; the log says so.
	Reads bool
	// Version is the program's. A store says which one its schema is of.
	Version string

	chunkBits      uint8 // tests have smaller chunks of records
	upgradeRecords int   // and slices of an upgrade
	times          diskTimes
}

// Store is a storage.Store on Badger. Make one with Open.
type Store struct {
	opts   Options
	log    *slog.Logger
	db     *badger.DB
	ledger *ledger.Ledger
	queue  *queue

	running sync.WaitGroup  // the writer and the keeper
	life    context.Context // ends when the store is to be closed
	endLife context.CancelFunc

	reading sync.RWMutex // held for reading while Badger is read outside the writer; Close takes it
	pruning sync.RWMutex // held for reading while records are replayed

	disk   disk
	faulty atomic.Bool // the disk has a fault
	// slicesWritten counts slices of checkpoints: a close that waits for them gets on.
	slicesWritten atomic.Int64
	broken        chan struct{}   // closed once the fault is for good
	dirty         chan struct{}   // gets a token when there is something to sync again
	folder        os.FileInfo     // of the folder when it was opened
	spaced        map[string]bool // logs that have their space; the keeper's
	past          atomic.Pointer[eras]
	coarse        atomic.Pointer[coarse]
	thin          atomic.Pointer[thin]
	committed     atomic.Uint64 // sequence number of the latest record in the log
	admitting     atomic.Bool   // there is room
	free          atomic.Int64
	records       atomic.Int64  // that have numbers and are not pruned
	thinned       atomic.Int64  // of those, which are gone
	durable       atomic.Uint64 // sequence number of the latest record in a complete checkpoint

	// Only the writer uses what follows, and Open and Close while there is none.
	end      position
	pruned   pruned
	openings openings
	journal  journal
	fresh    sheet
	// phantoms are keys of entries whose transaction has failed, and may have been kept all the
	// same. The next transaction deletes them.
	phantoms   map[string]bool
	presence   presence
	checkpoint *checkpoint // under way; nil if none
	saved      state       // of the latest complete checkpoint
	stuck      bool        // the checkpoint has failed; it waits for the next second
	ticks      int         // seconds since the latest checkpoint began
	minutes    minutes
	coarsening coarsening
	complaints map[string]string // what has been logged as wrong
	rev        int64
	revs       map[entityID]int64
	audit      tally.AuditChain

	commit func(*badger.Txn) error // a test may make it fail
}

var _ storage.Store = (*Store)(nil)

type entityID struct {
	kind tally.EntityKind
	id   tally.ID
}

// Reserve implements storage.Meter.
func (s *Store) Reserve(ctx context.Context, r tally.Reservation) (tally.Grant, error) {
	if err := s.usable(ctx); err != nil {
		return tally.Grant{}, err
	}
	if err := ledger.Check(&r); err != nil {
		return tally.Grant{}, err
	}
	if err := s.fit(); err != nil {
		return tally.Grant{}, err
	}
	h, grant, err := s.ledger.Admit(ctx, &r, s.Adopt)
	if err != nil {
		return tally.Grant{}, err
	}
	if err := s.keepHold(h); err != nil {
		return grant, err
	}
	if grant.NewSession {
		grant.NewSession = s.ledger.Claim(ctx, h)
	}
	return grant, nil
}

// Raise implements storage.Meter.
func (s *Store) Raise(ctx context.Context, id tally.ID, least, want int64, bounds tally.Bounds) (tally.Grant, error) {
	if err := s.usable(ctx); err != nil {
		return tally.Grant{}, err
	}
	if err := s.fit(); err != nil {
		return tally.Grant{}, err
	}
	h, grant, err := s.ledger.Raise(ctx, id, least, want, bounds)
	if err != nil {
		return tally.Grant{}, err
	}
	return grant, s.keepHold(h)
}

// Join implements storage.Meter.
func (s *Store) Join(ctx context.Context, id tally.ID, charges []tally.Charge, places []tally.Place) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := s.fit(); err != nil {
		return err
	}
	h, err := s.ledger.Join(ctx, id, charges, places, s.Adopt)
	if err != nil {
		return err
	}
	return s.keepHold(h)
}

// keepHold makes a hold durable. A hold that cannot be made durable is dropped.
func (s *Store) keepHold(h *ledger.Hold) error {
	j := s.queue.newJob(jobHold)
	j.hold = h
	if err := s.queue.send(j); err != nil {
		s.ledger.Drop(h)
		return err
	}
	return s.queue.wait(j) // if it fails, the writer has dropped the hold
}

// Settle implements storage.Meter.
func (s *Store) Settle(ctx context.Context, in tally.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := s.queue.newJob(jobSettle)
	j.id, j.entry.Record = in.ID, in.Record
	return s.queue.do(j)
}

// Refuse implements storage.Meter.
func (s *Store) Refuse(ctx context.Context, r tally.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if !r.Outcome.Refused() || r.ID == "" || r.At.IsZero() {
		return tally.Errorf(tally.Invalid, "record %s is not of a refusal", r.ID)
	}
	j := s.queue.newJob(jobRefuse)
	j.entry.Record = r
	return s.queue.do(j)
}

// Extend implements storage.Meter. A deadline concerns this process only, so it
// is not written.
func (s *Store) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return s.ledger.Extend(id, until)
}

// Expire implements storage.Meter.
func (s *Store) Expire(ctx context.Context, now time.Time, most int) (int, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	var jobs []*job
	for _, id := range s.ledger.Overdue(now, most) {
		j := s.queue.newJob(jobLose)
		j.id, j.now = id, now
		jobs = append(jobs, j)
	}
	if err := s.queue.send(jobs...); err != nil {
		return 0, err
	}
	n := 0
	var failed error
	for _, j := range jobs {
		switch err := s.queue.wait(j); {
		case err == nil:
			n++
		case tally.CodeOf(err) != tally.NotFound: // that hold was settled just now
			failed = cmp.Or(failed, err)
		}
	}
	return n, failed
}

// Usage implements storage.Meter.
func (s *Store) Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	for i := range counters {
		if counters[i].Metric.Index() < 0 {
			return nil, tally.Errorf(tally.Invalid, "%q is not a metric", counters[i].Metric)
		}
	}
	out := make([]tally.Usage, len(counters))
	if len(s.ledger.Usage(counters, out)) == 0 {
		return out, nil
	}
	err := s.queue.alone(func() error {
		for _, i := range s.ledger.Usage(counters, out) {
			c := &counters[i]
			used, err := s.seed(c)
			if err != nil {
				return err
			}
			out[i] = tally.Usage{Used: used, Held: s.ledger.Held(c)}
			if c.Period.Contains(s.ledger.Seen()) { // it will be asked for again
				s.ledger.Adopt(*c, used)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// LastUsed implements storage.Meter.
func (s *Store) LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error) {
	_, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([]time.Time, len(subjects))
	err = s.db.View(func(txn *badger.Txn) error {
		for i, subject := range subjects {
			var known bool
			if out[i], known = s.ledger.LastUsed(subject); known {
				continue
			}
			// The ledger forgets only what has been written.
			u, err := readUse(txn, subject)
			if err != nil {
				return err
			}
			out[i] = later(out[i], u.At)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Holds implements storage.Meter.
func (s *Store) Holds(ctx context.Context, q storage.HoldQuery) (out storage.HoldSum, err error) {
	if err := s.usable(ctx); err != nil {
		return out, err
	}
	out.Count, out.Held = s.ledger.HoldsOf(q.Match)
	return out, nil
}

// Status implements storage.Store.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	if err := s.usable(ctx); err != nil {
		return storage.Status{}, err
	}
	st := storage.Status{
		Records: s.Count(), LastSeen: s.ledger.Seen(), DiskBytes: folderBytes(s.opts.Dir),
		FreeBytes: s.free.Load(), Admitting: s.fit() == nil, Waiting: s.ledger.Waiting(),
	}
	for _, level := range s.db.Levels() {
		st.Tables += level.NumTables
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if since := s.disk.unsynced; !since.IsZero() {
		st.Unsynced = time.Since(since)
	}
	if err := s.disk.fault(); err != nil {
		st.Fault = err.Error()
	}
	return st, nil
}

// usable says whether the store can be used.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.queue.closed.Load() {
		return errClosed()
	}
	return nil
}

// read says whether the store can be used, and keeps it open until done. It
// returns a context that ends when the store is to be closed.
func (s *Store) read(ctx context.Context) (reading context.Context, done func(), err error) {
	s.reading.RLock()
	if err := s.usable(ctx); err != nil {
		s.reading.RUnlock()
		return nil, nil, err
	}
	reading, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(errClosed()) })
	return reading, func() { stop(); cancel(nil); s.reading.RUnlock() }, nil
}

func errClosed() error { return tally.Errorf(tally.Unavailable, "the store is closed") }

// Close implements storage.Store. It waits for what is under way as long as something of it
// is written, but not for ever: a disk that fails may keep Badger from closing. What is not
// closed then is recovered by the next Open.
func (s *Store) Close() error {
	if !s.queue.close() {
		return nil
	}
	s.endLife()
	defer s.giveUp()
	closed, patience := make(chan error, 1), s.opts.times.close
	go func() { closed <- s.close() }()
	if s.faulty.Load() {
		patience = s.opts.times.faultyClose
	}
	for written := int64(-1); written != s.slicesWritten.Load(); {
		written = s.slicesWritten.Load()
		select {
		case err := <-closed:
			return err
		case <-time.After(patience):
		}
	}
	return tally.Errorf(tally.Unavailable, "the store was not closed, and nothing was written for %s: %w", patience,
		cmp.Or(s.Fault(), errors.New("the disk is slow"))).WithHint("what the disk has kept is recovered at the next start")
}

func (s *Store) close() error {
	s.running.Wait()
	if s.claim() {
		s.sync(func(f func() error) error { return f() })
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.here(); err != nil {
		// Badger would write what it has in memory under the name of the folder, which may
		// be another folder now.
		return tally.Errorf(tally.Unavailable, "the store was not closed, since its folder is not where it was: %w", err).
			WithHint("nothing was written in its place; what it holds is recovered when it is opened where it is now")
	}
	if !s.admitting.Load() {
		dropBallast(s.opts.Dir)
	}
	err := s.completeCheckpoint()
	if closed := s.db.Close(); closed != nil {
		return cmp.Or(err, error(tally.Errorf(tally.Internal, "close the store: %w", closed)))
	}
	if err == nil {
		err = s.head(s.end.seq)
	}
	return err
}
