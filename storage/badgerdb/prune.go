package badgerdb

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Prune implements storage.History. What the records contributed to rollups is
// kept as opening balances, so that Verify stays a proof. The removal of a day, which
// gives its room back to the disk, stops the writer, and so does each slice of balances.
func (s *Store) Prune(ctx context.Context, before storage.Horizons, rest int) (int, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s.pruning.Lock()
	defer s.pruning.Unlock()
	if err := s.forget(ctx, before.All); err != nil {
		return 0, err
	}
	// The state must say where records end before the last of them may go.
	if err := s.queue.alone(func() error { return cmp.Or(s.finishOpenings(), s.finishThinning(), s.completeCheckpoint()) }); err != nil {
		return 0, err
	}
	aside := func(do func() error) error { return s.stall(ctx, rest, do) }
	n := 0
	for {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		o, err := s.oldest(dayOf(before.All))
		if err != nil {
			return n, err
		}
		if o == nil {
			break
		}
		gone, err := s.pruneDay(o, aside)
		n += gone
		if err != nil {
			return n, err
		}
	}
	for kind := range tally.NumRecordKinds {
		gone, err := s.thinOut(ctx, kind, dayOf(before.Of[kind]), aside)
		n += gone
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// stall does what stops the writer. Then it rests so many times as long as that took, so
// that few requests meet it; not while there is no room for requests anyway.
func (s *Store) stall(ctx context.Context, rest int, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var took time.Duration
	err := s.queue.alone(func() error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		return do()
	})
	if err != nil || rest == 0 || !s.admitting.Load() {
		return err
	}
	select {
	case <-ctx.Done(): // what was to be done is done; the next step tells
	case <-time.After(took * time.Duration(rest)):
	}
	return nil
}

// inline does at once what else would be done between requests: there are none, or the
// writer does it.
func inline(do func() error) error { return do() }

// outgoing is a day of records that is to go.
type outgoing struct {
	day  uint32
	last uint64 // the latest record that is in sums, or has a balance already
	sums sheet
	thin *thin // whose balances have what is gone
}

// oldest adds up the oldest day of records before a horizon, nil if there is
// none.
func (s *Store) oldest(horizon uint32) (*outgoing, error) {
	var o *outgoing
	err := s.db.View(func(txn *badger.Txn) error {
		day, _, ok := oldestDay(txn)
		if !ok || day >= horizon {
			return nil
		}
		o = &outgoing{day: day, last: s.openings.to, sums: sheet{}, thin: s.thin.Load()}
		return o.add(txn, math.MaxUint64)
	})
	return o, err
}

// oldestDay is the day of the oldest records, and the first of them.
func oldestDay(txn *badger.Txn) (day uint32, seq uint64, ok bool) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRecord}})
	defer it.Close()
	if it.Rewind(); !it.Valid() {
		return 0, 0, false
	}
	return parseRecordKey(it.Item().Key())
}

// add adds the day's records up to one, without those that are in the sums already.
func (o *outgoing) add(txn *badger.Txn, to uint64) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: recordDay(o.day)})
	defer it.Close()
	b := block{thin: o.thin}
	for it.Seek(recordKey(o.day, o.last+1)); it.Valid() && o.last < to; it.Next() {
		err := it.Item().Value(func(v []byte) error {
			if err := b.open(it.Item().Key(), v); err != nil {
				return err
			}
			for i := range b.entries {
				o.sums.count(&b.entries[i].Record)
			}
			o.last = b.last()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pruneDay removes a day. It writes the opening balances, then the lowest number that
// remains, and then removes the records.
func (s *Store) pruneDay(o *outgoing, aside func(func() error) error) (gone int, err error) {
	// Who was stopped between two slices finds in the store that they are to be finished.
	err = aside(func() error { return s.setOpenings(openings{s.openings.to, o.last}) })
	if err == nil {
		err = s.writeOpenings(o, s.coarse.Load().opening, aside)
	}
	if err != nil {
		return 0, err
	}
	err = aside(func() (err error) {
		gone, err = s.leave(o)
		return err
	})
	if err != nil {
		return gone, err // the day may be gone, and only what is noted of it is not
	}
	return gone, aside(func() error { return s.drop(o.day) })
}

// leave says that a day's records are gone. It runs in the writer.
func (s *Store) leave(o *outgoing) (gone int, err error) {
	if err := s.setOpenings(openings{o.last, o.last}); err != nil {
		return 0, err
	}
	// If the day is today, it may have grown.
	late := &outgoing{day: o.day, last: o.last, sums: sheet{}, thin: o.thin}
	if err := s.db.View(func(txn *badger.Txn) error { return late.add(txn, math.MaxUint64) }); err != nil {
		return 0, err
	}
	if late.last > o.last {
		if err := s.setOpenings(openings{o.last, late.last}); err != nil {
			return 0, err
		}
		if err := s.finishWriting(late); err != nil {
			return 0, err
		}
	}
	// The journal of holds must not need the records to tell which are settled.
	if err := s.rejournal(); err != nil {
		return 0, cannotWrite(err)
	}
	before := s.pruned
	s.pruned = pruned{late.last, o.day + 1}
	if err := s.completeCheckpoint(); err != nil {
		s.pruned = before
		return 0, err
	}
	s.records.Store(int64(s.end.seq - s.pruned.seq))
	thinned := s.thin.Load().of[o.day]
	return int(s.pruned.seq-before.seq) - int(thinned), s.setThin(s.thin.Load().without(s.pruned.day))
}

// openings says how far opening balances go. All records up to from are in the balances,
// and those up to to are being added.
type openings struct{ from, to uint64 }

func (s *Store) setOpenings(o openings) error {
	var e encoder
	e.uint(o.from)
	e.uint(o.to)
	if err := s.set(keyOpenings, e.b); err != nil {
		return cannotWrite(err)
	}
	s.openings = o
	return nil
}

func (s *Store) readOpenings(txn *badger.Txn) error {
	payload, err := get(txn, keyOpenings)
	if err != nil || payload == nil {
		return err
	}
	d := decoder{b: payload}
	s.openings = openings{d.uint(), d.uint()}
	return d.end("how far the opening balances go")
}

// finishOpenings adds what an attempt that was stopped did not add.
func (s *Store) finishOpenings() error {
	if s.openings.from == s.openings.to {
		return nil
	}
	o := &outgoing{last: s.openings.from, sums: sheet{}, thin: s.thin.Load()}
	err := s.db.View(func(txn *badger.Txn) (err error) {
		o.day, _, _ = oldestDay(txn)
		return o.add(txn, s.openings.to)
	})
	if err != nil {
		return err
	}
	return s.finishWriting(o)
}

// finishWriting adds a day to the opening balances and says that it is added.
func (s *Store) finishWriting(o *outgoing) error {
	if err := s.writeOpenings(o, s.coarse.Load().opening, inline); err != nil {
		return err
	}
	return s.setOpenings(openings{o.last, o.last})
}

// drop removes a day of pruned records, and what tells of them.
func (s *Store) drop(day uint32) error {
	outlived, err := s.outlived()
	if err != nil {
		return err
	}
	if err := s.db.DropPrefix(append(outlived, recordDay(day))...); err != nil {
		return cannotDelete(err)
	}
	return nil
}

// dropPruned removes a day that a crash has left after its balances were written. Nothing
// has been added to the day since.
func (s *Store) dropPruned() error {
	for {
		var day uint32
		var seq uint64
		var found bool
		err := s.db.View(func(txn *badger.Txn) error {
			day, seq, found = oldestDay(txn)
			return nil
		})
		if err != nil || !found || seq > s.pruned.seq {
			return err
		}
		if err := s.drop(day); err != nil {
			return err
		}
	}
}

// writeOpenings adds a day to the opening balances. Each row says up to which
// number it counts, as rollups do, so that a crash between two slices is no
// harm.
func (s *Store) writeOpenings(o *outgoing, opening func(rowKey) []byte, aside func(func() error) error) error {
	rows := map[string]*tally.Sums{}
	for c, sums := range o.sums {
		c.rows(func(k rowKey) {
			key := string(opening(k))
			if rows[key] == nil {
				rows[key] = &tally.Sums{}
			}
			rows[key].Merge(sums)
		})
	}
	list := slices.Collect(maps.Keys(rows))
	return s.inSlices(len(list), aside, func(txn *badger.Txn, i int) error {
		return mergeRow(txn, &rowDelta{[]byte(list[i]), rows[list[i]]}, o.last)
	})
}

// inSlices writes n values, some of them at a time.
func (s *Store) inSlices(n int, aside func(func() error) error, put func(txn *badger.Txn, i int) error) error {
	for from := 0; from < n; from += sliceEntries {
		err := aside(func() error {
			txn := s.db.NewTransaction(true)
			defer txn.Discard()
			for i := from; i < min(from+sliceEntries, n); i++ {
				if err := put(txn, i); err != nil {
					return err
				}
			}
			if err := s.commit(txn); err != nil {
				return cannotWrite(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
