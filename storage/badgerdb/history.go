package badgerdb

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Records implements storage.History. A cursor is "day.seq" of the last record
// of the page.
func (s *Store) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, "", tally.Errorf(tally.Invalid, "a page has 1 to 1,000 records, not %d", q.Limit)
	}
	var from []byte
	if q.After != "" {
		day, seq, ok := parseCursor(q.After)
		if !ok {
			return nil, "", tally.Errorf(tally.Invalid, "%q is not a cursor", q.After)
		}
		from = recordKey(day, seq-1)
	}
	var out []tally.Record
	var last, next string
	err = s.db.View(func(txn *badger.Txn) error {
		return backwards(txn, from, func(day uint32, x *entry) bool {
			switch {
			case ctx.Err() != nil:
				return false
			case !q.Since.IsZero() && x.settledAt.Before(q.Since):
				return false // nor was anything older admitted since
			case !q.Match(&x.Record):
				return true
			case len(out) == q.Limit:
				next = last
				return false
			}
			out, last = append(out, x.Record), strconv.FormatUint(uint64(day), 10)+"."+strconv.FormatUint(x.Seq, 10)
			return q.ID == "" // there is one of an ID
		})
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, "", err
	}
	return out, next, nil
}

func parseCursor(text string) (day uint32, seq uint64, ok bool) {
	a, b, _ := strings.Cut(text, ".")
	d, err1 := strconv.ParseUint(a, 10, 32)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return uint32(d), n, err1 == nil && err2 == nil && n > 0
}

// backwards calls f with the records from a key back to the oldest, until f
// returns false. A nil key means the latest. The record is f's until it returns,
// what it points to for good.
func backwards(txn *badger.Txn, from []byte, f func(day uint32, x *entry) bool) error {
	last := uint64(math.MaxUint64)
	if from == nil {
		from = recordKey(math.MaxUint32, math.MaxUint64)
	} else {
		_, last, _ = parseRecordKey(from)
	}
	o := badger.DefaultIteratorOptions
	o.Reverse = true
	it := txn.NewIterator(o)
	defer it.Close()
	var b block
	var x entry
	for it.Seek(from); it.ValidForPrefix([]byte{tableRecord}); it.Next() {
		more := true
		err := it.Item().Value(func(v []byte) error {
			if err := b.open(it.Item().Key(), v); err != nil {
				return err
			}
			for i := len(b.entries) - 1; i >= 0 && more; i-- {
				if b.first+uint64(i) > last {
					continue
				}
				if err := b.read(i, &x); err != nil {
					return err
				}
				more = f(b.day, &x)
			}
			return nil
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// forwards calls f with the blocks of records from a key on.
func forwards(txn *badger.Txn, from []byte, f func(*block) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{tableRecord}
	it := txn.NewIterator(o)
	defer it.Close()
	var b block
	for it.Seek(from); it.Valid(); it.Next() {
		err := it.Item().Value(func(v []byte) error {
			if err := b.open(it.Item().Key(), v); err != nil {
				return err
			}
			return f(&b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
