package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// acceptClock: the clock was ahead and is taken back. What was spent by then stays
// spent, and so does what was spent ahead when its time comes.
func acceptClock(b *bench) {
	spend := func(n int) {
		b.Helper()
		for range n {
			r := b.seen("cl_1", "me", false, b.charge(client, tally.Requests, tally.Minute, 2), b.charge(client, tally.Requests, tally.Day, 3))
			b.reserve(r)
			b.settle(r, 1)
		}
	}
	full := func(u tally.Unit, most int64) {
		b.Helper()
		if e := b.refused(b.request(b.charge(client, tally.Requests, u, most))); e.Used != most {
			b.Errorf("of the %s %d are used, want %d", u, e.Used, most)
		}
	}
	right := b.now.Add(time.Minute)
	spend(2)
	b.wantCode("taken to what is not behind", b.AcceptClock(ctx, b.now.Add(time.Hour)), tally.Invalid)
	b.now = b.now.AddDate(0, 0, 2)
	ahead := b.now
	spend(2)
	held := b.request()
	b.reserve(held)
	b.wantCode("while one is held", b.AcceptClock(ctx, right), tally.Conflict)
	b.settle(held, 1)
	if err := b.AcceptClock(ctx, right); err != nil {
		b.Fatalf("accept the clock: %v", err)
	}
	b.now = right
	if st, err := b.Status(ctx); err != nil || !st.LastSeen.Equal(right) {
		b.Errorf("seen at %v, %v; want %v", st.LastSeen, err, right)
	}
	spend(1)
	full(tally.Day, 3)
	if n := len(b.all(storage.RecordQuery{Since: right})); n != 4 {
		b.Errorf("%d records since then, want 4", n)
	}
	b.wantUsage(b.counter(client, tally.Sessions, tally.Day), 2, 0) // one of before, and the next began another
	b.verified()
	b.now = ahead
	full(tally.Minute, 3)
	full(tally.Day, 3)
	b.now = ahead.Add(time.Minute)
	b.wantUsage(b.counter(client, tally.Requests, tally.Minute), 0, 0)
}

// forgetAfterClock wants details gone with the day of their request, also since the clock
// was taken back: the day that it had reached says nothing.
func forgetAfterClock(b *bench) {
	right := b.now
	fail := func() tally.Record {
		b.Helper()
		r := b.request()
		b.reserve(r)
		rec := answered(r, 3)
		rec.Tries = []tally.Attempt{{Provider: "pr_1", Cause: "busy", Detail: `"slow down"`}}
		return b.settleAs(r, rec)
	}
	b.now = right.AddDate(0, 1, 0)
	fail()
	if err := b.AcceptClock(ctx, right.Add(time.Minute)); err != nil {
		b.Fatalf("accept the clock: %v", err)
	}
	b.now = right.Add(2 * time.Minute)
	made := fail()
	b.wantEqual("a detail", b.record(made.ID).Tries[0].Detail, made.Tries[0].Detail)
	if err := b.Forget(ctx, b.now.AddDate(0, 0, 1)); err != nil {
		b.Fatalf("forget: %v", err)
	}
	b.wantEqual("what is forgotten", b.record(made.ID).Tries[0].Detail, "")
}

// pruneAcrossClock wants a sound store when the records on both sides of an accepted clock
// are of a kind that goes before the others of its day.
func pruneAcrossClock(b *bench) {
	refuse := func() {
		b.Helper()
		b.ids++
		rec := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%06d", b.ids)), At: b.now, Gateway: "gw_1", Client: "cl_1",
			Outcome: tally.OutcomeDenied, Status: 429, Code: "cost_limit"}
		if err := b.Refuse(ctx, rec); err != nil {
			b.Fatalf("refuse: %v", err)
		}
	}
	answer := func() {
		b.Helper()
		r := b.request()
		b.reserve(r)
		b.settle(r, 1)
	}
	right := b.now
	b.now = right.Add(time.Minute)
	answer()
	refuse()
	if err := b.AcceptClock(ctx, right); err != nil {
		b.Fatalf("accept the clock: %v", err)
	}
	b.now = right
	refuse()
	answer()
	b.now = right.AddDate(0, 0, 2)
	answer()
	before := storage.Before(time.Time{})
	before.Of[tally.RefusalRecords] = b.now
	if n, err := b.Prune(ctx, before, 0); err != nil || n != 2 {
		b.Fatalf("prune: %d, %v; want 2", n, err)
	}
	b.verified()
}

// randomClocks: whatever a clock does, and whenever it is accepted as it is, no window
// of a limit is ever given more than the limit, and all is as the specification says.
func randomClocks(t *testing.T, s Subject) {
	limits := []struct {
		unit tally.Unit
		most int64
	}{{tally.Minute, 2}, {tally.Hour, 4}, {tally.Day, 6}, {tally.Month, 15}}
	parent := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		h := &history{T: rt, want: memory.New(nil), revs: map[tally.ID]int64{}, orphans: map[tally.ID]bool{}}
		h.bench = &bench{tester: rt, subject: s, parent: parent, folders: n << 16, now: time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)}
		h.bench.open(h.folder())
		defer h.finish()
		given := map[string]int64{} // by window
		request := func(t *rapid.T) {
			subject := pick[tally.Subject](t, "subject", client, "visitor/v1")
			r := h.bench.request()
			for _, l := range limits {
				r.Charges = append(r.Charges, h.bench.charge(subject, tally.Requests, l.unit, l.most))
			}
			if rapid.Bool().Draw(t, "session") {
				r.Session = &tally.SessionUse{Client: "cl_1", Member: pick(t, "member", "me", "you"), Until: h.bench.now.Add(time.Duration(1+upTo(t, "session", 5000)) * time.Minute)}
			}
			_, err := h.bench.Reserve(ctx, r)
			_, wantErr := h.want.Reserve(ctx, r)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("reserve at %v: %v, want %v", h.bench.now, err, wantErr)
			}
			if err != nil {
				return
			}
			in := tally.Settlement{ID: r.ID, Record: h.answer(t, r)}
			h.same(nil, nil, h.bench.Settle(ctx, in), h.want.Settle(ctx, in), "settle %s", r.ID)
			for _, c := range r.Charges {
				window := fmt.Sprint(c.Subject, c.Period)
				if given[window] += in.Record.Amounts().Of(tally.Requests); given[window] > c.Max {
					t.Fatalf("%d of %d requests were let through in %s", given[window], c.Max, window)
				}
			}
		}
		acts := map[string]func(*rapid.T){
			"request": request, "request again": request, "request once more": request, "and again": request,
			"clock": h.clock, "accept the clock": h.acceptClock, "refuse": h.refuse, "enter": h.enter,
			"usage": h.usage, "last used": h.lastUsed, "status": h.status, "records": h.records, "series": h.series, "prune": h.prune,
		}
		if s.Apart { // what the clock had reached when entries were made is not the records'
			delete(acts, "enter")
		}
		if s.Keeps {
			acts["close and open"] = func(*rapid.T) { h.reopen((*bench).reopen) }
			acts["kill and open"] = func(*rapid.T) { h.reopen((*bench).kill) }
		}
		rt.Repeat(acts)
		h.status(rt)
		h.compareRecords(storage.RecordQuery{})
	})
}
