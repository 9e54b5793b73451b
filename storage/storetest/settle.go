package storetest

import (
	"math"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

func settle(b *bench) {
	day, hour := b.charge(client, tally.TokensIO, tally.Day, 500), b.charge(gateway, tally.Cost, tally.Hour, 5000)
	for i, output := range []int64{7, 0, 100} {
		r := b.request(day, hour)
		b.reserve(r)
		want := answered(r, output)
		// What the store fills in is not for the caller to say.
		in := want
		in.ID, in.Seq, in.At, in.Session, in.NewSession, in.Count = "rq_other", 99, b.now.Add(-time.Hour), "me", true, 0
		in.Charges = []tally.Charged{{Subject: "nobody"}}
		got := b.settleAs(r, in)

		tokens, cost := int64(0), int64(0)
		for _, n := range []int64{7, 0, 100}[:i+1] {
			tokens, cost = tokens+10+n, cost+1000+2*n
		}
		want.ID, want.Seq, want.At, want.Count = r.ID, uint64(i+1), r.At, 1
		want.Charges = []tally.Charged{
			{Subject: client, Metric: tally.TokensIO, Window: day.Period.Label, Amount: 10 + output, Used: tokens, Max: 500},
			{Subject: gateway, Metric: tally.Cost, Window: hour.Period.Label, Amount: 1000 + 2*output, Used: cost, Max: 5000},
		}
		b.wantEqual("the record", got, want)
		// The subjects' other counters saw the request, too.
		for _, s := range []tally.Subject{gateway, client, key} {
			for _, u := range []tally.Unit{tally.Minute, tally.Hour, tally.Day, tally.Week, tally.Month, tally.Total} {
				b.wantUsage(b.counter(s, tally.Requests, u), int64(i+1), 0)
				b.wantUsage(b.counter(s, tally.TokensIO, u), tokens, 0)
				b.wantUsage(b.counter(s, tally.Cost, u), cost, 0)
			}
		}
	}
	b.wantHolds(0)

	// A request that failed upstream is one, and costs what it cost.
	r := b.request(day)
	b.reserve(r)
	failed := r.Draft
	failed.Status, failed.Outcome, failed.Code = 502, tally.OutcomeFailed, tally.CodeProviderDown
	b.settleAs(r, failed)
	b.wantUsage(b.counter(client, tally.Requests, tally.Day), 4, 0)
	b.wantUsage(day.Counter, 137, 0)
}

func settleOnce(b *bench) {
	r := b.request(b.charge(client, tally.Requests, tally.Day, 10))
	b.reserve(r)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() { errs[i] = b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, 5)}) })
	}
	all.Wait()
	won := slices.Index(errs, nil)
	if won < 0 {
		b.Fatalf("nobody could settle: %v", errs[0])
	}
	for i, err := range errs {
		if i != won {
			b.wantCode("a second settlement", err, tally.NotFound)
		}
	}
	b.wantCode("a settlement of what was never held", b.Settle(ctx, tally.Settlement{ID: "rq_none", Record: answered(r, 5)}), tally.NotFound)
	b.wantCode("an extension of what is settled", b.Extend(ctx, r.ID, b.now.Add(time.Hour)), tally.NotFound)
	b.wantUsage(r.Charges[0].Counter, 1, 0)
	if list := b.all(storage.RecordQuery{}); len(list) != 1 {
		b.Errorf("%d records of one request", len(list))
	}
}

// settleOverage: what was used beyond the hold is not forgotten.
func settleOverage(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 120)
	r := b.request(limit)
	b.reserve(r)
	got := b.settle(r, 400)
	b.wantUsage(limit.Counter, 410, 0)
	if c := got.Charges[0]; c.Amount != 410 || c.Used != 410 || c.Max != 120 {
		b.Errorf("charged %+v", c)
	}
	e := b.refused(b.request(limit))
	b.wantEqual("after an overage", *e, tally.LimitError{Charge: limit, Used: 410, Need: 10})
	if e.ByHoldsOnly() {
		b.Errorf("%v is not because of holds", e)
	}
	// Amounts beyond all measure stay at the end of the scale.
	for range 2 {
		r := b.request()
		b.reserve(r)
		rec := answered(r, 0)
		rec.Cost = math.MaxInt64
		b.settleAs(r, rec)
	}
	b.wantUsage(b.counter(client, tally.Cost, tally.Day), math.MaxInt64, 0)
	b.refused(b.request(b.charge(client, tally.Cost, tally.Day, math.MaxInt64-1)))
}

// settleWindow: a request belongs to the windows of its admission, whenever it
// ends.
func settleWindow(b *bench) {
	b.now = time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC)
	units := []tally.Unit{tally.Minute, tally.Hour, tally.Day, tally.Month}
	var old []tally.Charge
	for _, u := range units {
		old = append(old, b.charge(client, tally.Requests, u, 1))
	}
	r := b.request(old...)
	b.reserve(r)
	b.now = b.now.Add(2 * time.Second)
	for i, u := range units {
		b.wantUsage(old[i].Counter, 0, 1)
		b.wantUsage(b.counter(client, tally.Requests, u), 0, 0)
	}
	next := b.request(b.charge(client, tally.Requests, tally.Minute, 1), b.charge(client, tally.Requests, tally.Month, 1))
	b.reserve(next)
	b.settle(r, 1)
	for _, c := range old {
		b.wantUsage(c.Counter, 1, 0)
	}
	for _, c := range next.Charges {
		b.wantUsage(c.Counter, 0, 1)
	}
}

func refuse(b *bench) {
	limit := b.charge(client, tally.Requests, tally.Day, 1)
	r := b.request(limit)
	b.reserve(r)
	b.settle(r, 1)
	b.now = b.now.Add(time.Minute)
	rec := tally.Record{ID: "rq_no", At: b.now, Gateway: "gw_1", Client: "cl_1", Key: "ke_1", Status: 429, Outcome: tally.OutcomeLimited, Code: "requests_limit"}
	if err := b.Refuse(ctx, rec); err != nil {
		b.Fatalf("refuse: %v", err)
	}
	rec.Seq, rec.Count = 2, 1
	b.wantEqual("a refusal", b.record("rq_no"), rec)
	many := rec
	many.ID, many.Count, many.Outcome, many.Code = "rq_many", 41, tally.OutcomeDenied, tally.CodeKeyRevoked
	// A refusal is in no session and has no charges, whatever it says.
	many.Session, many.NewSession, many.SessionEnds, many.Charges = "me", true, b.now, []tally.Charged{{Subject: client}}
	if err := b.Refuse(ctx, many); err != nil {
		b.Fatalf("refuse: %v", err)
	}
	many.Seq, many.Session, many.NewSession, many.SessionEnds, many.Charges = 3, "", false, time.Time{}, nil
	b.wantEqual("refusals together", b.record("rq_many"), many)

	b.wantUsage(limit.Counter, 1, 0)
	b.wantUsage(b.counter(client, tally.Sessions, tally.Day), 0, 0)
	if at, err := b.LastUsed(ctx, client); err != nil || !at[0].Equal(start) {
		b.Errorf("last used %v, %v; a refusal is no use", at, err)
	}
	hour := start.Truncate(time.Hour)
	if p := b.series(tally.ByTotal, "", hour, hour.Add(time.Hour)); len(p) != 1 || p[0].Requests != 1 || p[0].Refused != 42 {
		b.Errorf("%+v; want 1 request, 42 refused", p)
	}
	for what, bad := range map[string]tally.Record{
		"an answer":         answered(r, 1),
		"one without an ID": {At: b.now, Outcome: tally.OutcomeDenied},
		"one without time":  {ID: "rq_x", Outcome: tally.OutcomeDenied},
	} {
		b.wantCode(what, b.Refuse(ctx, bad), tally.Invalid)
	}
}

func expire(b *bench) {
	limit := b.charge(client, tally.Credits, tally.Day, 100_000)
	for i := range 5 {
		r := b.request(limit)
		r.ExpiresAt = b.now.Add(time.Duration(5-i) * time.Minute)
		r.WantOutput = int64(10 * i)
		b.reserve(r)
	}
	if err := b.Extend(ctx, "rq_000004", b.now.Add(time.Hour)); err != nil {
		b.Errorf("extend: %v", err)
	}
	b.wantCode("an extension of what is not held", b.Extend(ctx, "rq_none", b.now), tally.NotFound)

	lose := func(at time.Time, most, want int) {
		b.Helper()
		if n, err := b.Expire(ctx, at, most); err != nil || n != want {
			b.Errorf("expire at %v, at most %d: %d, %v; want %d", at.Sub(start), most, n, err, want)
		}
	}
	lose(start.Add(time.Minute-1), 10, 0)
	lose(start.Add(time.Minute), 10, 1) // the deadline is the first instant that is late
	got := b.record("rq_000005")
	if got.Outcome != tally.Lost || got.Basis != tally.Held || got.Tokens.Total() != 50 || got.Cost != 1080 || got.Credits != 1296 || got.Total != time.Minute {
		b.Errorf("a lost request: %+v", got)
	}
	want := tally.Charged{Subject: client, Metric: tally.Credits, Window: limit.Period.Label, Amount: 1296, Used: 1296, Max: 100_000}
	b.wantEqual("its charges", got.Charges, []tally.Charged{want})
	b.wantCode("a settlement of what was lost", b.Settle(ctx, tally.Settlement{ID: "rq_000005", Record: got}), tally.NotFound)

	lose(start.Add(30*time.Minute), 0, 0)
	lose(start.Add(30*time.Minute), 2, 2) // the most overdue first
	b.record("rq_000003")
	b.record("rq_000002")
	lose(start.Add(30*time.Minute), 10, 1)
	b.wantHolds(1)
	b.wantUsage(limit.Counter, 1296+1248+1224+1200, 1272)
	lose(start.Add(time.Hour), 10, 1)
	b.wantUsage(limit.Counter, 1296+1248+1224+1200+1272, 0)
	if st, err := b.Status(ctx); err != nil || !st.LastSeen.Equal(start.Add(time.Hour)) {
		b.Errorf("last seen %v, %v", st.LastSeen, err)
	}
}
