package badgerdb

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// An era begins when a clock that was ahead is accepted as it is now. Within an era the
// times at which records are settled never run backwards, and searches that go back in time
// rely on that. At the end of an era the time falls. The days in the keys of records do not
// fall with it, so that keys always sort by sequence numbers. Until the clock has caught
// up, all records are of the day that the clock had reached, and they are pruned with that
// day.
//
// What was admitted ahead of time counts in the periods that it names, which are still to
// come.

// era is an era that has ended.
type era struct {
	end   position    // of its last record
	now   time.Time   // to which the time fell
	ahead ledger.Span // behind near, of its admissions; zero if there are none
}

// near is the end of the quarter of an hour to which the time fell. Rows do not tell which
// records of that quarter were admitted ahead of time.
func (e *era) near() time.Time { return e.now.Truncate(tally.Bucket).Add(tally.Bucket) }

// eras are the eras that have ended, the oldest first. They are never changed.
type eras []era

// before returns the latest era that ended behind one record and before another, and
// may have records that were admitted in [since, until); nil if there is none.
func (list eras) before(seq, behind uint64, since, until time.Time) *era {
	for i := range slices.Backward(list) {
		e := &list[i]
		if e.end.seq < seq && e.end.seq > behind && (since.Before(e.near()) || e.ahead.Meets(since, until)) {
			return e
		}
	}
	return nil
}

// ended reports whether an era ended between two records. The records next to its end may
// have gone before their day did.
func (list eras) ended(from, to uint64) bool {
	return slices.ContainsFunc(list, func(e era) bool { return from <= e.end.seq && e.end.seq < to })
}

// spans are when there may be admissions ahead of time.
func (list eras) spans() (out []ledger.Span) {
	for i := range list {
		e := &list[i]
		out = append(out, ledger.Span{From: e.now, To: e.near()}, e.ahead)
	}
	return out
}

func (s *Store) eras() eras {
	if list := s.past.Load(); list != nil {
		return *list
	}
	return nil
}

// latest is an instant behind which nothing was admitted.
func (s *Store) latest() time.Time {
	at := s.ledger.Seen()
	for _, x := range s.eras().spans() {
		at = later(at, x.To)
	}
	return at
}

// AcceptClock implements storage.Store. The spans ahead are written first, and that the
// time has fallen is written last. A crash between the two does no harm: counters may be
// added up that need not be, or sessions may begin again.
func (s *Store) AcceptClock(ctx context.Context, now time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := s.fit(); err != nil {
		return err
	}
	return s.queue.alone(func() error { return s.accept(ledger.UTC(now)) })
}

func (s *Store) accept(now time.Time) error {
	seen := s.ledger.Seen()
	if !now.Before(seen) {
		return tally.Errorf(tally.Invalid, "the clock is not behind the latest request")
	}
	// Neither counters nor the journal of holds may need what is replayed from before.
	if err := cmp.Or(s.ledger.Quiet(), s.completeCheckpoint()); err != nil {
		return err
	}
	if err := s.rejournal(); err != nil {
		return cannotWrite(err)
	}
	e := era{end: s.end, now: now}
	if err := s.db.View(func(txn *badger.Txn) error {
		if from, ok := firstRow(txn, e.near()); ok && !from.After(seen) {
			e.ahead = ledger.Span{From: from, To: seen}
		}
		return nil
	}); err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(s.eras()), func(o era) bool { return o.end.seq <= s.pruned.seq && o.ahead.To.Before(now) && o.near().Before(now) })
	if err := s.keepEras(append(list, e)); err != nil {
		return err
	}
	if err := s.lowerUses(now); err != nil {
		return err
	}
	if err := s.ledger.Accept(now, s.eras().spans()); err != nil {
		return err
	}
	s.end.reached = now
	return s.completeCheckpoint()
}

// firstRow is the first quarter of an hour from an instant on that has records.
func firstRow(txn *badger.Txn, from time.Time) (at time.Time, ok bool) {
	k := rowKey{gran: quarters, bucket: uint32(max(from.Unix(), 0) / granSeconds[quarters])} // the first family is the total
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRollup, quarters, k.family}})
	defer it.Close()
	if it.Seek(k.prefix("")); !it.Valid() {
		return at, false
	}
	k, ok = parseRowKey(it.Item().Key())
	return time.Unix(int64(k.bucket)*granSeconds[quarters], 0).UTC(), ok
}

// lowerUses makes no subject have been used later than now. A later use that is read from
// the store would be taken for the latest one.
func (s *Store) lowerUses(now time.Time) error {
	var uses []ledger.Use
	err := s.view(func(txn *badger.Txn) error {
		return each(txn, []byte{tableUse}, func(key, payload []byte) error {
			at, stray, err := decodeUse(payload)
			if at.After(now) {
				uses = append(uses, ledger.Use{Subject: tally.Subject(key[1:]), At: now, Stray: stray, Met: true})
			}
			return err
		})
	})
	w := s.slices()
	defer func() { w.discard() }()
	for i := 0; err == nil && i < len(uses); i++ {
		if err = putUse(w.txn, uses[i]); err == nil {
			err = w.next()
		}
	}
	return cmp.Or(err, w.commit())
}

func (s *Store) keepEras(list eras) error {
	e := encoder{b: []byte{stateVersion}}
	e.uint(uint64(len(list)))
	for i := range list {
		x := &list[i]
		e.uint(x.end.seq)
		for _, at := range []time.Time{x.end.settledAt, x.now, x.ahead.From, x.ahead.To} {
			e.time(at)
		}
	}
	if err := s.set(keyEras, e.b); err != nil {
		return cannotWrite(err)
	}
	s.past.Store(&list)
	return nil
}

func (s *Store) readEras(txn *badger.Txn) error {
	payload, err := get(txn, keyEras)
	if err != nil || payload == nil {
		return err
	}
	list, err := decodeEras(payload)
	if err != nil {
		return err
	}
	s.past.Store(&list)
	s.ledger.Ahead(list.spans())
	if s.saved.seen.Before(s.end.reached) { // the time has not caught up with the eras yet
		s.end.reached = s.saved.seen
	}
	return nil
}

func decodeEras(payload []byte) (eras, error) {
	d := decoder{b: payload}
	d.version(stateVersion)
	list := make(eras, d.count())
	for i := range list {
		x := &list[i]
		x.end.seq = d.uint()
		for _, at := range []*time.Time{&x.end.settledAt, &x.now, &x.ahead.From, &x.ahead.To} {
			*at = d.time()
		}
	}
	return list, d.end("when the clock was taken back")
}

// admitted is backwards for those who look for records that were admitted in [since,
// until). It goes on as long as there may be more of them behind a record.
func (s *Store) admitted(txn *badger.Txn, from []byte, end, behind uint64, by *search, since, until time.Time, f func(day uint32, x *entry) bool) error {
	for list, more := s.eras(), true; more; {
		more = false
		err := s.backwards(txn, from, end, by, func(day uint32, x *entry) bool {
			if x.Seq <= behind {
				return false
			}
			if !x.settledAt.Before(since) {
				return f(day, x)
			}
			// Nothing older of the record's era was admitted since, either.
			if e := list.before(x.Seq, behind, since, until); e != nil {
				from, more = recordKey(dayOf(e.end.settledAt), e.end.seq), true
			}
			return false
		})
		if err != nil {
			return err
		}
	}
	return nil
}
