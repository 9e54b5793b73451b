package storetest

import (
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// forget wants the details of attempts gone with their day, and nothing else.
func forget(b *bench) {
	var made []tally.Record
	for range 3 {
		r := b.request()
		b.reserve(r)
		rec := answered(r, 3)
		rec.Request = "chatcmpl-1"
		rec.Tries = []tally.Attempt{
			{Provider: "pr_1", Cause: "busy", Status: 429, Code: "rate_limit", Detail: `"slow down"`, Request: "req_a"},
			{Provider: "pr_2", Detail: ""},
		}
		made = append(made, b.settleAs(r, rec))
		b.now = b.now.Add(24 * time.Hour)
	}
	reason := tally.Record{ID: "rf_1", At: b.now, Gateway: "gw_1", Client: "cl_1", Status: 429, Outcome: tally.OutcomeLimited, Code: "cost_limit",
		Reason:  "Client has used $1.00 of $1.00 today.",
		Reached: &tally.Reached{Subject: "client/cl_1", Metric: tally.Cost, Window: "2026-03-13", Used: 1e9, Held: 5, Need: 7, Max: 1e9, Resets: start.Add(99 * time.Hour)}}
	if err := b.Refuse(ctx, reason); err != nil {
		b.Fatalf("refuse: %v", err)
	}
	want := func(kept int) {
		b.Helper()
		all := b.all(storage.RecordQuery{})
		b.wantEqual("the refusal's reason", []any{all[0].Reason, *all[0].Reached}, []any{reason.Reason, *reason.Reached})
		for i := range made {
			is := all[len(made)-i]
			was := made[i]
			if i < len(made)-kept {
				was.Tries = []tally.Attempt{was.Tries[0], was.Tries[1]}
				was.Tries[0].Detail = ""
			}
			b.wantEqual("a record", is, was)
			b.wantEqual("by its ID", b.record(was.ID), was)
		}
	}
	want(3)
	for days, kept := range []int{3, 2, 1} {
		if err := b.Forget(ctx, start.AddDate(0, 0, days)); err != nil {
			b.Fatalf("forget: %v", err)
		}
		want(kept)
	}
	all := b.series(tally.ByFailure, "pr_1", start.Truncate(24*time.Hour), start.Truncate(24*time.Hour).AddDate(0, 0, 9))
	if len(all) != 1 || all[0].Dim != (tally.Dim{"pr_1", "busy"}) || all[0].Requests != 3 {
		b.Errorf("failures: %+v", all)
	}
}
