package badgerdb

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// Where several nodes share a database, each of them has a store of this package as its
// journal, and ships what the journal has. This file is what a node needs for that beyond
// the port.

// Kept is a record as it is kept: with when it was settled, and the UTC day, since 1970,
// with which it is pruned.
type Kept struct {
	tally.Record
	Settled time.Time
	Day     uint32
}

// kept makes all of a record that was read.
func (x *entry) kept(day uint32) Kept {
	x.fill()
	return Kept{x.Record, x.settledAt, day}
}

// Cursor is where a search goes on behind the record.
func (k *Kept) Cursor() string {
	return strconv.FormatUint(uint64(k.Day), 10) + "." + strconv.FormatUint(k.Seq, 10)
}

// Adopt makes the ledger count on counters that it has not met yet.
func (s *Store) Adopt(counters []tally.Counter) error {
	return s.queue.alone(func() error { return s.adopt(counters) })
}

// Latest is the sequence number of the latest record that is durable.
func (s *Store) Latest() uint64 { return s.committed.Load() }

// Count is how many records are kept.
func (s *Store) Count() int64 { return s.records.Load() - s.thinned.Load() }

// Tail returns records behind one, at most so many, in their order. Of those that were
// pruned there are none.
func (s *Store) Tail(ctx context.Context, behind uint64, most int) (out []Kept, err error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	end := s.committed.Load() // first: what is in the picture below goes that far at least
	if behind >= end {
		return nil, nil
	}
	err = s.db.View(func(txn *badger.Txn) error {
		return s.forwards(txn, s.blockOf(txn, behind+1), func(b *block) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			for i := range b.entries {
				x := &b.entries[i]
				if x.Seq <= behind || x.Seq > end {
					continue
				}
				if len(out) == most {
					return errFound
				}
				if err := x.detail(txn); err != nil {
					return err
				}
				out = append(out, x.kept(b.day))
			}
			return nil
		})
	})
	if err == errFound {
		err = nil
	}
	return out, err
}

// blockOf is the key of the block that has a record, or of the oldest. Days and numbers ascend
// together, so it is looked for a day at a time, from the latest on.
func (s *Store) blockOf(txn *badger.Txn, seq uint64) []byte {
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true})
	defer it.Close()
	for day := uint32(math.MaxUint32); ; {
		it.Seek(recordKey(day, seq))
		if !it.ValidForPrefix([]byte{tableRecord}) {
			return recordKey(0, 0)
		}
		at, first, _ := parseRecordKey(it.Item().Key())
		if first <= seq {
			return recordKey(at, first)
		}
		day = at
	}
}

// EncodeRecord writes all of a record but the details of its attempts.
func EncodeRecord(k *Kept) []byte {
	var e encoder
	e.alone(&entry{Record: k.Record, settledAt: k.Settled})
	return binary.AppendUvarint(e.b, uint64(k.Day))
}

// DecodeRecord reads what EncodeRecord has written.
func DecodeRecord(b []byte) (Kept, error) {
	d := decoder{b: b, all: string(b)}
	x := d.alone()
	day := uint32(d.uint())
	if err := d.end("a record"); err != nil {
		return Kept{}, err
	}
	return x.kept(day), nil
}

// EncodeDetails writes the details of a record's attempts, nil if it has none.
func EncodeDetails(r *tally.Record) []byte {
	if !r.HasDetail() {
		return nil
	}
	return detailsOf(r)
}

// DecodeDetails fills in the details of a record's attempts.
func DecodeDetails(b []byte, r *tally.Record) error {
	d := decoder{b: b}
	for i := range r.Tries {
		r.Tries[i].Detail = d.text()
	}
	return d.end("what went wrong with attempts")
}

// EncodeSums writes sums.
func EncodeSums(s *tally.Sums) []byte {
	var e encoder
	e.sums(0, s)
	return e.b
}

// DecodeSums reads what EncodeSums has written.
func DecodeSums(b []byte, s *tally.Sums) error {
	_, err := decodeSums(b, s)
	return err
}

// The granularities of rows.
const (
	Quarters = quarters // of an hour
	Hours    = hours
	Days     = days
)

// GranSeconds is the length of a granularity's buckets.
func GranSeconds(gran uint8) int64 { return granSeconds[gran] }

// BySubject is the family of subjects that a record is charged on and does not name. The
// others are the places in [tally.Families].
const BySubject = bySubject

// Row names a row of a rollup.
type Row struct {
	Family, Gran uint8
	Bucket       uint32 // since 1970, in units of the granularity
	Dim          tally.Dim
}

// Sheet adds up records for rows.
type Sheet struct{ of sheet }

// Count adds a record.
func (s *Sheet) Count(r *tally.Record) {
	if s.of == nil {
		s.of = sheet{}
	}
	s.of.count(r)
}

// Rows are the sums of all granularities.
func (s *Sheet) Rows() map[Row]*tally.Sums {
	out := map[Row]*tally.Sums{}
	for c, sums := range s.of {
		c.rows(func(k rowKey) {
			coarse(nil).places(k, func(at rowKey) {
				row := Row{at.family, at.gran, at.bucket, at.dim}
				if out[row] == nil {
					out[row] = &tally.Sums{}
				}
				out[row].Merge(sums)
			})
		})
	}
	return out
}

// Span is buckets of a granularity, [From, To), whose sums are added, or taken away.
type Span struct {
	Gran     uint8
	From, To uint32
	Less     bool
}

// Spans cuts a time, whose ends are multiples of 15 minutes, into the fewest buckets that
// add up to it.
func Spans(from, to time.Time) (out []Span) {
	for _, p := range coarse(nil).fewest(from, to) {
		out = append(out, Span{p.gran, p.bucket, p.end, p.less})
	}
	return out
}

// RowsOf are the rows, of any bucket, that add up what a subject has used.
func RowsOf(s tally.Subject) (out []Row) {
	for _, k := range rowsOf(s) {
		out = append(out, Row{Family: k.family, Dim: k.dim})
	}
	return out
}

// InQuarters reports whether a period is made of quarters of an hour, so that rows tell what
// it has seen.
func InQuarters(p *tally.Period) bool { return aligned(p) }

// Snap is the latest instant up to one that sums of this store tell apart.
func (s *Store) Snap(at time.Time) time.Time { return s.coarse.Load().snap(at) }

// Horizons are the UTC days, since 1970, before which all records are gone, and before which
// some may be.
func (s *Store) Horizons() (pruned, thinned uint32) {
	s.queue.alone(func() error { pruned = s.pruned.day; return nil }) // a closed store has none
	return pruned, max(pruned, slices.Max(s.thin.Load().until[:]))
}

// Openings calls f with what records that are gone have added to rows, of quarters of an hour,
// and of families that know days only, of days. A row may come several times.
func (s *Store) Openings(ctx context.Context, f func(Row, *tally.Sums) error) error {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return err
	}
	defer done()
	v := newVerifier(ctx, s.opts.chunkBits)
	if err := s.queue.alone(func() error { return v.begin(s) }); err != nil {
		return err
	}
	defer v.txn.Discard()
	err = v.eachOpening(func(k rowKey, x *tally.Sums) {
		r := Row{Family: k.family, Gran: quarters, Bucket: k.bucket, Dim: k.dim}
		if k.family == bySession {
			r.Gran, r.Bucket = days, k.bucket/quartersOfDay
		}
		if err := f(r, x); err != nil && len(v.report.Faults) == 0 {
			v.fault("rollup", "an opening balance", "%v", err)
		}
	})
	if err == nil && len(v.report.Faults) > 0 {
		err = corrupt("%s", v.report.Faults[0].Message)
	}
	return err
}

// CountsOn are the subjects that a record counts on, each once.
func CountsOn(r *tally.Record) []tally.Subject { return slices.Clip(subjectsOf(r)) }
