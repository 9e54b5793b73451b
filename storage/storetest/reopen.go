package storetest

import (
	"fmt"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// reopened: what was acknowledged is there after the process, whether it ended
// well or was killed.
func reopened(b *bench, end func(*bench)) {
	list := entities()
	b.apply(tally.Put(list[0], b.now), tally.Put(list[3], b.now))
	b.apply(tally.Put(list[0], b.now))
	day := b.charge(client, tally.TokensIO, tally.Day, 1000)
	for i := range 20 {
		r := b.request(day, b.charge("visitor/v1", tally.Requests, tally.Hour, 100))
		b.reserve(r)
		b.settle(r, int64(i))
		b.now = b.now.Add(7 * time.Minute)
	}
	if _, err := b.Prune(ctx, storage.Before(b.now), 0); err != nil {
		b.Fatalf("prune: %v", err)
	}
	done := b.seen("cl_1", "me", false)
	b.reserve(done)
	b.settle(done, 1)
	held := b.seen("cl_1", "you", true, day)
	held.ExpiresAt = b.now.AddDate(1, 0, 0)
	b.reserve(held)

	look := func() (out []any) {
		b.Helper()
		hour := start.Truncate(time.Hour)
		all, rev := b.loaded()
		st, err := b.Status(ctx)
		if err != nil {
			b.Fatalf("status: %v", err)
		}
		used, err := b.LastUsed(ctx, client, key, "visitor/v1")
		if err != nil {
			b.Fatalf("last used: %v", err)
		}
		return append(out, rev, all, st.Records, st.LastSeen, used, b.all(storage.RecordQuery{}), b.series(tally.ByKey, "", hour, hour.Add(time.Hour), hour.Add(24*time.Hour)))
	}
	before := look()
	end(b)
	for i, got := range look() {
		b.wantEqual(fmt.Sprintf("after a reopening, part %d", i), got, before[i])
	}
	b.wantUsage(day.Counter, 20*10+190+11, 110)
	b.wantUsage(b.counter(client, tally.Sessions, tally.Day), 1, 1)
	b.verified()

	// A limit still knows; sessions still run; the numbers go on.
	full := b.charge(client, tally.TokensIO, tally.Week, 20*10+190+11+110+9)
	b.refused(b.request(full))
	end(b)
	next := b.seen("cl_1", "me", false)
	if g := b.reserve(next); g.NewSession {
		b.Errorf("a session that runs began again")
	}
	last := before[2].(int64)
	if got := b.settle(next, 1); got.Seq != uint64(last+1) {
		b.Errorf("the next record has Seq %d, want %d", got.Seq, last+1)
	}
	// Nobody will settle the hold of a process that is gone, whenever it was due.
	b.now = b.now.Add(time.Second)
	if n, err := b.Expire(ctx, b.now, 10); err != nil || n != 1 {
		b.Errorf("expired %d, %v; want 1", n, err)
	}
	if got := b.record(held.ID); got.Outcome != tally.Lost || got.Tokens.Total() != 110 || got.Session != "you" || !got.NewSession || got.Total != time.Second {
		b.Errorf("the lost one: %+v", got)
	}
	end(b)
	b.wantHolds(0)
	b.wantUsage(day.Counter, 20*10+190+11+11+110, 0)
	if n := b.all(storage.RecordQuery{}); len(n) != int(last)+2 {
		b.Errorf("%d records, want %d", len(n), last+2)
	}
	if again := b.seen("cl_1", "you", true); b.reserve(again).NewSession {
		b.Errorf("the session of a lost request began again")
	}
}
