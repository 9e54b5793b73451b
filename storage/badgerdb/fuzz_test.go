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

// Whatever bytes a block has, opening it ends, and what it accepts comes out
// again as it went in.
func FuzzBlock(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var gone encoder
	gone.blockHead()
	gone.entryGone()
	f.Add(gone.b)
	for n := range 4 {
		var now encoder
		var old encoder1
		now.blockHead()
		old.blockHead()
		for range n {
			x := someEntry(rnd)
			now.entry(&x)
			x = as1(x)
			old.entry(&x)
		}
		f.Add(now.b)
		f.Add(old.b)
	}
	for _, payload := range keptValues(f, tableRecord) {
		f.Add(payload)
	}
	key := recordKey(1, 1)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b block
		if b.open(key, seal(key, bytes.Clone(payload))) != nil {
			return
		}
		var e encoder
		e.blockHead()
		for seq, left := b.first, b.entries; seq <= b.last(); seq++ {
			if len(left) == 0 || left[0].Seq != seq {
				e.entryGone()
				continue
			}
			left[0].fill()
			e.entry(&left[0])
			left = left[1:]
		}
		var again block
		if err := again.open(key, seal(key, e.b)); err != nil || again.n != b.n || len(again.entries) != len(b.entries) {
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
	for _, payload := range keptValues(f, tableHold) {
		f.Add(payload)
	}
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
	f.Add([]byte{sumsVersion, 0, 0, 0})
	for i, payload := range keptValues(f, tableRollup) {
		if i%100 == 0 {
			f.Add(payload)
		}
	}
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
