package pgstore

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// rowList is rows of sums as columns, to be passed to a statement.
type rowList struct {
	family, gran []int16
	bucket       []int32
	d1, d2       []string
}

func (l *rowList) add(r badgerdb.Row) {
	l.family, l.gran, l.bucket = append(l.family, int16(r.Family)), append(l.gran,
		int16(r.Gran)), append(l.bucket, int32(r.Bucket))
	l.d1, l.d2 = append(l.d1, toText(r.Dim[0])), append(l.d2, toText(r.Dim[1]))
}

// read reads a node's rows, as far as there are any.
func (l *rowList) read(ctx context.Context, tx pgx.Tx, node string, out map[badgerdb.Row]*tally.Sums) error {
	if len(l.family) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT s.family, s.gran, s.bucket, s.d1, s.d2, s.body
		FROM unnest($2::int2[], $3::int2[], $4::int4[], $5::text[], $6::text[]) AS q (family, gran, bucket, d1, d2)
		JOIN sums s ON s.family = q.family AND s.gran = q.gran AND s.bucket = q.bucket AND s.d1 = q.d1 AND s.d2 = q.d2
		WHERE s.node = $1`, node, l.family, l.gran, l.bucket, l.d1, l.d2)
	if err != nil {
		return err
	}
	return eachRow(rows, func(r badgerdb.Row, x *tally.Sums) error { out[r] = x; return nil })
}

// eachRow reads rows of sums.
func eachRow(rows pgx.Rows, f func(badgerdb.Row, *tally.Sums) error) error {
	var family, gran int16
	var bucket int32
	var d1, d2 string
	var body []byte
	_, err := pgx.ForEachRow(rows, []any{&family, &gran, &bucket, &d1, &d2, &body}, func() error {
		x := &tally.Sums{}
		if err := badgerdb.DecodeSums(body, x); err != nil {
			return err
		}
		return f(badgerdb.Row{Family: uint8(family), Gran: uint8(gran), Bucket: uint32(bucket),
			Dim: tally.Dim{fromText(d1), fromText(d2)}}, x)
	})
	return err
}

func compareRows(a, b badgerdb.Row) int {
	return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Gran, b.Gran), cmp.Compare(a.Bucket, b.Bucket),
		cmp.Compare(a.Dim[0], b.Dim[0]), cmp.Compare(a.Dim[1], b.Dim[1]))
}

// allFamilies are the codes of all families that rows may be of.
func allFamilies() []int16 {
	out := []int16{badgerdb.BySubject}
	for i := range tally.Families {
		out = append(out, int16(i))
	}
	return out
}
