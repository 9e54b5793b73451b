package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// callers is how many ask at the same time.
const callers = 64

// within looks, until the returned function is called, whether a counter is
// ever beyond its limit.
func (b *bench) within(limits ...tally.Charge) (stop func()) {
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			for _, c := range limits {
				u, err := b.Usage(ctx, c.Counter)
				if err != nil || u[0].Used+u[0].Held > c.Max {
					b.Errorf("%s %s: %+v, %v; the limit is %d", c.Subject, c.Metric, u, err, c.Max)
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	})
	return func() { close(quit); watching.Wait() }
}

// concurrentUnits: of requests that are all alike exactly as many are admitted
// as the tightest of several limits allows, whichever that is.
func concurrentUnits(b *bench) {
	const want = 100
	for i, tc := range []struct{ requests, tokens, cost int64 }{
		{want, want*110 + 109, want*1200 + 1199},
		{want + 1, want * 110, want*1200 + 1},
		{want + 7, want*110 + 1, want * 1200},
	} {
		s := tally.Subject("visitor/" + string(rune('a'+i)))
		limits := []tally.Charge{
			b.charge(s, tally.Requests, tally.Day, tc.requests),
			b.charge(s, tally.TokensIO, tally.Hour, tc.tokens),
			b.charge(s, tally.Cost, tally.Month, tc.cost),
		}
		stop := b.within(limits...)
		var all sync.WaitGroup
		var granted atomic.Int64
		for range callers {
			reqs := make([]tally.Reservation, 3)
			for j := range reqs {
				reqs[j] = b.request(limits...)
				reqs[j].MinOutput = 100 // all or nothing
			}
			all.Go(func() {
				for _, r := range reqs {
					switch _, err := b.Reserve(ctx, r); {
					case err == nil:
						granted.Add(1)
						if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, 100)}); err != nil {
							b.Errorf("settle: %v", err)
						}
					default:
						b.rightly(err)
					}
				}
			})
		}
		all.Wait()
		stop()
		if n := granted.Load(); n != want {
			b.Errorf("%+v: %d of %d requests were admitted, want %d", tc, n, callers*3, want)
		}
		b.wantUsage(limits[0].Counter, want, 0)
		b.wantUsage(limits[1].Counter, want*110, 0)
		b.wantUsage(limits[2].Counter, want*1200, 0)
	}
	b.wantHolds(0)
}

// rightly looks whether a refusal is true.
func (b *bench) rightly(err error) {
	var e *tally.LimitError
	if !errors.As(err, &e) || e.Used+e.Held+e.Need <= e.Max {
		b.Errorf("refused: %v", err)
	}
}

// concurrentOutput: callers who hold more than they use, and come again while
// only holds are in the way, use up a limit to the last token.
func concurrentOutput(b *bench) {
	const want = 703
	limits := []tally.Charge{
		b.charge(client, tally.TokensIO, tally.Day, want),
		b.charge(key, tally.Requests, tally.Day, 5000),
		b.charge(gateway, tally.Cost, tally.Day, 1e9),
	}
	stop := b.within(limits...)
	var all sync.WaitGroup
	var ids atomic.Int64
	for range callers {
		template := b.request(limits...)
		template.MinOutput, template.WantOutput = 1, 20
		template.Bounds[1].Base = 0
		all.Go(func() {
			for {
				r := template
				r.ID += tally.ID("/" + string(rune(0x4e00+ids.Add(1))))
				g, err := b.Reserve(ctx, r)
				if err != nil {
					var e *tally.LimitError
					if b.rightly(err); errors.As(err, &e) && e.ByHoldsOnly() {
						continue
					}
					return
				}
				rec := answered(r, min(g.Output, 7))
				rec.Tokens.Input = 0
				if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec}); err != nil {
					b.Errorf("settle: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	stop()
	b.wantUsage(limits[0].Counter, want, 0)
	b.wantHolds(0)
	var sum int64
	for _, r := range b.all(storage.RecordQuery{Limit: 1000}) {
		sum += r.Tokens.Total()
	}
	if sum != want {
		b.Errorf("the records have %d tokens, want %d", sum, want)
	}
}

// concurrentChanges: every act beside every other, and at the end it adds up.
func concurrentChanges(b *bench) {
	limit := b.charge(client, tally.TokensIO, tally.Day, 1e9)
	var all sync.WaitGroup
	for i := range 8 {
		reqs := make([]tally.Reservation, 25)
		for j := range reqs {
			reqs[j] = b.request(limit)
			reqs[j].Session = &tally.SessionUse{Client: "cl_1", Member: string(rune('a' + j%5)), Until: b.now.Add(time.Hour)}
		}
		all.Go(func() {
			for j, r := range reqs {
				if _, err := b.Reserve(ctx, r); err != nil {
					b.Errorf("reserve: %v", err)
				}
				if (i+j)%4 == 0 {
					continue // for Expire
				}
				if err := b.Extend(ctx, r.ID, b.now.Add(time.Hour)); err != nil {
					b.Errorf("extend: %v", err)
				}
				if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, int64(j))}); err != nil {
					b.Errorf("settle: %v", err)
				}
			}
		})
	}
	looking := []func() error{
		func() error { _, err := b.Usage(ctx, b.counter(key, tally.Cost, tally.Month)); return err },
		func() error { _, _, err := b.Records(ctx, storage.RecordQuery{Client: "cl_1"}); return err },
		func() error {
			hour := start.Truncate(time.Hour)
			edges := []time.Time{hour, hour.Add(time.Hour)}
			points, err := b.Series(ctx, storage.SeriesQuery{Family: tally.ByClient, Edges: edges}, storage.SeriesQuery{Family: tally.ByTotal, Edges: edges})
			var requests [2]int64
			for i := range points {
				requests[points[i].Of] += points[i].Requests
			}
			if requests[0] != requests[1] {
				b.Errorf("at one instant the clients have %d requests, and all have %d", requests[0], requests[1])
			}
			return err
		},
		func() error { _, err := b.Prune(ctx, storage.Before(b.now), 0); return err },
		func() error {
			r, err := b.Verify(ctx, 0)
			if len(r.Faults) > 0 {
				b.Errorf("verify beside requests: %+v", r.Faults)
			}
			return err
		},
		func() error { _, err := b.LastUsed(ctx, client, key); return err },
		func() error { _, err := b.Status(ctx); return err },
	}
	for _, look := range looking {
		all.Go(func() {
			for range 10 {
				if err := look(); err != nil {
					b.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
	lost := 0
	for {
		n, err := b.Expire(ctx, b.now.Add(2*time.Hour), 7)
		if err != nil {
			b.Fatalf("expire: %v", err)
		}
		if n == 0 {
			break
		}
		lost += n
	}
	if lost != 50 {
		b.Errorf("%d were lost, want 50", lost)
	}
	b.wantHolds(0)
	b.wantUsage(b.counter(client, tally.Requests, tally.Total), 200, 0)
	b.wantUsage(b.counter(client, tally.Sessions, tally.Total), 5, 0)
	var used int64
	for _, r := range b.all(storage.RecordQuery{}) {
		used += r.Tokens.Total()
	}
	b.wantUsage(limit.Counter, used, 0)
}
