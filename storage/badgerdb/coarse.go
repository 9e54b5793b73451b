package badgerdb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Old sums need not be known by the quarter of an hour. A chunk of days whose sums are made
// coarse keeps the rows of days, and in the place of its quarters and hours a row for each
// span between two edges: the ends of civil days of the zones that were in use. Opening
// balances become as coarse. What was less than a span cannot be told any more; a query with
// an edge inside one counts from the span's beginning.
//
// The rows of spans are written first, beside the finer ones. One value then says that the
// chunk is coarse, and from then on nothing reads its finer rows, which are removed. So a
// crash leaves rows that nobody reads, and the next attempt removes them.

// chunkDays are days whose quarters, and whose hours, begin with a few bytes that nothing
// else begins with: Badger removes what has a prefix at once, and gives its room back.
const (
	chunkDays     = storage.CoarseDays
	chunkQuarters = chunkDays * quartersOfDay
	quartersOfDay = daySeconds / (15 * 60)
)

// edges are the quarters of a day with which a span begins; the first always does.
type edges [2]uint64

func (e *edges) set(quarter int) { e[quarter/64] |= 1 << (quarter % 64) }

// start is the quarter with which the span begins that a quarter lies in.
func (e *edges) start(quarter int) int {
	for i := quarter / 64; i >= 0; i-- {
		if before := e[i] & (^uint64(0) >> max(63-(quarter-64*i), 0)); before != 0 {
			return 64*i + bits.Len64(before) - 1
		}
	}
	return 0
}

// coarsening is a chunk that is being made coarse.
type coarsening struct {
	chunk     uint32
	on        bool
	disturbed bool // records have been counted in it since
}

// coarse are the chunks that are coarse, by their numbers. It is never changed.
type coarse map[uint32]*[chunkDays]edges

// span is the quarter with which the span begins that a quarter lies in.
func (c coarse) span(bucket uint32) (start uint32, ok bool) {
	if len(c) == 0 {
		return 0, false
	}
	chunk := c[bucket/chunkQuarters]
	if chunk == nil {
		return 0, false
	}
	day := bucket / quartersOfDay
	return day*quartersOfDay + uint32(chunk[day%chunkDays].start(int(bucket%quartersOfDay))), true
}

// snap is the latest instant up to one where a span or a quarter begins.
func (c coarse) snap(at time.Time) time.Time {
	if len(c) == 0 || at.Unix() < 0 {
		return at
	}
	if start, ok := c.span(uint32(at.Unix() / granSeconds[quarters])); ok {
		return time.Unix(int64(start)*granSeconds[quarters], 0).UTC()
	}
	return at
}

// places calls f with the rows that count what a 15-minute row would.
func (c coarse) places(k rowKey, f func(rowKey)) {
	if k.family == bySession {
		f(k.at(days))
		return
	}
	if start, ok := c.span(k.bucket); ok {
		f(rowKey{spans, k.family, start, k.dim})
	} else {
		f(k)
		f(k.at(hours))
	}
	f(k.at(days))
}

// keys are the keys of those rows.
func (c coarse) keys(k rowKey) (out [][]byte) {
	c.places(k, func(at rowKey) { out = append(out, at.bytes()) })
	return out
}

// opening is the key of the opening balance that a 15-minute row's is in.
func (c coarse) opening(k rowKey) []byte {
	if start, ok := c.span(k.bucket); ok {
		k.bucket = start
		return k.tail([]byte{tableSpan})
	}
	return k.opening()
}

// ofKind is the key of the opening balance of records of a kind that a 15-minute row's is in.
// The balances of spans have a table of their own.
func (c coarse) ofKind(kind tally.RecordKind) func(rowKey) []byte {
	return func(k rowKey) []byte {
		if start, ok := c.span(k.bucket); ok {
			k.bucket = start
			return k.tail([]byte{tableKind, kindSpans(kind)})
		}
		return k.tail([]byte{tableKind, byte(kind)})
	}
}

// kindSpans is the code of a kind in the keys of balances of spans.
func kindSpans(kind tally.RecordKind) byte { return 128 + byte(kind) }

// openingTables are what the keys of opening balances begin with, of quarters and of spans.
func openingTables() (out []struct{ fine, spans []byte }) {
	out = append(out, struct{ fine, spans []byte }{[]byte{tableOpening}, []byte{tableSpan}})
	for kind := range tally.NumRecordKinds {
		out = append(out, struct{ fine, spans []byte }{[]byte{tableKind, byte(kind)}, []byte{tableKind, kindSpans(kind)}})
	}
	return out
}

// stands reports whether a row is one that is read.
func (c coarse) stands(k rowKey) bool {
	switch k.gran {
	case days:
		return true
	case hours:
		k = rowKey{bucket: k.bucket * uint32(granSeconds[hours]/granSeconds[quarters])}
	}
	_, is := c.span(k.bucket)
	return is == (k.gran == spans)
}

// Coarsen implements storage.History.
func (s *Store) Coarsen(ctx context.Context, before time.Time, edgesOf func(day time.Time) []time.Time, rest int) (time.Time, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	s.pruning.Lock()
	defer s.pruning.Unlock()
	horizon := dayOf(before) / chunkDays
	aside := func(do func() error) error { return s.stall(ctx, rest, do) }
	for {
		chunk, ok, err := s.finest()
		if err != nil {
			return time.Time{}, err
		}
		if !ok || chunk >= horizon {
			return time.Unix(int64(horizon)*chunkDays*daySeconds, 0).UTC(), s.dropFine(aside)
		}
		if err := s.coarsen(chunk, edgesIn(chunk, edgesOf), aside); err != nil {
			return time.Time{}, err
		}
	}
}

// finest is the oldest chunk that is not coarse and has rows.
func (s *Store) finest() (chunk uint32, ok bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRollup, quarters, 0}}) // the first family is the total
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			k, whole := parseRowKey(it.Item().Key())
			if !whole {
				return corrupt("a rollup has a malformed key")
			}
			if _, is := s.coarse.Load().span(k.bucket); !is {
				chunk, ok = k.bucket/chunkQuarters, true
				return nil
			}
		}
		return nil
	})
	return chunk, ok, err
}

// edgesIn are the edges of the days of a chunk.
func edgesIn(chunk uint32, of func(day time.Time) []time.Time) *[chunkDays]edges {
	all := &[chunkDays]edges{}
	for i := range all {
		day := time.Unix((int64(chunk)*chunkDays+int64(i))*daySeconds, 0).UTC()
		all[i].set(0)
		for _, at := range of(day) {
			if since := at.Sub(day); since >= 0 && since < 24*time.Hour {
				all[i].set(int(since / tally.Bucket))
			}
		}
	}
	return all
}

// coarsen makes a chunk coarse.
func (s *Store) coarsen(chunk uint32, of *[chunkDays]edges, aside func(func() error) error) error {
	begin := func() error {
		s.coarsening = coarsening{chunk: chunk, on: true}
		if err := cmp.Or(s.finishOpenings(), s.finishThinning(), s.completeCheckpoint()); err != nil {
			return err
		}
		// What an attempt before has written may have other edges.
		for _, family := range familyCodes() {
			lists := [][][]byte{chunkPrefixes(chunk, family, tableRollup, spans)}
			for _, of := range openingTables() {
				lists = append(lists, chunkPrefixes(chunk, family, of.spans...))
			}
			if err := s.remove(lists...); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.queue.alone(begin); err != nil {
		return err
	}
	next := s.coarse.Load().with(chunk, of)
	if err := s.writeSpans(chunk, next, aside); err != nil {
		return err
	}
	return aside(func() error {
		if err := s.completeCheckpoint(); err != nil {
			return err
		}
		if s.coarsening.disturbed { // a clock that was taken back far has led requests into it
			if err := begin(); err != nil {
				return err
			}
			if err := s.writeSpans(chunk, next, inline); err != nil {
				return err
			}
		}
		s.coarsening = coarsening{}
		e := encoder{b: []byte{stateVersion}}
		for i := range of {
			e.b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(e.b, of[i][0]), of[i][1])
		}
		if err := s.set(coarseKey(chunk), e.b); err != nil {
			return cannotWrite(err)
		}
		s.coarse.Store(&next)
		return nil
	})
}

// with is the chunks with one more.
func (c coarse) with(chunk uint32, of *[chunkDays]edges) coarse {
	out := coarse{chunk: of}
	maps.Copy(out, c)
	return out
}

// writeSpans writes the rows and opening balances of a chunk's spans.
func (s *Store) writeSpans(chunk uint32, next coarse, aside func(func() error) error) error {
	type half struct {
		fine []byte // what keys begin with
		key  func(rowKey) []byte
	}
	halves := []half{{[]byte{tableRollup, quarters}, func(k rowKey) []byte { k.gran = spans; return k.bytes() }}}
	for _, of := range openingTables() {
		halves = append(halves, half{of.fine, func(k rowKey) []byte { return k.tail(bytes.Clone(of.spans)) }})
	}
	for _, of := range halves {
		for _, family := range familyCodes() {
			for day := chunk * chunkDays; day < (chunk+1)*chunkDays; day++ {
				rows, through, err := s.spansOf(append(bytes.Clone(of.fine), family), day, next)
				if err != nil {
					return err
				}
				if err := s.writeRows(rows, through, of.key, aside); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// spansOf adds up the quarters of a day in one family, and says up to which record they count.
func (s *Store) spansOf(prefix []byte, day uint32, next coarse) (map[rowKey]*tally.Sums, uint64, error) {
	rows, through := map[rowKey]*tally.Sums{}, uint64(0)
	tail := len(prefix) - 1 // where the family stands
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		var x tally.Sums
		for it.Seek(binary.BigEndian.AppendUint32(bytes.Clone(prefix), day*quartersOfDay)); it.Valid(); it.Next() {
			key := it.Item().Key()
			k, ok := parseRowTail(key[tail:])
			if !ok {
				return corrupt("a rollup has a malformed key")
			}
			if k.bucket >= (day+1)*quartersOfDay {
				return nil
			}
			n := uint64(0)
			err := it.Item().Value(func(v []byte) error {
				payload, err := unseal(key, v)
				if err == nil {
					n, err = decodeSums(payload, &x)
				}
				return err
			})
			if err != nil {
				return err
			}
			k.bucket, _ = next.span(k.bucket)
			if rows[k] == nil {
				rows[k] = &tally.Sums{}
			}
			rows[k].Merge(&x)
			through = max(through, n)
		}
		return nil
	})
	return rows, through, err
}

// writeRows writes rows that count up to a record.
func (s *Store) writeRows(rows map[rowKey]*tally.Sums, through uint64, key func(rowKey) []byte, aside func(func() error) error) error {
	list := slices.Collect(maps.Keys(rows))
	return s.inSlices(len(list), aside, func(txn *badger.Txn, i int) error {
		var e encoder
		e.sums(through, rows[list[i]])
		at := key(list[i])
		if err := txn.Set(at, seal(at, e.b)); err != nil {
			return cannotWrite(err)
		}
		return nil
	})
}

// familyCodes are the codes of all families that rows may be of.
func familyCodes() (out []uint8) {
	for i := range tally.Families {
		out = append(out, uint8(i))
	}
	return append(out, bySubject)
}

// dropFine removes the finer rows of chunks that are coarse, a family at a time: how long
// Badger takes goes by the prefixes and the rows together.
func (s *Store) dropFine(aside func(func() error) error) error {
	for chunk := range *s.coarse.Load() {
		for _, family := range familyCodes() {
			lists := [][][]byte{chunkPrefixes(chunk, family, tableRollup, quarters), chunkPrefixes(chunk, family, tableRollup, hours)}
			for _, of := range openingTables() {
				lists = append(lists, chunkPrefixes(chunk, family, of.fine...))
			}
			if err := aside(func() error { return s.remove(lists...) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunkPrefixes are what the keys of a chunk's rows of a family begin with. Behind the
// table, and the granularity of rollups, they have the first three bytes of the bucket.
func chunkPrefixes(chunk uint32, family uint8, table ...byte) (out [][]byte) {
	n := uint32(chunkQuarters)
	if table[0] == tableRollup && table[1] == hours {
		n = chunkDays * 24
	}
	for at := chunk * n >> 8; at < (chunk+1)*n>>8; at++ {
		out = append(out, append(bytes.Clone(table), family, byte(at>>16), byte(at>>8), byte(at)))
	}
	return out
}

// remove removes what begins with prefixes, if anything does.
func (s *Store) remove(lists ...[][]byte) error {
	var prefixes [][]byte
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for _, list := range lists {
			for _, p := range list {
				if it.Seek(p); it.ValidForPrefix(p) {
					prefixes = append(prefixes, p)
				}
			}
		}
		return nil
	})
	if err != nil || len(prefixes) == 0 {
		return err
	}
	if err := s.db.DropPrefix(prefixes...); err != nil {
		return cannotDelete(err)
	}
	return nil
}

func coarseKey(chunk uint32) []byte { return binary.BigEndian.AppendUint32([]byte{tableCoarse}, chunk) }

// readCoarse reads which chunks are coarse.
func (s *Store) readCoarse(txn *badger.Txn) error {
	all := coarse{}
	err := each(txn, []byte{tableCoarse}, func(key, payload []byte) error {
		chunk, of, err := decodeCoarse(key, payload)
		all[chunk] = of
		return err
	})
	s.coarse.Store(&all)
	return err
}

func decodeCoarse(key, payload []byte) (chunk uint32, of *[chunkDays]edges, err error) {
	d, of := decoder{b: payload}, &[chunkDays]edges{}
	d.version(stateVersion)
	if len(key) != 5 || len(d.b) != 16*chunkDays {
		return 0, of, corrupt("the edges of a coarse chunk are not whole")
	}
	for i := range of {
		of[i] = edges{binary.BigEndian.Uint64(d.b[16*i:]), binary.BigEndian.Uint64(d.b[16*i+8:])}
	}
	return binary.BigEndian.Uint32(key[1:]), of, nil
}
