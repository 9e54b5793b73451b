package storetest

import (
	"math"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

func reserveAllOrNone(b *bench) {
	first := b.request()
	b.reserve(first)
	b.settle(first, 50) // 60 tokens, 1,100 nano-dollars
	b.reserve(b.request())

	charges := []tally.Charge{
		b.charge(key, tally.Requests, tally.Hour, 100),
		b.charge(client, tally.TokensIO, tally.Day, 170+10),          // just enough for no output
		b.charge(client, tally.Cost, tally.Day, 1100+1200+1000-1),    // one short
		b.charge(gateway, tally.Requests, tally.Total, 2),            // none left
		b.charge(gateway, tally.Credits, tally.Month, math.MaxInt64), // plenty
	}
	before, err := b.LastUsed(ctx, key, client, gateway)
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.now = b.now.Add(time.Second)
	e := b.refused(b.request(charges...))
	b.wantEqual("the refusal", *e, tally.LimitError{Charge: charges[2], Used: 1100, Held: 1200, Need: 1000})
	if !e.ByHoldsOnly() {
		b.Errorf("%v is because of holds only", e)
	}
	b.wantHolds(1)
	for i, want := range []tally.Usage{{Used: 1, Held: 1}, {Used: 60, Held: 110}, {Used: 1100, Held: 1200}, {Used: 1, Held: 1}, {Used: 1320, Held: 1440}} {
		b.wantUsage(charges[i].Counter, want.Used, want.Held)
	}
	after, err := b.LastUsed(ctx, key, client, gateway)
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.wantEqual("last used, by a request that was refused", after, before)
	if list := b.all(storage.RecordQuery{}); len(list) != 1 {
		b.Errorf("a refused reservation left a record: %+v", list)
	}

	charges[2].Max++
	e = b.refused(b.request(charges...))
	b.wantEqual("the next refusal", *e, tally.LimitError{Charge: charges[3], Used: 1, Held: 1, Need: 1})
	charges[3].Max++
	if g := b.reserve(b.request(charges...)); g.Output != 0 {
		b.Errorf("granted %+v, want an output of 0", g)
	}
}

// reserveLastUnit: the last unit is granted, and not one more.
func reserveLastUnit(b *bench) {
	requests, cost := b.charge(client, tally.Requests, tally.Day, 3), b.charge(key, tally.Cost, tally.Day, 3600)
	for range 3 {
		if g := b.reserve(b.request(requests, cost)); g.Output != 100 {
			b.Errorf("granted %+v", g)
		}
	}
	b.wantUsage(requests.Counter, 0, 3)
	b.wantUsage(cost.Counter, 0, 3600)
	e := b.refused(b.request(requests, cost))
	b.wantEqual("the fourth of three", *e, tally.LimitError{Charge: requests, Held: 3, Need: 1})
	b.refused(b.request(cost, requests))

	b.refused(b.request(b.charge("visitor/v", tally.Requests, tally.Day, 0)))
	// A hold of more than any limit must not wrap around.
	huge := b.request(b.charge("visitor/v", tally.Cost, tally.Day, math.MaxInt64-1))
	huge.Bounds[2] = tally.Bound{Base: math.MaxInt64, PerMillion: math.MaxInt64}
	b.refused(huge)
	huge.ID, huge.Charges[0].Max = "rq_huge", math.MaxInt64
	b.reserve(huge)
	more := b.request(b.charge("visitor/v", tally.Cost, tally.Day, math.MaxInt64-1))
	b.refused(more)
	if err := b.Settle(ctx, tally.Settlement{ID: huge.ID, Record: answered(huge, 0)}); err != nil {
		b.Errorf("settle: %v", err)
	}
	b.wantUsage(more.Charges[0].Counter, 1000, 0)
}

// reserveOutput: the grant is the largest output that every charge can pay.
func reserveOutput(b *bench) {
	for _, tc := range []struct {
		tokens, cost      int64 // limits
		perToken, perCost int64 // per million of output
		least, most       int64
		want              int64 // -1: refused
	}{
		{math.MaxInt64, math.MaxInt64, 1e6, 2e6, 0, 100, 100},
		{10 + 40, math.MaxInt64, 1e6, 2e6, 0, 100, 40},
		{10 + 40, 1000 + 50, 1e6, 2e6, 0, 100, 25},
		{10 + 40, 1000 + 51, 1e6, 2e6, 0, 100, 25},
		{10 + 40, 1000 + 51, 1e6, 2e6, 25, 100, 25},
		{10 + 40, 1000 + 51, 1e6, 2e6, 26, 100, -1},
		{10, 1000, 1e6, 2e6, 0, 100, 0},
		{10, 1000, 1e6, 2e6, 1, 100, -1},
		{9, 1000, 1e6, 2e6, 0, 100, -1},
		{10, 1000, 0, 0, 7, 100, 100},
		{1000, 1001, 1e6, 333_333, 0, 100, 3}, // ⌈0.999999⌉ is 1
		{1000, 1002, 1e6, 333_334, 0, 100, 5},
		{1000, 1001, 1e6, 1, 0, 1_000_000, 990},
		{math.MaxInt64, 1001, 0, 1, 0, 5_000_000, 1_000_000},
		{50, math.MaxInt64, 1e6, 2e6, 60, 60, -1},
		{70, math.MaxInt64, 1e6, 2e6, 60, 60, 60},
	} {
		s := tally.Subject("visitor/" + string(rune('a'+b.ids)))
		r := b.request(b.charge(s, tally.TokensIO, tally.Day, tc.tokens), b.charge(s, tally.Cost, tally.Hour, tc.cost))
		r.MinOutput, r.WantOutput = tc.least, tc.most
		r.Bounds[1].PerMillion, r.Bounds[2].PerMillion = tc.perToken, tc.perCost
		if tc.want < 0 {
			b.refused(r)
			continue
		}
		if g := b.reserve(r); g.Output != tc.want {
			b.Errorf("%+v: granted %d", tc, g.Output)
		}
		b.wantUsage(r.Charges[0].Counter, 0, r.Bounds[1].At(tc.want))
		b.wantUsage(r.Charges[1].Counter, 0, r.Bounds[2].At(tc.want))
	}
}

// reserveRoom: a grant tells what the tightest limit on requests and on tokens
// has left.
func reserveRoom(b *bench) {
	g := b.reserve(b.request(
		b.charge(key, tally.Cost, tally.Day, 5000),
		b.charge(key, tally.Requests, tally.Day, 9),
		b.charge(client, tally.TokensIO, tally.Hour, 200),
		b.charge(client, tally.Requests, tally.Month, 7),
		b.charge(gateway, tally.TokensIO, tally.Hour, 300),
	))
	b.wantEqual("the grant", g, tally.Grant{Output: 100, Requests: tally.Room{Charge: 4, Left: 6}, Tokens: tally.Room{Charge: 3, Left: 90}})
	g = b.reserve(b.request(b.charge(key, tally.Cost, tally.Day, 5000)))
	b.wantEqual("a grant without such limits", g, tally.Grant{Output: 100})
}

func reserveInvalid(b *bench) {
	held := b.request()
	b.reserve(held)
	_, err := b.Reserve(ctx, held)
	b.wantCode("an ID that is held", err, tally.Conflict)

	other := b.charge(client, tally.Requests, tally.Day, 1)
	other.Period = tally.Window{Unit: tally.Day}.Period(b.now.AddDate(0, 0, 1), time.UTC, 0)
	session := func(client tally.ID, member string, until time.Time) *tally.SessionUse {
		return &tally.SessionUse{Client: client, Member: member, Until: until}
	}
	for what, change := range map[string]func(*tally.Reservation){
		"no ID":                  func(r *tally.Reservation) { r.ID = "" },
		"no time":                func(r *tally.Reservation) { r.At = time.Time{} },
		"a negative output":      func(r *tally.Reservation) { r.MinOutput = -1 },
		"outputs out of order":   func(r *tally.Reservation) { r.MinOutput = r.WantOutput + 1 },
		"a negative bound":       func(r *tally.Reservation) { r.Bounds[1].Base = -1 },
		"a negative rate":        func(r *tally.Reservation) { r.Bounds[2].PerMillion = -1 },
		"a charge of nobody":     func(r *tally.Reservation) { r.Charges = []tally.Charge{b.charge("", tally.Requests, tally.Day, 1)} },
		"a charge of nothing":    func(r *tally.Reservation) { r.Charges = []tally.Charge{b.charge(client, "hugs", tally.Day, 1)} },
		"a charge of tomorrow":   func(r *tally.Reservation) { r.Charges = []tally.Charge{other} },
		"a session of nobody":    func(r *tally.Reservation) { r.Session = session("cl_1", "", b.now.Add(1)) },
		"a session of another":   func(r *tally.Reservation) { r.Session = session("cl_2", "me", b.now.Add(1)) },
		"a session that is over": func(r *tally.Reservation) { r.Session = session("cl_1", "me", b.now) },
	} {
		r := b.request()
		change(&r)
		_, err := b.Reserve(ctx, r)
		b.wantCode(what, err, tally.Invalid)
	}
	b.wantHolds(1)
}
