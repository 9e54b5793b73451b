package storetest

import (
	"fmt"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

func series(b *bench) {
	b.fill()
	// One at work across an edge counts where it was admitted.
	r := b.request()
	r.At, r.Draft.Country = start.Truncate(time.Hour).Add(15*time.Hour-time.Second), "PT"
	b.reserve(r)
	b.settle(r, 50)

	hour := start.Truncate(time.Hour)
	edges := []time.Time{hour.Add(-24 * time.Hour), hour, hour.Add(15 * time.Minute), hour.Add(2 * time.Hour), hour.Add(36 * time.Hour), hour.AddDate(1, 0, 0)}
	all := b.all(storage.RecordQuery{})
	for _, f := range tally.Families {
		var want []storage.Point
		for i := range edges[1:] {
			span := map[tally.Dim]*tally.Sums{}
			for _, rec := range all {
				if rec.At.Before(edges[i]) || !rec.At.Before(edges[i+1]) {
					continue
				}
				f.Dims(&rec, func(dim tally.Dim) {
					if span[dim] == nil {
						span[dim] = &tally.Sums{}
					}
					span[dim].Count(&rec)
				})
			}
			from := len(want)
			for dim, sums := range span {
				want = append(want, storage.Point{At: edges[i], Dim: dim, Sums: *sums})
			}
			slices.SortFunc(want[from:], func(a, b storage.Point) int { return slices.Compare(a.Dim[:], b.Dim[:]) })
		}
		b.wantEqual("series by "+string(f), b.series(f, "", edges...), want)
		for _, first := range []string{"cl_1", "gw_1", "to_1", "to_", "up_1", "none"} {
			some := slices.DeleteFunc(slices.Clone(want), func(p storage.Point) bool { return p.Dim[0] != first })
			if got := b.series(f, first, edges...); len(got)+len(some) > 0 {
				b.wantEqual(fmt.Sprintf("series by %s of %s", f, first), got, some)
			}
		}
	}

	// By hand: the first two hours have three answers and one refusal.
	p := b.series(tally.ByTotal, "", hour, hour.Add(2*time.Hour))
	want := tally.Sums{Requests: 3, Refused: 1, Errors: 1, Tokens: tally.Tokens{Input: 30, Output: 0 + 1 + 3}, Cost: 3008, Credits: 3611,
		FirstByte: 400 * time.Millisecond, Total: 2 * time.Second}
	want.Latency[tally.LatencyBucket(time.Second)] = 2
	b.wantEqual("the first two hours", p, []storage.Point{{At: hour, Sums: want}})

	for _, few := range [][]time.Time{nil, {hour}, {hour.AddDate(-3, 0, 0), hour.AddDate(-2, 0, 0)}} {
		if p := b.series(tally.ByTotal, "", few...); len(p) != 0 {
			b.Errorf("edges %v have points: %+v", few, p)
		}
	}
	for what, q := range map[string]storage.SeriesQuery{
		"an unknown family": {Family: "planet", Edges: edges},
		"an edge at 7:30":   {Family: tally.ByTotal, Edges: []time.Time{hour, start}},
		"edges that fall":   {Family: tally.ByTotal, Edges: []time.Time{hour.Add(time.Hour), hour}},
		"equal edges":       {Family: tally.ByTotal, Edges: []time.Time{hour, hour}},
	} {
		_, err := b.Series(ctx, q)
		b.wantCode(what, err, tally.Invalid)
	}
}

func prune(b *bench) {
	// Ten requests, one each six hours, from noon on the 10th to the 12th; the
	// last is at work across midnight of the 12th.
	var open []tally.Reservation
	for i := range 10 {
		r := b.request(b.charge("visitor/v1", tally.Requests, tally.Month, 100))
		b.reserve(r)
		if i == 9 {
			open = append(open, r)
		} else {
			b.settle(r, int64(i))
		}
		b.now = b.now.Add(6 * time.Hour)
	}
	late := b.request()
	late.At = time.Date(2026, 3, 12, 23, 59, 59, 0, time.UTC) // settled on the 13th
	b.reserve(late)
	rec := answered(late, 1)
	rec.Total = 2 * time.Second
	b.settleAs(late, rec)

	day := start.Truncate(24 * time.Hour)
	edges := []time.Time{day, day.AddDate(0, 0, 1), day.AddDate(0, 0, 2), day.AddDate(0, 0, 3), day.AddDate(0, 0, 4)}
	before := b.series(tally.ByTotal, "", edges...)
	var counters []tally.Counter
	for _, s := range []tally.Subject{gateway, client, key, "visitor/v1"} {
		for _, u := range []tally.Unit{tally.Hour, tally.Day, tally.Week, tally.Month, tally.Total} {
			for _, at := range []time.Time{start, start.AddDate(0, 0, 1), b.now} {
				counters = append(counters, tally.Counter{Subject: s, Metric: tally.TokensIO, Period: tally.Window{Unit: u}.Period(at, time.UTC, 0)})
			}
		}
	}
	used, err := b.Usage(ctx, counters...)
	if err != nil {
		b.Fatalf("%v", err)
	}
	_, cursor, err := b.Records(ctx, storage.RecordQuery{Limit: 9})
	if err != nil || cursor == "" {
		b.Fatalf("%q, %v", cursor, err)
	}

	cut := func(horizon time.Time, want, left int) {
		b.Helper()
		n, err := b.Prune(ctx, storage.Before(horizon), 0)
		if list := b.all(storage.RecordQuery{}); err != nil || n != want || len(list) != left {
			b.Errorf("prune before %v: %d, %v, %d left; want %d, %d left", horizon, n, err, len(list), want, left)
		}
		if r := b.verified(); r.Records != int64(left) || r.Pruned != int64(10-left) || r.Holds != 1 {
			b.Errorf("verify: %+v", r)
		}
		if st, err := b.Status(ctx); err != nil || st.Records != int64(left) {
			b.Errorf("status: %+v, %v", st, err)
		}
		b.wantEqual("series after pruning", b.series(tally.ByTotal, "", edges...), before)
		again, err := b.Usage(ctx, counters...)
		if err != nil {
			b.Fatalf("%v", err)
		}
		b.wantEqual("usage after pruning", again, used)
	}
	cut(start.AddDate(0, 0, -5), 0, 10)
	cut(day.Add(24*time.Hour-1), 0, 10) // the day that contains it stays
	cut(day.Add(24*time.Hour), 2, 8)
	cut(day.Add(24*time.Hour), 0, 8)
	cut(day.AddDate(0, 0, 3).Add(5*time.Hour), 7, 1) // the one settled on the 13th stays
	if list := b.all(storage.RecordQuery{After: cursor}); len(list) != 0 {
		b.Errorf("a page of pruned records: %+v", list)
	}
	b.settle(open[0], 3)
	if got := b.record(open[0].ID); got.Seq != 11 {
		b.Errorf("the record after pruning has Seq %d, want 11", got.Seq)
	}
}
