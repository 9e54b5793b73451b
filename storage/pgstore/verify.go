package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// maxFaults bounds a report: where more is wrong, the first faults tell enough.
const maxFaults = 100

// Verify implements storage.Store. It proves the journal, as on one machine, and then of the
// database: the audit log; that no record of any node is missing up to what the node has
// shipped; that each row of sums, as far as its records are kept, is what they add up to, and
// that of the book of money what its entries do; that what is lent of a counter is the sum of
// its leases, and no node has used more than it was lent; and that the database has this
// node's records as the journal has them.
//
// It reads the past a day at a time: what keeps one picture for long keeps the database from
// cleaning up, which exchanges would feel. A request that is settled days after its
// admission may change a day between two looks. So if something does not add up, all is read
// once more, as of one instant.
func (s *Store) Verify(ctx context.Context, rest time.Duration) (tally.Report, error) {
	if err := s.shipFirst(ctx); err != nil {
		return tally.Report{}, err
	}
	r, err := s.journal.Verify(ctx, rest)
	if err != nil {
		return r, err
	}
	ours := len(r.Faults)
	v := &verifier{rest: rest, me: s.id.ID, journal: s.journal, seed: maphash.MakeSeed()}
	if err := s.proveByDays(ctx, v, r); err != nil || len(v.report.Faults) == ours {
		return v.done(), err
	}
	err = s.readFor(ctx, verifyPatience, func(ctx context.Context, tx pgx.Tx) error {
		v.report = r
		v.report.Faults = slices.Clone(r.Faults)
		if err := v.begin(ctx, tx); err != nil {
			return err
		}
		return v.prove(ctx, tx, window{v.days[0], math.MaxInt32})
	})
	return v.done(), err
}

// verifyPatience bounds how long all may be read as of one instant.
const verifyPatience = 6 * time.Hour

// window is some UTC days, [from, to): of settlement for records, of admission for sums.
type window struct{ from, to int64 }

// proveByDays proves each day but the latest two by itself.
func (s *Store) proveByDays(ctx context.Context, v *verifier, r tally.Report) error {
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		v.report = r
		v.report.Faults = slices.Clone(r.Faults)
		return v.begin(ctx, tx)
	})
	if err != nil {
		return err
	}
	for i, day := range v.days {
		days := window{day, math.MaxInt32}
		if i+1 < len(v.days) && day < dayOf(time.Now())-1 {
			days.to = v.days[i+1]
		}
		before := v.clone()
		err := s.readFor(ctx, verifyPatience, func(ctx context.Context, tx pgx.Tx) error {
			*v = *before.clone()
			return v.prove(ctx, tx, days)
		})
		if err != nil || days.to == math.MaxInt32 {
			return err
		}
	}
	return nil
}

// prove proves some days, and with the last of them what is of no day.
func (v *verifier) prove(ctx context.Context, tx pgx.Tx, days window) error {
	steps := []func(context.Context, pgx.Tx, window) error{v.records, v.sums}
	if days.to == math.MaxInt32 {
		steps = append(steps, v.audit, v.entries, v.leases, v.compare)
	}
	for _, step := range steps {
		if err := step(ctx, tx, days); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) done() tally.Report {
	v.report.OK = len(v.report.Faults) == 0
	return v.report
}

type verifier struct {
	report  tally.Report
	rest    time.Duration
	me      string
	journal *badgerdb.Store
	seed    maphash.Seed
	state
	thinned int64
	days    []int64 // on which windows begin: those that have sums, and the first of records
	nodes   map[string]*proof
}

// clone is a copy that does not change.
func (v *verifier) clone() *verifier {
	out := *v
	out.report.Faults = slices.Clone(v.report.Faults)
	out.nodes = map[string]*proof{}
	for id, p := range v.nodes {
		x := *p
		x.should, x.is = maps.Clone(p.should), maps.Clone(p.is)
		out.nodes[id] = &x
	}
	return &out
}

// proof is what records of a node add up to. Rows are not kept: each figure is multiplied by
// a random number of its row and place, and added up by granularity and family, so rows with
// other figures, or other keys, are missed only by a chance of 1 in 2^64.
type proof struct {
	name       string
	shipped    int64
	seq, day   int64 // of the latest record that was read, -1 before the first
	should, is map[[2]uint8]uint64
	exact      int64 // rows are proved from this day on
}

func (v *verifier) fault(kind, subject, format string, args ...any) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, tally.Fault{Kind: kind, Subject: subject,
			Message: fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) begin(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, `SELECT rev, entries, pruned, thinned, coarse FROM cluster WHERE one = 1`).Scan(&v.rev,
		&v.state.entries, &v.pruned, &v.thinned, &v.coarse)
	if err != nil {
		return err
	}
	list, err := tx.Query(ctx, `SELECT DISTINCT bucket::int8 FROM sums WHERE family = 0 AND gran = $1
		UNION SELECT min(day)::int8 FROM record HAVING min(day) IS NOT NULL ORDER BY 1`, badgerdb.Days)
	if err != nil {
		return err
	}
	if v.days, err = pgx.CollectRows(list, pgx.RowTo[int64]); err != nil {
		return err
	}
	if len(v.days) == 0 {
		v.days = []int64{dayOf(time.Now())}
	}
	v.nodes = map[string]*proof{book: {name: "the book of money", exact: v.coarse / daySeconds}}
	rows, err := tx.Query(ctx, `SELECT id, name, shipped FROM node`)
	if err != nil {
		return err
	}
	var id, name string
	var shipped int64
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &shipped}, func() error {
		v.nodes[id] = &proof{name: name, shipped: shipped, seq: -1, exact: max(v.pruned, v.thinned,
			v.coarse/daySeconds)}
		return nil
	})
	for _, p := range v.nodes {
		p.should, p.is = map[[2]uint8]uint64{}, map[[2]uint8]uint64{}
	}
	return err
}

func (v *verifier) audit(ctx context.Context, tx pgx.Tx, _ window) error {
	r, err := verifyAudit(ctx, tx)
	v.report.Faults = append(v.report.Faults, r.Faults...)
	return err
}

// entries proves that none of the book is missing, and adds them up.
func (v *verifier) entries(ctx context.Context, tx pgx.Tx, _ window) error {
	next := int64(1)
	err := entriesBy(ctx, tx, `true`, nil, func(r *tally.Record) {
		if int64(r.Seq) != next {
			v.fault("entry", string(r.ID), "entries %d to %d are missing", next, int64(r.Seq)-1)
		}
		next = int64(r.Seq) + 1
	})
	var sheet badgerdb.Sheet
	if err == nil {
		err = entriesBy(ctx, tx, `among = ''`, nil, func(r *tally.Record) { sheet.Count(r) })
	}
	if err == nil && next != v.state.entries+1 {
		v.fault("entry", "the book of money", "it ends with entry %d, and %d were made", next-1, v.state.entries)
	}
	v.should(v.nodes[book], &sheet)
	return err
}

// should adds what records add up to.
func (v *verifier) should(p *proof, sheet *badgerdb.Sheet) {
	for row, x := range sheet.Rows() {
		v.add(p, p.should, row, x)
	}
}

// add adds a row, if it is of a time that can be proved.
func (v *verifier) add(p *proof, to map[[2]uint8]uint64, row badgerdb.Row, x *tally.Sums) {
	if int64(row.Bucket)*badgerdb.GranSeconds(row.Gran) < p.exact*daySeconds {
		return
	}
	var sum uint64
	for i, n := range x.Figures() {
		sum += uint64(*n) * (maphash.Comparable(v.seed, i) | 1)
	}
	for i, n := range x.Latency {
		sum += uint64(n) * (maphash.Comparable(v.seed, -1-i) | 1)
	}
	to[[2]uint8{row.Gran, row.Family}] += sum * (maphash.Comparable(v.seed, row) | 1)
}

// records reads the records of some days, and adds them up. Those of other nodes count in the
// report; those of this one are compared with its journal.
func (v *verifier) records(ctx context.Context, tx pgx.Tx, days window) error {
	for id, p := range v.nodes {
		if id == book {
			continue
		}
		ours := &journalReader{ctx: ctx, of: v.journal}
		sheet, n := badgerdb.Sheet{}, 0
		rows, err := tx.Query(ctx, `SELECT day, seq, body FROM record WHERE node = $1 AND day >= $2 AND day < $3 ORDER BY day, seq`,
			id, days.from, days.to)
		if err != nil {
			return err
		}
		var day, seq int64
		var body []byte
		_, err = pgx.ForEachRow(rows, []any{&day, &seq, &body}, func() error {
			k, err := badgerdb.DecodeRecord(body)
			if err != nil || int64(k.Seq) != seq || int64(k.Day) != day {
				v.fault("record", fmt.Sprintf("%s %d", p.name, seq), "it is not what was written")
				return nil
			}
			if p.seq >= 0 && seq != p.seq+1 && p.day >= v.thinned {
				v.fault("gap", p.name, "records %d to %d are missing in the database", p.seq+1, seq-1)
			}
			if p.seq, p.day = seq, day; id != v.me {
				v.report.Records++
			} else if is, err := ours.record(k.Seq); err != nil {
				return err
			} else if is != nil && !bytes.Equal(badgerdb.EncodeRecord(is), body) {
				v.fault("record", fmt.Sprintf("%s %d", p.name, seq), "the database has another one than the journal")
			}
			sheet.Count(&k.Record)
			if n++; n%5000 == 0 {
				v.should(p, &sheet)
				sheet = badgerdb.Sheet{}
				time.Sleep(v.rest)
			}
			return nil
		})
		if err != nil {
			return err
		}
		v.should(p, &sheet)
	}
	return nil
}

// journalReader reads records of a journal in their order.
type journalReader struct {
	ctx  context.Context
	of   *badgerdb.Store
	list []badgerdb.Kept
}

// record is one of them, nil if it was pruned.
func (j *journalReader) record(seq uint64) (*badgerdb.Kept, error) {
	for len(j.list) > 0 && j.list[0].Seq < seq {
		j.list = j.list[1:]
	}
	if len(j.list) == 0 {
		var err error
		if j.list, err = j.of.Tail(j.ctx, seq-1, shipMost); err != nil {
			return nil, err
		}
	}
	if len(j.list) == 0 || j.list[0].Seq != seq {
		return nil, nil
	}
	return &j.list[0], nil
}

// sums adds up the rows of some days.
func (v *verifier) sums(ctx context.Context, tx pgx.Tx, days window) error {
	upTo := func(buckets int64) int64 { return min(days.to*buckets, math.MaxInt32) }
	rows, err := tx.Query(ctx, `SELECT node, family, gran, bucket, d1, d2, body, requests, refused, errors, counted, tokens, cost, credits, sessions, balance
		FROM sums WHERE family = ANY($1) AND (gran = 0 AND bucket >= $2 AND bucket < $3 OR gran = 1 AND bucket >= $4 AND bucket < $5
		  OR gran = 2 AND bucket >= $6 AND bucket < $7)`,
		allFamilies(), days.from*96, upTo(96), days.from*24, upTo(24), days.from, upTo(1))
	if err != nil {
		return err
	}
	var node, d1, d2 string
	var family, gran int16
	var bucket int32
	var body []byte
	var shown [9]int64
	to := []any{&node, &family, &gran, &bucket, &d1, &d2, &body}
	for i := range shown {
		to = append(to, &shown[i])
	}
	n := 0
	_, err = pgx.ForEachRow(rows, to, func() error {
		p := v.nodes[node]
		row := badgerdb.Row{Family: uint8(family), Gran: uint8(gran), Bucket: uint32(bucket),
			Dim: tally.Dim{fromText(d1), fromText(d2)}}
		var x tally.Sums
		if err := badgerdb.DecodeSums(body, &x); err != nil || p == nil {
			v.fault("rollup", fmt.Sprint(row), "it cannot be read, or is of no node")
			return nil
		}
		if shown != figuresOf(&x) {
			v.fault("rollup", fmt.Sprint(row), "its columns are not its figures")
		}
		v.add(p, p.is, row, &x)
		if n++; n%5000 == 0 {
			time.Sleep(v.rest)
		}
		return nil
	})
	v.report.Rollups += int64(n)
	return err
}

// compare says which sums are not what records add up to, and which nodes lack their latest
// records.
func (v *verifier) compare(context.Context, pgx.Tx, window) error {
	for id, p := range v.nodes {
		if id != book && p.seq >= 0 && p.seq < p.shipped && p.day >= max(v.pruned, v.thinned) {
			v.fault("gap", p.name, "records %d to %d are missing in the database", p.seq+1, p.shipped)
		}
		for at := range p.should {
			if p.is[at] != p.should[at] {
				v.fault("rollup", p.name, "its sums of family %d by %s are not what its records add up to", at[1],
					[...]string{"quarters", "hours", "days"}[at[0]])
			}
		}
		for at, sum := range p.is {
			if _, known := p.should[at]; !known && sum != 0 {
				v.fault("rollup", p.name, "it has sums of family %d that no record adds up to", at[1])
			}
		}
	}
	return nil
}

// leases proves that what is lent of a counter is the sum of its leases.
func (v *verifier) leases(ctx context.Context, tx pgx.Tx, _ window) error {
	rows, err := tx.Query(ctx, `SELECT q.subject, q.granted, coalesce(sum(l.granted), 0)::int8, coalesce(bool_or(l.used > l.granted), false)
		FROM quota q LEFT JOIN lease l ON l.subject = q.subject AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends
		GROUP BY q.subject, q.metric, q.starts, q.ends, q.granted`)
	if err != nil {
		return err
	}
	var subject string
	var granted, leases int64
	var over bool
	_, err = pgx.ForEachRow(rows, []any{&subject, &granted, &leases, &over}, func() error {
		v.report.Counters++
		if granted != leases {
			v.fault("counter", fromText(subject), "%d are lent of a limit, and the leases are %d", granted, leases)
		}
		if over {
			v.fault("counter", fromText(subject), "a node has used more of a limit than it was lent")
		}
		return nil
	})
	return err
}
