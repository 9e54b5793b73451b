package badgerdb

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// someEntry fills every field of a record, or a random half of them.
func someEntry(rnd *rand.Rand) entry {
	some := func(list ...string) string { return list[rnd.IntN(len(list))] }
	r := tally.Record{
		ID: tally.NewID("req", noon), At: noon.Add(time.Duration(rnd.Int64N(1e15))),
		Gateway: tally.ID(some("", "gw_01kq3ma7e00000000000000000", "gw_1")), Client: tally.ID(some("", "cl_01kq3ma7e00000000000000000", "cl_zzkq3ma7e00000000000000000")),
		Key: tally.ID(some("", "ke_1")), Provider: tally.ID(some("", "pr_1")), Token: some("", "to_1"), Session: some("", "s\x00"), Origin: some("", "https://a.example"),
		Country: some("", "PT"), Endpoint: some("chat", "embeddings"), Model: some("", "gpt", "a\x00b"), Upstream: some("", "gpt"), VisitorNet: some("", "192.0.2.0/24"),
		Outcome: tally.Outcome(some("ok", "lost", "denied")), Basis: tally.Basis(some("", "exact")), Code: some("", "rate_limit"),
		Attempts: rnd.IntN(3), Status: rnd.IntN(600), Stream: rnd.IntN(2) == 0, NewSession: rnd.IntN(2) == 0,
		Tokens: tally.Tokens{Input: rnd.Int64(), CachedInput: 1, CacheWrite: 2, Output: -3, Reasoning: 4}, Cost: tally.NanoUSD(rnd.Int64()), Credits: math.MaxInt64,
		FirstByte: time.Duration(rnd.Int64()), Total: time.Duration(rnd.Int64()), Count: 1 + rnd.Int64N(9),
	}
	if rnd.IntN(2) == 0 {
		r.Visitor, r.SessionEnds = []byte{0, 1, 2}, noon
	}
	for range rnd.IntN(4) {
		c := tally.Charged{Subject: tally.Subject(some("gateway/gw_1", "client/", "client/cl_01kq3ma7e00000000000000000", "token/to_1", "visitor/v")), Window: some("total", "m2026-11-01", ""),
			Metric: tally.Metrics[rnd.IntN(tally.NumMetrics)], Used: rnd.Int64(), Max: rnd.Int64N(5)}
		c.Amount = r.Amounts().Of(c.Metric)
		r.Charges = append(r.Charges, c)
	}
	return entry{Record: r, settledAt: r.At.Add(time.Duration(rnd.Int64N(1e12))), stray: rnd.IntN(2) == 0}
}

func TestBlockRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var e encoder
		e.b = append(e.b, codecVersion)
		var want []entry
		for i := range 1 + rnd.IntN(12) {
			x := someEntry(rnd)
			if i > 0 && rnd.IntN(2) == 0 { // much as the one before
				x.Charges, x.Gateway, x.Model = slices.Clone(want[i-1].Charges), want[i-1].Gateway, want[i-1].Model
				for j := range x.Charges {
					x.Charges[j].Amount = x.Amounts().Of(x.Charges[j].Metric)
				}
			}
			x.Seq = 7 + uint64(i)
			e.entry(&x)
			want = append(want, x)
		}
		key := recordKey(3, 7)
		var b block
		if err := b.open(key, seal(key, e.b)); err != nil {
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
	var want tally.Sums
	for i := range 40 {
		want.Count(&tally.Record{Outcome: tally.OK, Tokens: tally.Tokens{Input: int64(i), Output: 1}, Cost: math.MaxInt64 / 100, Total: time.Duration(i) * time.Second, Count: 1})
	}
	var e encoder
	e.sums(9, &want)
	var got tally.Sums
	if through, err := decodeSums(e.b, &got); err != nil || through != 9 || got != want {
		t.Errorf("got %d %+v %v\nwant 9 %+v", through, got, err, want)
	}
}

// Whatever bytes a block has, opening it ends, and what it accepts comes out
// again as it went in.
func FuzzBlock(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 4 {
		var e encoder
		e.b = append(e.b, codecVersion)
		for range n {
			x := someEntry(rnd)
			e.entry(&x)
		}
		f.Add(e.b)
	}
	key := recordKey(1, 1)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b block
		if b.open(key, seal(key, bytes.Clone(payload))) != nil {
			return
		}
		var e encoder
		e.b = append(e.b, codecVersion)
		for i := range b.entries {
			b.entries[i].fill()
			e.entry(&b.entries[i])
		}
		var again block
		if err := again.open(key, seal(key, e.b)); err != nil || len(again.entries) != len(b.entries) {
			t.Fatalf("got  %+v, %v\nwant %+v", again.entries, err, b.entries)
		}
		for i := range again.entries {
			again.entries[i].fill()
			if !reflect.DeepEqual(again.entries[i].Record, b.entries[i].Record) {
				t.Errorf("got  %+v\nwant %+v", again.entries[i], b.entries[i])
			}
		}
	})
}

func FuzzSlot(f *testing.F) {
	var e encoder
	e.slotHead(1, 2)
	h := &ledger.Hold{}
	h.Draft = tally.Record{ID: "r", Gateway: "gw_1", At: noon}
	h.Charges = []tally.Charge{{Counter: tally.Counter{Subject: "gateway/gw_1", Metric: tally.Cost, Period: tally.Window{Unit: tally.Hour}.Period(noon, time.UTC, 0)}, Max: 7}}
	e.hold(h, []int64{3})
	f.Add(e.b)
	f.Fuzz(func(t *testing.T, payload []byte) {
		x, err := decodeSlot(payload)
		if err != nil {
			return
		}
		for _, h := range x.holds {
			for _, n := range h.Held {
				if n < 0 {
					t.Errorf("%s holds %d", h.ID, n)
				}
			}
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add([]byte{codecVersion})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var s, again tally.Sums
		through, err := decodeSums(payload, &s)
		if err != nil {
			return
		}
		var e encoder
		e.sums(through, &s)
		if n, err := decodeSums(e.b, &again); err != nil || n != through || again != s {
			t.Errorf("got %d %+v %v, want %d %+v", n, again, err, through, s)
		}
	})
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"", "cl_01kq3ma7e00000000000000000", "cl_81kq3ma7e00000000000000000", "cl_01kq3ma7e0000000000000000I", "_7zzzzzzzzzzzzzzzzzzzzzzzzz", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var e encoder
		e.id(s)
		d := decoder{b: e.b}
		if d.id(); string(d.ids) != s || d.end("") != nil {
			t.Errorf("got %q, want %q", d.ids, s)
		}
		if strings.HasPrefix(s, "cl_0") && len(s) == 29 && len(e.b) > 30 {
			t.Errorf("%q takes %d bytes", s, len(e.b))
		}
	})
}

// Keys sort as what they say, and are read back.
func FuzzKeys(f *testing.F) {
	f.Add("a", "b", "a\x00", "b", uint32(1), uint32(2))
	f.Add("", "\x00\x01", "\x00", "\xff", uint32(0), uint32(math.MaxUint32))
	f.Fuzz(func(t *testing.T, a1, a2, b1, b2 string, ba, bb uint32) {
		a, b := rowKey{hours, 3, ba, tally.Dim{a1, a2}}, rowKey{hours, 3, bb, tally.Dim{b1, b2}}
		for _, k := range []rowKey{a, b} {
			if got, ok := parseRowKey(k.bytes()); !ok || got != k {
				t.Errorf("got %+v, want %+v", got, k)
			}
			if got, ok := parseRowTail(k.opening()[1:]); !ok || got.at(quarters) != (rowKey{0, k.family, k.bucket, k.dim}) {
				t.Errorf("opening: got %+v, want %+v", got, k)
			}
		}
		order := slices.Compare([]string{string(binary.BigEndian.AppendUint32(nil, ba)), a1, a2}, []string{string(binary.BigEndian.AppendUint32(nil, bb)), b1, b2})
		if got := bytes.Compare(a.bytes(), b.bytes()); got != order {
			t.Errorf("%q and %q compare as %d, want %d", a.bytes(), b.bytes(), got, order)
		}
		if has := bytes.HasPrefix(a.bytes(), b.prefix(b1)); b1 != "" && has != (ba == bb && a1 == b1) {
			t.Errorf("%+v is under the prefix of %q: %v", a, b1, has)
		}
		if x, y, ok := parsePairKey(sessionKey(tally.ID(a1), a2)); !ok || x != a1 || y != a2 {
			t.Errorf("got %q %q, want %q %q", x, y, a1, a2)
		}
	})
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
			list := fewest(quarter(from), quarter(from+length))
			for _, p := range list {
				n := 1
				if p.less {
					n = -1
				}
				step := granSeconds[p.gran]
				for at := int64(p.bucket) * step; at < (int64(p.bucket)+1)*step; at += granSeconds[quarters] {
					covered[at] += n
				}
			}
			for at, n := range covered {
				want := 0
				if at >= quarter(from).Unix() && at < quarter(from+length).Unix() {
					want = 1
				}
				if n != want {
					t.Fatalf("%d quarters from %d: %+v counts %d of them %d times", length, from, list, at, n)
				}
			}
			if len(parts(quarter(from), quarter(from+length))) < len(list) {
				t.Errorf("%d quarters from %d: more parts than needed: %+v", length, from, list)
			}
		}
	}
	if list := fewest(day.Add(-time.Hour), day.Add(23*time.Hour)); len(list) != 3 {
		t.Errorf("a day in Berlin takes %+v, want an hour and a day without its last", list)
	}
}
