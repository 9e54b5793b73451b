package badgerdb

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Records implements storage.History. A cursor is "day.seq" of the last record
// of the page.
func (s *Store) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	if err := s.open(ctx); err != nil {
		return nil, "", err
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, "", tally.Errorf(tally.Invalid, "a page has 1 to 1,000 records, not %d", q.Limit)
	}
	from := recordKey(math.MaxUint32, math.MaxUint64)
	if q.After != "" {
		day, seq, ok := parseCursor(q.After)
		if !ok {
			return nil, "", tally.Errorf(tally.Invalid, "%q is not a cursor", q.After)
		}
		from = recordKey(day, seq-1)
	}
	var out []tally.Record
	next := ""
	err := s.db.View(func(txn *badger.Txn) error {
		var failed error
		var last string
		err := eachRecordKey(txn, from, func(day uint32, seq uint64, _ time.Time, r *tally.Record) bool {
			if failed = ctx.Err(); failed != nil || !q.Since.IsZero() && day < dayOf(q.Since) {
				return false // older days hold nothing that was admitted since
			}
			if !q.Match(r) {
				return true
			}
			if len(out) == q.Limit {
				next = last
				return false
			}
			out, last = append(out, *r), cursor(day, seq)
			return true
		})
		return cmp.Or(failed, err)
	})
	return out, next, err
}

func cursor(day uint32, seq uint64) string {
	return strconv.FormatUint(uint64(day), 10) + "." + strconv.FormatUint(seq, 10)
}

func parseCursor(text string) (day uint32, seq uint64, ok bool) {
	for i := range len(text) {
		if text[i] != '.' {
			continue
		}
		d, err1 := strconv.ParseUint(text[:i], 10, 32)
		n, err2 := strconv.ParseUint(text[i+1:], 10, 64)
		return uint32(d), n, err1 == nil && err2 == nil && n > 0
	}
	return 0, 0, false
}

// eachRecord calls f with the records from a key back to the oldest, until f
// returns false. A nil key means the latest.
func eachRecord(txn *badger.Txn, from []byte, f func(settledAt time.Time, r *tally.Record) bool) error {
	if from == nil {
		from = recordKey(math.MaxUint32, math.MaxUint64)
	}
	return eachRecordKey(txn, from, func(_ uint32, _ uint64, settledAt time.Time, r *tally.Record) bool { return f(settledAt, r) })
}

func eachRecordKey(txn *badger.Txn, from []byte, f func(day uint32, seq uint64, settledAt time.Time, r *tally.Record) bool) error {
	o := badger.DefaultIteratorOptions
	o.Reverse = true
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Seek(from); it.ValidForPrefix([]byte{tableRecord}); it.Next() {
		day, seq, ok := parseRecordKey(it.Item().Key())
		if !ok {
			return tally.Errorf(tally.Corrupt, "a record has a malformed key")
		}
		settledAt, r, err := readRecord(it.Item())
		if err != nil {
			return err
		}
		if !f(day, seq, settledAt, &r) {
			return nil
		}
	}
	return nil
}

// Series implements storage.History.
func (s *Store) Series(ctx context.Context, q storage.SeriesQuery) ([]storage.Point, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	family := slices.Index(tally.Families, q.Family)
	if family < 0 {
		return nil, tally.Errorf(tally.Invalid, "%q is not a family", q.Family)
	}
	for i, e := range q.Edges {
		if e.UnixNano()%int64(tally.Bucket) != 0 || i > 0 && !e.After(q.Edges[i-1]) {
			return nil, tally.Errorf(tally.Invalid, "the edges of a series ascend and are multiples of 15 minutes")
		}
	}
	var txn *badger.Txn
	err := s.exclusively(func() error {
		if err := s.flush(); err != nil {
			return err
		}
		txn = s.db.NewTransaction(false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer txn.Discard()
	var out []storage.Point
	for i := 0; i+1 < len(q.Edges); i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		points, err := s.span(txn, uint8(family), q.First, q.Edges[i], q.Edges[i+1])
		if err != nil {
			return nil, err
		}
		out = append(out, points...)
	}
	return out, nil
}

// span adds up a family's rows between two edges.
func (s *Store) span(txn *badger.Txn, family uint8, first string, from, to time.Time) ([]storage.Point, error) {
	at := from
	from, to, any := s.bounds(txn, family, from, to)
	if !any {
		return nil, nil
	}
	sums := map[tally.Dim]*tally.Sums{}
	for _, p := range parts(from, to) {
		prefix := rowKey{gran: p.gran, family: family, bucket: p.bucket}.prefix(first)
		err := each(txn, prefix, func(key, payload []byte) error {
			k, ok := parseRowKey(key)
			if !ok {
				return tally.Errorf(tally.Corrupt, "a rollup has a malformed key")
			}
			_, x, err := decodeSums(payload)
			if err != nil {
				return err
			}
			if sums[k.dim] == nil {
				sums[k.dim] = &tally.Sums{}
			}
			sums[k.dim].Merge(&x)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]storage.Point, 0, len(sums))
	for dim, x := range sums {
		out = append(out, storage.Point{At: at.UTC(), Dim: dim, Sums: *x})
	}
	slices.SortFunc(out, func(a, b storage.Point) int {
		return cmp.Or(cmp.Compare(a.Dim[0], b.Dim[0]), cmp.Compare(a.Dim[1], b.Dim[1]))
	})
	return out, nil
}

// Prune implements storage.History. What the records contributed to rollups is
// kept as opening balances, so that Verify stays a proof.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	horizon := dayOf(before)
	s.pruning.Lock()
	defer s.pruning.Unlock()
	pruned := 0
	err := s.exclusively(func() error {
		for {
			if err := s.flush(); err != nil {
				return err
			}
			day, n, err := s.pruneDay(horizon)
			if err != nil || n == 0 {
				return err
			}
			if err := s.db.DropPrefix(recordDay(day)); err != nil {
				return tally.Errorf(tally.Unavailable, "the store cannot delete: %w", err)
			}
			pruned += n
		}
	})
	return pruned, err
}

// pruneDay takes leave of the oldest day before a horizon: it writes the
// opening balances and the lowest number that remains.
func (s *Store) pruneDay(horizon uint32) (day uint32, n int, err error) {
	openings := map[rowKey]*tally.Sums{}
	last := s.pruned
	err = s.db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = []byte{tableRecord}
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			d, seq, ok := parseRecordKey(it.Item().Key())
			if !ok || d >= horizon || n > 0 && d != day {
				return nil
			}
			day = d
			n++
			if seq <= s.pruned {
				continue // a crash came between its balance and its deletion
			}
			_, r, err := readRecord(it.Item())
			if err != nil {
				return err
			}
			last = seq
			eachRow(&r, func(k rowKey) {
				if openings[k] == nil {
					openings[k] = &tally.Sums{}
				}
				openings[k].Count(&r)
			})
		}
		return nil
	})
	if err != nil || n == 0 || last == s.pruned {
		return day, n, err
	}
	return day, n, s.writeOpenings(openings, last)
}

// writeOpenings adds to the opening balances. Each row says up to which number
// it counts, as rollups do, so that a crash between two chunks is no harm.
func (s *Store) writeOpenings(openings map[rowKey]*tally.Sums, last uint64) error {
	p := s.newPutter()
	for k, delta := range openings {
		key := k.opening()
		var x row
		if err := s.db.View(func(txn *badger.Txn) error { return readRow(txn, key, &x) }); err != nil {
			return err
		}
		if x.through >= last {
			continue
		}
		x.sums.Merge(delta)
		p.put(key, func(w *writer) { w.sums(last, &x.sums) })
	}
	now := state{s.seq, last, s.ledger.Seen()}
	p.put(keyState, func(w *writer) { w.state(now) })
	if err := p.finish(); err != nil {
		return err
	}
	s.pruned, s.written = last, now
	s.records.Store(int64(s.seq - s.pruned))
	return nil
}
