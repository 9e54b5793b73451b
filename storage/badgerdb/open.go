package badgerdb

import (
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

// schema is the version of everything in the store.
const schema = 1

// lockPatience is how long another process is waited for: after a kill the
// system frees its lock 50 to 70 ms late.
const lockPatience = 3 * time.Second

// Open opens the store in a folder, or makes one. The folder must belong to
// this user alone; the error is InUse if another process has it open, Denied if
// others can reach it, Invalid if it holds something else, Corrupt if what it
// holds is damaged. Holds of an earlier process are there, overdue.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if err := prepare(o.Dir); err != nil {
		return nil, err
	}
	s := &Store{
		opts: o, log: o.Logger, ledger: ledger.New(), jobs: make(chan *job, 256), stop: make(chan struct{}),
		pending: map[rowKey]*tally.Sums{}, rows: map[rowKey]*row{}, revs: map[entityID]int64{},
		commit: (*badger.Txn).Commit,
	}
	s.guard()
	if s.free.Load() < minOpenFree && !s.admitting.Load() {
		return nil, diskFull()
	}
	if err := s.openBadger(ctx); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if s.admitting.Load() {
		makeBallast(o.Dir)
	}
	s.writing.Add(2)
	go s.write()
	go s.sync()
	return s, nil
}

// prepare makes the folder, or looks whether it is fit for a store.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return tally.Errorf(tally.Denied, "make the folder of the store: %w", err)
		}
		return nil
	case err != nil:
		return tally.Errorf(tally.Denied, "look at the folder of the store: %w", err)
	}
	if err := checkPrivate(dir); err != nil {
		return err
	}
	ours := false
	var strange string
	for _, e := range entries {
		if e.Name() == "KEYREGISTRY" || e.Name() == "MANIFEST" || known(e.Name()) {
			ours = true
		} else {
			strange = e.Name()
		}
	}
	if strange != "" && !ours {
		return tally.Errorf(tally.Invalid, "%s holds something else: %s", dir, strange).WithHint("choose an empty folder with --data")
	}
	return nil
}

// known reports whether a file is one that Badger or this package makes.
func known(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".vlog", ".mem":
		return true
	}
	return name == "DISCARD" || name == "LOCK" || name == ballastName
}

// mend removes files of no bytes: a process killed as it made one leaves them,
// and Badger does not open with them.
func mend(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() == 0 && (strings.HasSuffix(e.Name(), ".vlog") || strings.HasSuffix(e.Name(), ".mem")) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
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
		switch {
		case err == nil:
			return nil
		case !locked(err):
			return tally.Errorf(tally.Corrupt, "the store in %s does not open: %w", s.opts.Dir, err).WithHint("restore a backup; keep the folder until you have")
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

// locked reports whether an error says that another process holds the folder.
func locked(err error) bool {
	return errors.Is(err, errLocked) || strings.Contains(err.Error(), "Cannot acquire directory lock")
}

func (s *Store) badgerOptions() badger.Options {
	const mb = 1 << 20
	o := badger.DefaultOptions(s.opts.Dir).
		WithLogger(badgerLog{s.log}).WithLoggingLevel(badger.WARNING).
		WithMemTableSize(8 * mb).WithNumMemtables(2).WithBlockCacheSize(8 * mb).WithIndexCacheSize(8 * mb).
		WithBaseTableSize(4 * mb).WithBaseLevelSize(32 * mb).WithBlockSize(16 << 10).
		WithNumLevelZeroTables(4).WithNumLevelZeroTablesStall(12).WithNumCompactors(2).
		WithCompression(options.Snappy).WithValueLogFileSize(16 * mb).WithValueThreshold(512 << 10).
		WithDetectConflicts(false).WithMetricsEnabled(false).WithCompactL0OnClose(false)
	o.TableSizeMultiplier = 1 // 2 gives compactions a heap of hundreds of megabytes
	if s.opts.Profile == Server {
		o = o.WithMemTableSize(32 * mb).WithNumMemtables(3).WithBlockCacheSize(64 * mb).WithIndexCacheSize(32 * mb)
	}
	return o
}

// recover reads what the store knows, counts the records that came after the
// last flush, and puts orphaned holds back.
func (s *Store) recover() error {
	err := s.db.View(func(txn *badger.Txn) error {
		fresh, err := s.checkSchema(txn)
		if fresh || err != nil {
			return err
		}
		if s.written, err = readState(txn); err != nil {
			return err
		}
		s.seq, s.pruned = s.written.seq, s.written.pruned
		s.ledger.See(s.written.seen)
		if err := s.readUses(txn); err != nil {
			return err
		}
		if err := s.readSessions(txn); err != nil {
			return err
		}
		if err := s.readRevs(txn); err != nil {
			return err
		}
		if err := s.replay(txn); err != nil {
			return err
		}
		return s.readHolds(txn)
	})
	if err != nil {
		return err
	}
	s.records.Store(int64(s.seq - s.pruned))
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.Set(keySchema, seal(keySchema, []byte{schema})) }); err != nil {
		return tally.Errorf(tally.Unavailable, "the store cannot write: %w", err)
	}
	return s.flush()
}

// checkSchema reports whether the store is new, and refuses one of another
// version.
func (s *Store) checkSchema(txn *badger.Txn) (fresh bool, err error) {
	payload, err := get(txn, keySchema)
	switch {
	case err != nil:
		return false, err
	case payload == nil:
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		if it.Rewind(); it.Valid() {
			return false, tally.Errorf(tally.Corrupt, "the store in %s does not say what it is", s.opts.Dir).WithHint("restore a backup")
		}
		return true, nil
	case len(payload) != 1 || payload[0] != schema:
		return false, tally.Errorf(tally.Invalid, "the store in %s is of another version of tallygate", s.opts.Dir).WithHint("use the version that made it")
	}
	return false, nil
}

// get reads a value, nil if there is none.
func get(txn *badger.Txn, key []byte) (payload []byte, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, tally.Errorf(tally.Corrupt, "read %s: %w", keyText(key), err)
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, tally.Errorf(tally.Corrupt, "read %s: %w", keyText(key), err)
	}
	return unseal(key, v)
}

// each calls f with every entry of a table, in the order of keys.
func each(txn *badger.Txn, prefix []byte, f func(key, payload []byte) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = prefix
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		err := it.Item().Value(func(v []byte) error {
			payload, err := unseal(key, v)
			if err != nil {
				return err
			}
			return f(key, payload)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readState(txn *badger.Txn) (state, error) {
	payload, err := get(txn, keyState)
	if err != nil || payload == nil {
		return state{}, err
	}
	return decodeState(payload)
}

func (s *Store) readUses(txn *badger.Txn) error {
	return each(txn, []byte{tableUse}, func(key, payload []byte) error {
		r := reader{b: payload}
		s.ledger.Restore(ledger.Use{Subject: tally.Subject(key[1:]), At: r.time()})
		return r.end("a last use")
	})
}

func (s *Store) readSessions(txn *badger.Txn) error {
	return each(txn, []byte{tableSession}, func(key, payload []byte) error {
		client, member, _ := strings.Cut(string(key[1:]), "\x00")
		r := reader{b: payload}
		s.ledger.RestoreSession(ledger.Session{Client: tally.ID(client), Member: member, Ends: r.time()})
		return r.end("a session")
	})
}

func (s *Store) readHolds(txn *badger.Txn) error {
	return each(txn, []byte{tableHold}, func(_, payload []byte) error {
		h, err := decodeHold(payload)
		if err == nil {
			s.ledger.Orphaned(h)
		}
		return err
	})
}

// replay counts the records behind the last flush.
func (s *Store) replay(txn *badger.Txn) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{tableRecord}
	it := txn.NewIterator(o)
	defer it.Close()
	// Records are ordered by day and number, and a flush is about a second old:
	// the day of its clock is at most the day of the first record behind it.
	start := []byte{tableRecord}
	if seen := s.written.seen; !seen.IsZero() {
		start = recordKey(dayOf(seen.Add(-48*time.Hour)), s.written.seq+1)
	}
	for it.Seek(start); it.Valid(); it.Next() {
		_, seq, ok := parseRecordKey(it.Item().Key())
		if !ok {
			return tally.Errorf(tally.Corrupt, "a record has a malformed key")
		}
		if seq <= s.written.seq {
			s.settledAt = later(s.settledAt, s.written.seen)
			continue
		}
		settledAt, r, err := readRecord(it.Item())
		if err != nil {
			return err
		}
		s.seq, s.settledAt = max(s.seq, seq), later(s.settledAt, settledAt)
		s.ledger.Replay(&r)
		s.ledger.See(settledAt)
		if err := s.recount(&r); err != nil {
			return err
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// readRecord reads a record and when it was settled.
func readRecord(item *badger.Item) (settledAt time.Time, out tally.Record, err error) {
	key := item.Key()
	err = item.Value(func(v []byte) error {
		payload, err := unseal(key, v)
		if err != nil {
			return err
		}
		r := reader{b: payload}
		settledAt = r.time()
		r.record(&out)
		return r.end(keyText(key))
	})
	return settledAt, out, err
}

// badgerLog hands Badger's log to ours.
type badgerLog struct{ log *slog.Logger }

func (b badgerLog) Errorf(f string, a ...any)   { b.log.Error("badger", "msg", line(f, a)) }
func (b badgerLog) Warningf(f string, a ...any) { b.log.Warn("badger", "msg", line(f, a)) }
func (b badgerLog) Infof(f string, a ...any)    { b.log.Debug("badger", "msg", line(f, a)) }
func (b badgerLog) Debugf(f string, a ...any)   { b.log.Debug("badger", "msg", line(f, a)) }

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
