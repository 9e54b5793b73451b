package badgerdb

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// What went wrong with attempts is kept apart from their record, because it is
// forgotten before it: it may quote a prompt. So the day in a key is that of the
// request; the days of records can be far ahead of it (clock.go). A value lists the
// attempts' details in their order.

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

// Forget implements storage.History. Like the records of a day, the details of one
// are dropped whole, which gives their room back to the disk.
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

func (s *Store) forget(ctx context.Context, before time.Time) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var day uint32
		found := false
		err := s.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableDetail}})
			defer it.Close()
			if it.Rewind(); it.Valid() {
				k := it.Item().Key()
				if len(k) != len(detailKey(0, 0)) {
					return corrupt("a detail of attempts has a malformed key")
				}
				day, found = binary.BigEndian.Uint32(k[1:]), true
			}
			return nil
		})
		if err != nil || !found || day >= dayOf(before) {
			return err
		}
		err = s.queue.alone(func() error {
			if err := s.db.DropPrefix(detailDay(day)); err != nil {
				return cannotDelete(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func cannotDelete(err error) error {
	return tally.Errorf(tally.Unavailable, "the store cannot delete: %w", err)
}
