package badgerdb

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Records implements storage.History.
func (s *Store) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	list, next, err := s.Page(ctx, q)
	if len(list) == 0 {
		return nil, next, err
	}
	out := make([]tally.Record, len(list))
	for i := range list {
		out[i] = list[i].Record
	}
	return out, next, err
}

// Page is Records with what is kept of each. A cursor is "day.seq" of the last record of the
// page.
func (s *Store) Page(ctx context.Context, q storage.RecordQuery) ([]Kept, string, error) {
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
	if q.ID != "" && q.After == "" {
		if x, day, err := s.lookUp(ctx, q.ID); err != nil {
			return nil, "", err
		} else if x != nil {
			if !q.Match(&x.Record) {
				return nil, "", nil
			}
			return []Kept{x.kept(day)}, "", nil
		}
	}
	until := q.Until
	if until.IsZero() {
		until = tally.Never
	}
	var out []Kept
	var next string
	var failed error
	behind, end := s.durable.Load(), s.committed.Load()
	err = s.db.View(func(txn *badger.Txn) error {
		return s.admitted(txn, from, end, 0, s.search(txn, &q, behind), q.Since, until, func(day uint32, x *entry) bool {
			switch {
			case ctx.Err() != nil:
				return false
			case !q.Match(&x.Record):
				return true
			case len(out) == q.Limit:
				next = out[len(out)-1].Cursor()
				return false
			}
			if failed = x.detail(txn); failed != nil {
				return false
			}
			out = append(out, x.kept(day))
			return q.ID == "" // there is one of an ID
		})
	})
	if err = cmp.Or(err, failed, context.Cause(ctx)); err != nil {
		return nil, "", err
	}
	return out, next, nil
}

// lookUp finds a record by the time that its ID tells: the record was settled on that day
// or soon after. It returns nil if the record is not there. Not every ID tells a time.
// There is no index of IDs, since it would be as large as the records.
func (s *Store) lookUp(ctx context.Context, id tally.ID) (found *entry, day uint32, err error) {
	made, ok := timeOf(id)
	if !ok {
		return nil, 0, nil
	}
	made = made.Add(-time.Minute) // the ID may be older than the admission, not newer
	err = s.db.View(func(txn *badger.Txn) error {
		return s.forwards(txn, recordKey(dayOf(made), 0), func(b *block) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			for i := range b.entries {
				if x := &b.entries[i]; x.ID == id {
					if err := x.detail(txn); err != nil {
						return err
					}
					found, day = x, b.day
					return errFound
				}
			}
			if b.day > dayOf(made)+1 {
				return errFound
			}
			return nil
		})
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, day, err
}

// errFound ends a search.
var errFound = errors.New("found")

// timeOf is when an ID was made, as far as it tells.
func timeOf(id tally.ID) (time.Time, bool) {
	digits := len(id) - idDigits
	if digits < 1 || id[digits-1] != '_' {
		return time.Time{}, false
	}
	ms := int64(0)
	for _, c := range []byte(id[digits : digits+10]) {
		v := crockfordValue[c]
		if v == 255 {
			return time.Time{}, false
		}
		ms = ms<<5 | int64(v)
	}
	return time.UnixMilli(ms), true
}

func parseCursor(text string) (day uint32, seq uint64, ok bool) {
	a, b, _ := strings.Cut(text, ".")
	d, err1 := strconv.ParseUint(a, 10, 32)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return uint32(d), n, err1 == nil && err2 == nil && n > 0
}

// backwards calls f with the records from a key back to the oldest, until f returns false,
// except for those that a search passes over. A nil key means the latest record, which is
// end at least; end must have been read before the transaction began. The record is f's
// until f returns, what the record points to for good. The error is Corrupt if a record is
// missing on the way.
func (s *Store) backwards(txn *badger.Txn, from []byte, end uint64, by *search, f func(day uint32, x *entry) bool) error {
	last := uint64(math.MaxUint64)
	if from == nil {
		from = recordKey(math.MaxUint32, math.MaxUint64)
	} else {
		_, last, _ = parseRecordKey(from)
		end = last
	}
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true})
	defer it.Close()
	b := block{thin: s.thin.Load()}
	// The next block should reach up to the record expected, and should not lie above last.
	expected, highest := end, last
	for it.Seek(from); it.ValidForPrefix([]byte{tableRecord}); it.Next() {
		day, first, ok := parseRecordKey(it.Item().Key())
		for ok && by != nil && (first > highest || by.without(first, highest)) {
			if first <= highest {
				if highest = by.before(first); highest == 0 {
					return nil
				}
				expected = highest
			}
			// The record numbered highest is of this day or of an earlier one. In the
			// latter case the seek leads to the end of the earlier day.
			if it.Seek(recordKey(day, highest)); !it.ValidForPrefix([]byte{tableRecord}) {
				return s.missing(0, expected)
			}
			day, first, ok = parseRecordKey(it.Item().Key())
		}
		more := true
		err := it.Item().Value(func(v []byte) error {
			if err := b.open(it.Item().Key(), v); err != nil {
				return err
			}
			if b.last() < expected {
				return s.missing(b.last(), expected)
			}
			for i := len(b.entries) - 1; i >= 0 && more; i-- {
				if x := &b.entries[i]; x.Seq <= last {
					more = f(b.day, x)
				}
			}
			return nil
		})
		if err != nil || !more {
			return err
		}
		highest = first - 1
		expected = highest
	}
	return s.missing(0, expected)
}

// missing says that the records behind one and up to another are not there, unless those
// were pruned.
func (s *Store) missing(behind, last uint64) error {
	kept := uint64(s.records.Load()) // first: more may come meanwhile
	behind = max(behind, s.committed.Load()-kept)
	if behind >= last {
		return nil
	}
	return corrupt("the store has lost records: %d to %d are missing", behind+1, last)
}

// forwards calls f with the blocks of records from a key on.
func (s *Store) forwards(txn *badger.Txn, from []byte, f func(*block) error) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRecord}})
	defer it.Close()
	b := block{thin: s.thin.Load()}
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
