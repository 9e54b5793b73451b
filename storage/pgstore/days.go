package pgstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// Day is what a store has of a UTC day of admissions.
type Day struct {
	Day      string        `json:"day"`
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused"`
	Tokens   int64         `json:"tokens"`
	Cost     tally.NanoUSD `json:"cost_nano_usd"`
	Credits  tally.NanoUSD `json:"credits_nano_usd"`
}

// journalDays is what a store of one machine has of each day.
func journalDays(ctx context.Context, s *badgerdb.Store) ([]Day, error) {
	var edges []time.Time
	end := time.Now().AddDate(1, 0, 0)
	for day := earliest; day.Before(end); day = day.AddDate(0, 0, 1) {
		edges = append(edges, day)
	}
	points, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByTotal, Edges: edges})
	var out []Day
	for i := range points {
		out = append(out, dayOfSums(points[i].At, &points[i].Sums))
	}
	return out, err
}

// databaseDays is what the nodes have of each day.
func databaseDays(ctx context.Context, tx pgx.Tx) (out []Day, err error) {
	rows, err := tx.Query(ctx, `SELECT family, gran, bucket, d1, d2, body FROM sums WHERE family = 0 AND gran = $1 ORDER BY bucket`, badgerdb.Days)
	if err != nil {
		return nil, err
	}
	last := uint32(0)
	var sum tally.Sums
	end := func() {
		if sum != (tally.Sums{}) {
			out = append(out, dayOfSums(time.Unix(int64(last)*daySeconds, 0).UTC(), &sum))
		}
		sum = tally.Sums{}
	}
	err = eachRow(rows, func(r badgerdb.Row, x *tally.Sums) error {
		if r.Bucket != last {
			end()
		}
		last = r.Bucket
		sum.Merge(x)
		return nil
	})
	end()
	return out, err
}

func dayOfSums(at time.Time, x *tally.Sums) Day {
	return Day{at.Format(time.DateOnly), x.Requests, x.Refused, x.Tokens.Total(), x.Cost, x.Credits}
}

// sameDays says on which day two stores do not have the same.
func sameDays(a, b []Day) error {
	if slices.Equal(a, b) {
		return nil
	}
	for i := range max(len(a), len(b)) {
		var x, y Day
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return tally.Errorf(tally.Corrupt, "the two stores do not have the same: %s and %s", fmt.Sprintf("%+v", x),
				fmt.Sprintf("%+v", y)).
				WithHint("what was moved from is as it was: run tallygate verify on it")
		}
	}
	return nil
}
