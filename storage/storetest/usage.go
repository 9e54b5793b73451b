package storetest

import (
	"slices"
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
