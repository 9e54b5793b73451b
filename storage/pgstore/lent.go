package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
)

// lent is what a node was lent, and has not told to have used, of periods that end at a time in
// Unix seconds.
type lent struct {
	Metric tally.Metric `json:"m"`
	Ends   int64        `json:"e"`
	Amount int64        `json:"n"`
}

// sqlLent tells what a node was lent of counters whose periods are not over.
const sqlLent = `
SELECT metric, ends, sum(granted - used)::int8 FROM lease
WHERE node = $1 AND ends > extract(epoch FROM now())::int8 AND granted > used AND metric >= 0 AND metric < $2
GROUP BY metric, ends ORDER BY metric, ends`

// lookAtLent finds out what this node was lent, which its heartbeats tell the others: a node may
// have hundreds of thousands of leases, too many to be added up whenever somebody asks.
func (s *Store) lookAtLent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.pool.Query(ctx, sqlLent, s.id.ID, len(tally.Metrics))
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (x lent, err error) {
		var metric int
		err = row.Scan(&metric, &x.Ends, &x.Amount)
		x.Metric = tally.Metrics[metric]
		return x, err
	})
	if err == nil {
		s.lent.Store(&list)
	}
	return err
}
