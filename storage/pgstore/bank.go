package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/lease"
)

// bank is the [lease.Bank] of one node. Its methods but sweep are for one goroutine at a time,
// as a lender calls them.
type bank struct {
	pool *pgxpool.Pool // best one of its own: it must not wait for those who read
	// said is what the node says of itself, JSON. Every fifth poll tells it.
	said func() string
	// changed is called by Poll with the latest revision of entities and the number of the
	// latest entry of the book of money, if one of them is another one than before.
	changed func(rev, entries int64)

	epoch        atomic.Int64 // of this process
	nodes        atomic.Int64 // that are live, as last heard
	rev, entries atomic.Int64
	polls        int
}

const heartbeatEvery = 5 // polls

// A join goes on from the epoch that it has read: one that arrives late, when its sender has
// joined anew, finds another one and changes nothing.
const (
	sqlEpoch = `SELECT ` + epochOf + ` FROM node WHERE id = $1`

	sqlJoin = `
UPDATE node SET epoch = greatest(epoch + 1, $2), op = 0, state = 'live', beat = now() WHERE id = $1 AND epoch = $3
RETURNING epoch, (SELECT count(*) FROM node WHERE state = 'live' OR id = $1)`
)

// epochOf is a node's epoch, [lease.Forgotten] of one that was forgotten.
const epochOf = `CASE WHEN node.state = 'forgotten' THEN 9223372036854775807 ELSE node.epoch END`

// A database that has forgotten something lends nothing until its nodes have told it again what
// they have: they all notice within a poll.
const sqlDoubt = `UPDATE cluster SET doubt = now() + interval '2 seconds' WHERE one = 1`

// Join implements [lease.Bank]. The node must have a row: one that has none, as the database was
// set back to before it joined, makes it when its process begins anew.
func (b *bank) Join(ctx context.Context, node string, atLeast int64) (epoch int64, err error) {
	var before, nodes int64
	err = b.within(ctx, func(batch *pgx.Batch) {
		batch.Queue(sqlEpoch, node).QueryRow(func(row pgx.Row) error { return row.Scan(&before) })
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, tally.Errorf(tally.NotFound, "the nodes' database does not know the node %q", node).
			WithHint("if the database was set back to before this node had joined, stop it and start it again")
	}
	if err == nil && before == lease.Forgotten {
		return before, nil
	}
	if err == nil {
		err = b.within(ctx, func(batch *pgx.Batch) {
			batch.Queue(sqlJoin, node, atLeast, before).QueryRow(func(row pgx.Row) error { return row.Scan(&epoch, &nodes) })
			if b.epoch.Load() > 0 { // it has forgotten that this process has joined
				batch.Queue(sqlDoubt)
			}
		})
	}
	if err != nil { // also if another one has joined in between
		return 0, fmt.Errorf("joining the nodes: %w", err)
	}
	b.epoch.Store(epoch)
	b.nodes.Store(nodes)
	return epoch, nil
}

// Exchange implements [lease.Bank].
func (b *bank) Exchange(ctx context.Context, op *lease.Exchange) (r lease.Reply, err error) {
	r.Leases = make([]lease.Lease, len(op.Asks))
	all, fresh := columnsOf(op.Asks)
	keys := []any{all.subject, all.metric, all.starts, all.ends}
	fence := []any{op.Node, op.Epoch, op.Op}
	err = b.within(ctx, func(batch *pgx.Batch) {
		batch.Queue(sqlLockNode, op.Node)
		if len(fresh.subject) > 0 {
			r := fresh.rows()
			batch.Queue(sqlBegin, append(fence[:3:3], fresh.subject, fresh.metric, fresh.starts, fresh.ends, r.of,
				r.family, r.gran, r.d1, r.d2)...)
		}
		batch.Queue(sqlLockQuotas, append(fence[:3:3], keys...)...)
		batch.Queue(sqlGrant, op.Node, op.Epoch, op.Op, all.subject, all.metric, all.starts, all.ends,
			all.max, all.have, all.least, all.want, all.extra, all.used, max(1, b.nodes.Load()))
		batch.Queue(sqlTakeNumber, fence...)
		batch.Queue(sqlStands, append([]any{op.Node}, keys...)...).Query(func(rows pgx.Rows) error {
			var place int64
			var x lease.Lease
			row := []any{&r.Epoch, &r.Op, &place, &x.Granted, &x.Elsewhere, &x.Others}
			_, err := pgx.ForEachRow(rows, row, func() error {
				if place > 0 {
					r.Leases[place-1] = x
				}
				return nil
			})
			return err
		})
	})
	if err != nil {
		return lease.Reply{}, fmt.Errorf("an exchange with the nodes' database: %w", err)
	}
	return r, nil
}

// within carries out statements in one transaction and one round trip. Any error leaves open
// whether it was committed. The timeouts are those of the transaction, since a connection may
// be shared with others between transactions.
func (b *bank) within(ctx context.Context, queue func(*pgx.Batch)) error {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return causesOf(err)
	}
	defer conn.Release()
	batch := &pgx.Batch{}
	batch.Queue(`BEGIN`)
	batch.Queue(sqlPatience)
	queue(batch)
	batch.Queue(`COMMIT`).Exec(func(done pgconn.CommandTag) error {
		if done.String() != `COMMIT` {
			return errors.New("the transaction was rolled back")
		}
		return nil
	})
	err = conn.SendBatch(ctx, batch).Close()
	if raw := conn.Conn(); err != nil && !raw.IsClosed() && raw.PgConn().TxStatus() != 'I' {
		conn.Exec(ctx, `ROLLBACK`) // else the connection is thrown away, which costs a new one
	}
	return causesOf(err)
}

// columns are asks as arrays, one for each column.
type columns struct {
	subject                             []string
	metric                              []int16
	starts, ends                        []int64
	max, have, least, want, extra, used []int64
}

// columnsOf returns all asks, and those of counters that the bank may not know.
func columnsOf(asks []lease.Ask) (all, fresh columns) {
	for i := range asks {
		all.add(&asks[i])
		if asks[i].New {
			fresh.add(&asks[i])
		}
	}
	return all, fresh
}

// seedRows are rows of sums, of any bucket, each with the place of its counter, from 1 on.
type seedRows struct {
	of     []int64
	family []int16
	gran   []int16
	d1, d2 []string
}

// rows are the rows that tell what the counters' periods have seen.
func (c *columns) rows() (out seedRows) {
	for i := range c.subject {
		x := counterOf(c.subject[i], c.metric[i], c.starts[i], c.ends[i])
		if x.Metric.Index() < 0 {
			continue
		}
		gran := int16(badgerdb.Quarters)
		if !badgerdb.InQuarters(&x.Period) {
			gran = byMinute
		}
		for _, r := range badgerdb.RowsOf(x.Subject) {
			out.gran = append(out.gran, gran)
			out.of, out.family = append(out.of, int64(i+1)), append(out.family, int16(r.Family))
			out.d1, out.d2 = append(out.d1, toText(r.Dim[0])), append(out.d2, toText(r.Dim[1]))
		}
	}
	return out
}

func (c *columns) add(a *lease.Ask) {
	c.subject = append(c.subject, toText(string(a.Subject)))
	c.metric = append(c.metric, int16(a.Metric.Index()))
	c.starts, c.ends = append(c.starts, a.Period.Start.Unix()), append(c.ends, a.Period.End.Unix())
	c.max, c.have, c.least = append(c.max, a.Max), append(c.have, a.Have), append(c.least, a.Least)
	c.want, c.extra, c.used = append(c.want, a.Want), append(c.extra, a.Extra), append(c.used, a.Used)
}

// sqlPoll looks for the counters that were wanted latest, and for the node's lease on each. As
// a join, or with the node as a condition, or without a limit to how many, it may be planned
// the other way round, and look at all leases of the node. Who lacks a counter says so again.
const sqlPoll = `
SELECT ` + epochOf + `, node.op,
  coalesce((SELECT rev FROM cluster), 0), coalesce((SELECT entries FROM cluster), 0),
  w.subject, w.metric, w.starts, w.ends
FROM node
LEFT JOIN (
  SELECT q.subject, q.metric, q.starts, q.ends
  FROM (
    SELECT subject, metric, starts, ends FROM quota
    WHERE wanted > now() - interval '1 second' ORDER BY wanted DESC LIMIT 5000
  ) AS q
  WHERE (
    SELECT max(CASE WHEN l.node = $1 THEN 1 END) FROM lease AS l
    WHERE l.subject = q.subject AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends
  ) = 1
) AS w ON true
WHERE node.id = $1`

// A process whose place another one has taken does not speak for the node any more, and what
// comes late of one that has left does not take that back.
const sqlHeartbeat = `UPDATE node SET beat = now(), said = $3 WHERE id = $1 AND epoch = $2 AND state = 'live'`

const sqlLive = `SELECT count(*) FROM node WHERE state = 'live'`

// Poll implements [lease.Bank]. The labels of what is wanted are not known: only people read
// them.
func (b *bank) Poll(ctx context.Context, node string) (n lease.News, err error) {
	var rev, entries, nodes int64
	poll := func(rows pgx.Rows) error {
		var subject *string
		var metric *int16
		var starts, ends *int64
		row := []any{&n.Epoch, &n.Op, &rev, &entries, &subject, &metric, &starts, &ends}
		_, err := pgx.ForEachRow(rows, row, func() error {
			if subject != nil {
				n.Wanted = append(n.Wanted, counterOf(*subject, *metric, *starts, *ends))
			}
			return nil
		})
		return err
	}
	beats := b.polls%heartbeatEvery == 0
	if beats {
		err = b.within(ctx, func(batch *pgx.Batch) {
			batch.Queue(sqlHeartbeat, node, b.epoch.Load(), b.said())
			batch.Queue(sqlLive).QueryRow(func(row pgx.Row) error { return row.Scan(&nodes) })
			batch.Queue(sqlPoll, node).Query(poll)
		})
	} else {
		var rows pgx.Rows
		if rows, err = b.pool.Query(ctx, sqlPoll, node); err == nil {
			err = poll(rows)
		}
	}
	if err != nil {
		return lease.News{}, fmt.Errorf("asking the nodes' database for news: %w", causesOf(err))
	}
	b.polls++
	if beats {
		b.nodes.Store(nodes)
	}
	if n.Epoch == 0 { // the node has no row
		return n, nil
	}
	if oldRev, oldEntries := b.rev.Swap(rev), b.entries.Swap(entries); oldRev != rev || oldEntries != entries {
		b.changed(rev, entries)
	}
	return n, nil
}

const sqlLentOf = `
SELECT subject, metric, starts, ends FROM lease
WHERE node = $1 AND granted > used AND ends > extract(epoch FROM now())::int8`

// Lent implements [lease.Bank], with counters without labels like Poll.
func (b *bank) Lent(ctx context.Context, node string) ([]tally.Counter, error) {
	rows, err := b.pool.Query(ctx, sqlLentOf, node)
	if err != nil {
		return nil, causesOf(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c tally.Counter, err error) {
		var subject string
		var metric int16
		var starts, ends int64
		err = row.Scan(&subject, &metric, &starts, &ends)
		return counterOf(subject, metric, starts, ends), err
	})
	return list, causesOf(err)
}

func counterOf(subject string, metric int16, starts, ends int64) tally.Counter {
	return tally.Counter{Subject: tally.Subject(fromText(subject)), Metric: lease.MetricOf(int(metric)),
		Period: tally.Period{Start: time.Unix(starts, 0).UTC(), End: time.Unix(ends, 0).UTC()}}
}
