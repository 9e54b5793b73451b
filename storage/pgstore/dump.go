package pgstore

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
	"tallygate/storage/badgerdb"
	"tallygate/storage/ledger"
)

// What the nodes have in common can be made a store of one machine again: for good, or for
// as long as a backup of it is written.

// dumpPatience bounds how long that may take.
const dumpPatience = 12 * time.Hour

// Dump makes a store of one machine in a new folder, of all that the nodes have shipped, and
// proves it.
func (s *Store) Dump(ctx context.Context, o badgerdb.Options) (report tally.Report, err error) {
	if err := s.shipFirst(ctx); err != nil {
		return report, err
	}
	err = s.readFor(ctx, dumpPatience, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := os.RemoveAll(o.Dir); err != nil { // of an attempt that was broken off
			return err
		}
		report, err = dump(ctx, tx, o)
		return err
	})
	return report, err
}

func dump(ctx context.Context, tx pgx.Tx, o badgerdb.Options) (tally.Report, error) {
	d := &dumper{ctx: ctx, tx: tx}
	from := badgerdb.Source{Audit: d.audit, Openings: d.openings, Records: d.records}
	if err := tx.QueryRow(ctx, `SELECT rev, pruned, thinned FROM cluster WHERE one = 1`).Scan(&from.Rev, &d.pruned, &d.thinned); err != nil {
		return tally.Report{}, err
	}
	var err error
	if from.Entities, err = entities(ctx, tx); err != nil {
		return tally.Report{}, err
	}
	if from.Sessions, err = d.sessions(); err != nil {
		return tally.Report{}, err
	}
	return badgerdb.Make(ctx, o, &from)
}

// dumper reads what a store is made of.
type dumper struct {
	ctx             context.Context
	tx              pgx.Tx
	pruned, thinned int64
}

func (d *dumper) audit(yield func(*tally.AuditEntry) error) error {
	rows, err := d.tx.Query(d.ctx, `SELECT body FROM audit ORDER BY seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanAudit(rows)
		if err == nil {
			err = yield(&e)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *dumper) sessions() (out []ledger.Session, err error) {
	rows, err := d.tx.Query(d.ctx, `SELECT client, member, ends FROM session WHERE ends > $1`, time.Now().UnixNano())
	if err != nil {
		return nil, err
	}
	var client, member string
	var ends int64
	_, err = pgx.ForEachRow(rows, []any{&client, &member, &ends}, func() error {
		out = append(out, ledger.Session{Client: tally.ID(fromText(client)), Member: fromText(member), Ends: time.Unix(0, ends).UTC()})
		return nil
	})
	return out, err
}

// openings are what sums have beyond the records that are kept, on the days some of whose
// records may be gone.
func (d *dumper) openings(yield func(map[badgerdb.Row]*tally.Sums) error) error {
	end := max(d.pruned, d.thinned)
	kept, err := d.keptBefore(end)
	if err != nil {
		return err
	}
	var first int64
	if err := d.tx.QueryRow(d.ctx, `SELECT coalesce(min(bucket), 0)::int8 FROM sums WHERE family = 0 AND gran = $1`, badgerdb.Days).Scan(&first); err != nil {
		return err
	}
	for day := first; day < end; day++ {
		rows := map[badgerdb.Row]*tally.Sums{}
		if err := d.sumsOf(day, rows); err != nil {
			return err
		}
		for row, x := range kept[day] {
			if rows[row] == nil {
				rows[row] = &tally.Sums{}
			}
			rows[row].Unmerge(x)
		}
		if err := yield(rows); err != nil {
			return err
		}
	}
	return nil
}

// finest reports whether a row is of the finest granularity that its family has.
func finest(r badgerdb.Row) bool {
	days := int(r.Family) < len(tally.Families) && tally.Families[r.Family].Days()
	return days == (r.Gran == badgerdb.Days) && r.Gran != badgerdb.Hours
}

// keptBefore adds up, by day, the records that were admitted before one and are kept.
func (d *dumper) keptBefore(end int64) (map[int64]map[badgerdb.Row]*tally.Sums, error) {
	out := map[int64]map[badgerdb.Row]*tally.Sums{}
	var sheet badgerdb.Sheet
	n := 0
	add := func() {
		for row, x := range sheet.Rows() {
			if !finest(row) {
				continue
			}
			day := int64(row.Bucket) * badgerdb.GranSeconds(row.Gran) / daySeconds
			if out[day] == nil {
				out[day] = map[badgerdb.Row]*tally.Sums{}
			}
			if out[day][row] == nil {
				out[day][row] = &tally.Sums{}
			}
			out[day][row].Merge(x)
		}
		sheet, n = badgerdb.Sheet{}, 0
	}
	count := func(r *tally.Record) {
		if dayOf(r.At) >= end {
			return
		}
		sheet.Count(r)
		if n++; n == 5000 {
			add()
		}
	}
	rows, err := d.tx.Query(d.ctx, `SELECT body FROM record WHERE at < $1`, time.Unix(end*daySeconds, 0))
	if err != nil {
		return nil, err
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		k, err := badgerdb.DecodeRecord(body)
		if err == nil && k.Entry == nil {
			count(&k.Record)
		}
		return err
	})
	if err == nil { // all entries are records of the new store, also of days that were pruned
		err = entriesBy(d.ctx, d.tx, `at < $1`, []any{time.Unix(end*daySeconds, 0)}, count)
	}
	add()
	return out, err
}

// sumsOf adds up the rows of a day over all nodes.
func (d *dumper) sumsOf(day int64, out map[badgerdb.Row]*tally.Sums) error {
	rows, err := d.tx.Query(d.ctx, `SELECT family, gran, bucket, d1, d2, body FROM sums WHERE family = ANY($1)
		AND (gran = $2 AND bucket >= $3 AND bucket < $3 + 96 OR gran = $4 AND bucket = $5)`,
		allFamilies(), badgerdb.Quarters, day*96, badgerdb.Days, day)
	if err != nil {
		return err
	}
	return eachRow(rows, func(r badgerdb.Row, x *tally.Sums) error {
		switch {
		case !finest(r):
		case out[r] == nil:
			out[r] = x
		default:
			out[r].Merge(x)
		}
		return nil
	})
}

// records are those of all nodes and the entries of the book of money, by when they were
// settled.
func (d *dumper) records(yield func(*badgerdb.Kept) error) error {
	var booked []badgerdb.Kept
	err := entriesBy(d.ctx, d.tx, `true`, nil, func(r *tally.Record) {
		booked = append(booked, badgerdb.Kept{Record: *r, Settled: r.At})
	})
	if err != nil {
		return err
	}
	upTo := func(at time.Time) error {
		for len(booked) > 0 && !booked[0].Settled.After(at) {
			if err := yield(&booked[0]); err != nil {
				return err
			}
			booked = booked[1:]
		}
		return nil
	}
	rows, err := d.tx.Query(d.ctx, `SELECT body, detail FROM record ORDER BY settled, node, seq`)
	if err != nil {
		return err
	}
	var body, detail []byte
	_, err = pgx.ForEachRow(rows, []any{&body, &detail}, func() error {
		k, err := badgerdb.DecodeRecord(body)
		if err == nil && detail != nil {
			err = badgerdb.DecodeDetails(detail, &k.Record)
		}
		if err == nil {
			err = upTo(k.Settled)
		}
		if err == nil && k.Entry == nil { // those that are entries come from the book
			err = yield(&k)
		}
		return err
	})
	if err != nil {
		return err
	}
	return upTo(tally.Never)
}

// Backup implements storage.Store. It makes a store of one machine beside the node's folder,
// backs that up, and removes it. It is always a whole one.
func (s *Store) Backup(ctx context.Context, since *backup.Info, w io.Writer) (info backup.Info, err error) {
	if err := s.usable(ctx); err != nil {
		return info, err
	}
	if since != nil {
		return info, tally.Errorf(tally.Conflict, "the backup %s cannot be gone on from: of several nodes, each backup is a whole one", since.ID).
			WithHint("make a whole one, in a folder of its own; for more, use the database's own tools: tallygate help nodes")
	}
	dir, err := os.MkdirTemp(s.opts.Dir, "backup-")
	if err != nil {
		return info, tally.Errorf(tally.Unavailable, "make a folder for the backup: %w", err).WithHint("look at the disk of %s", s.opts.Dir)
	}
	defer os.RemoveAll(dir)
	o := badgerdb.Options{Dir: filepath.Join(dir, "store"), Logger: s.log, Version: s.opts.Journal.Version}
	if _, err := s.Dump(ctx, o); err != nil {
		return info, err
	}
	one, err := badgerdb.Open(ctx, o)
	if err != nil {
		return info, err
	}
	info, err = one.Backup(ctx, nil, w)
	if closed := one.Close(); err == nil {
		err = closed
	}
	return info, err
}
