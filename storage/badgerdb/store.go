// Package badgerdb is the store of the program: storage.Store on Badger.
//
// Admission is decided in memory (package ledger); what is decided is written
// by one goroutine, many jobs to a transaction (writer.go). Records are the
// truth. Rollups are their sums by quarter of an hour, hour and day (rollup.go),
// written about each second with the sequence number up to which they count, so
// that recovery after a crash counts the records behind it, each once
// (open.go). Counters are not stored at all: what a period has seen is the sum
// of rollups, which outlive the records, so pruning never reopens a budget.
//
// An act is durable once its transaction is in the memory-mapped log, which
// survives the process; the log is synced each second, or in each act with
// Strict.
package badgerdb

import (
	"context"
	"io"
	"log/slog"
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

// The durabilities. Normal waits for the memory-mapped log, which survives the
// process; about each second it is synced to the disk. Strict waits for the
// sync, too.
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
	// Free returns the free bytes of the disk that a folder is on; nil asks the
	// system.
	Free func(dir string) (int64, error)
}

// Store is a storage.Store on Badger. Make one with Open.
type Store struct {
	opts   Options
	log    *slog.Logger
	db     *badger.DB
	ledger *ledger.Ledger

	jobs    chan *job
	writing sync.WaitGroup // the writer and the syncer
	stop    chan struct{}  // ends the syncer

	closing sync.RWMutex // held for reading while a job is sent
	closed  bool         // guarded by closing

	admitting atomic.Bool
	free      atomic.Int64
	pruning   sync.RWMutex // held for reading while records are replayed

	// Only the writer uses what follows, and Open before it starts.
	seq       uint64    // of the latest record
	pruned    uint64    // of the latest record that was pruned
	settledAt time.Time // of the latest record
	pending   map[rowKey]*tally.Sums
	rows      map[rowKey]*row
	turn      int // counts flushes
	rev       int64
	revs      map[entityID]int64
	written   state // what the store has of state
	commit    func(*badger.Txn) error

	records atomic.Int64 // kept; for Status
}

var _ storage.Store = (*Store)(nil)

type entityID struct {
	kind tally.EntityKind
	id   tally.ID
}

// Reserve implements storage.Meter.
func (s *Store) Reserve(ctx context.Context, r tally.Reservation) (tally.Grant, error) {
	if err := ctx.Err(); err != nil {
		return tally.Grant{}, err
	}
	if err := ledger.Check(&r); err != nil {
		return tally.Grant{}, err
	}
	if !s.admitting.Load() {
		return tally.Grant{}, diskFull()
	}
	for {
		h, grant, lacking, err := s.ledger.Reserve(&r)
		if err != nil {
			return tally.Grant{}, err
		}
		if h == nil {
			if err := s.adopt(lacking); err != nil {
				return tally.Grant{}, err
			}
			continue
		}
		j := newJob(jobHold)
		j.hold = h
		if err := s.send(j); err != nil {
			s.ledger.Drop(r.ID)
			return tally.Grant{}, err
		}
		return grant, nil
	}
}

// Settle implements storage.Meter.
func (s *Store) Settle(ctx context.Context, in tally.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := newJob(jobSettle)
	j.id, j.record = in.ID, in.Record
	return s.send(j)
}

// Refuse implements storage.Meter.
func (s *Store) Refuse(ctx context.Context, r tally.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !r.Outcome.Refused() || r.ID == "" || r.At.IsZero() {
		return tally.Errorf(tally.Invalid, "record %s is not of a refusal", r.ID)
	}
	j := newJob(jobRefuse)
	j.record = r
	return s.send(j)
}

// Extend implements storage.Meter. A deadline concerns this process only, so it
// is not written.
func (s *Store) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.ledger.Extend(id, until)
}

// Expire implements storage.Meter.
func (s *Store) Expire(ctx context.Context, now time.Time, most int) (int, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	n := 0
	for _, id := range s.ledger.Overdue(now, most) {
		j := newJob(jobLose)
		j.id, j.now = id, now
		switch err := s.send(j); {
		case err == nil:
			n++
		case tally.CodeOf(err) != tally.NotFound: // that one was settled just now
			return n, err
		}
	}
	return n, nil
}

// Usage implements storage.Meter.
func (s *Store) Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	out := make([]tally.Usage, len(counters))
	for i, c := range counters {
		if c.Metric.Index() < 0 {
			return nil, tally.Errorf(tally.Invalid, "%q is not a metric", c.Metric)
		}
		var ok bool
		if out[i], ok = s.ledger.Usage(c); ok {
			continue
		}
		err := s.exclusively(func() error {
			if out[i], ok = s.ledger.Usage(c); ok {
				return nil
			}
			used, err := s.seed(c)
			out[i] = tally.Usage{Used: used, Held: s.ledger.Held(c)}
			if err == nil && c.Period.Contains(s.ledger.Seen()) {
				s.ledger.Adopt(c, used)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// adopt makes the ledger count on counters it has not met yet.
func (s *Store) adopt(counters []tally.Counter) error {
	return s.exclusively(func() error {
		for _, c := range counters {
			used, err := s.seed(c)
			if err != nil {
				return err
			}
			s.ledger.Adopt(c, used)
		}
		return nil
	})
}

// LastUsed implements storage.Meter.
func (s *Store) LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	out := make([]time.Time, len(subjects))
	for i, subject := range subjects {
		out[i] = s.ledger.LastUsed(subject)
	}
	return out, nil
}

// Holds implements storage.Meter.
func (s *Store) Holds(ctx context.Context) (int, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	return s.ledger.Holds(), nil
}

// Status implements storage.Store.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	if err := s.open(ctx); err != nil {
		return storage.Status{}, err
	}
	return storage.Status{
		Records: s.records.Load(), LastSeen: s.ledger.Seen(), DiskBytes: folderBytes(s.opts.Dir),
		FreeBytes: s.free.Load(), Admitting: s.admitting.Load(),
	}, nil
}

// Backup implements storage.Store. What it writes is what badger.Load reads.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.exclusively(s.flush); err != nil {
		return err
	}
	if _, err := s.db.Backup(w, 0); err != nil {
		return tally.Errorf(tally.Internal, "write the backup: %w", err)
	}
	return nil
}

// open says whether the store can be used.
func (s *Store) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return errClosed()
	}
	return nil
}

func errClosed() error { return tally.Errorf(tally.Unavailable, "the store is closed") }

// Close implements storage.Store.
func (s *Store) Close() error {
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return nil
	}
	s.closed = true
	close(s.jobs)
	close(s.stop)
	s.closing.Unlock()
	s.writing.Wait()
	err := s.flush()
	if !s.admitting.Load() {
		dropBallast(s.opts.Dir)
	}
	if closed := s.db.Close(); err == nil && closed != nil {
		err = tally.Errorf(tally.Internal, "close the store: %w", closed)
	}
	return err
}
