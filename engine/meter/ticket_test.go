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
	w.client.Tariffs, w.client.Session.Length = []tally.Tariff{{Added: 2000}}, time.Hour
	w.client.Limits = limits(t, "tokens=1000/day")
	w.use()
	ticket := w.admit(func(r *Request) { r.Session, r.Stream = "ana", true })
	if w.holds() != 1 || w.meter.InFlight("cl_1") != 1 {
		t.Fatalf("%d holds, %d in flight; want 1 and 1", w.holds(), w.meter.InFlight("cl_1"))
	}
	r := answered(10, 5)
	r.FirstByte, r.Total = time.Second, 2*time.Second
	failed := tally.Attempt{Provider: "prov_0", Upstream: "m-0", Tokens: tally.Tokens{Input: 7}, Cost: 7000, Basis: tally.Exact, Status: 500, Cause: "server"}
	r.Attempts = append([]tally.Attempt{failed}, r.Attempts...)
	cost := w.settle(ticket, r)
	if want := tally.NanoUSD(10*1000 + 5*2000 + 7000); cost != want {
		t.Errorf("cost = %d, want %d", cost, want)
	}
	got := w.records()[0]
	for name, ok := range map[string]bool{
		"whose":    got.Gateway == "gw_1" && got.Client == "cl_1" && got.Key == "key_1",
		"what":     got.ID == ticket.request.ID && got.At.Equal(noon) && got.Endpoint == "chat/completions" && got.Model == "m" && got.Stream,
		"where":    got.Provider == "prov_1" && got.Upstream == "m-1" && got.Attempts == 2,
		"outcome":  got.Status == 200 && got.Outcome == tally.OK && got.Basis == tally.Exact && got.Count == 1,
		"session":  got.Session == hash("cl_1", "ana") && got.NewSession,
		"tokens":   got.Tokens == tally.Tokens{Input: 17, Output: 5},
		"money":    got.Cost == cost && got.Credits == cost.WithMarkup(2000) && got.Credits == 32400,
		"tries":    len(got.Tries) == 2 && got.Tries[0] == failed && got.Tries[1].Provider == "prov_1",
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

// TestPrice: the price of the day of admission, the dearer of two models, and
// whose figure counts where the upstream has its own.
func TestPrice(t *testing.T) {
	w := newWorld(t)
	low, high, fee := tally.Dollar, 10*tally.Dollar, tally.NanoUSD(500)
	dated := model(tally.Price{ID: "pr_1", Input: &low}, tally.Price{ID: "pr_2", Input: &high, From: noon.Add(time.Second)})
	other := model(tally.Price{ID: "pr_3", Input: &high})
	search := model(tally.Price{ID: "pr_4", Input: &low, Request: fee, Pieces: map[tally.Piece]tally.NanoUSD{tally.Search: 7000}})
	tiered := model(tally.Price{ID: "pr_5", Input: &low}, tally.Price{ID: "pr_6", Tier: tally.TierPriority, Input: &high})
	before := w.admit()
	w.now = noon.Add(time.Second)
	after := w.admit()
	billed := tally.NanoUSD(250_000)
	for _, tc := range []struct {
		name   string
		ticket *Ticket
		Answer
		cost, listed tally.NanoUSD
		row          tally.ID
	}{
		{"before the change", before, Answer{Model: dated}, 100_000, 100_000, "pr_1"},
		{"at the change", after, Answer{Model: dated}, 1_000_000, 1_000_000, "pr_2"},
		{"unpriced", after, Answer{Model: model()}, 0, 0, ""},
		{"answered by a dearer one", before, Answer{Model: dated, By: other}, 1_000_000, 1_000_000, "pr_3"},
		{"answered by a cheaper one", before, Answer{Model: other, By: dated}, 1_000_000, 1_000_000, "pr_3"},
		{"answered by one without a price", before, Answer{Model: dated, By: model()}, 100_000, 100_000, "pr_1"},
		{"served faster than asked", before, Answer{Model: tiered, Tier: tally.TierPriority}, 1_000_000, 1_000_000, "pr_6"},
		{"served in a way without a price", before, Answer{Model: tiered, Tier: "scale"}, 100_000, 100_000, "pr_5"},
		{"per call and search", before, Answer{Model: search, Units: tally.Units{Piece: tally.Search, Count: 2}}, 114_500, 114_500, "pr_4"},
		{"theirs is larger", before, Answer{Model: dated, Billed: &billed}, 250_000, 100_000, "pr_1"},
		{"ours is larger", after, Answer{Model: dated, Billed: &billed, Cost: tally.CostMax}, 1_000_000, 1_000_000, "pr_2"},
		{"theirs", after, Answer{Model: dated, Billed: &billed, Cost: tally.CostTheirs}, 250_000, 1_000_000, "pr_2"},
		{"ours", before, Answer{Model: dated, Billed: &billed, Cost: tally.CostOurs}, 100_000, 100_000, "pr_1"},
	} {
		tc.Tokens = tally.Tokens{Input: 100}
		var a tally.Attempt
		if listed := tc.ticket.Price(&a, &tc.Answer); a.Cost != tc.cost || listed != tc.listed || a.Price != tc.row || a.Tokens.Input != 100 {
			t.Errorf("%s: %+v, listed %d; want %d, %d and %s", tc.name, a, listed, tc.cost, tc.listed, tc.row)
		}
	}
	w.settle(before, answered(1, 1))
	w.settle(after, answered(1, 1))
}

// An upstream that reports absurd amounts makes an absurd bill, never a
// negative one that would give money back.
func TestAbsurdUsageNeverPaysBack(t *testing.T) {
	w := newWorld(t)
	dear := tally.MaxMoney
	ticket := w.admit()
	var a tally.Attempt
	ticket.Price(&a, &Answer{Model: model(tally.Price{Input: &dear}), Tokens: tally.Tokens{Input: tally.MaxTokens}})
	w.settle(ticket, &Result{Attempts: []tally.Attempt{{Cost: tally.MaxMoney}, a}, Outcome: tally.OK})
	if r := w.records()[0]; r.Cost <= 0 || r.Credits <= 0 {
		t.Errorf("cost = %d, credits = %d", r.Cost, r.Credits)
	}
}

// TestRaise: an attempt that may have been charged keeps its hold while another
// one is made, and what was held for either can be booked.
func TestRaise(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "cost=0.0005/day", "requests=1/day")
	w.use()
	ticket := w.admit() // 250,000 nano-dollars
	if err := ticket.Raise(context.Background()); err != nil || ticket.Output() != 100 {
		t.Fatalf("raised to %d, %v", ticket.Output(), err)
	}
	if err := ticket.Raise(context.Background()); err == nil {
		t.Error("it is raised beyond the limit")
	}
	if u := w.usage("client/cl_1", tally.Day); u[0].Held != 1 || u[2].Held != 500_000 {
		t.Errorf("held %+v", u)
	}
	tokens, cost := ticket.Held()
	if tokens != (tally.Tokens{Input: 50, Output: 100}) || cost != 250_000 {
		t.Errorf("the attempt holds %+v, %d", tokens, cost)
	}
	r := answered(10, 5)
	r.Attempts = append([]tally.Attempt{{Tokens: tokens, Cost: cost, Basis: tally.Held, Cause: "timeout"}}, r.Attempts...)
	w.settle(ticket, r)
	if rec := w.records()[0]; rec.Cost != 250_000+20_000 || rec.Basis != tally.Held || rec.Attempts != 2 || len(rec.Tries) != 2 {
		t.Errorf("booked as %+v", rec)
	}
}

func TestTicketsAreSettledOnce(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	ticket := w.admit()
	w.settle(ticket, answered(10, 5))
	if err := ticket.Settle(ctx, answered(10, 5)); tally.CodeOf(err) != tally.Conflict {
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
	w.client.Tariffs = []tally.Tariff{{Added: 5000}}
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
	if r.Status != 429 || r.Type != tally.TypeRate || r.Code != tally.CodeConcurrency || r.RetryAfter != 2*time.Second || r.Final ||
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
	w.client.MaxInFlight = 4
	w.use()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
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
	if err := abandoned.Settle(ctx, answered(1, 1)); tally.CodeOf(err) != tally.NotFound {
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

// meanwhile is a store where something happens while a hold is extended.
type meanwhile struct {
	storage.Store
	happens  func()
	extended []tally.ID
}

func (m *meanwhile) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	m.extended = append(m.extended, id)
	if m.happens != nil {
		m.happens()
	}
	return m.Store.Extend(ctx, id, until)
}

// A request may end while its hold is extended, and its ticket be another's by then:
// that one is extended in its own time.
func TestHeartbeatOfARequestThatEnds(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	store := &meanwhile{Store: w.store}
	w.open(store)
	r := w.request()
	admit := func() *Ticket {
		ticket, refusal := w.meter.Admit(ctx, r)
		if refusal != nil {
			t.Fatal(refusal)
		}
		return ticket
	}
	first := admit()
	store.happens = func() {
		store.happens = nil
		w.settle(first, answered(1, 1))
		r.ID = tally.NewID("req", w.now)
		admit()
	}
	w.meter.Heartbeat(ctx, noon.Add(HoldFor/2))
	w.meter.Heartbeat(ctx, noon.Add(HoldFor/2))
	if n := len(store.extended); n != 2 || store.extended[1] != r.ID {
		t.Errorf("%v were extended, want the second request, %s, last", store.extended, r.ID)
	}
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
