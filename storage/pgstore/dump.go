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

// Dump makes a store of one machine in a new folder, of all that the nodes have shipped, and
// proves it. It reads a day at a time, as Verify does.
func (s *Store) Dump(ctx context.Context, o badgerdb.Options) (tally.Report, error) {
	if err := s.shipFirst(ctx); err != nil {
		return tally.Report{}, err
	}
	return dump(ctx, s.read, o)
}

// reading is a read of one instant of a database, which may be begun anew.
type reading func(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error

func dump(ctx context.Context, read reading, o badgerdb.Options) (tally.Report, error) {
	d := &dumper{ctx: ctx, read: read}
	from := badgerdb.Source{Audit: d.audit, Openings: d.openings, Records: d.records}
	err := read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := tx.QueryRow(ctx, `SELECT rev, audit_seq, pruned, thinned FROM cluster WHERE one = 1`).
			Scan(&from.Rev, &d.changes, &d.pruned, &d.thinned); err != nil {
			return err
		}
		if from.Entities, err = entities(ctx, tx); err != nil {
			return err
		}
		d.booked = nil
		if err := entriesBy(ctx, tx, `true`, nil, func(r *tally.Record) { d.booked = append(d.booked, *r) }); err != nil {
			return err
		}
		from.Sessions, err = sessions(ctx, tx)
		return err
	})
	if err != nil {
		return tally.Report{}, err
	}
	return badgerdb.Make(ctx, o, &from)
}

// dumper reads what a store is made of.
type dumper struct {
	ctx             context.Context
	read            reading
	pruned, thinned int64
	changes         int64 // in the audit log
	booked          []tally.Record
}

// audit reads the audit log a page at a time: what is in it does not change.
func (d *dumper) audit(yield func(*tally.AuditEntry) error) error {
	for at := int64(0); at < d.changes; {
		var page []tally.AuditEntry
		err := d.read(d.ctx, func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `SELECT body FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`,
				at, d.changes, moveMost)
			if err == nil {
				page, err = pgx.CollectRows(rows, scanAudit)
			}
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := yield(&page[i]); err != nil {
				return err
			}
		}
		at = int64(page[len(page)-1].Seq)
	}
	return nil
}

func sessions(ctx context.Context, tx pgx.Tx) (out []ledger.Session, err error) {
	rows, err := tx.Query(ctx, `SELECT client, member, ends FROM session WHERE ends > $1`, time.Now().UnixNano())
	if err != nil {
		return nil, err
	}
	var client, member string
	var ends int64
	_, err = pgx.ForEachRow(rows, []any{&client, &member, &ends}, func() error {
		out = append(out, ledger.Session{Client: tally.ID(fromText(client)), Member: fromText(member),
			Ends: time.Unix(0, ends).UTC()})
		return nil
	})
	return out, err
}

// openings are what sums have beyond the records that are kept, on the days some of whose
// records may be gone.
func (d *dumper) openings(yield func(map[badgerdb.Row]*tally.Sums) error) error {
	end := max(d.pruned, d.thinned)
	var kept map[int64]map[badgerdb.Row]*tally.Sums
	var first int64
	err := d.read(d.ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if kept, err = d.keptBefore(ctx, tx, end); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT coalesce(min(bucket), 0)::int8 FROM sums WHERE family = 0 AND gran = $1`,
			badgerdb.Days).Scan(&first)
	})
	if err != nil {
		return err
	}
	for day := first; day < end; day++ {
		var rows map[badgerdb.Row]*tally.Sums
		err := d.read(d.ctx, func(ctx context.Context, tx pgx.Tx) error {
			rows = map[badgerdb.Row]*tally.Sums{}
			return sumsOf(ctx, tx, day, rows)
		})
		if err != nil {
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
func (d *dumper) keptBefore(ctx context.Context, tx pgx.Tx, end int64) (map[int64]map[badgerdb.Row]*tally.Sums, error) {
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
	rows, err := tx.Query(ctx, `SELECT body FROM record WHERE at < $1`, time.Unix(end*daySeconds, 0))
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
	for i := range d.booked { // all entries are records of the new store, also of days that were pruned
		count(&d.booked[i])
	}
	add()
	return out, err
}

// sumsOf adds up the rows of a day over all nodes.
func sumsOf(ctx context.Context, tx pgx.Tx, day int64, out map[badgerdb.Row]*tally.Sums) error {
	rows, err := tx.Query(ctx, `SELECT family, gran, bucket, d1, d2, body FROM sums WHERE family = ANY($1)
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
	booked := d.booked
	upTo := func(at time.Time) error {
		for len(booked) > 0 && !booked[0].At.After(at) {
			if err := yield(&badgerdb.Kept{Record: booked[0], Settled: booked[0].At}); err != nil {
				return err
			}
			booked = booked[1:]
		}
		return nil
	}
	var day, last int64
	err := d.read(d.ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(min(day), 1)::int8, coalesce(max(day), 0)::int8 FROM record`).Scan(&day, &last)
	})
	for at := (place{}); err == nil && day <= last; {
		var page []theirs
		if page, err = d.page(day, at); err != nil {
			break
		}
		for i := range page {
			k := &page[i].Kept
			if err := upTo(k.Settled); err != nil {
				return err
			}
			if k.Entry != nil {
				continue // those that are entries come from the book
			}
			if err := yield(k); err != nil {
				return err
			}
		}
		if at = (place{}); len(page) == shipMost {
			at = page[len(page)-1].place
		} else {
			day++
		}
	}
	if err != nil {
		return err
	}
	return upTo(tally.Never)
}

// page is some records of a day, behind one.
func (d *dumper) page(day int64, behind place) (out []theirs, err error) {
	err = d.read(d.ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `SELECT settled, node, seq, body, detail FROM record
			WHERE day = $1 AND settled >= $2 AND (settled > $2 OR node > $3 OR node = $3 AND seq > $4)
			ORDER BY settled, node, seq LIMIT $5`, day, behind.settled, behind.node, behind.seq, shipMost)
		if err != nil {
			return err
		}
		out, err = readRecords(rows)
		return err
	})
	return out, err
}

// Backup implements storage.Store. It makes a store of one machine beside the node's folder,
// backs that up, and removes it. It is always a whole one.
func (s *Store) Backup(ctx context.Context, since *backup.Info, w io.Writer) (info backup.Info, err error) {
	if err := s.usable(ctx); err != nil {
		return info, err
	}
	if since != nil {
		return info, tally.Errorf(tally.Conflict,
			"the backup %s cannot be gone on from: of several nodes, each backup is a whole one", since.ID).
			WithHint("make a whole one, in a folder of its own; for more, use the database's own tools: tallygate help nodes")
	}
	dir, err := os.MkdirTemp(s.opts.Dir, "backup-")
	if err != nil {
		return info, tally.Errorf(tally.Unavailable, "make a folder for the backup: %w", err).
			WithHint("look at the disk of %s", s.opts.Dir)
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
