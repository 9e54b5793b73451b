package badgerdb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

// keyID says which store this is, so that nobody takes the backups of another one for its
// own. A store that nobody has backed up has none.
var keyID = []byte("!id")

// A backup rests after a bit of work, so that requests get the disk and the processor.
const (
	backupWork = 2 * time.Millisecond
	backupRest = 8 * time.Millisecond
)

// Backup implements storage.Store. It writes the store as it is at one instant, in the form
// that [Restore] reads. Requests go on meanwhile.
func (s *Store) Backup(ctx context.Context, since *backup.Info, w io.Writer) (backup.Info, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return backup.Info{}, err
	}
	defer done()
	s.pruning.RLock()
	defer s.pruning.RUnlock()
	info := backup.Info{ID: backup.NewID("bk"), Schema: Schema, Version: s.opts.Version, At: time.Now().UTC()}
	var txn *badger.Txn
	err = s.queue.alone(func() error {
		if err := s.completeCheckpoint(); err != nil {
			return err
		}
		if info.Store, err = s.identity(); err != nil {
			return err
		}
		txn, info.Records = s.db.NewTransaction(false), s.end.seq
		return nil
	})
	if err != nil {
		return info, err
	}
	defer txn.Discard()
	if since != nil {
		if since.Store != info.Store || since.Records > info.Records {
			return info, tally.Errorf(tally.Conflict, "the backup %s is of another store, or of another past of this one", since.ID).
				WithHint("make a whole one, in a folder of its own")
		}
		info.Base, info.After = since.ID, since.Records
	}
	if err := copyRows(ctx, txn, info, w); err != nil {
		if ctx.Err() != nil {
			return info, context.Cause(ctx)
		}
		return info, tally.Errorf(tally.Internal, "write the backup: %w", err)
	}
	return info, nil
}

// identity is which store this is. It runs in the writer.
func (s *Store) identity() (id string, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		payload, err := get(txn, keyID)
		id = string(payload)
		return err
	})
	if err != nil || id != "" || s.opts.Reads {
		return id, err
	}
	id = backup.NewID("st")
	if err := s.set(keyID, []byte(id)); err != nil {
		return "", cannotWrite(err)
	}
	return id, nil
}

// copyRows writes all rows that a backup has.
func copyRows(ctx context.Context, txn *badger.Txn, info backup.Info, w io.Writer) error {
	out, err := backup.NewWriter(w, info)
	if err != nil {
		return err
	}
	it := txn.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 64})
	defer it.Close()
	worked := time.Now()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		if _, seq, is := parseRecordKey(item.Key()); is {
			if seq <= info.After {
				continue
			}
			out.Blocks++
		}
		if err := item.Value(func(v []byte) error { return out.Row(item.Key(), v) }); err != nil {
			out.Abandon()
			return err
		}
		if time.Since(worked) > backupWork {
			select {
			case <-ctx.Done():
				out.Abandon()
				return ctx.Err()
			case <-time.After(backupRest):
			}
			worked = time.Now()
		}
	}
	return out.Close()
}

// Restore makes a store in a new folder from a backup and those that it goes on from, the
// latest first, under the options with which it would be opened, and verifies the store. The
// error is Conflict if the folder has something in it, Corrupt if a backup is not whole,
// Invalid if one is of a newer program or not the one that the one before it goes on from.
func Restore(ctx context.Context, o Options, from ...io.Reader) (tally.Report, error) {
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return tally.Report{}, tally.Errorf(tally.Conflict, "%s is not empty", o.Dir).WithHint("restore into a new folder")
	}
	report, err := restore(ctx, o, from)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(o.Dir))
	}
	return report, err
}

func restore(ctx context.Context, o Options, from []io.Reader) (tally.Report, error) {
	if err := loadAll(ctx, o, from); err != nil {
		return tally.Report{}, err
	}
	s, err := Open(ctx, o)
	if err != nil {
		return tally.Report{}, err
	}
	report, err := s.Verify(ctx, 0)
	if err == nil && !report.OK {
		err = tally.Errorf(tally.Corrupt, "the backup is damaged: %s", report.Faults[0].Message).WithHint("restore an older one: tallygate backup list DIR")
	}
	return report, errors.Join(err, s.Close())
}

// loadAll fills a new store.
func loadAll(ctx context.Context, o Options, from []io.Reader) error {
	s, err := newStore(ctx, o, nil)
	if err != nil {
		return err
	}
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	var later *backup.Info
	for _, r := range from {
		if later, err = s.loadFrom(ctx, batch, r, later); err != nil {
			return errors.Join(err, s.db.Close())
		}
	}
	if later == nil || !later.Whole() {
		err = tally.Errorf(tally.Invalid, "the backup goes on from another one, which is not given").WithHint("name the folder, or all of them")
	}
	if err == nil { // what it becomes is another store than the one it was
		err = batch.Set(keyID, seal(keyID, []byte(backup.NewID("st"))))
	}
	if err == nil {
		err = batch.Flush()
	}
	return errors.Join(err, s.db.Close())
}

// loadFrom adds the rows of a backup: all of the first one, and of those before it only the
// records that the later one lacks.
func (s *Store) loadFrom(ctx context.Context, batch *badger.WriteBatch, from io.Reader, later *backup.Info) (*backup.Info, error) {
	r, err := backup.NewReader(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	last := uint64(math.MaxUint64)
	if later != nil {
		if r.ID != later.Base {
			return nil, tally.Errorf(tally.Invalid, "the backup %s goes on from %s, not from %s", later.ID, later.Base, r.ID).WithHint("name them in the order of their times, the latest first")
		}
		last = later.After
	} else if r.Schema > Schema {
		return nil, s.tooNew(byte(min(r.Schema, math.MaxUint8)), r.Version)
	}
	for n := 0; ; n++ {
		key, value, err := r.Next()
		if err == io.EOF {
			return &r.Info, nil
		}
		if err == nil && n%1024 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if bytes.Equal(key, keyThinned) {
			continue // records that were taken out of their blocks may come with an older backup
		}
		if later != nil {
			if _, seq, is := parseRecordKey(key); !is || seq > last {
				continue
			}
		}
		if err := batch.Set(append([]byte(nil), key...), append([]byte(nil), value...)); err != nil {
			return nil, cannotWrite(err)
		}
	}
}
