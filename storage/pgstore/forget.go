package pgstore

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/lease"
)

// ForgetNode implements storage.Cluster.
func (s *Store) ForgetNode(ctx context.Context, name string, stopped bool) (out storage.Node, err error) {
	if err := s.usable(ctx); err != nil {
		return out, err
	}
	_, err = s.actFor(ctx, readPatience, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		list, err := peers(ctx, tx)
		if err != nil {
			return 0, err
		}
		i := slices.IndexFunc(list, func(m peer) bool { return m.Name == name })
		if i < 0 {
			return 0, tally.Errorf(tally.NotFound, "there is no node %q", name).WithHint("see: tallygate nodes")
		}
		m := &list[i]
		out = m.Node
		switch {
		case m.id == s.id.ID:
			return 0, tally.Errorf(tally.Conflict, "node %s is the one that was asked", name).
				WithHint("ask another node; to take this one away, stop it")
		case m.State == storage.NodeLive && !stopped:
			return 0, tally.Errorf(tally.Conflict, "node %s was heard %s ago, and may be serving", name,
				m.idle.Round(time.Second)).
				WithHint("stop it first; if it has stopped and will never be back: tallygate nodes forget %s --stopped",
					tally.ShellWord(name))
		}
		if out.Lent, err = free(ctx, tx, m.id, m.Heard.Add(m.idle)); err != nil {
			return 0, err
		}
		// A process of it that is there all the same is fenced by the epoch.
		_, err = tx.Exec(ctx, `UPDATE node SET state = $2, epoch = epoch + 1, name = id WHERE id = $1`, m.id, forgotten)
		return c.rev, err
	})
	return out, err
}

// free has each counter count of a node what it has told or shipped that it used, whichever is
// more, and takes back the rest of what it was lent. It may have shipped what it was not lent:
// requests that cost more than was held for them, or that were served before it had heard of a
// limit. Once the node's row is locked neither changes, and a counter that begins meanwhile
// begins with what was shipped. Locks are taken in the order of an exchange. It says how much
// is free again of periods that are not over.
func free(ctx context.Context, tx pgx.Tx, node string, now time.Time) (map[string]int64, error) {
	if _, err := tx.Exec(ctx, sqlLockNode, node); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT q.subject, q.metric, q.starts, q.ends, l.granted, l.used FROM quota q
		LEFT JOIN lease l ON l.subject = q.subject AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends
		  AND l.node = $1`, node)
	if err != nil {
		return nil, err
	}
	type stand struct {
		counter       tally.Counter
		metric        int16
		granted, used *int64 // nil if it was not lent anything
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (x stand, err error) {
		var subject string
		var starts, ends int64
		err = row.Scan(&subject, &x.metric, &starts, &ends, &x.granted, &x.used)
		x.counter = counterOf(subject, x.metric, starts, ends)
		return x, err
	})
	if err != nil {
		return nil, err
	}
	var sums spans
	for i := range list {
		if list[i].metric >= 0 { // nothing is used of places
			sums.addCounter(i, &list[i].counter)
		}
	}
	shipped := make([]int64, len(list))
	err = sums.read(ctx, tx, node, true, sums.sum(func(i int) tally.Metric { return list[i].counter.Metric }, shipped))
	if err != nil {
		return nil, err
	}
	var c columns
	freed := map[string]int64{}
	for i, x := range list {
		used := shipped[i]
		if x.used != nil {
			used = max(used, *x.used)
			if more := *x.granted - used; more > 0 && x.metric >= 0 && x.counter.Period.End.After(now) {
				freed[string(x.counter.Metric)] += more
			}
		}
		if x.used != nil && (used != *x.used || used != *x.granted) || x.used == nil && used != 0 {
			c.add(&lease.Ask{Counter: x.counter, Used: used})
		}
	}
	return freed, setUsed(ctx, tx, node, &c)
}

// setUsed makes what a node has used of counters, and no more, what it was lent of them.
func setUsed(ctx context.Context, tx pgx.Tx, node string, c *columns) error {
	const these = `FROM unnest($1::text[], $2::int2[], $3::int8[], $4::int8[]`
	const are = ` ON q.subject = a.subject AND q.metric = a.metric AND q.starts = a.starts AND q.ends = a.ends`
	keys := []any{c.subject, c.metric, c.starts, c.ends}
	if _, err := tx.Exec(ctx, `SELECT 1 `+these+`) AS a (subject, metric, starts, ends) JOIN quota q`+are+`
		ORDER BY q.subject, q.metric, q.starts, q.ends FOR UPDATE OF q`, keys...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `WITH a AS MATERIALIZED (
		  SELECT q.subject, q.metric, q.starts, q.ends, a.used, a.used - coalesce(l.granted, 0) AS more
		  `+these+`, $5::int8[]) AS a (subject, metric, starts, ends, used) JOIN quota q`+are+`
		  LEFT JOIN lease l ON l.subject = q.subject AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends
		    AND l.node = $6
		), x AS (
		  UPDATE quota q SET granted = q.granted + a.more FROM a WHERE `+are[4:]+`
		)
		INSERT INTO lease (subject, metric, starts, ends, node, granted, used)
		SELECT subject, metric, starts, ends, $6, used, used FROM a ORDER BY subject, metric, starts, ends
		ON CONFLICT (subject, metric, starts, ends, node) DO UPDATE SET granted = excluded.granted, used = excluded.used`,
		append(keys, c.used, node)...)
	return err
}
