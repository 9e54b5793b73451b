package pgstore

import (
	"context"
	"math/bits"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// Every node removes what is old from its own journal, and the first to come that far
// removes it from the database, of all nodes. What is removed there was shipped by then, or
// is shipped as old as it is: its node removes it then, which has not come so far yet.

const daySeconds = 24 * 60 * 60

func dayOf(t time.Time) int64 { return max(t.Unix(), 0) / daySeconds }

// deleteMost bounds what one statement deletes.
const deleteMost = 5000

// Prune implements storage.History. It says how many records of this node went.
func (s *Store) Prune(ctx context.Context, before storage.Horizons, rest int) (int, error) {
	if err := s.shipFirst(ctx); err != nil {
		return 0, err
	}
	n, err := s.journal.Prune(ctx, before, rest)
	if err != nil {
		return n, err
	}
	return n, s.pruneAll(ctx, before)
}

// shipFirst ships what there is: nothing must go that the database does not have.
func (s *Store) shipFirst(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return again(ctx, func(ctx context.Context) error {
		_, err := s.shipAll(ctx)
		return err
	})
}

// pruneAll removes what all nodes have in the database.
func (s *Store) pruneAll(ctx context.Context, before storage.Horizons) error {
	day, thin := dayOf(before.All), int64(0)
	for _, at := range before.Of {
		thin = max(thin, dayOf(at))
	}
	_, err := s.act(ctx, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		// A proof needs all records of a day, so it is told first that some may be gone.
		_, err := tx.Exec(ctx, `UPDATE cluster SET pruned = greatest(pruned, $1), thinned = greatest(thinned, $2) WHERE one = 1`, day, thin)
		return c.rev, err
	})
	if err != nil {
		return err
	}
	dropped, err := s.dropOld(ctx, day/weekDays)
	if err != nil {
		return err
	}
	deletes := [len(s.gone)]struct {
		where string
		day   int64
	}{
		{`true`, day},
		{`outcome IN ('denied', 'limited')`, dayOf(before.Of[tally.RefusalRecords])},
		{`visitor`, dayOf(before.Of[tally.VisitorRecords])},
	}
	for i, d := range deletes {
		from := s.gone[i].Load()
		n, err := s.delete(ctx, `DELETE FROM record WHERE (day, node, seq) IN
			(SELECT day, node, seq FROM record WHERE day >= $3 AND day < $1 AND `+d.where+` LIMIT $2)`, d.day, from)
		if err != nil {
			return err
		}
		s.gone[i].CompareAndSwap(from, max(from, d.day))
		dropped = dropped || n > 0
	}
	if !dropped {
		return s.forgetAll(ctx, before.All)
	}
	// Nodes that are not there say no more how many records they keep.
	_, err = s.exec(ctx, `UPDATE node SET records = (SELECT count(*) FROM record WHERE record.node = node.id)
		WHERE state <> 'live' OR beat < now() - interval '10 minutes'`)
	if err != nil {
		return err
	}
	return s.forgetAll(ctx, before.All)
}

// dropOld removes the partitions of weeks before one. It waits for nobody who reads them, as
// all others would wait for it meanwhile: what it does not get is deleted row by row, and
// dropped another day.
func (s *Store) dropOld(ctx context.Context, before int64) (dropped bool, err error) {
	err = again(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readPatience)
		defer cancel()
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
			if _, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', '200ms', true)`); err != nil {
				return err
			}
			dropped, err = dropWeeks(ctx, tx, before)
			return err
		})
	})
	if err != nil && ctx.Err() == nil {
		s.log.Info("partitions of old records are in use; their rows are deleted, and they are dropped another day", "error", err)
		return false, nil
	}
	return dropped, err
}

// delete deletes so many rows at a time until none is left, and says how many went.
func (s *Store) delete(ctx context.Context, sql string, day int64, more ...any) (gone int64, err error) {
	for day > 0 {
		if err := s.usable(ctx); err != nil {
			return gone, err
		}
		n, err := s.exec(ctx, sql, append([]any{day, deleteMost}, more...)...)
		if gone += n; err != nil || n < deleteMost {
			return gone, err
		}
	}
	return gone, nil
}

// Forget implements storage.History.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	if err := s.shipFirst(ctx); err != nil {
		return err
	}
	if err := s.journal.Forget(ctx, before); err != nil {
		return err
	}
	return s.forgetAll(ctx, before)
}

// forgetAll removes the details of attempts of all nodes.
func (s *Store) forgetAll(ctx context.Context, before time.Time) error {
	_, err := s.delete(ctx, `UPDATE record SET detail = NULL WHERE (day, node, seq) IN
		(SELECT day, node, seq FROM record WHERE detail IS NOT NULL AND at < to_timestamp($1::int8 * 86400) LIMIT $2)`, dayOf(before))
	return err
}

// Coarsen implements storage.History. In the database, what is told of a quarter of an hour
// of an old day is told of the quarter with which its span begins.
func (s *Store) Coarsen(ctx context.Context, before time.Time, edges func(day time.Time) []time.Time,
	rest int) (time.Time, error) {
	if err := s.shipFirst(ctx); err != nil {
		return time.Time{}, err
	}
	at, err := s.journal.Coarsen(ctx, before, edges, rest)
	if err != nil {
		return at, err
	}
	var from int64
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT coarse FROM cluster WHERE one = 1`).Scan(&from)
		if err != nil || from > 0 {
			return err
		}
		return tx.QueryRow(ctx, `SELECT coalesce(min(bucket), 0) * 86400::int8 FROM sums WHERE family = 0 AND gran = $1`,
			badgerdb.Days).Scan(&from)
	})
	if err != nil {
		return at, err
	}
	for day := time.Unix(from, 0).UTC(); day.Before(at) && from > 0; day = day.Add(24 * time.Hour) {
		if err := s.coarsenDay(ctx, day, edges(day)); err != nil {
			return at, err
		}
	}
	return at, nil
}

// coarsenDay moves the quarters of a day, of all nodes, to where their spans begin.
func (s *Store) coarsenDay(ctx context.Context, day time.Time, edges []time.Time) error {
	s.shipping.Lock() // of this node's rows it may have copies
	defer s.shipping.Unlock()
	s.ships = shipper{}
	starts := newStarts(day, edges)
	end := day.Add(24 * time.Hour).Unix()
	_, err := s.actFor(ctx, readPatience, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		if end <= c.coarse {
			return c.rev, nil // another node was first
		}
		nodes, err := tx.Query(ctx, `SELECT id FROM node UNION SELECT '' ORDER BY 1`)
		if err != nil {
			return 0, err
		}
		ids, err := pgx.CollectRows(nodes, pgx.RowTo[string])
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			if err := coarsenRows(ctx, tx, id, day, starts); err != nil {
				return 0, err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE cluster SET coarse = $1 WHERE one = 1`, end)
		return c.rev, err
	})
	return err
}

// coarsenRows moves a node's quarters of a day.
func coarsenRows(ctx context.Context, tx pgx.Tx, node string, day time.Time, at starts) error {
	families := allFamilies()
	quarters := [2]int64{day.Unix() / badgerdb.GranSeconds(badgerdb.Quarters),
		day.Unix()/badgerdb.GranSeconds(badgerdb.Quarters) + 96}
	rows, err := tx.Query(ctx, `SELECT family, gran, bucket, d1, d2, body FROM sums
		WHERE family = ANY($1) AND gran = $2 AND bucket >= $3 AND bucket < $4 AND node = $5`, families, badgerdb.Quarters, quarters[0], quarters[1], node)
	if err != nil {
		return err
	}
	next := map[badgerdb.Row]*tally.Sums{}
	add := func(r badgerdb.Row, x *tally.Sums) {
		if next[r] == nil {
			next[r] = &tally.Sums{}
		}
		next[r].Merge(x)
	}
	type fine struct {
		row  badgerdb.Row
		sums *tally.Sums
	}
	var all []fine
	if err := eachRow(rows, func(r badgerdb.Row, x *tally.Sums) error {
		all = append(all,
			fine{r, x})
		return nil
	}); err != nil {
		return err
	}
	for _, f := range all {
		first := uint32(quarters[0])
		f.row.Bucket = first + at.start(f.row.Bucket-first)
		add(f.row, f.sums)
		f.row.Gran, f.row.Bucket = badgerdb.Hours, f.row.Bucket/4
		add(f.row, f.sums)
	}
	if len(all) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sums WHERE family = ANY($1) AND node = $2
		AND (gran = $3 AND bucket >= $4 AND bucket < $5 OR gran = $6 AND bucket >= $7 AND bucket < $8)`,
		families, node, badgerdb.Quarters, quarters[0], quarters[1], badgerdb.Hours, quarters[0]/4, quarters[1]/4); err != nil {
		return err
	}
	_, err = addSums(ctx, tx, node, next, nil)
	return err
}

// starts are the quarters of a day with which spans begin, as bits. The first always does.
type starts [2]uint64

func newStarts(day time.Time, edges []time.Time) starts {
	s := starts{1}
	for _, at := range edges {
		if since := at.Sub(day); since >= 0 && since < 24*time.Hour {
			n := since / tally.Bucket
			s[n/64] |= 1 << (n % 64)
		}
	}
	return s
}

// start is the quarter with which the span of a quarter begins.
func (s starts) start(quarter uint32) uint32 {
	for i := int(quarter / 64); i >= 0; i-- {
		before := s[i]
		if i == int(quarter/64) {
			before &= ^uint64(0) >> (63 - quarter%64)
		}
		if before != 0 {
			return uint32(64*i + bits.Len64(before) - 1)
		}
	}
	return 0
}
