package badgerdb

import (
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// A counter that nobody has asked for yet begins with what its period has seen: a limit was
// just added, a zone has changed, or the process has just started. Where the period's edges
// are multiples of 15 minutes, the rollups tell, which outlive the records. For minutes,
// the records since the period began tell.
//
// All of this runs in the writer, between batches: what is settled is either in
// the store's rows, in a checkpoint under way, or on the fresh sheet.

// adopt makes the ledger count on counters it has not met yet.
func (s *Store) adopt(counters []tally.Counter) error {
	for i := range counters {
		used, err := s.seed(&counters[i])
		if err != nil {
			return err
		}
		s.ledger.Adopt(counters[i], used)
	}
	return nil
}

// seed adds up what a counter's period has seen so far.
func (s *Store) seed(c *tally.Counter) (used int64, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		u, err := readUse(txn, c.Subject)
		if err != nil {
			return err
		}
		s.ledger.Meet(u)
		switch {
		case s.ledger.Unused(c):
			return nil
		case aligned(&c.Period):
			used, err = s.fromRollups(c)
		default:
			used, err = s.fromRecords(txn, c)
		}
		return err
	})
	return used, err
}

// aligned reports whether a period is a sum of 15-minute buckets.
func aligned(p *tally.Period) bool {
	q := granSeconds[quarters]
	return p.Start.Unix()%q == 0 && (p.End.Unix()%q == 0 || !p.Ends())
}

// fromRollups adds up a subject's rows over a period. A checkpoint under way is
// finished first, so that no row is between two states.
func (s *Store) fromRollups(c *tally.Counter) (used int64, err error) {
	if err := s.finishCheckpoint(); err != nil {
		return 0, err
	}
	families, of := rowsOf(c.Subject), s.coarse.Load()
	start, end := of.snap(c.Period.Start), of.snap(c.Period.End)
	err = s.db.View(func(txn *badger.Txn) error {
		from, to := s.narrow(txn, start, end)
		for _, p := range of.parts(from, to) {
			for _, k := range families {
				k.gran = p.gran
				for k.bucket = p.bucket; k.bucket < p.end; k.bucket++ {
					var x row
					if err := readRow(txn, k.bytes(), &x); err != nil {
						return err
					}
					used = tally.AddSat(used, x.sums.Amounts().Of(c.Metric))
				}
			}
		}
		return nil
	})
	for x, sums := range s.fresh {
		if !inside(x.bucket, start, end) {
			continue
		}
		x.rows(func(k rowKey) {
			for _, f := range families {
				if k.family == f.family && k.dim == f.dim {
					used = tally.AddSat(used, sums.Amounts().Of(c.Metric))
				}
			}
		})
	}
	return used, err
}

// minutes remembers what the records of one short period say, for all subjects. After a
// start, or when a limit is shown, many counters of the same minute are asked for one after
// the other.
type minutes struct {
	start, end time.Time
	seq        uint64 // of the latest record that is in sums
	sums       map[tally.Subject]*tally.Amounts
}

// fromRecords adds up a subject's records of a period that rollups are too
// coarse for.
func (s *Store) fromRecords(txn *badger.Txn, c *tally.Counter) (int64, error) {
	m := &s.minutes
	if !m.start.Equal(c.Period.Start) || !m.end.Equal(c.Period.End) {
		*m = minutes{start: c.Period.Start, end: c.Period.End, sums: map[tally.Subject]*tally.Amounts{}}
	}
	err := s.admitted(txn, nil, s.committed.Load(), m.seq, nil, c.Period.Start, c.Period.End, func(_ uint32, x *entry) bool {
		m.seq = max(m.seq, x.Seq)
		if c.Period.Contains(x.At) {
			m.count(&x.Record)
		}
		return true
	})
	if err != nil {
		*m = minutes{}
		return 0, err
	}
	if sums := m.sums[c.Subject]; sums != nil {
		return sums.Of(c.Metric), nil
	}
	return 0, nil
}

func (m *minutes) count(r *tally.Record) {
	amounts := r.Amounts()
	for _, s := range subjectsOf(r) {
		sums := m.sums[s]
		if sums == nil {
			sums = &tally.Amounts{}
			m.sums[s] = sums
		}
		for i, n := range amounts {
			sums[i] = tally.AddSat(sums[i], n)
		}
	}
}

// subjectsOf are the subjects a record counts on, each once, parts that are not counted
// included.
func subjectsOf(r *tally.Record) []tally.Subject {
	out := r.Subjects()
	r.EachPart(func(of tally.Subject, label string) { out = append(out, tally.PartOf(of, label)) })
	for i := range r.Charges {
		if s := r.Charges[i].Subject; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
