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
	// Of a session that runs, its end is after $5 and not after $7.
	sqlClaim = `
INSERT INTO session (client, member, begun, ends) VALUES ($1, $2, $3, $4)
ON CONFLICT (client, member) DO UPDATE SET
  begun = CASE WHEN session.ends > $5 AND session.ends <= $7 THEN session.begun ELSE excluded.begun END,
  ends = CASE WHEN session.ends <= $5 OR session.ends > $7 THEN excluded.ends WHEN $6 THEN session.ends
    ELSE greatest(session.ends, excluded.ends) END
RETURNING begun, ends`

	sqlSession = `SELECT begun, ends FROM session WHERE client = $1 AND member = $2 AND ends > $3 AND ends <= $4`

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
			at, ends, latest := c.At.UnixNano(), c.Ends.UnixNano(), c.Ends.Add(lease.Ahead).UnixNano()
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
				batch.Queue(sqlSession, client, member, at, latest).QueryRow(scan)
			} else {
				batch.Queue(sqlClaim, client, member, toText(string(c.Request)), ends, at, c.Fixed,
					latest).QueryRow(scan)
			}
		}
	})
	return out, err
}
