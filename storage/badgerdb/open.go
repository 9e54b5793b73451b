package badgerdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// lockPatience is how long Open waits for another process: after a kill, the system frees
// the lock of that process 50 to 70 ms late.
const lockPatience = 3 * time.Second

// Open opens the store in a folder, or makes one. The folder must belong to this user
// alone. The error is InUse if another process has the store open, Denied if others can
// reach it, Invalid if the folder holds something else or is of a newer program, Corrupt if
// what it holds is damaged. Holds of an earlier process are in the opened store, and are
// overdue.
func Open(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, (*badger.Txn).Commit)
}

func open(ctx context.Context, o Options, commit func(*badger.Txn) error) (*Store, error) {
	s, err := newStore(ctx, o, commit)
	if err != nil {
		return nil, err
	}
	if !o.Reads {
		s.takeSpace()
	}
	if err := s.recover(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.running.Add(2)
	go s.write()
	go s.keep()
	return s, nil
}

// newStore opens Badger.
func newStore(ctx context.Context, o Options, commit func(*badger.Txn) error) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ledger == nil {
		o.Ledger = ledger.New()
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	o.chunkBits, o.upgradeRecords, o.times = cmp.Or(o.chunkBits, chunkBits), cmp.Or(o.upgradeRecords, upgradeRecords), cmp.Or(o.times, usualTimes)
	if err := prepare(o.Dir); err != nil {
		return nil, err
	}
	s := &Store{
		broken: make(chan struct{}), dirty: make(chan struct{}, 1),
		opts: o, log: o.Logger, ledger: o.Ledger, queue: newQueue(),
		fresh: sheet{}, presence: newPresence(o.chunkBits), revs: map[entityID]int64{}, complaints: map[string]string{}, commit: commit,
	}
	s.coarse.Store(&coarse{})
	s.thin.Store(&thin{})
	s.life, s.endLife = context.WithCancel(context.Background())
	s.look()
	if err := s.Fault(); err != nil {
		return nil, tally.Errorf(tally.Unavailable, "look at the disk of the store: %w", err)
	}
	if free := s.free.Load(); !s.admitting.Load() && free < minOpenFree {
		return nil, diskFull()
	}
	closed := wasClosed(o.Dir)
	if err := s.openBadger(ctx); err != nil {
		return nil, err
	}
	if o.Reads && !closed {
		s.log.Warn("the store was not closed: to be read, its files are brought in order as its owner would; nothing is settled or pruned", "folder", o.Dir)
	}
	return s, nil
}

func (s *Store) openBadger(ctx context.Context) error {
	until := time.Now().Add(lockPatience)
	for {
		unlock, err := lockFolder(s.opts.Dir)
		if err == nil {
			err = mend(s.opts.Dir)
			unlock()
		}
		if err == nil {
			s.db, err = badger.Open(s.badgerOptions())
		}
		if err != nil && !locked(err) {
			err = cmp.Or(denied(s.opts.Dir), err)
		}
		switch {
		case err == nil:
			return nil
		case tally.CodeOf(err) == tally.Corrupt:
			return err
		case errors.Is(err, fs.ErrPermission):
			return tally.Errorf(tally.Denied, "the store in %s has files that this user may not use: %w", s.opts.Dir, err).
				WithHint("another user has run a command on it: give all files below it to the user who runs this")
		case !locked(err):
			return tally.Errorf(tally.Corrupt, "the store in %s does not open: %w", s.opts.Dir, err).WithHint("restore a backup (tallygate backup restore BACKUPS --to NEW-DIR); keep the folder until you have")
		case time.Now().After(until):
			return tally.Errorf(tally.InUse, "another process uses the store in %s", s.opts.Dir).WithHint("stop it, or choose another folder with --data")
		}
		select {
		case <-ctx.Done():
			return tally.Errorf(tally.Unavailable, "the store was not waited for: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// denied is why a file of the store may not be used by this user, nil if all files may be.
// Not every error of Badger's says that this is the cause.
func denied(dir string) error {
	files, _ := os.ReadDir(dir) // an error here is another's to tell
	for _, file := range files {
		f, err := os.OpenFile(filepath.Join(dir, file.Name()), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err == nil {
			f.Close() // nothing was written
		}
	}
	return nil
}

// locked reports whether an error says that another process holds the folder.
func locked(err error) bool {
	return errors.Is(err, errLocked) || strings.Contains(err.Error(), "Another process is using this Badger database")
}

func (s *Store) badgerOptions() badger.Options {
	const mb = 1 << 20
	// A compaction of level 0 holds six times the size of the tables it writes.
	// It writes the base level again, so that is no larger than what comes in.
	o := badger.DefaultOptions(s.opts.Dir).
		WithLogger(badgerLog{s.log}).
		WithMemTableSize(8 * mb).WithNumMemtables(2).WithBlockCacheSize(8 * mb).WithIndexCacheSize(8 * mb).
		WithBaseTableSize(4 * mb).WithBaseLevelSize(12 * mb).WithBlockSize(16 << 10).
		WithNumLevelZeroTables(4).WithNumLevelZeroTablesStall(12).WithNumCompactors(2).
		WithCompression(options.Snappy).WithValueLogFileSize(16 * mb).WithValueThreshold(512 << 10).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithDetectConflicts(false).WithMetricsEnabled(false).WithCompactL0OnClose(false).
		WithSyncWrites(s.opts.Durability == Strict)
	o.TableSizeMultiplier = 1 // 2 gives compactions a heap of hundreds of megabytes
	const largest = 16 * mb
	if s.opts.Profile == Server {
		o = o.WithMemTableSize(largest).WithBlockCacheSize(32 * mb).WithIndexCacheSize(32 * mb)
	}
	// Memtables that a killed process has left may be of any profile, and one that has no room
	// for them ends the process that opens them.
	if !wasClosed(s.opts.Dir) {
		o = o.WithMemTableSize(largest)
	}
	return o
}

// keep looks after the store. It looks at the disk, brings to the disk what was committed,
// and lets the writer know the time.
func (s *Store) keep() {
	defer s.running.Done()
	ticker := time.NewTicker(s.opts.times.look)
	defer ticker.Stop()
	pause := time.NewTimer(s.opts.times.quiet)
	defer pause.Stop()
	for second := false; ; {
		select {
		case <-s.life.Done():
			return
		case <-s.dirty:
			pause.Reset(s.opts.times.quiet)
			continue
		case <-pause.C:
			if more := s.busy(); more > 0 {
				pause.Reset(more)
				continue
			}
		case <-ticker.C:
			if s.look(); !s.opts.Reads {
				s.takeSpace()
				if s.fit() == nil {
					makeBallast(s.opts.Dir)
				}
			}
			if second = !second; second {
				s.queue.second()
			}
		}
		if s.claim() {
			s.running.Go(func() { s.sync(s.queue.alone) }) // a sync may hang
		}
	}
}

// badgerLog hands Badger's log to ours. What Badger does as a matter of course is logged
// for those who debug. Badger's own debugging, some lines for each transaction, is not
// logged.
type badgerLog struct{ log *slog.Logger }

func (b badgerLog) Errorf(f string, a ...any)   { b.tell(slog.LevelError, f, a) }
func (b badgerLog) Warningf(f string, a ...any) { b.tell(slog.LevelWarn, f, a) }
func (b badgerLog) Infof(f string, a ...any)    { b.tell(slog.LevelDebug, f, a) }
func (b badgerLog) Debugf(string, ...any)       {}

func (b badgerLog) tell(level slog.Level, f string, a []any) {
	if ctx := context.Background(); b.log.Enabled(ctx, level) {
		b.log.Log(ctx, level, "badger", "says", strings.TrimSpace(fmt.Sprintf(f, a...)))
	}
}
