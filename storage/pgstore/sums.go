package pgstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// spans is which rows of other nodes are to be read, as columns. A statement is passed them,
// each with the number of what it is for.
type spans struct {
	of, family, gran []int32
	from, to         []int32
	first, second    []string
	less             []bool
	exact            bool // of all: first and second are what rows have, not what they may have
	// cuts are times that were cut already: of thousands of counters most have the same few periods.
	cuts map[[2]int64][]badgerdb.Span
}

// earliest is before all records: no program of this name was there.
var earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// add adds the rows of a family in a span of time.
func (l *spans) add(of int, row badgerdb.Row, from, to time.Time) {
	from = later(from, earliest)
	if end := time.Now().AddDate(1, 0, 0).Truncate(24 * time.Hour); end.Before(to) { // no clock is so far ahead
		to = end
	}
	if !from.Before(to) {
		return
	}
	first, second := toText(row.Dim[0]), toText(row.Dim[1])
	for _, p := range l.cut(from, to) {
		l.of, l.family, l.gran = append(l.of, int32(of)), append(l.family, int32(row.Family)), append(l.gran, int32(p.Gran))
		l.from, l.to = append(l.from, int32(p.From)), append(l.to, int32(p.To))
		l.first, l.second = append(l.first, first), append(l.second, second)
		l.less = append(l.less, p.Less)
	}
}

// cut is what buckets a time is made of, those in one piece that lie side by side.
func (l *spans) cut(from, to time.Time) (out []badgerdb.Span) {
	at := [2]int64{from.Unix(), to.Unix()}
	if known, is := l.cuts[at]; is {
		return known
	}
	for _, p := range badgerdb.Spans(from, to) {
		n := len(out) - 1
		if n >= 0 && out[n].Gran == p.Gran && out[n].Less == p.Less && out[n].To == p.From {
			out[n].To = p.To
			continue
		}
		out = append(out, p)
	}
	if l.cuts == nil {
		l.cuts = map[[2]int64][]badgerdb.Span{}
	}
	l.cuts[at] = out
	return out
}

// addCounter adds the rows that tell what a counter's subject has used.
func (l *spans) addCounter(of int, c *tally.Counter) {
	l.exact = true
	if badgerdb.InQuarters(&c.Period) {
		for _, row := range badgerdb.RowsOf(c.Subject) {
			l.add(of, row, c.Period.Start, c.Period.End)
		}
	}
}

// sum adds up what rows have of a metric, to be passed to read.
func (l *spans) sum(metric func(of int) tally.Metric, to []int64) func(int, tally.Dim, *tally.Sums, bool) {
	return func(of int, _ tally.Dim, x *tally.Sums, less bool) {
		n := x.Amounts().Of(metric(of))
		if less {
			n = -n
		}
		to[of] = tally.AddSat(to[of], n)
	}
}

// read calls f with the rows of a node, or of all others, of which those that are less are
// to be taken away.
func (l *spans) read(ctx context.Context, tx pgx.Tx, node string, its bool,
	f func(of int, dim tally.Dim, x *tally.Sums, less bool)) error {
	if len(l.of) == 0 {
		return nil
	}
	match := `(q.d1 = '' OR s.d1 = q.d1)`
	if l.exact { // the index has these before the bucket
		match = `s.d1 = q.d1 AND s.d2 = q.d2`
	}
	rows, err := tx.Query(ctx, `SELECT q.what, q.less, s.d1, s.d2, s.body
		FROM unnest($2::int4[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::text[], $8::text[], $9::bool[])
		  AS q (what, family, gran, lo, hi, d1, d2, less)
		JOIN sums s ON s.family = q.family AND s.gran = q.gran AND s.bucket >= q.lo AND s.bucket < q.hi AND `+match+`
		WHERE (s.node = $1) = $10`, node, l.of, l.family, l.gran, l.from, l.to, l.first, l.second, l.less, its)
	if err != nil {
		return err
	}
	var of int
	var less bool
	var d1, d2 string
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&of, &less, &d1, &d2, &body}, func() error {
		x := &tally.Sums{}
		if err := badgerdb.DecodeSums(body, x); err != nil {
			return err
		}
		f(of, tally.Dim{fromText(d1), fromText(d2)}, x, less)
		return nil
	})
	return err
}

// Series implements storage.History. What other nodes have done is known as far as they have
// shipped it.
func (s *Store) Series(ctx context.Context, of ...storage.SeriesQuery) ([]storage.Point, error) {
	ours, err := s.journal.Series(ctx, of...)
	if err != nil || storage.IsOwn(ctx) {
		return ours, err
	}
	type span struct {
		of int
		at time.Time
	}
	var list spans
	var which []span
	for i, q := range of {
		row := badgerdb.Row{Family: uint8(slices.Index(tally.Families, q.Family)), Dim: tally.Dim{q.First}}
		for j := range len(q.Edges) - 1 {
			from, to := s.edge(&q, j), s.edge(&q, j+1)
			list.add(len(which), row, from, to)
			which = append(which, span{i, q.Edges[j].Round(0).UTC()})
		}
	}
	var theirs []map[tally.Dim]*tally.Sums
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		theirs = make([]map[tally.Dim]*tally.Sums, len(which))
		return list.read(ctx, tx, s.id.ID, false, func(of int, dim tally.Dim, x *tally.Sums, less bool) {
			if theirs[of] == nil {
				theirs[of] = map[tally.Dim]*tally.Sums{}
			}
			sums := theirs[of][dim]
			if sums == nil {
				sums = &tally.Sums{}
				theirs[of][dim] = sums
			}
			if less {
				sums.Unmerge(x)
			} else {
				sums.Merge(x)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	at := map[span]int{}
	for i, x := range which {
		at[x] = i
	}
	out := ours[:0]
	for _, p := range ours {
		here := theirs[at[span{p.Of, p.At}]]
		if x := here[p.Dim]; x != nil {
			p.Merge(x)
			delete(here, p.Dim)
		}
		if p.Sums != (tally.Sums{}) {
			out = append(out, p)
		}
	}
	for i, here := range theirs {
		for dim, x := range here {
			if *x != (tally.Sums{}) {
				out = append(out, storage.Point{Of: which[i].of, At: which[i].at, Dim: dim, Sums: *x})
			}
		}
	}
	slices.SortFunc(out, func(a, b storage.Point) int {
		return cmp.Or(cmp.Compare(a.Of, b.Of), a.At.Compare(b.At), cmp.Compare(a.Dim[0], b.Dim[0]),
			cmp.Compare(a.Dim[1], b.Dim[1]))
	})
	return out, nil
}

// edge is where a span of a query begins, as far as sums tell.
func (s *Store) edge(q *storage.SeriesQuery, i int) time.Time {
	at := q.Edges[i]
	if q.Family.Days() {
		at = at.Truncate(24 * time.Hour)
	}
	return s.journal.Snap(at)
}

// Usage implements storage.Meter. Of other nodes it tells what they have shipped, and of
// periods that are not made of quarters of an hour what they have told the bank; and what
// they hold of limits as they last said.
func (s *Store) Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	if len(counters) == 0 {
		return s.journal.Usage(ctx)
	}
	if storage.IsOwn(ctx) {
		return s.ownUsage(ctx, counters...)
	}
	var out []tally.Usage
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		out, err = s.usage(ctx, tx, counters...)
		return err
	})
	return out, err
}

// ownUsage is Usage as far as this node knows: of others what was heard last. Of a balance that
// has to be something, since without what was paid in advance all of it would be used up.
func (s *Store) ownUsage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	out, err := s.journal.Usage(ctx, counters...)
	for i := range out {
		used, heard := s.ledger.Elsewhere(&counters[i])
		if counters[i].Metric == tally.Balance && !heard {
			return nil, tally.Errorf(tally.Unavailable, "what was paid in advance is not known here")
		}
		out[i].Used = tally.AddSat(out[i].Used, used)
	}
	return out, err
}

// usage is Usage as of a transaction.
func (s *Store) usage(ctx context.Context, tx pgx.Tx, counters ...tally.Counter) ([]tally.Usage, error) {
	var list spans
	var short []int
	for i := range counters {
		c := &counters[i]
		if !badgerdb.InQuarters(&c.Period) {
			short = append(short, i)
			continue
		}
		snapped := *c
		snapped.Period.Start, snapped.Period.End = s.journal.Snap(c.Period.Start), s.journal.Snap(c.Period.End)
		list.addCounter(i, &snapped)
	}
	used := make([]int64, len(counters))
	if err := list.read(ctx, tx, s.id.ID, false,
		list.sum(func(i int) tally.Metric { return counters[i].Metric }, used)); err != nil {
		return nil, err
	}
	if err := s.shortUsage(ctx, tx, counters, short, used); err != nil {
		return nil, err
	}
	out, err := s.journal.Usage(ctx, counters...)
	for i := range out {
		out[i].Used = tally.AddSat(out[i].Used, used[i])
	}
	return out, err
}

// shortUsage adds what others have used of periods that sums are too coarse for.
func (s *Store) shortUsage(ctx context.Context, tx pgx.Tx, counters []tally.Counter, short []int, used []int64) error {
	if len(short) == 0 {
		return nil
	}
	var subjects []string
	var metrics []int16
	var starts, ends []int64
	for _, i := range short {
		c := &counters[i]
		subjects, metrics = append(subjects, toText(string(c.Subject))), append(metrics, int16(c.Metric.Index()))
		starts, ends = append(starts, c.Period.Start.Unix()), append(ends, c.Period.End.Unix())
	}
	rows, err := tx.Query(ctx, `SELECT q.n, l.used FROM unnest($2::int4[], $3::text[], $4::int2[], $5::int8[], $6::int8[]) AS q (n, subject, metric, starts, ends)
		JOIN lease l ON l.subject = q.subject AND l.metric = q.metric AND l.starts = q.starts AND l.ends = q.ends
		WHERE l.node <> $1 AND l.node <> ''`, s.id.ID, short, subjects, metrics, starts, ends)
	if err != nil {
		return err
	}
	var i int
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&i, &n}, func() error {
		used[i] = tally.AddSat(used[i],
			n)
		return nil
	}); err != nil {
		return err
	}
	return entriesOf(ctx, tx, slices.Min(starts), slices.Max(ends), func(r *tally.Record) {
		amounts := r.Amounts()
		for _, subject := range badgerdb.CountsOn(r) {
			for _, i := range short {
				if c := &counters[i]; c.Subject == subject && c.Period.Contains(r.At) {
					used[i] = tally.AddSat(used[i], amounts.Of(c.Metric))
				}
			}
		}
	})
}
