package meter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

// contention is a crowd of callers on one budget.
type contention struct {
	callers, answers int // the budget pays so many answers of the mean length
	wait             time.Duration
	seed             uint64
}

// outcome is what came of it.
type outcome struct {
	share              float64 // of the budget that is spent
	over               bool
	answered, cut      int
	refused, impatient int // refused for holds; of them without having waited
	longest            time.Duration
}

// run lets callers ask without a maximum, as SDKs do, until the budget is spent:
// answers of 60 to 2,000 tokens take 0.2 to 5 seconds, and one caller in ten
// leaves.
func (c contention) run(t testing.TB) (out outcome) {
	const input, least, most = 40, 60, 2000
	w := newWorld(t)
	each := dollars.Cost(tally.Tokens{Input: input, Output: (least + most) / 2})
	budget := each * tally.NanoUSD(c.answers)
	w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Total}, Max: int64(budget)}}
	w.cat = w.cat.With(2, tally.Put(&tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}, HoldWait: &c.wait}, noon))
	w.use()
	began := time.Now()
	now := func() time.Time { return noon.Add(time.Since(began)) }
	var mu sync.Mutex // guards out
	var all sync.WaitGroup
	for i := range c.callers {
		random := rand.New(rand.NewPCG(c.seed, uint64(i)))
		all.Go(func() {
			for n := 0; ; n++ {
				length := least + random.Int64N(most-least+1)
				takes := 200*time.Millisecond + time.Duration(random.Int64N(int64(4800*time.Millisecond)))
				leaves := random.IntN(10) == 0
				ctx, cancel := context.WithCancelCause(context.Background())
				if leaves {
					time.AfterFunc(time.Duration(random.Int64N(int64(5*time.Second))), func() { cancel(errors.New("the caller left")) })
				}
				asked := time.Now()
				r := w.request(func(r *Request) {
					r.ID, r.At, r.InputTokens, r.Output = tally.ID(fmt.Sprint("req_", i, "_", n)), now(), input+200, 16_384
				})
				r.Since = r.At
				r.Waiting = func() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }
				var ticket *Ticket
				var refusal *tally.Refusal
				for ticket == nil && refusal == nil {
					r.At = now()
					ticket, refusal = w.meter.Admit(ctx, r)
				}
				cancel(nil)
				waited := time.Since(asked)
				if refusal != nil {
					mu.Lock()
					held := refusal.Code == tally.CodeBudgetHeld
					if held {
						out.refused++
						if waited < c.wait {
							out.impatient++
						}
					}
					mu.Unlock()
					switch {
					case held:
						time.Sleep(refusal.RetryAfter)
					case refusal.Code != tally.CodeStore: // spent, and not only this caller that left
						return
					}
					continue
				}
				granted := ticket.Output()
				uses := min(length, granted)
				result := answered(input, uses)
				if leaves && random.IntN(2) == 0 { // from a stream; what it may have used by then is booked
					takes = time.Duration(random.Int64N(int64(takes)) + 1)
					uses = min(granted, max(1, int64(takes.Seconds()*300)))
					result = answered(input, uses)
					result.Outcome = tally.Canceled
				}
				time.Sleep(takes)
				result.Cut = result.Outcome == tally.OK && granted < length
				w.settle(ticket, result)
				mu.Lock()
				out.answered++
				out.longest = max(out.longest, waited)
				if result.Cut {
					out.cut++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	used := tally.NanoUSD(w.usage("client/cl_1", tally.Total)[tally.Cost.Index()].Used)
	out.share, out.over = float64(used)/float64(budget), used > budget
	return out
}

// TestNoBudgetIsWasted: a crowd that shares a small budget spends nearly all of it
// and not a unit more; nobody is refused for others' holds who has not waited, and
// hardly an answer is cut.
func TestNoBudgetIsWasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := contention{callers: 64, answers: 200, wait: 10 * time.Second, seed: 1}.run(t)
		if o.over || o.share < 0.95 {
			t.Errorf("%.2f %% of the budget is spent, beyond it: %v", 100*o.share, o.over)
		}
		if o.impatient > 0 {
			t.Errorf("%d of %d refusals came before the time to wait was over", o.impatient, o.refused)
		}
		if o.cut*50 > o.answered {
			t.Errorf("%d of %d answers are cut", o.cut, o.answered)
		}
	})
}

// BenchmarkContention shows how much of a budget a crowd can use, with and without
// waiting: go test -run '^$' -bench Contention -benchtime 1x ./engine/meter
func BenchmarkContention(b *testing.B) {
	for _, c := range []contention{
		{callers: 64, answers: 200}, {callers: 64, answers: 200, wait: 2 * time.Second}, {callers: 64, answers: 200, wait: 10 * time.Second},
		{callers: 32, answers: 20, wait: 10 * time.Second}, {callers: 8, answers: 50, wait: 10 * time.Second},
	} {
		b.Run(fmt.Sprintf("callers=%d/answers=%d/wait=%s", c.callers, c.answers, c.wait), func(b *testing.B) {
			for b.Loop() {
				c.seed++
				var o outcome
				done := make(chan struct{})
				// A bubble of fake time needs a test.
				testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "contention", F: func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { o = c.run(t) })
					close(done)
				}}})
				<-done
				b.ReportMetric(100*o.share, "%spent")
				b.ReportMetric(100*float64(o.cut)/float64(max(o.answered, 1)), "%cut")
				b.ReportMetric(float64(o.refused), "refused")
				b.ReportMetric(o.longest.Seconds(), "s/longest-wait")
			}
		})
	}
}

// waiting is a request that waits.
type waiting struct {
	ticket  *Ticket
	refusal *tally.Refusal
	done    chan struct{}
	request *Request
	end     context.CancelCauseFunc
	took    time.Duration
}

// ask begins to wait, in a bubble of fake time.
func (w *world) ask(change ...func(*Request)) *waiting {
	x := &waiting{done: make(chan struct{}), request: w.request(change...)}
	var ctx context.Context
	ctx, x.end = context.WithCancelCause(context.Background())
	x.request.Since = x.request.At
	x.request.Waiting = func() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }
	began := time.Now()
	go func() {
		defer close(x.done)
		x.ticket, x.refusal = w.meter.Admit(context.Background(), x.request)
		x.took = time.Since(began)
	}()
	synctest.Wait()
	return x
}

func (x *waiting) waits() bool {
	select {
	case <-x.done:
		return false
	default:
		return true
	}
}

// TestWaitEnds: with room, with what is spent, with the caller, with the gateway,
// with another catalog, with a minute, and with time.
func TestWaitEnds(t *testing.T) {
	left := errors.New("the caller left")
	for name, tc := range map[string]struct {
		limit string
		do    func(w *world, holds *Ticket, x *waiting)
		check func(t *testing.T, x *waiting)
	}{
		"room": {"tokens=160/day", func(w *world, holds *Ticket, x *waiting) { w.settle(holds, answered(1, 1)) }, func(t *testing.T, x *waiting) {
			if x.ticket == nil || x.ticket.Output() != 100 || x.took != 0 {
				t.Errorf("%+v after %s", x.refusal, x.took)
			}
		}},
		"spent": {"tokens=160/day", func(w *world, holds *Ticket, x *waiting) { w.settle(holds, answered(50, 100)) }, func(t *testing.T, x *waiting) {
			if x.ticket != nil || x.refusal != nil { // it is to ask again, and then refused for good
				t.Errorf("%+v", x.refusal)
			}
		}},
		"caller": {"tokens=160/day", func(w *world, holds *Ticket, x *waiting) { x.end(left) }, func(t *testing.T, x *waiting) {
			if x.ticket != nil || x.refusal == nil || x.took != 0 {
				t.Errorf("%+v after %s", x.refusal, x.took)
			}
		}},
		"gateway": {"tokens=160/day", func(w *world, holds *Ticket, x *waiting) { x.end(ErrStopping) }, func(t *testing.T, x *waiting) {
			if x.refusal == nil || x.refusal.Status != 503 || x.refusal.Code != tally.CodeStopping || x.refusal.RetryAfter == 0 {
				t.Errorf("%+v", x.refusal)
			}
		}},
		"catalog": {"tokens=160/day", func(w *world, holds *Ticket, x *waiting) { x.end(ErrChanged) }, func(t *testing.T, x *waiting) {
			if x.ticket != nil || x.refusal != nil || x.request.Deadline.IsZero() {
				t.Errorf("%+v", x.refusal)
			}
		}},
		"a place": {"requests=100/day", func(w *world, holds *Ticket, x *waiting) { w.settle(holds, answered(1, 1)) }, func(t *testing.T, x *waiting) {
			if x.ticket == nil || x.took != 0 {
				t.Errorf("%+v", x.refusal)
			}
		}},
		"time": {"tokens=160/day", func(*world, *Ticket, *waiting) { time.Sleep(tally.DefaultHoldWait); synctest.Wait() }, func(t *testing.T, x *waiting) {
			if x.refusal == nil || x.refusal.Code != tally.CodeBudgetHeld || x.refusal.RetryAfter != 2*time.Second || x.took != tally.DefaultHoldWait {
				t.Errorf("%+v after %s", x.refusal, x.took)
			}
		}},
		"time, with a little room": {"tokens=230/day", func(*world, *Ticket, *waiting) { time.Sleep(tally.DefaultHoldWait); synctest.Wait() }, func(t *testing.T, x *waiting) {
			if x.ticket == nil || x.ticket.Output() != 30 || x.took != tally.DefaultHoldWait || x.ticket.Waited() != tally.DefaultHoldWait {
				t.Errorf("%+v, %+v after %s", x.ticket, x.refusal, x.took)
			}
		}},
		"the minute of the room": {"tokens=160/minute", func(*world, *Ticket, *waiting) { time.Sleep(5 * time.Second); synctest.Wait() }, func(t *testing.T, x *waiting) {
			if x.ticket != nil || x.refusal != nil || x.took != 5*time.Second {
				t.Errorf("%+v after %s", x.refusal, x.took)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.now = noon.Add(55 * time.Second)
				w.client.Limits = limits(t, tc.limit)
				if name == "a place" {
					w.client.MaxInFlight = 1
				}
				w.use()
				holds := w.admit()
				x := w.ask()
				if !x.waits() {
					t.Fatalf("it does not wait: %+v", x.refusal)
				}
				tc.do(w, holds, x)
				<-x.done
				tc.check(t, x)
				if x.ticket != nil {
					w.settle(x.ticket, answered(1, 1))
				}
				if !holds.settled {
					w.settle(holds, answered(1, 1))
				}
				if n := w.holds(); n != 0 {
					t.Errorf("%d holds are left", n)
				}
			})
		})
	}
}

// TestWhatDoesNotWait: what is spent is refused at once, but for a minute that is
// nearly over; and so is everything where the owner has switched waiting off.
func TestWhatDoesNotWait(t *testing.T) {
	none, short := time.Duration(0), 20*time.Second
	for name, tc := range map[string]struct {
		limit string
		into  time.Duration // of the minute
		wait  *time.Duration
		hold  bool
		waits bool
	}{
		"a day that is spent":                   {"requests=1/day", 55 * time.Second, nil, false, false},
		"a minute that is spent":                {"requests=1/minute", 10 * time.Second, nil, false, false},
		"a minute that is nearly over":          {"requests=1/minute", 55 * time.Second, nil, false, true},
		"a minute that is over within the wait": {"requests=1/minute", 45 * time.Second, &short, false, true},
		"a minute, without waiting":             {"requests=1/minute", 55 * time.Second, &none, false, false},
		"a hold, without waiting":               {"tokens=160/day", 0, &none, true, false},
		"what is larger than its limit":         {"tokens=60/minute", 55 * time.Second, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.now = noon.Truncate(time.Minute).Add(tc.into)
				w.client.Limits = limits(t, tc.limit)
				w.cat = w.cat.With(2, tally.Put(&tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}, HoldWait: tc.wait}, noon))
				w.use()
				ticket, _ := w.meter.Admit(context.Background(), w.request())
				if ticket != nil && !tc.hold {
					w.settle(ticket, answered(50, 10))
				}
				x := w.ask()
				if x.waits() != tc.waits {
					t.Errorf("waits: %v, want %v (%+v)", x.waits(), tc.waits, x.refusal)
				}
				if <-x.done; tc.waits && (x.refusal != nil || x.ticket != nil || x.took != time.Minute-tc.into) {
					t.Errorf("after %s: %+v; want to ask again when the minute is over", x.took, x.refusal)
				}
			})
		})
	}
}

// TestMinuteInTurn: when a minute is over that many have waited for, those get its
// room who first asked.
func TestMinuteInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		start := noon.Truncate(time.Minute).Add(53 * time.Second)
		now := func() time.Time { return start.Add(time.Since(began)) }
		w.client.Limits = limits(t, "requests=5/minute")
		w.use()
		var mu sync.Mutex // guards admitted
		var admitted []int
		var all sync.WaitGroup
		for i := range 24 {
			r := w.request(func(r *Request) { r.ID, r.At = tally.ID(fmt.Sprint("req_", i)), now() })
			r.Since = r.At
			r.Waiting = func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }
			all.Go(func() {
				for {
					ticket, refusal := w.meter.Admit(context.Background(), r)
					if ticket == nil && refusal == nil {
						if i == 7 {
							return // its key was revoked meanwhile
						}
						time.Sleep(time.Duration(i%3) * time.Millisecond) // what else it does before it asks again
						r.At = now()
						continue
					}
					if ticket != nil {
						mu.Lock()
						admitted = append(admitted, i)
						mu.Unlock()
						w.settle(ticket, answered(50, 10))
					}
					return
				}
			})
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 8, 9, 10}; !slices.Equal(admitted, want) {
			t.Errorf("admitted %v, want %v", admitted, want)
		}
		time.Sleep(time.Second)
		if len(w.meter.sleepers.of)+len(w.meter.sleepers.by) > 0 {
			t.Error("somebody is still taken to sleep")
		}
	})
}

// TestLearnedLength: what the latest answers of a client were like, the model's
// until enough is known, and 2,048 until then.
func TestLearnedLength(t *testing.T) {
	l := lengths{of: map[lengthKey]*length{}}
	want := func(of tally.ID, least, most int64) {
		t.Helper()
		if n := l.floor(of, "m"); n < least || n > most {
			t.Errorf("%s: the floor is %d, want %d to %d", of, n, least, most)
		}
	}
	want("cl_1", 2048, 2048)
	for range 19 {
		l.learn("cl_1", "m", 1000)
	}
	want("cl_1", 2048, 2048)
	l.learn("cl_2", "m", 1000)
	want("cl_1", 1500, 1875) // the model's: 20 answers of all
	l.learn("cl_1", "m", 3000)
	want("cl_1", 4500, 5625) // one in twenty exceeds 1,000
	for range 200 {
		l.learn("cl_1", "m", 10)
	}
	want("cl_1", 1500, 1875) // of 220 two may be longer, and there are 20 of 1,000 and more
	for range 256 {
		l.learn("cl_1", "m", 10)
	}
	want("cl_1", 256, 256)
	for n := int64(1); n < 1<<26; n = n*5/4 + 1 {
		if c := int(classOf(n)); endOf(c) < n || c > 0 && endOf(c-1) >= n {
			t.Errorf("%d is in class %d, which ends at %d", n, c, endOf(c))
		}
	}
}
