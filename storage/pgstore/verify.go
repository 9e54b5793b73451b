package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// maxFaults bounds a report: where more is wrong, the first faults tell enough.
const maxFaults = 100

// Verify implements storage.Store. It proves the journal, as on one machine, and then, of one
// instant of the database: the audit log; that no record of any node is missing up to what
// the node has shipped; that each row of sums, as far as its records are kept, is what they
// add up to, and that of the book of money what its entries do; that what is lent of a counter
// is the sum of its leases, and no node has used more than it was lent; and that the database
// has this node's records as the journal has them.
func (s *Store) Verify(ctx context.Context, rest time.Duration) (tally.Report, error) {
	if err := s.shipFirst(ctx); err != nil {
		return tally.Report{}, err
	}
	r, err := s.journal.Verify(ctx, rest)
	if err != nil {
		return r, err
	}
	ours := r
	err = s.readFor(ctx, verifyPatience, func(ctx context.Context, tx pgx.Tx) error {
		r = ours
		r.Faults = slices.Clone(ours.Faults)
		v := &verifier{report: &r, rest: rest, me: s.id.ID, seed: maphash.MakeSeed()}
		for _, step := range []func(context.Context, pgx.Tx) error{v.begin, v.audit, v.entries, v.records, v.sums, v.leases} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return s.verifyShipped(ctx, tx, v)
	})
	r.OK = len(r.Faults) == 0
	return r, err
}

// verifyPatience bounds how long a proof may take.
const verifyPatience = 6 * time.Hour

type verifier struct {
	report *tally.Report
	rest   time.Duration
	me     string
	seed   maphash.Seed
	state
	thinned int64
	nodes   map[string]*proof
}

// proof is what records of a node add up to. Rows are not kept: each figure is multiplied by
// a random number of its row and place, and added up by granularity and family, so rows with
// other figures, or other keys, are missed only by a chance of 1 in 2^64.
type proof struct {
	name       string
	shipped    int64
	seq, day   int64 // of the latest record that was read
	records    int64
	should, is map[[2]uint8]uint64
	exact      int64 // rows are proved from this day on
}

func (v *verifier) fault(kind, subject, format string, args ...any) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, tally.Fault{Kind: kind, Subject: subject, Message: fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) begin(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, `SELECT rev, entries, pruned, thinned, coarse FROM cluster WHERE one = 1`).Scan(&v.rev, &v.state.entries, &v.pruned, &v.thinned, &v.coarse)
	if err != nil {
		return err
	}
	v.nodes = map[string]*proof{book: {name: "the book of money", exact: v.coarse / daySeconds}}
	rows, err := tx.Query(ctx, `SELECT id, name, shipped FROM node`)
	if err != nil {
		return err
	}
	var id, name string
	var shipped int64
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &shipped}, func() error {
		v.nodes[id] = &proof{name: name, shipped: shipped, exact: max(v.pruned, v.thinned, v.coarse/daySeconds)}
		return nil
	})
	for _, p := range v.nodes {
		p.should, p.is = map[[2]uint8]uint64{}, map[[2]uint8]uint64{}
	}
	return err
}

func (v *verifier) audit(ctx context.Context, tx pgx.Tx) error {
	r, err := verifyAudit(ctx, tx)
	v.report.Faults = append(v.report.Faults, r.Faults...)
	return err
}

// entries proves that none of the book is missing, and adds them up.
func (v *verifier) entries(ctx context.Context, tx pgx.Tx) error {
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

// records reads all records, and adds them up. Those of other nodes count in the report.
func (v *verifier) records(ctx context.Context, tx pgx.Tx) error {
	for id, p := range v.nodes {
		if id == book {
			continue
		}
		sheet, n := badgerdb.Sheet{}, 0
		p.seq = -1
		err := recordsOf(ctx, tx, id, 0, func(day, seq int64, body []byte) {
			k, err := badgerdb.DecodeRecord(body)
			if err != nil || int64(k.Seq) != seq || int64(k.Day) != day {
				v.fault("record", fmt.Sprintf("%s %d", p.name, seq), "it is not what was written")
				return
			}
			if p.seq >= 0 && seq != p.seq+1 && p.day >= v.thinned {
				v.fault("gap", p.name, "records %d to %d are missing in the database", p.seq+1, seq-1)
			}
			p.seq, p.day = seq, day
			p.records++
			sheet.Count(&k.Record)
			if n++; n%5000 == 0 {
				v.should(p, &sheet)
				sheet = badgerdb.Sheet{}
				time.Sleep(v.rest)
			}
		})
		if err != nil {
			return err
		}
		v.should(p, &sheet)
		if p.seq >= 0 && p.seq != p.shipped && p.exact*daySeconds <= time.Now().Unix()-2*daySeconds {
			v.fault("gap", p.name, "records %d to %d are missing in the database", p.seq+1, p.shipped)
		}
		if id != v.me {
			v.report.Records += p.records
		}
	}
	return nil
}

// recordsOf reads a node's records behind one, in their order.
func recordsOf(ctx context.Context, tx pgx.Tx, node string, behind int64, f func(day, seq int64, body []byte)) error {
	rows, err := tx.Query(ctx, `SELECT day, seq, body FROM record WHERE node = $1 AND seq > $2 ORDER BY day, seq`, node, behind)
	if err != nil {
		return err
	}
	var day, seq int64
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&day, &seq, &body}, func() error { f(day, seq, body); return nil })
	return err
}

// sums compares the rows with what records add up to.
func (v *verifier) sums(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT node, family, gran, bucket, d1, d2, body, requests, refused, errors, counted, tokens, cost, credits, sessions, balance FROM sums`)
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
		row := badgerdb.Row{Family: uint8(family), Gran: uint8(gran), Bucket: uint32(bucket), Dim: tally.Dim{fromText(d1), fromText(d2)}}
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
	if err != nil {
		return err
	}
	v.report.Rollups += int64(n)
	for _, p := range v.nodes {
		for at := range p.should {
			if p.is[at] != p.should[at] {
				v.fault("rollup", p.name, "its sums of family %d by %s are not what its records add up to", at[1], [...]string{"quarters", "hours", "days"}[at[0]])
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
func (v *verifier) leases(ctx context.Context, tx pgx.Tx) error {
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

// verifyShipped compares what the database has of this node with the journal.
func (s *Store) verifyShipped(ctx context.Context, tx pgx.Tx, v *verifier) error {
	p := v.nodes[s.id.ID]
	var behind uint64
	var list []badgerdb.Kept
	var failed error
	next := func() *badgerdb.Kept {
		if len(list) == 0 {
			if list, failed = s.journal.Tail(ctx, behind, shipMost); failed != nil || len(list) == 0 {
				return nil
			}
			behind = list[len(list)-1].Seq
		}
		k := &list[0]
		list = list[1:]
		return k
	}
	ours := next()
	err := recordsOf(ctx, tx, s.id.ID, 0, func(_, seq int64, body []byte) {
		for ours != nil && int64(ours.Seq) < seq {
			v.fault("record", fmt.Sprintf("%s %d", p.name, ours.Seq), "the database does not have it")
			ours = next()
		}
		if ours == nil || int64(ours.Seq) != seq {
			return // pruned here, and not there yet
		}
		bare := *ours
		if !bytes.Equal(badgerdb.EncodeRecord(&bare), body) {
			v.fault("record", fmt.Sprintf("%s %d", p.name, seq), "the database has another one than the journal")
		}
		ours = next()
	})
	return err
}
