package pgstore

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Others implements storage.Cluster. Where nothing is new one row of each node is read.
func (s *Store) Others(ctx context.Context, from time.Time, after storage.Mark, most int) (out []tally.Record,
	mark storage.Mark, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var found []theirs
		names, upTo, err := s.shippedBy(ctx, tx)
		if err != nil {
			return err
		}
		if after == nil {
			q := storage.RecordQuery{Since: from}
			found, err = s.theirPage(ctx, tx, &q, place{settled: 1<<63 - 1}, most)
		} else {
			found, err = theirNews(ctx, tx, from, after, upTo, most)
		}
		if err != nil {
			return err
		}
		out, mark = make([]tally.Record, len(found)), upTo
		for i := range found { // the latest first
			found[i].Node = names[found[i].node]
			out[len(out)-1-i] = found[i].Record
		}
		return nil
	})
	return out, mark, err
}

// shippedBy says how the nodes are called, and up to which record the others have shipped.
func (s *Store) shippedBy(ctx context.Context, tx pgx.Tx) (names map[string]string, upTo storage.Mark, err error) {
	rows, err := tx.Query(ctx, `SELECT id, name, shipped FROM node`)
	if err != nil {
		return nil, nil, err
	}
	names, upTo = map[string]string{}, storage.Mark{}
	var id, name string
	var shipped uint64
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &shipped}, func() error {
		if names[id] = name; id != s.id.ID {
			upTo[id] = shipped
		}
		return nil
	})
	return names, upTo, err
}

// theirNews reads the latest of what other nodes have shipped between two marks, the latest
// first. What was not settled on the day of from or a day or two later is no news.
func theirNews(ctx context.Context, tx pgx.Tx, from time.Time, after, upTo storage.Mark, most int) (out []theirs,
	err error) {
	day := int32(from.Unix() / daySeconds)
	for node, last := range upTo {
		if last <= after[node] {
			continue
		}
		rows, err := tx.Query(ctx, `SELECT settled, node, seq, body, detail FROM record
			WHERE day = ANY($1) AND node = $2 AND seq > $3 AND seq <= $4 ORDER BY seq DESC LIMIT $5`,
			[]int32{day, day + 1, day + 2}, node, after[node], last, most)
		if err != nil {
			return nil, err
		}
		found, err := readRecords(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	tally.Order(out, func(a, b theirs) int {
		return cmp.Or(cmp.Compare(b.settled, a.settled), cmp.Compare(b.node, a.node), cmp.Compare(b.seq, a.seq))
	})
	return out[:min(len(out), most)], nil
}
