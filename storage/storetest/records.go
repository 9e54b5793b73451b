package storetest

import (
	"fmt"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// fill makes 24 requests, one each half hour, that differ in every field that
// can be selected, each third a refusal.
func (b *bench) fill() {
	for i := range 24 {
		if i%3 == 2 {
			rec := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%02d", i)), At: b.now, Gateway: "gw_1", Client: "cl_2", Model: "m_2", Status: 429, Outcome: tally.OutcomeLimited, Code: "cost_limit",
				Reached: &tally.Reached{Subject: tally.Subject(fmt.Sprintf("client/cl_%d", i%2)), Metric: tally.Cost, Window: "2026-03-10", Used: 9, Need: 2, Max: 10 + int64(i/12)}}
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
		{"model", storage.RecordQuery{Models: []string{"m_1"}}, 16},
		{"code", storage.RecordQuery{Codes: []string{"cost_limit"}}, 8},
		{"status", storage.RecordQuery{Status: 502}, 4},
		{"a class of status", storage.RecordQuery{Status: 4}, 8},
		{"a class nobody had", storage.RecordQuery{Status: 3}, 0},
		{"some codes", storage.RecordQuery{Codes: []string{"cost_limit", tally.CodeProviderDown, "none"}}, 12},
		{"some outcomes", storage.RecordQuery{Outcomes: []tally.Outcome{tally.OutcomeFailed, tally.OutcomeLimited}}, 12},
		{"no code, or one", storage.RecordQuery{Codes: []string{"", tally.CodeProviderDown}}, 16},
		{"endpoint", storage.RecordQuery{Endpoint: "chat"}, 16},
		{"outcome", storage.RecordQuery{Outcomes: []tally.Outcome{tally.OK}}, 12},
		{"ID", storage.RecordQuery{ID: "rf_05"}, 1},
		{"another ID", storage.RecordQuery{ID: "rf_06"}, 0},
		{"several",
			storage.RecordQuery{
				Client: "cl_1", Key: "ke_0", Outcomes: []tally.Outcome{tally.OK}, Since: start.Add(3 * time.Hour),
			}, 3},
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
		for _, q := range []storage.RecordQuery{
			{}, {Client: "cl_1"}, {Codes: []string{"cost_limit"}}, {Since: start.Add(5 * time.Hour)},
		} {
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
