package pgstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// A store of one machine moves to a database of nodes, and back. Its folder becomes the
// journal of the first node as it is, so what limits have used goes on to the unit. What the
// two have is compared day by day.

// Moved says what has moved, and what both stores have of each day: the same.
type Moved struct {
	Entities int   `json:"entities"`
	Changes  int   `json:"changes"` // entries of the audit log
	Entries  int   `json:"entries"` // of the book of money
	Records  int64 `json:"records"`
	Days     []Day `json:"days"`
}

// MoveIn makes the folder of a store that nothing has open the first node of a database that
// is empty but for its schema. progress is told how many records were shipped, of how many.
// If it is broken off, the same call goes on.
func MoveIn(ctx context.Context, o Options, progress func(shipped, of uint64)) (m Moved, err error) {
	is, err := ReadIdentity(o.Dir)
	if err != nil {
		return m, err
	}
	pool, err := dial(ctx, o.URL, 2)
	if err != nil {
		return m, err
	}
	defer pool.Close()
	nodes, print, err := prepare(ctx, pool)
	if err != nil {
		return m, err
	}
	if err := sameKey(print, o.Print); err != nil {
		return m, err
	}
	taken, err := occupied(ctx, pool, is)
	if err != nil {
		return m, err
	}
	if !taken {
		if err := moveIn(ctx, pool, o, nodes, &is); err != nil {
			return m, err
		}
	}
	s, err := Open(ctx, o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	// What a process held that was killed is used, and must be there before others begin to spend.
	for n := 1; n > 0; {
		if n, err = s.Expire(ctx, time.Now(), shipMost); err != nil {
			return m, err
		}
	}
	for {
		more, err := s.shipSome(ctx)
		if err != nil {
			return m, cannot(err)
		}
		progress(s.shipped.Load(), s.journal.Latest())
		if !more {
			break
		}
	}
	if err := s.shipFirst(ctx); err != nil { // and say that this was all
		return m, err
	}
	ours, err := journalDays(ctx, s.journal)
	if err != nil {
		return m, err
	}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if m.Days, err = databaseDays(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM entity), (SELECT count(*) FROM audit), (SELECT count(*) FROM entry), (SELECT count(*) FROM record)`).
			Scan(&m.Entities, &m.Changes, &m.Entries, &m.Records)
	})
	if err != nil {
		return m, err
	}
	if n := s.journal.Count(); m.Records != n {
		return m, tally.Errorf(tally.Corrupt, "the folder has %d records, and the database %d", n, m.Records).
			WithHint("nothing is lost: the folder has all of them; run tallygate verify")
	}
	return m, sameDays(ours, m.Days)
}

// occupied reports whether the folder is the database's first node already. A database that
// has something else is a Conflict.
func occupied(ctx context.Context, db interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, is *Identity) (bool, error) {
	var id string
	err := db.QueryRow(ctx, `SELECT id FROM node LIMIT 1`).Scan(&id)
	if err == nil {
		if is != nil && is.ID == id {
			return true, nil
		}
		return false, tally.Errorf(tally.Conflict, "the database has nodes already").
			WithHint("move into an empty one; or join its nodes with an empty folder: tallygate serve --store URL --data NEW-DIR")
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return false, cannot(err)
	}
	return false, nil
}

// moveIn writes what the nodes have in common, in one transaction, and makes the folder a
// node's.
func moveIn(ctx context.Context, pool *pgxpool.Pool, o Options, nodes string, is **Identity) error {
	j, err := badgerdb.Open(ctx, o.Journal)
	if err != nil {
		return err
	}
	defer j.Close()
	id := newIdentity(o, nodes, pool)
	if *is != nil && (*is).Nodes == nodes {
		id = **is // of an attempt that was broken off
	}
	id.Moving = true
	if err := id.write(o.Dir); err != nil {
		return tally.Errorf(tally.Unavailable, "write which node the folder is: %w", err).
			WithHint("look at the disk of %s", o.Dir)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx); err != nil {
			return err
		}
		if _, err := occupied(ctx, tx, nil); err != nil { // a node may have joined meanwhile
			return err
		}
		if _, err := tx.Exec(ctx, sqlEnroll, id.ID, id.Name, hostOf(o), o.Journal.Version); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlMoves, id.ID); err != nil {
			return err
		}
		if err := moveConfig(ctx, tx, j, id.ID); err != nil {
			return err
		}
		return moveOpenings(ctx, tx, j, id.ID)
	})
	if err != nil {
		return errors.Join(cannot(err), stayed(pool, o.Dir, id.ID))
	}
	return nil
}

// stayed makes the folder one with a store of its own again, if it is certain that nothing
// of it has moved: a commit whose answer was lost may have been carried out.
func stayed(pool *pgxpool.Pool, dir, node string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx); err != nil { // what is under way yet ends first
			return err
		}
		var moved bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM node WHERE id = $1)`,
			node).Scan(&moved); err != nil || moved {
			return err
		}
		return os.Remove(filepath.Join(dir, IdentityFile))
	})
	if err != nil {
		return tally.Errorf(tally.Unavailable, "whether %s has moved is not known: %w", dir, causesOf(err)).
			WithHint("once the database answers, move once more, which goes on with it")
	}
	return nil
}

// moveMost bounds how many statements are queued at a time.
const moveMost = 1000

// moveConfig writes entities, the audit log and the book of money.
func moveConfig(ctx context.Context, tx pgx.Tx, j *badgerdb.Store, node string) error {
	list, rev, err := j.Load(ctx)
	if err != nil {
		return err
	}
	var b pgx.Batch
	send := func(least int) error {
		if b.Len() < least {
			return nil
		}
		defer func() { b = pgx.Batch{} }()
		return tx.SendBatch(ctx, &b).Close()
	}
	for _, e := range list {
		body, err := json.Marshal(e)
		if err != nil {
			return tally.Errorf(tally.Internal, "encode %s %s: %w", e.Kind(), e.Base().ID, err)
		}
		b.Queue(`INSERT INTO entity (kind, id, rev, body) VALUES ($1, $2, $3, $4)`, toText(string(e.Kind())),
			toText(string(e.Base().ID)), e.Base().Rev, string(body))
		if err := send(moveMost); err != nil {
			return err
		}
	}
	var chain tally.AuditChain
	for q := (storage.AuditQuery{Limit: moveMost}); ; {
		page, next, err := j.AuditLog(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			if chain.Seq == 0 {
				chain = tally.AuditChain{Seq: page[i].Seq, Hash: page[i].Hash}
			}
			if err := cmp.Or(queueAudit(&b, &page[i]), send(moveMost)); err != nil {
				return err
			}
		}
		if q.After = next; next == "" {
			break
		}
	}
	entries, err := j.Entries(ctx, storage.EntryQuery{})
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].Seq = uint64(i + 1)
		queueEntry(&b, &entries[i], node)
		if err := send(moveMost); err != nil {
			return err
		}
	}
	pruned, thinned := j.Horizons()
	b.Queue(`UPDATE cluster SET rev = $1, audit_seq = $2, audit_hash = $3, entries = $4, pruned = $5, thinned = $6 WHERE one = 1`,
		rev, int64(chain.Seq), chain.Hash, len(entries), int64(pruned), int64(thinned))
	return send(1)
}

// moveOpenings writes what records that are gone have added to sums.
func moveOpenings(ctx context.Context, tx pgx.Tx, j *badgerdb.Store, node string) error {
	rows := map[badgerdb.Row]*tally.Sums{}
	add := func(r badgerdb.Row, x *tally.Sums) {
		if rows[r] == nil {
			rows[r] = &tally.Sums{}
		}
		rows[r].Merge(x)
	}
	flush := func() error {
		_, err := addSums(ctx, tx, node, rows, nil)
		clear(rows)
		return err
	}
	err := j.Openings(ctx, func(r badgerdb.Row, x *tally.Sums) error {
		add(r, x)
		if r.Gran == badgerdb.Quarters {
			add(badgerdb.Row{Family: r.Family, Gran: badgerdb.Hours, Bucket: r.Bucket / 4, Dim: r.Dim}, x)
			add(badgerdb.Row{Family: r.Family, Gran: badgerdb.Days, Bucket: r.Bucket / 96, Dim: r.Dim}, x)
		}
		if len(rows) < shipMost {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// MoveOut makes a data folder with a store of one machine of all that nodes have, which must
// all have left. print is the fingerprint of the key file that the folder will have.
func MoveOut(ctx context.Context, url, print string, o badgerdb.Options) (m Moved, err error) {
	pool, err := dial(ctx, url, 2)
	if err != nil {
		return m, err
	}
	defer pool.Close()
	_, known, err := prepare(ctx, pool)
	if err != nil {
		return m, err
	}
	if err := sameKey(known, print); err != nil {
		return m, err
	}
	var theirs []Day
	read := func(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
		return again(ctx, func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, pool, reads, func(tx pgx.Tx) error { return do(ctx, tx) })
		})
	}
	err = read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		list, err := peers(ctx, tx)
		if err != nil {
			return err
		}
		for i := range list {
			x := &list[i]
			if x.State == storage.NodeLeft && x.Unshipped == 0 {
				continue
			}
			return tally.Errorf(tally.Conflict, "node %s has not left: it was last heard %s ago, at %s", x.Name,
				x.idle.Round(time.Second), x.Host).
				WithHint("stop it; if it was killed, start it once more and stop it, so that it ships all it has; if its folder is lost, on a node that runs, or that you start in an empty folder for that: tallygate nodes forget %s --stopped",
					tally.ShellWord(x.Name))
		}
		if theirs, err = databaseDays(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM entity), (SELECT count(*) FROM audit), (SELECT count(*) FROM entry), (SELECT count(*) FROM record)`).
			Scan(&m.Entities, &m.Changes, &m.Entries, &m.Records)
	})
	if err != nil {
		return m, err
	}
	if _, err := dump(ctx, read, o); err != nil {
		return m, err
	}
	s, err := badgerdb.Open(ctx, o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m.Days, err = journalDays(ctx, s); err != nil {
		return m, err
	}
	return m, sameDays(m.Days, theirs)
}
