package pgstore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// A node ships what its journal has twice a second: the records, what they add to sums, and
// how far it has come, all in one transaction. So each record counts once, whatever becomes
// of a connection.

const (
	shipEvery = 500 * time.Millisecond
	shipMost  = 2000 // records of one transaction
	// mostCached bounds the sums that are remembered, so that they need not be read again.
	mostCached = 50_000
	// mostAgain bounds how often a shipment finds that another process has changed how far it is.
	mostAgain = 10
)

// shipper is what a node knows of what it has shipped. Only the goroutine that ships uses it.
type shipper struct {
	known bool // shipped is what the database says
	sums  map[badgerdb.Row]*tally.Sums
	weeks map[int64]bool // partitions that are there
}

// errAgain says that what was known of the database was not so.
var errAgain = errors.New("the database has come less far, or farther, than this node has heard")

// keepShipping ships until the store is closed.
func (s *Store) keepShipping() {
	tick := time.NewTicker(shipEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-tick.C:
		case <-s.shipNow:
		}
		// Where nothing was to be shipped the database was not asked: others tell that it answers.
		if _, err := s.shipAll(s.life); err != nil {
			s.reached(time.Time{}, err)
		}
	}
}

// shipAll ships until nothing is left, and says up to which record.
func (s *Store) shipAll(ctx context.Context) (through uint64, err error) {
	s.shipping.Lock()
	defer s.shipping.Unlock()
	began := time.Now() // the journal has by now what was settled before
	for tries := 0; ; {
		more, err := s.ship(ctx)
		if err != nil && !errors.Is(err, errAgain) {
			s.ships = shipper{}
			return 0, err
		}
		if err == nil && !more {
			if err := s.hasMoved(ctx); err != nil {
				return 0, err
			}
			s.shippedAt.Store(began.UnixNano())
			return s.shipped.Load(), nil
		}
		if err != nil { // errAgain: another process may have the node's place
			if tries++; tries == mostAgain {
				return 0, err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// shipSome ships some records, and says whether there are more.
func (s *Store) shipSome(ctx context.Context) (more bool, err error) {
	s.shipping.Lock()
	defer s.shipping.Unlock()
	err = again(ctx, func(ctx context.Context) error {
		more, err = s.ship(ctx)
		if errors.Is(err, errAgain) {
			return nil
		}
		if err != nil {
			s.ships = shipper{}
		}
		return err
	})
	return more, err
}

// ship ships some records; more is whether there may be others.
func (s *Store) ship(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if s.shipAnew.Swap(false) || !s.ships.known {
		s.ships = shipper{}
		if err := s.readShipped(ctx); err != nil {
			return false, err
		}
	}
	behind, end := s.shipped.Load(), s.journal.Latest()
	if behind >= end {
		return false, nil
	}
	list, err := s.journal.Tail(ctx, behind, shipMost)
	if err != nil {
		return false, err
	}
	if more = len(list) == shipMost; more {
		end = list[len(list)-1].Seq
	} else if n := len(list); n > 0 {
		end = max(end, list[n-1].Seq)
	}
	rows, err := s.shipThese(ctx, list, behind, end)
	if err != nil {
		s.ships = shipper{}
		return true, err
	}
	if len(s.ships.sums) > mostCached {
		s.ships.sums = nil
	}
	if s.ships.sums == nil {
		s.ships.sums = map[badgerdb.Row]*tally.Sums{}
	}
	maps.Copy(s.ships.sums, rows)
	s.shipped.Store(end)
	return more, nil
}

// readShipped asks the database how far it has come with this node's records.
func (s *Store) readShipped(ctx context.Context) error {
	var shipped uint64
	if err := s.pool.QueryRow(ctx, `SELECT shipped FROM node WHERE id = $1`, s.id.ID).Scan(&shipped); err != nil {
		return err
	}
	s.shipped.Store(shipped)
	s.ships = shipper{known: true, weeks: map[int64]bool{}}
	return nil
}

// shipThese is the transaction. It returns the sums as they are then.
func (s *Store) shipThese(ctx context.Context, list []badgerdb.Kept, behind,
	end uint64) (rows map[badgerdb.Row]*tally.Sums, err error) {
	if err := s.makeWeeks(ctx, list); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.shipRows(ctx, tx, list, &rows); err != nil {
			return err
		}
		// It comes last, so that exchanges, which lock this row, do not wait for all of the above.
		// Of two copies of a shipment, the second waits at the first record, or finds this changed.
		tag, err := tx.Exec(ctx, `UPDATE node SET shipped = $4, records = $5 WHERE id = $1 AND epoch = $2 AND shipped = $3`,
			s.id.ID, s.bank.epoch.Load(), int64(behind), int64(end), s.journal.Count())
		if err == nil && tag.RowsAffected() == 0 {
			err = errAgain
		}
		return err
	})
	// The records are there, or the partition of an old one, that was, is not.
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "23505" || pg.Code == "23514") {
		err = errAgain
	}
	return rows, err
}

// shipRows writes records and what they add to sums, which it returns as they are then.
func (s *Store) shipRows(ctx context.Context, tx pgx.Tx, list []badgerdb.Kept,
	rows *map[badgerdb.Row]*tally.Sums) error {
	if len(list) == 0 {
		return nil
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"record"}, recordColumns,
		pgx.CopyFromSlice(len(list), func(i int) ([]any, error) {
			return recordRow(s.id.ID, &list[i]), nil
		})); err != nil {
		return err
	}
	var sheet badgerdb.Sheet
	for i := range list {
		sheet.Count(&list[i].Record)
	}
	var err error
	if *rows, err = addSums(ctx, tx, s.id.ID, sheet.Rows(), s.ships.sums); err != nil {
		return err
	}
	return setLastUse(ctx, tx, s.id.ID, list)
}

// makeWeeks makes the partitions that records need.
func (s *Store) makeWeeks(ctx context.Context, list []badgerdb.Kept) error {
	for i := range list {
		week := int64(list[i].Day) / weekDays
		if s.ships.weeks[week] {
			continue
		}
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := lock(ctx, tx); err != nil { // one node at a time
				return err
			}
			return makeWeek(ctx, tx, week)
		})
		// Where a transaction sees what was there when it began, one that had to wait for the lock
		// does not see what was made meanwhile.
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42P07" || pg.Code == "23505") {
			err = errAgain
		}
		if err != nil {
			return err
		}
		s.ships.weeks[week] = true
	}
	return nil
}

var recordColumns = []string{"day", "node", "seq", "settled", "at", "id", "gateway", "client", "key", "provider",
	"token", "model", "endpoint",
	"code", "outcome", "country", "tags", "visitor", "status", "input", "output", "cost", "credits", "events", "took_ms", "body", "detail"}

func recordRow(node string, k *badgerdb.Kept) []any {
	r, t := &k.Record, &k.Tokens
	return []any{int32(k.Day), node, int64(k.Seq), k.Settled.UnixNano(), r.At, toText(string(r.ID)),
		toText(string(r.Gateway)), toText(string(r.Client)),
		toText(string(r.Key)), toText(string(r.Provider)), toText(r.Token), toText(r.Model), toText(r.Endpoint), toText(r.Code), string(r.Outcome),
		toText(r.Country), toText(string(r.Tags)), r.IsOf(tally.VisitorRecords), int32(r.Status), t.Total() - t.Output, t.Output, int64(r.Cost), int64(r.Credits), r.Count,
		r.Total.Milliseconds(), badgerdb.EncodeRecord(k), badgerdb.EncodeDetails(r)}
}

// addSums adds to a node's rows, and returns what they are then. known are those that need
// not be read.
func addSums(ctx context.Context, tx pgx.Tx, node string, add,
	known map[badgerdb.Row]*tally.Sums) (map[badgerdb.Row]*tally.Sums, error) {
	out := make(map[badgerdb.Row]*tally.Sums, len(add))
	var ask rowList
	for row := range add {
		if is := known[row]; is != nil {
			sums := *is
			out[row] = &sums
		} else {
			ask.add(row)
		}
	}
	if err := ask.read(ctx, tx, node, out); err != nil {
		return nil, err
	}
	keys := slices.SortedFunc(maps.Keys(add), compareRows)
	var list rowList
	var figures [9][]int64
	var bodies [][]byte
	for _, row := range keys {
		if out[row] == nil {
			out[row] = &tally.Sums{}
		}
		x := out[row]
		x.Merge(add[row])
		list.add(row)
		for i, n := range figuresOf(x) {
			figures[i] = append(figures[i], n)
		}
		bodies = append(bodies, badgerdb.EncodeSums(x))
	}
	_, err := tx.Exec(ctx, `INSERT INTO sums (family, gran, bucket, d1, d2, node, requests, refused, errors, counted, tokens, cost, credits, sessions, balance, body)
		SELECT q.family, q.gran, q.bucket, q.d1, q.d2, $1, q.requests, q.refused, q.errors, q.counted, q.tokens, q.cost, q.credits, q.sessions, q.balance, q.body
		FROM unnest($2::int2[], $3::int2[], $4::int4[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[],
		  $14::int8[], $15::int8[], $16::bytea[])
		  AS q (family, gran, bucket, d1, d2, requests, refused, errors, counted, tokens, cost, credits, sessions, balance, body)
		ON CONFLICT (family, gran, bucket, d1, d2, node) DO UPDATE SET requests = excluded.requests, refused = excluded.refused, errors = excluded.errors,
		  counted = excluded.counted, tokens = excluded.tokens, cost = excluded.cost, credits = excluded.credits, sessions = excluded.sessions,
		  balance = excluded.balance, body = excluded.body`,
		node, list.family, list.gran, list.bucket, list.d1, list.d2, figures[0], figures[1], figures[2], figures[3], figures[4], figures[5], figures[6],
		figures[7], figures[8], bodies)
	return out, err
}

// figuresOf are the columns of a row. Behind three for people, they have the order of the
// metrics.
func figuresOf(x *tally.Sums) (out [9]int64) {
	out[0], out[1], out[2] = x.Requests, x.Refused, x.Errors
	amounts := x.Amounts()
	copy(out[3:], amounts[:])
	return out
}

// setLastUse notes when subjects were last used. Visitors and parts are too many to be told
// of, and nobody asks.
func setLastUse(ctx context.Context, tx pgx.Tx, node string, list []badgerdb.Kept) error {
	last := map[string]time.Time{}
	for i := range list {
		r := &list[i].Record
		if r.Outcome.Refused() || r.Entry != nil {
			continue
		}
		for _, subject := range r.Subjects() {
			if name := toText(string(subject)); r.At.After(last[name]) {
				last[name] = r.At
			}
		}
	}
	if len(last) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(last))
	at := make([]int64, len(names))
	for i, name := range names {
		at[i] = last[name].UnixNano()
	}
	_, err := tx.Exec(ctx, `INSERT INTO last_use (subject, node, at) SELECT q.subject, $3, q.at FROM unnest($1::text[], $2::int8[]) AS q (subject, at)
		ON CONFLICT (subject, node) DO UPDATE SET at = greatest(last_use.at, excluded.at)`, names, at, node)
	return err
}
