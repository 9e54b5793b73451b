package badgerdb

import (
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// row is a row of a rollup as it is in memory.
type row struct {
	sums    tally.Sums
	through uint64 // what the store's copy counts up to
	dirty   bool
	turn    int // the flush that used it last
}

// keepRows is for how many flushes a row stays in memory unused.
const keepRows = 60

// chunk is how many rows go into one transaction.
const chunk = 1000

// bySubject is the family of subjects that a record is charged on and does not
// name, such as visitors. It is the store's own.
const bySubject = 255

// eachRow calls f with the 15-minute row of every family that a record counts
// in.
func eachRow(r *tally.Record, f func(rowKey)) {
	bucket := uint32(r.At.Unix() / granSeconds[quarters])
	for i, family := range tally.Families {
		if dim, ok := family.Dim(r); ok {
			f(rowKey{quarters, uint8(i), bucket, dim})
		}
	}
	if len(r.Charges) == 0 {
		return
	}
	subjects := r.Subjects()
	for i := range r.Charges {
		if s := r.Charges[i].Subject; !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
			f(rowKey{quarters, bySubject, bucket, tally.Dim{string(s)}})
		}
	}
}

// at is the row of a coarser granularity that a 15-minute row is part of.
func (k rowKey) at(gran uint8) rowKey {
	k.bucket = uint32(int64(k.bucket) * granSeconds[k.gran] / granSeconds[gran])
	k.gran = gran
	return k
}

// rowsOf returns the families and values whose rows together add up what a
// subject has used.
func rowsOf(s tally.Subject) []rowKey {
	out := []rowKey{{family: bySubject, dim: tally.Dim{string(s)}}}
	kind, id := s.Split()
	for i, f := range tally.Families {
		if string(f) == kind {
			out = append(out, rowKey{family: uint8(i), dim: tally.Dim{string(id)}})
		}
	}
	return out
}

// count adds a settled record to what the next flush writes.
func (s *Store) count(r *tally.Record) {
	eachRow(r, func(k rowKey) {
		sums := s.pending[k]
		if sums == nil {
			sums = &tally.Sums{}
			s.pending[k] = sums
		}
		sums.Count(r)
	})
}

// recount adds a record to the rows that do not count it yet: after a crash
// some may have been written and others not.
func (s *Store) recount(r *tally.Record) (err error) {
	eachRow(r, func(k rowKey) {
		for gran := range uint8(grans) {
			x, failed := s.row(k.at(gran))
			if failed != nil {
				err = failed
				return
			}
			if r.Seq > x.through {
				x.sums.Count(r)
				x.dirty = true
			}
		}
	})
	return err
}

// row returns a row, from memory or the store.
func (s *Store) row(k rowKey) (*row, error) {
	x := s.rows[k]
	if x == nil {
		x = &row{}
		err := s.db.View(func(txn *badger.Txn) error { return readRow(txn, k.bytes(), x) })
		if err != nil {
			return nil, err
		}
		s.rows[k] = x
	}
	x.turn = s.turn
	return x, nil
}

// readRow reads a row; one that is not there is empty.
func readRow(txn *badger.Txn, key []byte, x *row) error {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return tally.Errorf(tally.Internal, "read a rollup: %w", err)
	}
	return item.Value(func(v []byte) error {
		payload, err := unseal(key, v)
		if err == nil {
			x.through, x.sums, err = decodeSums(payload)
		}
		return err
	})
}

// flush writes what was counted since the last one: rows, last uses, sessions,
// and at the end how far they go. Chunks may be torn apart by a crash: each row
// says itself how far it counts, and the rest only ever grows.
func (s *Store) flush() error {
	s.turn++
	for k, delta := range s.pending {
		for gran := range uint8(grans) {
			x, err := s.row(k.at(gran))
			if err != nil {
				return err
			}
			x.sums.Merge(delta)
			x.dirty = true
		}
		delete(s.pending, k)
	}
	p := s.newPutter()
	for k, x := range s.rows {
		switch {
		case x.dirty:
			p.put(k.bytes(), func(w *writer) { w.sums(s.seq, &x.sums) })
		case s.turn-x.turn > keepRows:
			delete(s.rows, k)
		}
	}
	uses, sessions := s.ledger.Changed()
	for _, u := range uses {
		p.put(useKey(u.Subject), func(w *writer) { w.time(u.At) })
	}
	for _, x := range sessions {
		key := sessionKey(x.Client, x.Member)
		if x.Over {
			p.delete(key)
			continue
		}
		p.put(key, func(w *writer) { w.time(x.Ends) })
	}
	if now := (state{s.seq, s.pruned, s.ledger.Seen()}); now != s.written {
		p.put(keyState, func(w *writer) { w.state(now) })
	}
	if err := p.finish(); err != nil {
		s.ledger.Unchanged(uses, sessions)
		return err
	}
	s.written = state{s.seq, s.pruned, s.ledger.Seen()}
	for _, x := range s.rows {
		if x.dirty {
			x.dirty, x.through = false, s.seq
		}
	}
	return nil
}

// putter writes entries in transactions of a bounded size.
type putter struct {
	s   *Store
	txn *badger.Txn
	n   int
	err error
}

func (s *Store) newPutter() *putter { return &putter{s: s} }

func (p *putter) put(key []byte, payload func(*writer)) {
	var w writer
	payload(&w)
	p.do(func(txn *badger.Txn) error { return txn.Set(key, seal(key, w.b)) })
}

func (p *putter) delete(key []byte) {
	p.do(func(txn *badger.Txn) error { return txn.Delete(key) })
}

func (p *putter) do(f func(*badger.Txn) error) {
	if p.err != nil {
		return
	}
	if p.txn == nil {
		p.txn = p.s.db.NewTransaction(true)
	}
	if p.err = f(p.txn); p.err == nil {
		if p.n++; p.n == chunk {
			p.commit()
		}
	}
}

func (p *putter) commit() {
	if p.txn == nil {
		return
	}
	if p.err == nil {
		p.err = p.s.commit(p.txn)
	}
	p.txn.Discard()
	p.txn, p.n = nil, 0
}

func (p *putter) finish() error {
	p.commit()
	if p.err != nil {
		return tally.Errorf(tally.Unavailable, "the store cannot write: %w", p.err)
	}
	return nil
}

// state is what the store knows of itself.
type state struct {
	seq    uint64 // rollups and the rest count up to here, at least
	pruned uint64
	seen   time.Time
}

func (w *writer) state(x state) {
	w.uint(x.seq)
	w.uint(x.pruned)
	w.time(x.seen)
}

func decodeState(payload []byte) (x state, err error) {
	r := reader{b: payload}
	x.seq, x.pruned, x.seen = r.uint(), r.uint(), r.time()
	return x, r.end("the state of the store")
}

// part is a bucket of some granularity.
type part struct {
	gran   uint8
	bucket uint32
}

// parts cuts a span, whose ends are multiples of 15 minutes, into the fewest
// buckets.
func parts(from, to time.Time) []part {
	var out []part
	at, end := from.Unix(), to.Unix()
	for at < end {
		gran := uint8(quarters)
		for g := uint8(days); g > quarters; g-- {
			if at%granSeconds[g] == 0 && at+granSeconds[g] <= end {
				gran = g
				break
			}
		}
		out = append(out, part{gran, uint32(at / granSeconds[gran])})
		at += granSeconds[gran]
	}
	return out
}

// seed adds up what a counter's period has seen so far. The writer calls it.
func (s *Store) seed(c tally.Counter) (int64, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	var used int64
	err := s.db.View(func(txn *badger.Txn) (err error) {
		quarter := granSeconds[quarters]
		if c.Period.Start.Unix()%quarter == 0 && (c.Period.End.Unix()%quarter == 0 || !c.Period.Ends()) {
			used, err = s.seedFromRollups(txn, c)
		} else {
			used, err = s.seedFromRecords(txn, c)
		}
		return err
	})
	return used, err
}

func (s *Store) seedFromRollups(txn *badger.Txn, c tally.Counter) (used int64, err error) {
	for _, k := range rowsOf(c.Subject) {
		from, to, any := s.bounds(txn, k.family, c.Period.Start, c.Period.End)
		if !any {
			continue
		}
		for _, p := range parts(from, to) {
			x := row{}
			if err := readRow(txn, rowKey{p.gran, k.family, p.bucket, k.dim}.bytes(), &x); err != nil {
				return 0, err
			}
			used = tally.AddSat(used, x.sums.Amounts().Of(c.Metric))
		}
	}
	return used, nil
}

// bounds narrows a span to where a family has rows at all.
func (s *Store) bounds(txn *badger.Txn, family uint8, from, to time.Time) (time.Time, time.Time, bool) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRollup, days, family}})
	defer it.Close()
	it.Rewind()
	if !it.Valid() {
		return from, to, false
	}
	first, ok := parseRowKey(it.Item().Key())
	if !ok {
		return from, to, false
	}
	if at := time.Unix(int64(first.bucket)*daySeconds, 0).UTC(); at.After(from) {
		from = at
	}
	if last := s.ledger.Seen().Add(48 * time.Hour).Truncate(24 * time.Hour); last.Before(to) {
		to = last
	}
	return from, to, from.Before(to)
}

// seedFromRecords adds up records for windows that rollups are too coarse for:
// minutes.
func (s *Store) seedFromRecords(txn *badger.Txn, c tally.Counter) (used int64, err error) {
	err = eachRecord(txn, nil, func(settledAt time.Time, r *tally.Record) bool {
		if c.Period.Contains(r.At) && slices.Contains(subjectsOf(r), c.Subject) {
			used = tally.AddSat(used, r.Amounts().Of(c.Metric))
		}
		return !settledAt.Before(c.Period.Start)
	})
	return used, err
}

func subjectsOf(r *tally.Record) []tally.Subject {
	out := r.Subjects()
	for i := range r.Charges {
		out = append(out, r.Charges[i].Subject)
	}
	return out
}
