package badgerdb

import (
	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// raised is rows that are brought up in memory. Records are counted in them that the rows
// on the disk do not have yet, after a crash or in an upgrade.
type raised struct {
	keys func(rowKey) [][]byte // of the rows that a 15-minute row's records are counted in
	rows map[string]*row       // by key; nil for one that is damaged
	of   map[combination][]*row
}

func newRaised(keys func(rowKey) [][]byte) raised {
	return raised{keys: keys, rows: map[string]*row{}, of: map[combination][]*row{}}
}

// count counts a record in its rows, except for rows that have it already: a part of what
// is being written may have been written before a crash.
func (t *raised) count(txn *badger.Txn, r *tally.Record) error {
	var failed error
	combinations(r, func(c combination) {
		rows, ok := t.of[c]
		if !ok {
			var err error
			if rows, err = t.find(txn, &c); err != nil {
				failed = err
				return
			}
			t.of[c] = rows
		}
		for _, x := range rows {
			if x != nil && r.Seq > x.through {
				x.sums.Count(r)
			}
		}
	})
	return failed
}

// find returns the rows of a combination.
func (t *raised) find(txn *badger.Txn, c *combination) (rows []*row, err error) {
	c.rows(func(k rowKey) {
		for _, key := range t.keys(k) {
			x, known := t.rows[string(key)]
			if !known {
				x = &row{}
				switch failed := readRow(txn, key, x); {
				case tally.CodeOf(failed) == tally.Corrupt:
					x = nil // the row stays damaged, so that whoever asks for it is told
				case failed != nil:
					err = failed
					return
				}
				t.rows[string(key)] = x
			}
			rows = append(rows, x)
		}
	})
	return rows, err
}

// save writes rows that count up to a record.
func (s *Store) save(t *raised, through uint64) error {
	w := s.slices()
	defer w.discard()
	for key, x := range t.rows {
		if x == nil {
			continue
		}
		var e encoder
		e.sums(max(through, x.through), &x.sums)
		if err := w.set([]byte(key), e.b); err != nil {
			return err
		}
	}
	return w.commit()
}

// sliced writes many values, a slice of them in a transaction.
type sliced struct {
	s   *Store
	txn *badger.Txn
	n   int
}

func (s *Store) slices() *sliced { return &sliced{s: s, txn: s.db.NewTransaction(true)} }

func (w *sliced) set(key, payload []byte) error {
	if err := w.txn.Set(key, seal(key, payload)); err != nil {
		return cannotWrite(err)
	}
	return w.next()
}

// next counts a value, and ends the slice once it is full.
func (w *sliced) next() error {
	if w.n++; w.n%sliceEntries != 0 {
		return nil
	}
	if err := w.commit(); err != nil {
		return err
	}
	w.txn = w.s.db.NewTransaction(true)
	return nil
}

func (w *sliced) commit() error {
	if err := w.s.commit(w.txn); err != nil {
		return cannotWrite(err)
	}
	return nil
}

func (w *sliced) discard() { w.txn.Discard() }
