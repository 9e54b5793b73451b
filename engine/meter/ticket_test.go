package meter

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

func TestSettle(t *testing.T) {
	w := newWorld(t)
	w.client.MarkupBasisPoints = 2000
	w.client.Limits = limits(t, "tokens=1000/day")
	w.use()
	ticket := w.admit(func(r *Request) { r.Session, r.Stream = "ana", true })
	if w.holds() != 1 || w.meter.InFlight("cl_1") != 1 {
		t.Fatalf("%d holds, %d in flight; want 1 and 1", w.holds(), w.meter.InFlight("cl_1"))
	}
	r := answered(10, 5)
	r.FirstByte, r.Total, r.Attempts = time.Second, 2*time.Second, 2
	r.FailedTokens, r.FailedCost = tally.Tokens{Input: 7}, 7000
	cost := w.settle(ticket, r)
	if want := tally.NanoUSD(10*1000 + 5*2000 + 7000); cost != want {
		t.Errorf("cost = %d, want %d", cost, want)
	}
	got := w.records()[0]
	for name, ok := range map[string]bool{
		"whose":    got.Gateway == "gw_1" && got.Client == "cl_1" && got.Key == "key_1",
		"what":     got.ID == ticket.draft.ID && got.At.Equal(noon) && got.Endpoint == "chat/completions" && got.Model == "m" && got.Stream,
		"where":    got.Provider == "prov_1" && got.Upstream == "m-1" && got.Attempts == 2,
		"outcome":  got.Status == 200 && got.Outcome == tally.OK && got.Basis == tally.Exact && got.Count == 1,
		"session":  got.Session == hash("cl_1", "ana") && got.NewSession,
		"tokens":   got.Tokens == tally.Tokens{Input: 17, Output: 5},
		"money":    got.Cost == cost && got.Credits == cost.WithMarkup(2000) && got.Credits == 32400,
		"duration": got.FirstByte == time.Second && got.Total == 2*time.Second,
		"charges":  len(got.Charges) == 1 && got.Charges[0].Amount == 22 && got.Charges[0].Max == 1000,
	} {
		if !ok {
			t.Errorf("%s: the record is %+v", name, got)
		}
	}
	if w.holds() != 0 || w.meter.InFlight("cl_1") != 0 {
		t.Errorf("%d holds, %d in flight are left", w.holds(), w.meter.InFlight("cl_1"))
	}
}

// What was never answered costs nothing, not even its price per call; what was
// answered costs that, even if the upstream counted no token.
func TestPricePerCall(t *testing.T) {
	in := tally.NanoUSD(0)
	prices := []tally.Price{{Input: &in, Request: 500}}
	for _, tc := range []struct {
		outcome tally.Outcome
		tokens  tally.Tokens
		want    tally.NanoUSD
	}{
		{tally.OK, tally.Tokens{Input: 10}, 500},
		{tally.OK, tally.Tokens{}, 500},
		{tally.Canceled, tally.Tokens{Input: 10}, 500},
		{tally.Canceled, tally.Tokens{}, 0},
		{tally.OutcomeFailed, tally.Tokens{}, 0},
	} {
		w := newWorld(t)
		if got := w.settle(w.admit(), Result{Prices: prices, Tokens: tc.tokens, Outcome: tc.outcome}); got != tc.want {
			t.Errorf("%s with %+v costs %d, want %d", tc.outcome, tc.tokens, got, tc.want)
		}
	}
}

// An upstream that reports absurd amounts makes an absurd bill, never a
// negative one that would give money back.
func TestAbsurdUsageNeverPaysBack(t *testing.T) {
	w := newWorld(t)
	dear := tally.MaxMoney
	cost := w.settle(w.admit(), Result{Prices: []tally.Price{{Input: &dear}}, Tokens: tally.Tokens{Input: tally.MaxTokens}, FailedCost: tally.MaxMoney, Outcome: tally.OK})
	if r := w.records()[0]; cost <= 0 || r.Credits <= 0 {
		t.Errorf("cost = %d, credits = %d", cost, r.Credits)
	}
}

func TestTicketsAreSettledOnce(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	ticket := w.admit()
	w.settle(ticket, answered(10, 5))
	if _, err := ticket.Settle(ctx, answered(10, 5)); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("the second Settle = %v, want a conflict", err)
	}
	ticket.Close(ctx, noon)
	if n := w.meter.InFlight("cl_1"); n != 0 {
		t.Errorf("%d requests in flight, want 0", n)
	}
	if n := len(w.records()); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// A request that a defect stopped counts with all that it held.
func TestClose(t *testing.T) {
	w := newWorld(t)
	w.client.MarkupBasisPoints = 5000
	w.use()
	ticket := w.admit(func(r *Request) { r.Choices = 2 })
	held := w.usage("client/cl_1", tally.Day)
	ticket.Close(context.Background(), noon.Add(3*time.Second))
	used := w.usage("client/cl_1", tally.Day)
	for i, m := range tally.Metrics {
		if used[i].Used != held[i].Held || used[i].Held != 0 {
			t.Errorf("%s: used %d, held %d after a hold of %d", m, used[i].Used, used[i].Held, held[i].Held)
		}
	}
	r := w.records()[0]
	if r.Outcome != tally.Lost || r.Basis != tally.Held || r.Status != 500 || r.Code != tally.CodeInternal || r.Total != 3*time.Second {
		t.Errorf("the record is %+v", r)
	}
	if r.Tokens != (tally.Tokens{Input: 50, Output: 200}) {
		t.Errorf("tokens = %+v, want the bound: 50 in, 200 out", r.Tokens)
	}
	if w.holds() != 0 || w.meter.InFlight("cl_1") != 0 {
		t.Errorf("%d holds, %d in flight are left", w.holds(), w.meter.InFlight("cl_1"))
	}
}

// The price is that of the instant of admission, however late the answer ends.
func TestPriceOfTheDayOfAdmission(t *testing.T) {
	w := newWorld(t)
	low, high := tally.Dollar, 10*tally.Dollar
	prices := []tally.Price{{Input: &low}, {Input: &high, From: noon.Add(time.Second)}}
	before := w.admit()
	w.now = noon.Add(time.Second)
	after := w.admit()
	if got := before.Price(prices, tally.Tokens{Input: 100}); got != 100*1000 {
		t.Errorf("admitted before the change: %d, want 100,000", got)
	}
	if got := after.Price(prices, tally.Tokens{Input: 100}); got != 100*10_000 {
		t.Errorf("admitted at the change: %d, want 1,000,000", got)
	}
	if got := after.Price(nil, tally.Tokens{Input: 100}); got != 0 {
		t.Errorf("unpriced: %d, want 0", got)
	}
	w.settle(before, answered(1, 1))
	w.settle(after, answered(1, 1))
}

// Room is what the headers of an answer tell.
func TestRoom(t *testing.T) {
	w := newWorld(t)
	w.gateway.Limits = limits(t, "requests=1000/day")
	w.client.Limits = limits(t, "requests=10/month", "cost=1/month")
	w.key.Limits = limits(t, "requests=100/minute")
	w.use()
	w.spend(3)
	ticket := w.admit()
	charge, left, ok := ticket.Room(tally.Requests)
	if !ok || charge.Subject != "client/cl_1" || charge.Max != 10 || left != 6 {
		t.Errorf("Room = %+v, %d, %v; want 6 of the client's 10", charge, left, ok)
	}
	if _, _, ok := ticket.Room(tally.TokensIO); ok {
		t.Error("there is room on tokens, which no limit counts")
	}
	w.settle(ticket, answered(1, 1))
}

func TestInFlightCap(t *testing.T) {
	w := newWorld(t)
	w.client.MaxInFlight = 2
	w.use()
	first, second := w.admit(), w.admit()
	r := w.refused()
	if r.Status != 429 || r.Type != tally.TypeRate || r.Code != tally.CodeConcurrency || r.RetryAfter != time.Second || r.Final ||
		r.Message != `Client "Hotel Aurora" has 2 of 2 requests in flight. Try again when one has been answered.` {
		t.Errorf("refusal is %+v", r)
	}
	w.settle(first, answered(1, 1))
	third := w.admit()
	w.settle(second, answered(1, 1))
	w.settle(third, answered(1, 1))
}

// Under a storm no more are in flight than the cap, nor do they seem to be for
// a moment: another caller would be refused for the sake of one that is itself
// refused.
func TestInFlightCapIsExact(t *testing.T) {
	w := newWorld(t)
	w.open(instant{})
	w.client.MaxInFlight = 4
	w.use()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 1000 {
				ticket, _ := w.meter.Admit(context.Background(), w.request())
				if n := w.meter.InFlight("cl_1"); n > 4 {
					t.Errorf("%d in flight, cap 4", n)
				}
				if ticket != nil {
					ticket.Settle(context.Background(), answered(1, 1))
				}
			}
		})
	}
	all.Wait()
	if n := w.meter.InFlight("cl_1"); n != 0 {
		t.Errorf("%d in flight at the end, want 0", n)
	}
}

// instant is a store that has room for everything and keeps nothing.
type instant struct{ storage.Meter }

func (instant) Reserve(_ context.Context, r tally.Reservation) (tally.Grant, error) {
	return tally.Grant{Output: r.WantOutput}, nil
}
func (instant) Settle(context.Context, tally.Settlement) error { return nil }

// A hold at work is extended before its deadline; one whose request has ended
// is left alone.
func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	ended, at := w.admit(), noon
	w.settle(ended, answered(1, 1))
	ticket := w.admit()
	for range 30 {
		at = at.Add(time.Minute)
		w.meter.Heartbeat(ctx, at)
		if n, err := w.store.Expire(ctx, at, 10); n != 0 || err != nil {
			t.Fatalf("after %v: %d holds expired (%v)", at.Sub(noon), n, err)
		}
	}
	w.settle(ticket, answered(10, 5))
	abandoned := w.admit()
	if n, _ := w.store.Expire(ctx, w.now.Add(HoldFor), 10); n != 1 {
		t.Errorf("%d holds expired without a heartbeat, want 1", n)
	}
	// The request comes back after all: it is too late, and told so.
	if _, err := abandoned.Settle(ctx, answered(1, 1)); tally.CodeOf(err) != tally.NotFound {
		t.Errorf("Settle of an expired hold = %v, want not_found", err)
	}
}

// A hold that could not be extended is tried again at the next heartbeat, in
// time.
func TestHeartbeatTriesAgain(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	flaky := &failing{Store: w.store}
	w.open(flaky)
	ticket := w.admit()
	flaky.extend = errors.New("disk says no")
	w.meter.Heartbeat(ctx, noon.Add(HoldFor/2))
	if !strings.Contains(w.log.String(), "disk says no") {
		t.Errorf("the failure is not in the log: %q", w.log.String())
	}
	flaky.extend = nil
	w.meter.Heartbeat(ctx, noon.Add(HoldFor/2+HoldFor/10))
	if n, _ := w.store.Expire(ctx, noon.Add(HoldFor), 10); n != 0 {
		t.Error("the hold of a request at work expired")
	}
	w.settle(ticket, answered(1, 1))
}

// failing is a store whose Extend fails on demand, and that counts what would
// go to a disk.
type failing struct {
	storage.Store
	extend error
	writes int
}

func (f *failing) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	if f.extend != nil {
		return f.extend
	}
	return f.Store.Extend(ctx, id, until)
}

func (f *failing) Refuse(ctx context.Context, r tally.Record) error {
	f.writes++
	return f.Store.Refuse(ctx, r)
}

// Ten thousand refusals in a minute are one write.
func TestStormWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "requests=2/month")
	w.use()
	w.spend(2)
	counted := &failing{Store: w.store}
	w.open(counted)
	for range 10_000 {
		r := w.refused()
		w.meter.Refuse(context.Background(), w.principal(), tally.Record{ID: "req_1", At: w.now, Status: r.Status, Outcome: tally.OutcomeLimited, Code: r.Code})
	}
	if counted.writes != 1 {
		t.Errorf("%d writes, want 1", counted.writes)
	}
	if n := w.holds(); n != 0 {
		t.Errorf("%d holds are left", n)
	}
}
