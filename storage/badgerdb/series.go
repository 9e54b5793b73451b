package badgerdb

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// series is a query on its way.
type series struct {
	storage.SeriesQuery
	family uint8
	edges  []time.Time // those that can be told
	spans  []map[tally.Dim]*tally.Sums
}

// Series implements storage.History.
func (s *Store) Series(ctx context.Context, of ...storage.SeriesQuery) ([]storage.Point, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	all := make([]series, len(of))
	for i, q := range of {
		if all[i], err = begin(q); err != nil {
			return nil, err
		}
	}
	txn, chunks, err := s.snapshot(all)
	if err != nil {
		return nil, err
	}
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	var out []storage.Point
	for i := range all {
		if err := s.addStored(ctx, txn, it, chunks, &all[i]); err != nil {
			return nil, err
		}
		out = append(out, all[i].points(i)...)
	}
	return out, nil
}

func begin(q storage.SeriesQuery) (series, error) {
	family := slices.Index(tally.Families, q.Family)
	if family < 0 {
		return series{}, tally.Errorf(tally.Invalid, "%q is not a family", q.Family)
	}
	for i, e := range q.Edges {
		if e.UnixNano()%int64(tally.Bucket) != 0 || i > 0 && !e.After(q.Edges[i-1]) {
			return series{}, tally.Errorf(tally.Invalid, "the edges of a series ascend and are multiples of 15 minutes")
		}
	}
	spans := make([]map[tally.Dim]*tally.Sums, max(len(q.Edges)-1, 0))
	for i := range spans {
		spans[i] = map[tally.Dim]*tally.Sums{}
	}
	return series{q, uint8(family), nil, spans}, nil
}

// addStored adds to the spans what the store has written.
func (s *Store) addStored(ctx context.Context, txn *badger.Txn, it *badger.Iterator, of coarse, q *series) error {
	if len(q.spans) == 0 {
		return nil
	}
	first, last := s.narrow(txn, q.edges[0], q.edges[len(q.edges)-1])
	for i := range q.spans {
		from, to := later(q.edges[i], first), q.edges[i+1]
		if last.Before(to) {
			to = last
		}
		if !from.Before(to) {
			continue
		}
		for _, p := range of.fewest(from, to) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := addRows(it, p, q.family, q.First, q.spans[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshot begins to read at an instant between two batches, and adds to the
// spans what the store has not written by then.
func (s *Store) snapshot(all []series) (txn *badger.Txn, of coarse, err error) {
	err = s.queue.alone(func() error {
		if err := s.finishCheckpoint(); err != nil {
			return err
		}
		of = *s.coarse.Load()
		for i := range all {
			for _, at := range all[i].Edges {
				if all[i].Family.Days() {
					at = at.Truncate(24 * time.Hour)
				}
				all[i].edges = append(all[i].edges, of.snap(at))
			}
		}
		for c, sums := range s.fresh {
			at := time.Unix(int64(c.bucket)*granSeconds[quarters], 0)
			c.rows(func(k rowKey) {
				for i := range all {
					all[i].addFresh(k, at, sums)
				}
			})
		}
		txn = s.db.NewTransaction(false)
		return nil
	})
	return txn, of, err
}

func (q *series) addFresh(k rowKey, at time.Time, sums *tally.Sums) {
	if k.family != q.family || q.First != "" && k.dim[0] != q.First {
		return
	}
	i := sort.Search(len(q.edges), func(i int) bool { return q.edges[i].After(at) }) - 1
	if i >= 0 && i < len(q.spans) {
		addSums(q.spans[i], k.dim, sums, false)
	}
}

func addSums(span map[tally.Dim]*tally.Sums, dim tally.Dim, sums *tally.Sums, less bool) {
	x := span[dim]
	if x == nil {
		x = &tally.Sums{}
		span[dim] = x
	}
	if less {
		x.Unmerge(sums)
	} else {
		x.Merge(sums)
	}
}

// addRows adds the rows of a part, or takes them away.
func addRows(it *badger.Iterator, p part, family uint8, first string, span map[tally.Dim]*tally.Sums) error {
	var key []byte
	var x tally.Sums
	for bucket := p.bucket; bucket < p.end; {
		prefix := rowKey{gran: p.gran, family: family, bucket: bucket}.prefix(first)
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			key = it.Item().KeyCopy(key)
			k, ok := parseRowKey(key)
			if !ok {
				return corrupt("a rollup has a malformed key")
			}
			err := it.Item().Value(func(v []byte) error {
				payload, err := unseal(key, v)
				if err == nil {
					_, err = decodeSums(payload, &x)
				}
				return err
			})
			if err != nil {
				return err
			}
			addSums(span, k.dim, &x, p.less)
		}
		if bucket++; bucket == p.end || !it.ValidForPrefix(prefix[:3]) {
			return nil // the next row is of another family
		}
		if k, ok := parseRowKey(it.Item().Key()); ok { // most buckets of a span have no rows
			bucket = max(bucket, k.bucket)
		}
	}
	return nil
}

// points orders the sums by span, then value.
func (q *series) points(of int) []storage.Point {
	var out []storage.Point
	for i, span := range q.spans {
		first := len(out)
		for dim, x := range span {
			if *x == (tally.Sums{}) {
				continue // all of it was taken away
			}
			out = append(out, storage.Point{Of: of, At: q.Edges[i].Round(0).UTC(), Dim: dim, Sums: *x})
		}
		slices.SortFunc(out[first:], func(a, b storage.Point) int {
			return cmp.Or(cmp.Compare(a.Dim[0], b.Dim[0]), cmp.Compare(a.Dim[1], b.Dim[1]))
		})
	}
	return out
}
