package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// aWhile is longer than anything here takes: a wait that is over by then was ended
// by what should end it.
const aWhile = time.Minute

// patient makes a reservation that waits.
func (b *bench) patient(wait time.Duration, charges ...tally.Charge) tally.Reservation {
	r := b.request(charges...)
	r.MinOutput, r.Wait, r.Floor = 16, wait, 100
	r.Since = b.now.Add(time.Duration(b.ids) * time.Millisecond)
	return r
}

// reserving is a reservation under way.
type reserving struct {
	tally.Reservation
	grant tally.Grant
	err   error
	done  chan struct{}
	leave context.CancelFunc
}

func (b *bench) reserving(r tally.Reservation) *reserving {
	x := &reserving{Reservation: r, done: make(chan struct{})}
	var asking context.Context
	asking, x.leave = context.WithCancel(ctx)
	go func() {
		defer close(x.done)
		x.grant, x.err = b.Reserve(asking, r)
	}()
	return x
}

// waits makes sure that so many wait.
func (b *bench) waits(n int) {
	b.Helper()
	for range 10_000 {
		s, err := b.Status(ctx)
		if err != nil {
			b.Fatalf("%v", err)
		}
		if s.Waiting == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	b.Fatalf("it is not %d that wait", n)
}

// line puts reservations into a line, one after the other; some wait already.
func (b *bench) line(already int, list ...tally.Reservation) (out []*reserving) {
	b.Helper()
	for _, r := range list {
		out = append(out, b.reserving(r))
		already++
		b.waits(already)
	}
	return out
}

// granted waits for a reservation to be held.
func (b *bench) granted(x *reserving, output int64) {
	b.Helper()
	<-x.done
	if x.grant.Waited >= aWhile {
		b.Errorf("%s: only the end of its time ended the wait", x.ID)
	}
	if x.err != nil || x.grant.Output != output {
		b.Fatalf("%s: granted %+v, %v; want %d", x.ID, x.grant, x.err, output)
	}
}

func (b *bench) limited(x *reserving) *tally.LimitError {
	b.Helper()
	<-x.done
	limit, ok := errors.AsType[*tally.LimitError](x.err)
	if !ok {
		b.Fatalf("%s: granted %+v, %v; want a limit", x.ID, x.grant, x.err)
	}
	return limit
}

// waitForRoom: a settlement makes the room, and nobody else wakes the one who
// waits.
func waitForRoom(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 150)
	first := b.request(limit)
	b.reserve(first) // holds 110
	second := b.line(0, b.patient(aWhile, limit))[0]
	b.settle(first, 20) // used 30: 120 are left
	b.granted(second, 100)
	if second.grant.Waited <= 0 {
		b.Errorf("it is not said that it waited: %+v", second.grant)
	}
	b.wantUsage(limit.Counter, 30, 110)
	b.settle(second.Reservation, 100)
	b.wantUsage(limit.Counter, 140, 0)
	b.waits(0)
}

// waitIsFinal: what is spent is refused at once, whoever waits for how long, and
// as soon as it is spent while somebody waits.
func waitIsFinal(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 150)
	first := b.request(limit)
	b.reserve(first)
	second := b.line(0, b.patient(aWhile, limit))[0]
	b.settle(first, 120) // used 130: not even the least output fits
	if e := b.limited(second); e.ByHoldsOnly() || e.Used != 130 || e.Need != 26 {
		b.Errorf("refused by %+v", e)
	}
	if e := b.refused(b.patient(aWhile, limit)); e.ByHoldsOnly() {
		b.Errorf("refused by %+v", e)
	}
	// So is what is larger than its limit, and what another limit refuses.
	if e := b.refused(b.patient(aWhile, b.charge(key, tally.TokensIO, tally.Day, 20))); e.ByHoldsOnly() {
		b.Errorf("refused by %+v", e)
	}
	b.reserve(b.request(b.charge(gateway, tally.TokensIO, tally.Total, 260)))
	e := b.refused(b.patient(aWhile, b.charge(gateway, tally.TokensIO, tally.Total, 241), limit))
	if e.Subject != client {
		b.Errorf("refused by %+v", e)
	}
}

// waitEnds: with time, whatever has room is granted, and without room the limit is
// told; with the caller gone nothing is held.
func waitEnds(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 150)
	first := b.request(limit)
	b.reserve(first) // 40 are left
	short := b.reserving(b.patient(20*time.Millisecond, limit))
	b.granted(short, 30)
	if short.grant.Waited < 20*time.Millisecond {
		b.Errorf("it waited %s", short.grant.Waited)
	}
	none := b.reserving(b.patient(20*time.Millisecond, limit))
	if e := b.limited(none); !e.ByHoldsOnly() || e.Held != 150 || e.Need != 26 || e.Crowded {
		b.Errorf("refused by %+v", e)
	}
	line := b.line(0, b.patient(aWhile, limit), b.patient(aWhile, limit))
	line[0].leave()
	<-line[0].done
	b.wantCode("a caller that left", line[0].err, tally.Unavailable)
	if !errors.Is(line[0].err, context.Canceled) {
		b.Errorf("the cause is not told: %v", line[0].err)
	}
	b.waits(1)
	b.settle(first, 0) // used 10, held 40: 100 are left, and the floor is 100
	b.waits(1)
	b.settle(short.Reservation, 0)
	b.granted(line[1], 100)
	b.wantHolds(1)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	r := b.patient(aWhile, limit)
	if _, err := b.Reserve(gone, r); err == nil {
		b.Errorf("a caller that had left is admitted")
	}
	b.wantHolds(1)
}

// waitFloor: holds of others cut nobody below the floor while there is time, spent
// amounts do at once, and where somebody waits nobody gets more than the floor.
func waitFloor(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 300)
	first := b.request(limit)
	b.reserve(first) // 190 are left
	r := b.patient(aWhile, limit)
	r.WantOutput, r.Floor = 1000, 150
	enough := b.reserving(r)
	b.granted(enough, 180)
	// 0 are left, and 290 if nothing were held.
	r = b.patient(aWhile, limit)
	r.WantOutput, r.Floor = 1000, 150
	waiting := b.line(0, r)[0]
	b.settle(enough.Reservation, 170) // used 180, held 110: 10 are left, 120 unspent
	b.waits(1)
	b.settle(first, 5) // used 195: 105 are left, less than the floor, and nothing held
	b.granted(waiting, 95)

	// With somebody in the line, the next ones get their floor and no more.
	wide := b.charge("visitor/wide", tally.TokensIO, tally.Day, 1000)
	big := b.request(wide)
	big.MinOutput, big.WantOutput = 700, 700
	b.reserve(big) // 290 are left
	giant := b.patient(aWhile, wide)
	giant.MinOutput, giant.WantOutput, giant.Floor = 500, 500, 500
	line := b.line(0, giant)
	r = b.patient(aWhile, wide)
	r.WantOutput, r.Floor = 250, 120
	small := b.reserving(r)
	b.granted(small, 120)
	b.settle(small.Reservation, 1)
	b.settle(big, 1)
	b.granted(line[0], 500)
}

// waitOrder: among equals, who asked first is served first, also one that comes
// back into the line.
func waitOrder(b *bench) {
	limit := b.charge(client, tally.Cost, tally.Day, 1200)
	first := b.request(limit)
	b.reserve(first)
	list := []tally.Reservation{b.patient(aWhile, limit), b.patient(aWhile, limit), b.patient(aWhile, limit), b.patient(aWhile, limit)}
	for i := range list {
		list[i].MinOutput = 0
		list[i].Bounds[2] = tally.Bound{Base: 1200}
	}
	late := list[0]
	line := b.line(0, list[1], list[2], late, list[3])
	want := []*reserving{line[2], line[0], line[1], line[3]}
	before := first
	for _, next := range want {
		rec := before.Draft
		rec.Outcome, rec.Uncounted = tally.OutcomeFailed, true
		b.settleAs(before, rec)
		b.granted(next, 100)
		before = next.Reservation
	}
}

// waitGiant: small ones pass a large one that could not be served yet, and keep
// it waiting no longer than those do who were there before it.
func waitGiant(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 1000)
	old := b.request(limit)
	old.MinOutput, old.WantOutput = 490, 490
	b.reserve(old) // 500 are left
	giant := b.patient(aWhile, limit)
	giant.MinOutput, giant.WantOutput, giant.Floor = 790, 790, 790
	waiting := b.line(0, giant)[0]
	var passing []tally.Reservation
	for range 2 {
		r := b.patient(aWhile, limit)
		b.granted(b.reserving(r), 100)
		passing = append(passing, r)
	}
	b.settle(old, 0) // used 10: the giant needs 800 of 990 and lacks 30, which the small ones hold
	r := b.patient(aWhile, limit)
	last := b.line(1, r)[0] // it would fit, and must not pass any more
	b.settle(passing[0], 0) // used 20, held 110: 870 are left
	b.granted(waiting, 790)
	b.waits(1)
	b.settle(passing[1], 0)
	b.granted(last, 100)
	b.settle(giant, 0)
	b.settle(last.Reservation, 0)
}

// waitPlaces: a place is waited for in order, taken with the hold and given back
// with it, and nobody takes one while it waits for money.
func waitPlaces(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 250)
	place := tally.Place{Subject: "client/cl_1", Max: 2}
	with := func(r tally.Reservation) tally.Reservation {
		r.Places = []tally.Place{place}
		return r
	}
	first, second := with(b.request(limit)), with(b.request())
	b.reserve(first)
	b.reserve(second)
	if e := b.refused(with(b.request())); !e.ByPlace() || !e.ByHoldsOnly() || e.Held != 2 || e.Place != place {
		b.Errorf("refused by %+v", e)
	}
	line := b.line(0, with(b.patient(aWhile, limit)), with(b.patient(aWhile)), with(b.patient(20*time.Millisecond)))
	if e := b.limited(line[2]); !e.ByPlace() {
		b.Errorf("refused by %+v", e)
	}
	b.settle(second, 0)
	b.granted(line[0], 100) // 220 are held
	b.waits(1)
	// One that lacks money waits without a place.
	b.settle(line[0].Reservation, 90) // used 100, held 110: 40 are left
	b.granted(line[1], 100)
	b.settle(line[1].Reservation, 0) // 110 used
	limit.Max = 330
	poor := b.line(0, with(b.patient(aWhile, limit)))[0] // 100 are left
	other := with(b.request())
	b.reserve(other)
	b.settle(first, 0) // used 130, held 110
	b.waits(1)
	b.settle(other, 0)
	b.granted(poor, 100)
	b.settle(poor.Reservation, 0)
}

// waitCrowd: a line has an end.
func waitCrowd(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 110)
	first := b.request(limit)
	b.reserve(first)
	var line []*reserving
	for range 256 {
		line = append(line, b.reserving(b.patient(aWhile, limit)))
	}
	b.waits(256)
	if e := b.refused(b.patient(aWhile, limit)); !e.Crowded || !e.ByHoldsOnly() {
		b.Errorf("refused by %+v", e)
	}
	b.settle(first, 100) // spent: it is over for all of them
	for _, x := range line {
		if e := b.limited(x); e.ByHoldsOnly() {
			b.Errorf("refused by %+v", e)
		}
	}
}

// raise: another attempt adds to the hold, beside what others hold and without a
// wait; the whole is settled by one record, and lost with it.
func raise(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 300)
	requests := b.charge(client, tally.Requests, tally.Day, 2)
	r := b.request(requests, limit)
	b.reserve(r) // 190 are left
	more := tally.Bounds{{}, {Base: 20, PerMillion: 1e6}, {Base: 7, PerMillion: 1e6}}
	g, err := b.Raise(ctx, r.ID, 16, 100, more)
	if err != nil || g.Output != 100 {
		b.Fatalf("raised by %+v, %v", g, err)
	}
	b.wantUsage(limit.Counter, 0, 230)
	b.wantUsage(requests.Counter, 0, 1)
	b.wantUsage(b.counter(client, tally.Cost, tally.Day), 0, 1200+107)
	if g, err = b.Raise(ctx, r.ID, 16, 100, more); err != nil || g.Output != 50 {
		b.Fatalf("raised again by %+v, %v; want what is left", g, err)
	}
	_, err = b.Raise(ctx, r.ID, 16, 100, more)
	if e, ok := errors.AsType[*tally.LimitError](err); !ok || e.Held != 300 || e.Need != 36 {
		b.Errorf("raised beyond the limit: %v", err)
	}
	_, err = b.Raise(ctx, "rq_none", 0, 0, more)
	b.wantCode("one that is not held", err, tally.NotFound)
	b.verified()
	if b.subject.Keeps {
		b.kill()
		b.verified()
		b.wantUsage(limit.Counter, 0, 300)
	}
	if n, err := b.Expire(ctx, b.now.Add(time.Hour), 10); n != 1 || err != nil {
		b.Fatalf("%d expired, %v", n, err)
	}
	rec := b.record(r.ID)
	if rec.Tokens != (tally.Tokens{Input: 50, Output: 250}) || rec.Cost != 1200+107+57 {
		b.Errorf("lost as %+v", rec)
	}
	b.wantUsage(limit.Counter, 300, 0)
	b.wantUsage(requests.Counter, 1, 0)
}

// shared: of a budget that others use as well a hold takes at most half of what
// is left, and the last unit is still granted.
func shared(b *bench) {
	limit := b.charge(gateway, tally.TokensIO, tally.Day, 100)
	limit.Shared = true
	for _, want := range []int64{50, 25, 12, 6} { // of 100, 50, 25 and 13
		r := b.request(limit)
		r.Bounds[1].Base, r.MinOutput = 0, 5
		if g := b.reserve(r); g.Output != want {
			b.Errorf("granted %+v, want %d", g, want)
		}
	}
	r := b.request(limit)
	r.Bounds[1].Base, r.MinOutput = 0, 7
	if g := b.reserve(r); g.Output != 7 { // the last of all
		b.Errorf("granted %+v, want the rest", g)
	}
	b.wantUsage(limit.Counter, 0, 100)
}

// concurrentWaiting: many share a budget that pays for a part of what they want.
// Nobody is refused while money is left, and not a unit more is spent.
func concurrentWaiting(b *bench) {
	const most = 64 * 60
	limit := b.charge(client, tally.TokensIO, tally.Day, most)
	stop := b.within(limit)
	var all sync.WaitGroup
	var cut, refused, settled atomic.Int64
	for i := range callers {
		reqs := make([]tally.Reservation, 4)
		for j := range reqs {
			reqs[j] = b.patient(aWhile, limit)
			reqs[j].Floor = 60
		}
		all.Go(func() {
			for j, r := range reqs {
				g, err := b.Reserve(ctx, r)
				if e, ok := errors.AsType[*tally.LimitError](err); ok {
					if e.ByHoldsOnly() {
						b.Errorf("refused for holds: %v", e)
					}
					refused.Add(1)
					continue
				} else if err != nil {
					b.Errorf("%v", err)
					return
				}
				uses := min(g.Output, int64(7+(i*31+j*17)%54))
				if g.Output < 60 {
					cut.Add(1)
				}
				time.Sleep(time.Duration((i+j)%3) * time.Millisecond)
				if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, uses)}); err != nil {
					b.Errorf("settle: %v", err)
				}
				settled.Add(1)
			}
		})
	}
	all.Wait()
	stop()
	u, err := b.Usage(ctx, limit.Counter)
	if err != nil || u[0].Used > most || refused.Load() > 0 && u[0].Used < most-26 {
		b.Errorf("used %+v of %d, %v, with %d refused", u, most, err, refused.Load())
	}
	if n := cut.Load(); n > 4 {
		b.Errorf("%d of %d were granted less than the floor", n, settled.Load())
	}
	b.waits(0)
}
