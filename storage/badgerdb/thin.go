package badgerdb

import (
	"context"
	"maps"
	"math"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// Records of a kind may go before the others of their day. They keep their numbers, so that a
// missing record is still found, and opening balances of their kind keep what they came to.
//
// One value says up to which day the records of each kind are gone: whoever reads blocks
// passes over them from then on. Only then they are taken out of their blocks. So a crash, or
// a backup that goes on from one with the whole blocks, brings none of them back.

// thin says which records are gone that have numbers still. It is never changed.
type thin struct {
	until [tally.NumRecordKinds]uint32 // those of a kind that were settled before this day
	of    map[uint32]int64             // how many are, by day
	under thinning
}

// thinning is a day whose records of a kind are being added to the balances.
type thinning struct {
	kind tally.RecordKind
	day  uint32
	last uint64 // the day's last record; 0 if there is no such day
}

// gone reports whether a record that was settled on a day is gone.
func (t *thin) gone(r *tally.Record, day uint32) bool {
	if t == nil {
		return false
	}
	for kind := range tally.NumRecordKinds {
		if day < t.until[kind] && r.IsOf(kind) {
			return true
		}
	}
	return false
}

// count is how many records are gone.
func (t *thin) count() (n int64) {
	for _, of := range t.of {
		n += of
	}
	return n
}

// without forgets the days before one, which are pruned.
func (t *thin) without(day uint32) *thin {
	next := *t
	next.of = maps.Clone(t.of)
	maps.DeleteFunc(next.of, func(of uint32, _ int64) bool { return of < day })
	return &next
}

// thinOut deletes the records of a kind that were settled before a day, and says how many.
func (s *Store) thinOut(ctx context.Context, kind tally.RecordKind, horizon uint32, aside func(func() error) error) (n int, err error) {
	// The journal of holds must not need the records to tell which are settled, nor may
	// today's still grow.
	err = s.queue.alone(func() error {
		horizon = min(horizon, dayOf(s.end.settledAt))
		if horizon <= s.thin.Load().until[kind] {
			return nil
		}
		return s.rejournal()
	})
	if err != nil {
		return 0, cannotWrite(err)
	}
	for {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		day, ok, err := s.dayFrom(s.thin.Load().until[kind])
		if err != nil {
			return n, err
		}
		if !ok || day >= horizon {
			break
		}
		gone, err := s.thinDay(kind, day, aside)
		n += gone
		if err != nil {
			return n, err
		}
	}
	return n, s.takeOut(aside)
}

// dayFrom is the first day from one on that has records.
func (s *Store) dayFrom(from uint32) (day uint32, ok bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRecord}})
		defer it.Close()
		if it.Seek(recordDay(from)); it.Valid() {
			day, _, ok = parseRecordKey(it.Item().Key())
		}
		return nil
	})
	return day, ok, err
}

// thinDay deletes a day's records of a kind.
func (s *Store) thinDay(kind tally.RecordKind, day uint32, aside func(func() error) error) (n int, err error) {
	o, n, err := s.ofKind(kind, day)
	if err != nil {
		return 0, err
	}
	if n > 0 {
		next := *s.thin.Load()
		next.under = thinning{kind, day, o.last}
		if err := aside(func() error { return s.setThin(&next) }); err != nil {
			return 0, err
		}
		if err := s.writeOpenings(o, s.coarse.Load().ofKind(kind), aside); err != nil {
			return 0, err
		}
	}
	return n, aside(func() error { return s.setThin(s.thin.Load().and(kind, day, n)) })
}

// and is with the records of a kind of one more day.
func (t *thin) and(kind tally.RecordKind, day uint32, n int) *thin {
	next := *t
	next.until[kind], next.under = day+1, thinning{}
	if n > 0 {
		next.of = maps.Clone(t.of)
		if next.of == nil {
			next.of = map[uint32]int64{}
		}
		next.of[day] += int64(n)
	}
	return &next
}

// ofKind adds up a day's records of a kind.
func (s *Store) ofKind(kind tally.RecordKind, day uint32) (o *outgoing, n int, err error) {
	o = &outgoing{day: day, sums: sheet{}}
	err = s.db.View(func(txn *badger.Txn) error {
		return s.forwards(txn, recordDay(day), func(b *block) error {
			if b.day != day {
				return errFound
			}
			for i := range b.entries {
				if r := &b.entries[i].Record; r.IsOf(kind) {
					o.sums.count(r)
					n++
				}
			}
			o.last = b.last()
			return nil
		})
	})
	if err == errFound {
		err = nil
	}
	return o, n, err
}

// finishThinning adds to the balances what an attempt that was stopped did not add. What it
// added is not added again: each balance says up to which record it counts.
func (s *Store) finishThinning() error {
	t := s.thin.Load()
	if t.under.last == 0 {
		return nil
	}
	o, n, err := s.ofKind(t.under.kind, t.under.day)
	if err != nil {
		return err
	}
	if err := s.writeOpenings(o, s.coarse.Load().ofKind(t.under.kind), inline); err != nil {
		return err
	}
	return s.setThin(t.and(t.under.kind, t.under.day, n))
}

// takeOut takes records that are gone out of their blocks, on days where that was not done.
func (s *Store) takeOut(aside func(func() error) error) error {
	until := uint32(0)
	for _, day := range s.thin.Load().until {
		until = max(until, day)
	}
	var done thin
	if err := s.db.View(func(txn *badger.Txn) (err error) {
		done, err = thinIn(txn, keyThinned)
		return err
	}); err != nil {
		return err
	}
	if done.until == s.thin.Load().until {
		return nil
	}
	from := uint32(math.MaxUint32)
	for kind, day := range done.until {
		if day != s.thin.Load().until[kind] {
			from = min(from, day)
		}
	}
	for {
		day, ok, err := s.dayFrom(from)
		if err != nil {
			return err
		}
		if !ok || day >= until {
			break
		}
		thinned, err := s.thinnedBlocks(day)
		if err != nil {
			return err
		}
		for len(thinned) > 0 {
			n, size := 0, 0
			for n < len(thinned) && size < maxBatchBytes {
				size += len(thinned[n].value)
				n++
			}
			err := s.inSlices(n, aside, func(txn *badger.Txn, i int) error {
				if err := txn.Set(thinned[i].key, thinned[i].value); err != nil {
					return cannotWrite(err)
				}
				return nil
			})
			if err != nil {
				return err
			}
			thinned = thinned[n:]
		}
		from = day + 1
	}
	done.until = s.thin.Load().until
	return aside(func() error { return s.putThin(keyThinned, &done) })
}

type thinnedBlock struct{ key, value []byte }

// thinnedBlocks are the blocks of a day, without what is gone, that have something of it.
func (s *Store) thinnedBlocks(day uint32) (out []thinnedBlock, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: recordDay(day)})
		defer it.Close()
		all, gone := block{}, s.thin.Load()
		for it.Rewind(); it.Valid(); it.Next() {
			err := it.Item().Value(func(v []byte) error {
				if err := all.open(it.Item().Key(), v); err != nil {
					return err
				}
				var e encoder
				e.blockHead()
				some, next := false, all.first
				for i := range all.entries {
					x := &all.entries[i]
					for ; next < x.Seq; next++ {
						e.entryGone()
					}
					next++
					if gone.gone(&x.Record, day) {
						e.entryGone()
						some = true
						continue
					}
					x.fill()
					e.entry(x)
				}
				for ; next <= all.last(); next++ {
					e.entryGone()
				}
				if some {
					key := it.Item().KeyCopy(nil)
					out = append(out, thinnedBlock{key, seal(key, e.b)})
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (s *Store) setThin(t *thin) error {
	if err := s.putThin(keyThin, t); err != nil {
		return err
	}
	s.thin.Store(t)
	s.thinned.Store(t.count())
	return nil
}

func (s *Store) putThin(key []byte, t *thin) error {
	e := encoder{b: []byte{stateVersion}}
	e.uint(uint64(t.under.kind))
	e.uint(uint64(t.under.day))
	e.uint(t.under.last)
	e.uint(uint64(len(t.until)))
	for _, day := range t.until {
		e.uint(uint64(day))
	}
	e.uint(uint64(len(t.of)))
	for day, n := range t.of {
		e.uint(uint64(day))
		e.uint(uint64(n))
	}
	if err := s.set(key, e.b); err != nil {
		return cannotWrite(err)
	}
	return nil
}

// readThin reads which records are gone.
func (s *Store) readThin(txn *badger.Txn) error {
	t, err := thinIn(txn, keyThin)
	s.thin.Store(t.without(s.pruned.day))
	s.thinned.Store(s.thin.Load().count())
	return err
}

func thinIn(txn *badger.Txn, key []byte) (t thin, err error) {
	payload, err := get(txn, key)
	if err != nil || payload == nil {
		return t, err
	}
	d := decoder{b: payload}
	d.version(stateVersion)
	t.under = thinning{tally.RecordKind(d.uint()), uint32(d.uint()), d.uint()}
	for i := range d.count() {
		if day := uint32(d.uint()); i < len(t.until) {
			t.until[i] = day
		}
	}
	t.of = map[uint32]int64{}
	for range d.count() {
		day := uint32(d.uint())
		t.of[day] = int64(d.uint())
	}
	return t, d.end("which records are gone")
}
