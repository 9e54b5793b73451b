package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// The index of ends finds them, however many there are; all are locked in one order.
	sqlOver = `
SELECT subject, metric, starts, ends FROM quota
WHERE (subject, metric, starts, ends) IN (
  SELECT subject, metric, starts, ends FROM quota
  WHERE ends < extract(epoch FROM now())::int8 - 3600 ORDER BY ends LIMIT $1)
ORDER BY subject, metric, starts, ends FOR UPDATE`

	sqlDropLeases = `
DELETE FROM lease WHERE (subject, metric, starts, ends) IN
  (SELECT * FROM unnest($1::text[], $2::int2[], $3::int8[], $4::int8[]) AS a (subject, metric, starts, ends))`

	sqlDropQuotas = `
DELETE FROM quota WHERE (subject, metric, starts, ends) IN
  (SELECT * FROM unnest($1::text[], $2::int2[], $3::int8[], $4::int8[]) AS a (subject, metric, starts, ends))`

	sweepAtMost = 5000 // counters in one transaction
)

// sweep forgets counters whose periods have been over for an hour, by the database's clock,
// and returns how many.
func (b *bank) sweep(ctx context.Context) (swept int, err error) {
	for {
		n, err := b.sweepSome(ctx)
		swept += n
		if err != nil {
			return swept, fmt.Errorf("forgetting counters whose periods are over: %w", causesOf(err))
		}
		if n < sweepAtMost {
			return swept, nil
		}
	}
}

func (b *bank) sweepSome(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	tx, err := b.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer rollback(ctx, tx)
	if _, err := tx.Exec(ctx, sqlPatience); err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, sqlOver, sweepAtMost)
	if err != nil {
		return 0, err
	}
	var over columns
	var subject string
	var metric int16
	var starts, ends int64
	_, err = pgx.ForEachRow(rows, []any{&subject, &metric, &starts, &ends}, func() error {
		over.subject, over.metric = append(over.subject, subject), append(over.metric, metric)
		over.starts, over.ends = append(over.starts, starts), append(over.ends, ends)
		return nil
	})
	if err != nil || len(over.subject) == 0 {
		return 0, err
	}
	for _, sql := range []string{sqlDropLeases, sqlDropQuotas} {
		if _, err := tx.Exec(ctx, sql, over.subject, over.metric, over.starts, over.ends); err != nil {
			return 0, err
		}
	}
	return len(over.subject), tx.Commit(ctx)
}
