package badgerdb

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// What went wrong with attempts is kept apart from their record, because it may quote a
// prompt and is forgotten earlier than the record. So the day in a key is that of the
// request: the days of records can be far ahead of it (clock.go). A value lists the details
// of the attempts in the order of the attempts.

// detailsOf is the payload for a record.
func detailsOf(r *tally.Record) []byte {
	var e encoder
	for i := range r.Tries {
		e.text(r.Tries[i].Detail)
	}
	return e.b
}

// detail fills in the details of a record that was read, if they are kept.
func (x *entry) detail(txn *badger.Txn) error {
	if len(x.Tries) == 0 {
		return nil
	}
	key := detailKey(dayOf(x.At), x.Seq)
	payload, err := get(txn, key)
	if err != nil || payload == nil {
		return err
	}
	d := decoder{b: payload}
	for i := range x.Tries {
		x.Tries[i].Detail = d.text()
	}
	return d.end(keyText(key))
}

// Forget implements storage.History. The details of a day are dropped whole, like its
// records, which gives their room back to the disk. If they were deleted key by key, they
// would stay in Badger's files until a compaction comes that way.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.pruning.Lock()
	defer s.pruning.Unlock()
	return s.forget(ctx, before)
}

// forget drops all the days in one removal. Each removal writes what is in memory to the
// disk and compacts the first level, however little is dropped, and nobody is admitted
// meanwhile.
func (s *Store) forget(ctx context.Context, before time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	days, err := s.detailDays(dayOf(before))
	if err != nil || len(days) == 0 {
		return err
	}
	return s.queue.alone(func() error {
		if err := s.db.DropPrefix(days...); err != nil {
			return cannotDelete(err)
		}
		return nil
	})
}

// detailDays are the prefixes of the days before a horizon that have details.
func (s *Store) detailDays(horizon uint32) (days [][]byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableDetail}})
		defer it.Close()
		for it.Rewind(); it.Valid(); {
			k := it.Item().Key()
			if len(k) != len(detailKey(0, 0)) {
				return corrupt("a detail of attempts has a malformed key")
			}
			day := binary.BigEndian.Uint32(k[1:])
			if day >= horizon {
				return nil
			}
			days = append(days, detailDay(day))
			it.Seek(detailDay(day + 1))
		}
		return nil
	})
	return days, err
}

func cannotDelete(err error) error {
	return tally.Errorf(tally.Unavailable, "the store cannot delete: %w", err)
}
