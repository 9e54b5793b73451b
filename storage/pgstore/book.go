package pgstore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/ledger"
)

// An entry of the book of money is no record of a node: a payment must be there whatever
// becomes of the node that took it. It is made in one transaction with what it adds to sums
// and to what is lent of counters, where it counts as used by a node without a name. The
// nodes hear of it at their next poll.

// book is the node of entries.
const book = ""

// byMinute is the granularity of rows of sums that only the book has: counters of a minute begin
// with them.
const byMinute = 3

// Enter implements storage.Meter.
func (s *Store) Enter(ctx context.Context, r tally.Record) (tally.Record, error) {
	if err := cmp.Or(s.usable(ctx), tally.CheckEntry(&r)); err != nil {
		return r, err
	}
	booked := *r.Entry
	booked.Expires = ledger.UTC(booked.Expires)
	x := tally.Record{ID: r.ID, At: ledger.UTC(r.At), Gateway: r.Gateway, Client: r.Client, Model: r.Model,
		Outcome: r.Outcome, Cost: r.Cost, Credits: r.Credits, Count: 1, Entry: &booked}
	if x.Client != "" && booked.Kind == tally.Expiry {
		balance := x.BalanceCounter()
		s.recall(ctx, &balance)
	}
	asked := booked.Funds
	seq, err := s.act(ctx, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		booked.Funds = asked
		x.Seq = uint64(c.entries + 1)
		if _, err := tx.Exec(ctx, sqlLockNodes); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `UPDATE node SET seen = greatest(seen, $2) WHERE id = $1`, s.id.ID,
			x.At.UnixNano()); err != nil {
			return 0, err
		}
		var before int64 // what the client's balance came to: no other entry comes between
		if x.Client != "" {
			u, err := s.usage(ctx, tx, x.BalanceCounter())
			if err != nil {
				return 0, err
			}
			before = u[0].Used
		}
		return c.entries + 1, enter(ctx, tx, &x, before)
	})
	if err != nil {
		return r, err
	}
	x.Seq = uint64(seq)
	s.ledger.See(x.At)
	s.renew(badgerdb.CountsOn(&x), x.At)
	return x, nil
}

// sqlLockNodes waits for all exchanges. A counter that one of them begins is known afterwards,
// and one that a later exchange begins is begun with the entry. Else it would miss the entry.
const sqlLockNodes = `SELECT 1 FROM node ORDER BY id FOR UPDATE`

// enter makes an entry, and completes it.
func enter(ctx context.Context, tx pgx.Tx, x *tally.Record, before int64) error {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM entry WHERE client = $1 AND id = $2)`,
		toText(string(x.Client)), toText(string(x.ID))).Scan(&there); err != nil {
		return err
	}
	if there {
		return tally.Errorf(tally.Conflict, "entry %s is booked already", x.ID)
	}
	x.Charges = nil
	if err := lockCounters(ctx, tx, x); err != nil {
		return err
	}
	if x.Client != "" {
		if x.Entry.Kind == tally.Expiry {
			left, err := leftOf(ctx, tx, x.BalanceCounter(), before)
			if err != nil {
				return err
			}
			if x.Entry.Funds = max(x.Entry.Funds, tally.NanoUSD(-max(left, 0))); x.Entry.Funds >= 0 {
				return tally.Errorf(tally.NotFound, "there is nothing left that could expire")
			}
		}
		balance, amount := x.BalanceCounter(), x.Amounts().Of(tally.Balance)
		x.Charges = []tally.Charged{{Subject: balance.Subject, Metric: tally.Balance, Window: balance.Period.Label,
			Amount: amount, Used: tally.AddSat(before, amount)}}
	}
	if err := chargeEntry(ctx, tx, x); err != nil {
		return err
	}
	var sheet badgerdb.Sheet
	sheet.Count(x)
	rows := sheet.Rows()
	for row, sums := range maps.Clone(rows) {
		if row.Gran == badgerdb.Quarters {
			row.Gran, row.Bucket = byMinute, uint32(x.At.Unix()/60)
			rows[row] = sums
		}
	}
	if _, err := addSums(ctx, tx, book, rows, nil); err != nil {
		return err
	}
	var b pgx.Batch
	queueEntry(&b, x, book)
	b.Queue(`UPDATE cluster SET entries = $1 WHERE one = 1`, int64(x.Seq))
	return tx.SendBatch(ctx, &b).Close()
}

// queueEntry writes an entry, which is one of a node's records, or of none.
func queueEntry(b *pgx.Batch, x *tally.Record, among string) {
	b.Queue(`INSERT INTO entry (client, id, seq, at, gateway, kind, cost, credits, funds, reason, among, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		toText(string(x.Client)), toText(string(x.ID)), int64(x.Seq), x.At, toText(string(x.Gateway)), toText(string(x.Entry.Kind)),
		int64(x.Cost), int64(x.Credits), int64(x.Entry.Funds), toText(x.Entry.Reason), among,
		badgerdb.EncodeRecord(&badgerdb.Kept{Record: *x, Settled: x.At}))
}

// leftOf is what is left of a balance: what nobody was lent, or of one that is not lent, what
// was not used.
func leftOf(ctx context.Context, tx pgx.Tx, c tally.Counter, used int64) (int64, error) {
	var lent int64
	err := tx.QueryRow(ctx, `SELECT granted FROM quota WHERE subject = $1 AND metric = $2 AND starts = $3 AND ends = $4 FOR UPDATE`,
		toText(string(c.Subject)), int16(c.Metric.Index()), c.Period.Start.Unix(), c.Period.End.Unix()).Scan(&lent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return -used, nil
	case err != nil:
		return 0, err
	}
	return -max(lent, used), nil
}

// lockCounters locks the counters that an entry counts on, in the order of exchanges.
func lockCounters(ctx context.Context, tx pgx.Tx, x *tally.Record) error {
	var metrics []int16
	for m, amount := range x.Amounts() {
		if amount != 0 || m == tally.Balance.Index() {
			metrics = append(metrics, int16(m))
		}
	}
	_, err := tx.Exec(ctx, `SELECT 1 FROM quota WHERE subject = ANY($1) AND metric = ANY($2) AND starts <= $3 AND ends > $3
		ORDER BY subject, metric, starts, ends FOR UPDATE`, texts(badgerdb.CountsOn(x)), metrics, x.At.Unix())
	return err
}

// chargeEntry counts an entry on the counters that are lent, as granted to and used by nobody.
func chargeEntry(ctx context.Context, tx pgx.Tx, x *tally.Record) error {
	amounts := x.Amounts()
	for m, amount := range amounts {
		if amount == 0 {
			continue
		}
		_, err := tx.Exec(ctx, `WITH q AS (
			  SELECT subject, metric, starts, ends FROM quota
			  WHERE subject = ANY($1) AND metric = $2 AND starts <= $3 AND ends > $3
			  ORDER BY subject, metric, starts, ends FOR UPDATE
			), l AS (
			  INSERT INTO lease (subject, metric, starts, ends, node, granted, used)
			  SELECT subject, metric, starts, ends, $4, $5, $5 FROM q
			  ON CONFLICT (subject, metric, starts, ends, node) DO UPDATE SET granted = lease.granted + excluded.granted, used = lease.used + excluded.used
			  RETURNING 1
			)
			UPDATE quota SET granted = quota.granted + $5 FROM q
			WHERE quota.subject = q.subject AND quota.metric = q.metric AND quota.starts = q.starts AND quota.ends = q.ends`,
			texts(badgerdb.CountsOn(x)), int16(m), x.At.Unix(), book, amount)
		if err != nil {
			return err
		}
	}
	return nil
}

// recall has the nodes return what they do not use of a counter.
func (s *Store) recall(ctx context.Context, c *tally.Counter) {
	s.lender.Learn([]tally.Counter{*c})
	s.renew([]tally.Subject{c.Subject}, c.Period.Start)
	n, err := s.exec(ctx, `UPDATE quota SET wanted = now() WHERE subject = $1 AND metric = $2 AND starts = $3 AND ends = $4
		AND EXISTS (SELECT 1 FROM lease l WHERE l.subject = $1 AND l.metric = $2 AND l.starts = $3 AND l.ends = $4 AND l.node NOT IN ($5, '') AND l.granted > l.used)`,
		toText(string(c.Subject)), int16(c.Metric.Index()), c.Period.Start.Unix(), c.Period.End.Unix(), s.id.ID)
	if err != nil || n == 0 {
		return
	}
	select { // they see it at their next poll
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
}

// renew learns what counts on counters of subjects at a time, so that this node spends no
// more than is left, and those who wait have what was given back.
func (s *Store) renew(of []tally.Subject, at time.Time) {
	err := s.lender.Renew(s.life, func(c *tally.Counter) bool {
		return slices.Contains(of, c.Subject) && !at.Before(c.Period.Start) && at.Before(c.Period.End)
	})
	if err != nil && s.life.Err() == nil {
		s.log.Warn("what an entry of the book of money changes is not known here yet", "error", err)
	}
}

// hearEntries learns of entries that were made elsewhere.
func (s *Store) hearEntries() error {
	from, through := s.entriesHeard.Load(), s.bank.entries.Load()
	if from >= through {
		return nil
	}
	var list []tally.Record
	err := s.read(s.life, func(ctx context.Context, tx pgx.Tx) error {
		list = nil
		return entriesBy(ctx, tx, `seq > $1 AND seq <= $2`, []any{from, through},
			func(r *tally.Record) { list = append(list, *r) })
	})
	if err != nil {
		return err
	}
	for i := range list {
		s.renew(badgerdb.CountsOn(&list[i]), list[i].At)
	}
	s.entriesHeard.CompareAndSwap(from, through)
	return nil
}

// Entries implements storage.History.
func (s *Store) Entries(ctx context.Context, q storage.EntryQuery) (out []tally.Record, err error) {
	where, args := `true`, []any{}
	if q.Client != "" {
		where, args = `client = $1`, []any{toText(string(q.Client))}
	}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = nil
		return entriesBy(ctx, tx, where, args, func(r *tally.Record) {
			if q.Match(r) {
				out = append(out, *r)
			}
		})
	})
	return out, err
}

// entriesOf calls f with the entries of a time, in Unix seconds, that are no node's records.
func entriesOf(ctx context.Context, tx pgx.Tx, from, to int64, f func(*tally.Record)) error {
	if to == math.MaxInt64 {
		to = from
	}
	return entriesBy(ctx, tx, `among = '' AND at >= $1 AND at < $2`, []any{time.Unix(from, 0), time.Unix(to, 0)}, f)
}

func entriesBy(ctx context.Context, tx pgx.Tx, where string, args []any, f func(*tally.Record)) error {
	rows, err := tx.Query(ctx, `SELECT body FROM entry WHERE `+where+` ORDER BY seq`, args...)
	if err != nil {
		return err
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		k, err := badgerdb.DecodeRecord(body)
		if err != nil {
			return err
		}
		f(&k.Record)
		return nil
	})
	return err
}
