package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// usage: a counter that nobody has charged yet counts what its period has
// seen, whatever its window, zone, metric and subject.
func usage(b *bench) {
	b.now = time.Date(2026, 3, 14, 22, 59, 50, 0, time.UTC)
	for range 40 { // until shortly before 01:26 on the next day
		r := b.request(b.charge("visitor/v1", tally.Requests, tally.Hour, 100))
		r.Draft.Token = "to_1"
		b.reserve(r)
		b.settle(r, 5)
		b.now = b.now.Add(220 * time.Second)
	}
	open := b.request(b.charge("visitor/v1", tally.Requests, tally.Hour, 100))
	open.Draft.Token = "to_1"
	b.reserve(open)
	all := b.all(storage.RecordQuery{})
	zones := []*time.Location{time.UTC, time.FixedZone("", 9*3600), time.FixedZone("", -9*3600-1800), time.FixedZone("", 45*60)}
	windows := []tally.Window{{Unit: tally.Minute}, {Unit: tally.Hour}, {Unit: tally.Day}, {Unit: tally.Week}, {Unit: tally.Month}, {Unit: tally.Month, Day: 15}, {Unit: tally.Month, Day: 31}, {Unit: tally.Total}}
	var counters []tally.Counter
	var want []tally.Usage
	for _, at := range []time.Time{b.now, b.now.Add(-time.Hour), b.now.Add(-140 * time.Minute), b.now.AddDate(0, 0, -7)} {
		for _, zone := range zones {
			for _, w := range windows {
				c := tally.Counter{Metric: tally.TokensIO, Period: w.Period(at, zone, 0)}
				var u tally.Usage
				for _, r := range all {
					if c.Period.Contains(r.At) {
						u.Used += 15
					}
				}
				if c.Period.Contains(open.At) {
					u.Held = 110
				}
				for _, c.Subject = range []tally.Subject{gateway, client, key, "token/to_1", "visitor/v1"} {
					counters, want = append(counters, c), append(want, u)
				}
				c.Subject = "client/cl_none"
				counters, want = append(counters, c), append(want, tally.Usage{})
			}
		}
	}
	got, err := b.Usage(ctx, counters...)
	if err != nil || len(got) != len(want) {
		b.Fatalf("%d of %d counters, %v", len(got), len(want), err)
	}
	for i := range want {
		if got[i] != want[i] {
			b.Errorf("%s in %+v: %+v, want %+v", counters[i].Subject, counters[i].Period, got[i], want[i])
		}
	}
	// A limit that comes in mid-period has no free start.
	limit := tally.Charge{Counter: tally.Counter{Subject: client, Metric: tally.Requests, Period: tally.Window{Unit: tally.Day}.Period(b.now, zones[1], 0)}, Max: 42}
	b.reserve(b.request(limit))
	b.refused(b.request(limit))

	if none, err := b.Usage(ctx); err != nil || len(none) != 0 {
		b.Errorf("usage of no counter: %v, %v", none, err)
	}
	_, err = b.Usage(ctx, b.counter(client, "hugs", tally.Day))
	b.wantCode("usage of an unknown metric", err, tally.Invalid)
}

func lastUsed(b *bench) {
	first := b.request(b.charge("visitor/v1", tally.Requests, tally.Hour, 100))
	b.reserve(first)
	b.now = b.now.Add(time.Minute)
	second := b.request()
	second.Draft.Key = "ke_2"
	b.reserve(second) // admitted, whatever becomes of it
	b.now = b.now.Add(time.Minute)
	b.settle(first, 1)
	got, err := b.LastUsed(ctx, client, key, "key/ke_2", "visitor/v1", "key/ke_none", gateway)
	want := []time.Time{second.At, first.At, second.At, first.At, {}, second.At}
	if err != nil || !slices.EqualFunc(got, want, time.Time.Equal) {
		b.Errorf("last used: %v, %v; want %v", got, err, want)
	}
}

// fill makes 24 requests, one each half hour, that differ in every field that
// can be selected, each third a refusal.
func (b *bench) fill() {
	for i := range 24 {
		if i%3 == 2 {
			rec := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%02d", i)), At: b.now, Gateway: "gw_1", Client: "cl_2", Model: "m_2", Status: 429, Outcome: tally.OutcomeLimited, Code: "cost_limit"}
			if err := b.Refuse(ctx, rec); err != nil {
				b.Fatalf("refuse: %v", err)
			}
		} else {
			r := b.request()
			r.Draft.Key, r.Draft.Token = tally.ID(fmt.Sprintf("ke_%d", i%2)), fmt.Sprintf("to_%d", i%4)
			b.reserve(r)
			rec := answered(r, int64(i))
			if i%6 == 0 {
				rec.Gateway, rec.Provider, rec.Status, rec.Outcome, rec.Code = "gw_1", "pr_2", 502, tally.OutcomeFailed, tally.CodeProviderDown
			}
			b.settleAs(r, rec)
		}
		b.now = b.now.Add(30 * time.Minute)
	}
}

func records(b *bench) {
	if list, next, err := b.Records(ctx, storage.RecordQuery{}); err != nil || len(list) != 0 || next != "" {
		b.Errorf("a new store: %v, %q, %v", list, next, err)
	}
	b.fill()
	for _, tc := range []struct {
		name string
		q    storage.RecordQuery
		want int
	}{
		{"all", storage.RecordQuery{}, 24},
		{"since", storage.RecordQuery{Since: start.Add(11 * time.Hour)}, 2},
		{"until", storage.RecordQuery{Until: start.Add(time.Hour)}, 2},
		{"since and until", storage.RecordQuery{Since: start.Add(time.Hour), Until: start.Add(2 * time.Hour)}, 2},
		{"since beyond the last", storage.RecordQuery{Since: start.AddDate(0, 0, 9)}, 0},
		{"gateway", storage.RecordQuery{Gateway: "gw_1"}, 24},
		{"another gateway", storage.RecordQuery{Gateway: "gw_2"}, 0},
		{"client", storage.RecordQuery{Client: "cl_2"}, 8},
		{"key", storage.RecordQuery{Key: "ke_1"}, 8},
		{"provider", storage.RecordQuery{Provider: "pr_2"}, 4},
		{"token", storage.RecordQuery{Token: "to_3"}, 4},
		{"model", storage.RecordQuery{Model: "m_1"}, 16},
		{"code", storage.RecordQuery{Code: "cost_limit"}, 8},
		{"status", storage.RecordQuery{Status: 502}, 4},
		{"outcome", storage.RecordQuery{Outcome: tally.OK}, 12},
		{"ID", storage.RecordQuery{ID: "rf_05"}, 1},
		{"another ID", storage.RecordQuery{ID: "rf_06"}, 0},
		{"several", storage.RecordQuery{Client: "cl_1", Key: "ke_0", Outcome: tally.OK, Since: start.Add(3 * time.Hour)}, 3},
	} {
		got := b.all(tc.q)
		if len(got) != tc.want {
			b.Errorf("%s: %d records, want %d", tc.name, len(got), tc.want)
		}
		for i, r := range got {
			if !tc.q.Match(&r) || i > 0 && r.Seq >= got[i-1].Seq {
				b.Errorf("%s: record %d of %d, %+v, is not selected or out of order", tc.name, i, len(got), r)
			}
		}
	}
	// Answers share nothing with the store.
	r := b.request(b.charge(client, tally.Requests, tally.Total, 1000))
	r.Draft.Visitor = []byte{1, 2, 3}
	b.reserve(r)
	kept := b.settle(r, 1)
	kept.Visitor[0], kept.Charges[0].Max = 9, 9
	if again := b.record(r.ID); again.Visitor[0] != 1 || again.Charges[0].Max != 1000 {
		b.Errorf("a caller changed a record: %+v", again)
	}
}

func recordsPages(b *bench) {
	b.fill()
	all := b.all(storage.RecordQuery{})
	for _, limit := range []int{1, 2, 5, 8, 16, 23, 24, 25, 1000} {
		for _, q := range []storage.RecordQuery{{}, {Client: "cl_1"}, {Code: "cost_limit"}, {Since: start.Add(5 * time.Hour)}} {
			q.Limit = limit
			list, _, err := b.Records(ctx, q)
			if err != nil || len(list) > limit {
				b.Errorf("a page of %d has %d, %v", limit, len(list), err)
			}
			var want []tally.Record
			for _, r := range all {
				if q.Match(&r) {
					want = append(want, r)
				}
			}
			b.wantEqual(fmt.Sprintf("pages of %d", limit), b.all(q), want)
		}
	}
	// What is settled between two pages disturbs neither.
	first, next, err := b.Records(ctx, storage.RecordQuery{Limit: 10})
	if err != nil || next == "" {
		b.Fatalf("a first page: %q, %v", next, err)
	}
	for range 100 {
		r := b.request()
		b.reserve(r)
		b.settle(r, 1)
	}
	b.wantEqual("pages with records between them", append(first, b.all(storage.RecordQuery{After: next, Limit: 7})...), all)
	if list, next, err := b.Records(ctx, storage.RecordQuery{}); err != nil || len(list) != 100 || next == "" {
		b.Errorf("a page of the default size has %d, %q, %v", len(list), next, err)
	}
	for what, q := range map[string]storage.RecordQuery{
		"a negative page": {Limit: -1},
		"a huge page":     {Limit: 1001},
		"no cursor":       {After: "next, please"},
	} {
		_, _, err := b.Records(ctx, q)
		b.wantCode(what, err, tally.Invalid)
	}
}

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
				if dim, ok := f.Dim(&rec); ok && !rec.At.Before(edges[i]) && rec.At.Before(edges[i+1]) {
					if span[dim] == nil {
						span[dim] = &tally.Sums{}
					}
					span[dim].Count(&rec)
				}
			}
			from := len(want)
			for dim, sums := range span {
				want = append(want, storage.Point{At: edges[i], Dim: dim, Sums: *sums})
			}
			slices.SortFunc(want[from:], func(a, b storage.Point) int { return slices.Compare(a.Dim[:], b.Dim[:]) })
		}
		b.wantEqual("series by "+string(f), b.series(f, "", edges...), want)
		for _, first := range []string{"cl_1", "gw_1", "to_1", "to_", "none"} {
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
		n, err := b.Prune(ctx, horizon)
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

func status(b *bench) {
	st, err := b.Status(ctx)
	if err != nil || st.Records != 0 || !st.LastSeen.IsZero() || !st.Admitting {
		b.Errorf("a new store: %+v, %v", st, err)
	}
	r := b.request()
	b.reserve(r)
	if st, err = b.Status(ctx); err != nil || !st.LastSeen.Equal(b.now) {
		b.Errorf("after an admission: %+v, %v", st, err)
	}
	b.settle(r, 1)
	if st, err = b.Status(ctx); err != nil || st.Records != 1 || !st.LastSeen.Equal(b.now.Add(time.Second)) {
		b.Errorf("after a settlement: %+v, %v", st, err)
	}
	// An upstream's nonsense must not push time ahead for good.
	r = b.request()
	b.reserve(r)
	rec := answered(r, 1)
	rec.Total = 1 << 62
	b.settleAs(r, rec)
	if st, err = b.Status(ctx); err != nil || st.LastSeen.After(b.now.AddDate(0, 0, 2)) {
		b.Errorf("after a request of 146 years: %+v, %v", st, err)
	}
	b.reserve(b.request())
	if v := b.verified(); v.Records != 2 || v.Holds != 1 || v.Pruned != 0 {
		b.Errorf("verify: %+v", v)
	}
	var copy bytes.Buffer
	if err := b.Backup(ctx, &copy); err != nil || copy.Len() == 0 {
		b.Errorf("a backup of %d bytes, %v", copy.Len(), err)
	}
}

// hook: every record is told once, in order, as it is kept.
func hook(b *bench) {
	var all sync.WaitGroup
	for i := range 16 {
		reqs := make([]tally.Reservation, 10)
		for j := range reqs {
			reqs[j] = b.request(b.charge(client, tally.Requests, tally.Day, 1000))
		}
		all.Go(func() {
			for j, r := range reqs {
				if _, err := b.Reserve(ctx, r); err != nil {
					b.Errorf("reserve: %v", err)
					return
				}
				switch {
				case j == 3 && i == 3: // left behind
				case j%5 == 4:
					refusal := tally.Record{ID: "rf" + r.ID, At: r.At, Outcome: tally.OutcomeDenied}
					if err := b.Refuse(ctx, refusal); err != nil {
						b.Errorf("refuse: %v", err)
					}
					fallthrough
				default:
					if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, int64(j))}); err != nil {
						b.Errorf("settle: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	if n, err := b.Expire(ctx, b.now.Add(time.Hour), 10); n != 1 || err != nil {
		b.Errorf("expired %d, %v", n, err)
	}
	kept := b.all(storage.RecordQuery{})
	slices.SortFunc(kept, bySeq)
	b.verified()
	b.close() // after it no hook runs
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range kept {
		if r.Seq != uint64(i+1) {
			b.Fatalf("record %d has Seq %d", i+1, r.Seq)
		}
	}
	if len(kept) != 16*10+16*2 {
		b.Errorf("%d records", len(kept))
	}
	b.wantEqual("what the hook was told", b.told, kept)
}

// closed: a store that is closed says so to everyone.
func closed(b *bench) {
	r := b.request()
	b.reserve(r)
	b.verified()
	s := b.Store
	b.close()
	for what, act := range map[string]func() error{
		"Load":     func() error { _, _, err := s.Load(ctx); return err },
		"Apply":    func() error { _, err := s.Apply(ctx, tally.Put(entities()[0], b.now)); return err },
		"Reserve":  func() error { _, err := s.Reserve(ctx, b.request()); return err },
		"Settle":   func() error { return s.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, 1)}) },
		"Refuse":   func() error { return s.Refuse(ctx, tally.Record{ID: "rq", At: b.now, Outcome: tally.OutcomeDenied}) },
		"Extend":   func() error { return s.Extend(ctx, r.ID, b.now) },
		"Expire":   func() error { _, err := s.Expire(ctx, b.now.Add(time.Hour), 1); return err },
		"Usage":    func() error { _, err := s.Usage(ctx, b.counter(client, tally.Requests, tally.Day)); return err },
		"LastUsed": func() error { _, err := s.LastUsed(ctx, client); return err },
		"Holds":    func() error { _, err := s.Holds(ctx); return err },
		"Records":  func() error { _, _, err := s.Records(ctx, storage.RecordQuery{}); return err },
		"Series": func() error {
			_, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByTotal, Edges: []time.Time{start.Truncate(time.Hour), start.Truncate(time.Hour).Add(time.Hour)}})
			return err
		},
		"Prune":  func() error { _, err := s.Prune(ctx, b.now); return err },
		"Status": func() error { _, err := s.Status(ctx); return err },
		"Backup": func() error { return s.Backup(ctx, &bytes.Buffer{}) },
		"Verify": func() error { _, err := s.Verify(ctx); return err },
	} {
		b.wantCode(what+" of a closed store", act(), tally.Unavailable)
	}
}
