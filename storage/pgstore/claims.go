package pgstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
)

const (
	sqlClaim = `
INSERT INTO session (client, member, begun, ends) VALUES ($1, $2, $3, $4)
ON CONFLICT (client, member) DO UPDATE SET
  begun = CASE WHEN session.ends > $5 THEN session.begun ELSE excluded.begun END,
  ends = CASE WHEN session.ends <= $5 THEN excluded.ends WHEN $6 THEN session.ends ELSE greatest(session.ends, excluded.ends) END
RETURNING begun, ends`

	sqlSession = `SELECT begun, ends FROM session WHERE client = $1 AND member = $2 AND ends > $3`

	sqlDropSessions = `DELETE FROM session WHERE ends < $1`
)

// Claim implements [lease.Bank]. All nodes have claims in one order, so that they do not wait
// for each other in a circle.
func (b *bank) Claim(ctx context.Context, _ string, claims []ledger.Claim) ([]lease.Claimed, error) {
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, k int) int {
		x, y := &claims[i], &claims[k]
		return cmp.Or(cmp.Compare(x.Client, y.Client), cmp.Compare(x.Member, y.Member))
	})
	out := make([]lease.Claimed, len(claims))
	err := b.within(ctx, func(batch *pgx.Batch) {
		for _, i := range order {
			c := &claims[i]
			client, member := toText(string(c.Client)), toText(c.Member)
			scan := func(row pgx.Row) error {
				var begun string
				var ends int64
				err := row.Scan(&begun, &ends)
				if errors.Is(err, pgx.ErrNoRows) {
					return nil
				}
				out[i] = lease.Claimed{Begun: tally.ID(fromText(begun)), Ends: time.Unix(0, ends).UTC()}
				return err
			}
			if c.Request == "" {
				batch.Queue(sqlSession, client, member, c.At.UnixNano()).QueryRow(scan)
			} else {
				batch.Queue(sqlClaim, client, member, toText(string(c.Request)), c.Ends.UnixNano(), c.At.UnixNano(), c.Fixed).QueryRow(scan)
			}
		}
	})
	return out, err
}
