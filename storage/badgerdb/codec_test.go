package badgerdb

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// someEntry fills every field of a record, or a random half of them.
func someEntry(rnd *rand.Rand) entry {
	some := func(list ...string) string { return list[rnd.IntN(len(list))] }
	id := func(list ...string) tally.ID { return tally.ID(some(list...)) }
	number := func() int64 { return []int64{0, 0, 1, rnd.Int64N(5000), -rnd.Int64N(100), rnd.Int64()}[rnd.IntN(6)] }
	tokens := func() tally.Tokens {
		var n [tally.NumClasses]int64
		for i := range n {
			n[i] = number()
		}
		return tally.TokensOf(n)
	}
	r := tally.Record{
		ID: tally.NewID("req", noon), At: noon.Add(time.Duration(rnd.Int64N(1e15))),
		Gateway: id("", "gw_01kq3ma7e00000000000000000", "gw_1"), Client: id("", "cl_01kq3ma7e00000000000000000", "cl_zzkq3ma7e00000000000000000"),
		Key: id("", "ke_1"), Provider: id("", "pr_1"), Token: some("", "to_1"), Session: some("", "s\x00"), Origin: some("", "https://a.example"),
		Country: some("", "PT"), Endpoint: some("chat", "embeddings"), Model: some("", "gpt", "a\x00b"), Upstream: some("", "gpt"), VisitorNet: some("", "192.0.2.0/24"),
		Price: id("", "prc_01kq3ma7e00000000000000000", "book"), Tier: tally.Tier(some("", "flex")), Answered: some("", "gpt-2026"),
		Outcome: tally.Outcome(some("ok", "lost", "denied")), Basis: tally.Basis(some("", "exact")), Code: some("", "rate_limit"),
		Attempts: rnd.IntN(3), Status: rnd.IntN(600), Stream: rnd.IntN(2) == 0, NewSession: rnd.IntN(2) == 0, Cut: rnd.IntN(2) == 0, Uncounted: rnd.IntN(2) == 0,
		Tokens: tokens(), Piece: tally.Image, Pieces: number(), Cost: tally.NanoUSD(number()), Credits: math.MaxInt64, Listed: tally.NanoUSD(number()),
		Waited: time.Duration(number()), FirstByte: time.Duration(number()), Total: time.Duration(number()), Count: 1 + rnd.Int64N(9),
	}
	if rnd.IntN(2) == 0 {
		r.Visitor, r.SessionEnds = []byte{0, 1, 2}, noon
	}
	if rnd.IntN(2) == 0 {
		billed := tally.NanoUSD(number())
		r.Billed = &billed
	}
	for range max(0, rnd.IntN(5)-1) {
		r.Tries = append(r.Tries, tally.Attempt{Provider: id("", "pr_1", "pr_01kq3ma7e00000000000000000"), Upstream: some("", "gpt"), Price: r.Price, Basis: r.Basis,
			Tokens: tokens(), Piece: "image_high", Pieces: number(), Cost: tally.NanoUSD(number()), Status: rnd.IntN(600), Cause: some("", "timeout"), Took: time.Duration(number())})
	}
	for range rnd.IntN(4) {
		c := tally.Charged{Subject: tally.Subject(some("gateway/gw_1", "client/", "client/cl_01kq3ma7e00000000000000000", "token/to_1", "visitor/v")), Window: some("total", "m2026-11-01", ""),
			Metric: tally.Metrics[rnd.IntN(tally.NumMetrics)], Used: rnd.Int64(), Max: rnd.Int64N(5)}
		c.Amount = r.Amounts().Of(c.Metric)
		r.Charges = append(r.Charges, c)
	}
	x := entry{Record: r, settledAt: r.At.Add(time.Duration(rnd.Int64N(1e12))), stray: rnd.IntN(2) == 0}
	if rnd.IntN(2) == 0 && r.Total > 0 && r.Total < time.Hour {
		x.settledAt = r.At.Add(r.Total)
	}
	return x
}

// as1 is what version 1 keeps of a record.
func as1(x entry) entry {
	r := &x.Record
	r.Price, r.Tier, r.Answered, r.Cut, r.Uncounted, r.Pieces, r.Billed, r.Listed, r.Waited, r.Tries = "", "", "", false, false, 0, nil, 0, 0, nil
	r.Piece = ""
	r.Tokens = tally.Tokens{Input: r.Tokens.Input, CachedInput: r.Tokens.CachedInput, CacheWrite: r.Tokens.CacheWrite, Output: r.Tokens.Output, Reasoning: r.Tokens.Reasoning}
	return x
}

// What is written is read, in both versions.
func TestBlockRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var now encoder
		var old encoder1
		now.blockHead()
		old.blockHead()
		var want, want1 []entry
		for i := range 1 + rnd.IntN(12) {
			x := someEntry(rnd)
			if i > 0 && rnd.IntN(2) == 0 { // much as the one before
				before := &want[i-1]
				x.Charges, x.Gateway, x.Model, x.Tries = slices.Clone(before.Charges), before.Gateway, before.Model, before.Tries
				x.settledAt = before.settledAt
			}
			for j := range x.Charges {
				x.Charges[j].Amount = x.Amounts().Of(x.Charges[j].Metric)
			}
			x.Seq = 7 + uint64(i)
			now.entry(&x)
			want = append(want, x)
			x = as1(x)
			x.Charges = slices.Clone(x.Charges)
			for j := range x.Charges {
				x.Charges[j].Amount = x.Amounts().Of(x.Charges[j].Metric)
			}
			old.entry(&x)
			want1 = append(want1, x)
		}
		wantBlock(t, now.b, want)
		wantBlock(t, old.b, want1)
	}
}

func wantBlock(t *testing.T, payload []byte, want []entry) {
	t.Helper()
	key := recordKey(3, 7)
	var b block
	if err := b.open(key, seal(key, payload)); err != nil {
		t.Fatal(err)
	}
	for i := range b.entries {
		x := &b.entries[i]
		if x.fill(); !reflect.DeepEqual(x.Record, want[i].Record) || !x.settledAt.Equal(want[i].settledAt) || x.stray != want[i].stray {
			t.Fatalf("got  %+v\nwant %+v", x, want[i])
		}
	}
	if len(b.entries) != len(want) {
		t.Fatalf("%d records, want %d", len(b.entries), len(want))
	}
}

func TestSlotRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	period := tally.Window{Unit: tally.Month}.Period(noon, time.UTC, 0)
	for range 300 {
		var e encoder
		e.slotHead(5, 6)
		var want []*ledger.Hold
		for range 1 + rnd.IntN(5) {
			h := &ledger.Hold{}
			h.Draft = someEntry(rnd).Record
			h.Draft.Charges, h.Draft.Seq = nil, 0
			h.ID, h.At, h.ExpiresAt, h.Output = h.Draft.ID, h.Draft.At, noon, rnd.Int64()
			h.Bounds[1].Base = 12
			for i := range h.Held {
				h.Held[i] = rnd.Int64()
			}
			h.Held[tally.Balance.Index()] = h.Held[tally.Credits.Index()]
			h.Held[4] = rnd.Int64N(2)
			h.NewSession = h.Held[4] == 1
			for range rnd.IntN(4) {
				c := tally.Counter{Subject: tally.Subject([]string{"gateway/gw_1", "visitor/v"}[rnd.IntN(2)]), Metric: tally.Cost, Period: period}
				h.Charges = append(h.Charges, tally.Charge{Counter: c, Max: rnd.Int64N(3)})
			}
			if h.NewSession {
				h.Session, h.SessionEnds = &tally.SessionUse{Client: "cl_1", Member: "m", Until: noon}, noon
			}
			e.hold(h, nil)
			want = append(want, h)
		}
		got, err := decodeSlot(e.b)
		if err != nil {
			t.Fatal(err)
		}
		if got.epoch != 5 || got.after != 6 || !reflect.DeepEqual(got.holds, want) {
			t.Fatalf("got  %+v\nwant %+v", got.holds[0], want[0])
		}
	}
}

func TestSumsRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var want tally.Sums
	for i := range 40 {
		r := someEntry(rnd).Record
		r.Outcome, r.Cost, r.Total = tally.OK, math.MaxInt64/100, time.Duration(i)*time.Second
		want.Count(&r)
		var e encoder
		e.sums(9, &want)
		var got tally.Sums
		if through, err := decodeSums(e.b, &got); err != nil || through != 9 || got != want {
			t.Errorf("got %d %+v %v\nwant 9 %+v", through, got, err, want)
		}
		var old encoder1
		old.sums(9, &want)
		want1 := tally.Sums{Latency: want.Latency}
		kept := want.Figures()
		for i, n := range want1.Figures() {
			if i < 13 {
				*n = *kept[i]
			}
		}
		if through, err := decodeSums(old.b, &got); err != nil || through != 9 || got != want1 {
			t.Errorf("version 1: got %d %+v %v\nwant 9 %+v", through, got, err, want1)
		}
	}
}

// A version that is newer than the program is not guessed at.
func TestNewerVersions(t *testing.T) {
	key := recordKey(1, 1)
	var b block
	if err := b.open(key, seal(key, []byte{blockVersion + 1, 0, 0, 0})); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("a block: %v", err)
	}
	if _, err := decodeSlot([]byte{slotVersion + 1, 0, 0}); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("a slot: %v", err)
	}
	if _, err := decodeSums([]byte{sumsVersion + 1, 0, 0, 0}, &tally.Sums{}); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("a row: %v", err)
	}
}

func TestSealNotices(t *testing.T) {
	key := recordKey(5, 6)
	value := seal(key, []byte("something"))
	for i := range value {
		for bit := range 8 {
			damaged := bytes.Clone(value)
			damaged[i] ^= 1 << bit
			if _, err := unseal(key, damaged); tally.CodeOf(err) != tally.Corrupt {
				t.Errorf("bit %d of byte %d was flipped: %v", bit, i, err)
			}
		}
	}
	if _, err := unseal(recordKey(5, 7), value); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("the value of another key: %v", err)
	}
}

// However a span is cut, its parts add up to it, and those of a day that is not
// UTC's are few.
func TestFewest(t *testing.T) {
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	quarter := func(n int) time.Time { return day.Add(time.Duration(n) * tally.Bucket) }
	for from := range 96 {
		for _, length := range []int{1, 4, 40, 90, 95, 96, 97, 180, 96 * 7, 96*30 + 3} {
			covered := map[int64]int{}
			list := coarse{}.fewest(quarter(from), quarter(from+length))
			cover(covered, list)
			for at, n := range covered {
				want := 0
				if at >= quarter(from).Unix() && at < quarter(from+length).Unix() {
					want = 1
				}
				if n != want {
					t.Fatalf("%d quarters from %d: %+v counts %d of them %d times", length, from, list, at, n)
				}
			}
			if len(coarse{}.parts(quarter(from), quarter(from+length))) < len(list) {
				t.Errorf("%d quarters from %d: more parts than needed: %+v", length, from, list)
			}
		}
	}
	if list := (coarse{}).fewest(day.Add(-time.Hour), day.Add(23*time.Hour)); len(list) != 3 {
		t.Errorf("a day in Berlin takes %+v, want an hour and a day without its last", list)
	}
}

// cover counts the quarters of an hour that parts tell of.
func cover(covered map[int64]int, list []part) {
	for _, p := range list {
		n := 1
		if p.less {
			n = -1
		}
		step := granSeconds[p.gran]
		for at := int64(p.bucket) * step; at < int64(p.end)*step; at += granSeconds[quarters] {
			covered[at] += n
		}
	}
}
