package tally

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawRecord makes a record as a store keeps it.
func drawRecord(t *rapid.T) Record {
	n := func(label string) int64 { return rapid.Int64Range(0, 1000).Draw(t, label) }
	return Record{
		Outcome:    rapid.SampledFrom([]Outcome{OK, OutcomeDenied, OutcomeLimited, OutcomeFailed, Canceled, Lost}).Draw(t, "outcome"),
		Tokens:     Tokens{n("input"), n("cached"), n("write"), n("output"), n("reasoning")},
		Cost:       NanoUSD(n("cost")),
		Credits:    NanoUSD(n("credits")),
		NewSession: rapid.Bool().Draw(t, "new session"),
		FirstByte:  time.Duration(n("first byte")),
		Total:      time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "total")),
		Count:      1 + n("count"),
	}
}

// TestSums: sums count what the amounts of their records add up to, however
// the records are divided.
func TestSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all, left, right Sums
		var want Amounts
		var refused, failed, answered int64
		for _, r := range rapid.SliceOfN(rapid.Custom(drawRecord), 0, 20).Draw(t, "records") {
			all.Count(&r)
			if rapid.Bool().Draw(t, "left") {
				left.Count(&r)
			} else {
				right.Count(&r)
			}
			amounts := r.Amounts()
			for i := range want {
				want[i] += amounts[i]
			}
			switch {
			case r.Outcome.Refused():
				refused += r.Count
				if amounts != (Amounts{}) {
					t.Fatalf("a refusal used %v", amounts)
				}
			case r.Outcome.Failed():
				failed++
			case r.Outcome == OK:
				answered++
			}
		}
		if all.Amounts() != want || all.Refused != refused || all.Errors != failed {
			t.Fatalf("%+v; want %v, %d refused, %d failed", all, want, refused, failed)
		}
		if left.Merge(&right); left != all {
			t.Fatalf("in two parts %+v, in one %+v", left, all)
		}
		var classes int64
		for _, n := range all.Latency {
			classes += n
		}
		if classes != answered {
			t.Fatalf("%d latencies of %d answers", classes, answered)
		}
	})
}

func TestLatency(t *testing.T) {
	for i := range LatencyBuckets - 1 {
		top := LatencyTop(i)
		if want := time.Duration(math.Round(1000*math.Pow(math.Sqrt2, float64(i)))) * time.Microsecond; top != want {
			t.Errorf("class %d ends at %v, want %v", i, top, want)
		}
		if LatencyBucket(top) != i || LatencyBucket(top+1) != i+1 {
			t.Errorf("%v is in class %d, and a nanosecond more in %d", top, LatencyBucket(top), LatencyBucket(top+1))
		}
	}
	if LatencyBucket(0) != 0 || LatencyBucket(-1) != 0 || LatencyBucket(math.MaxInt64) != LatencyBuckets-1 {
		t.Error("a latency is in no class")
	}
	rapid.Check(t, func(t *rapid.T) {
		var s Sums
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(33*time.Second)), 1, 50).Draw(t, "latencies")
		for _, d := range all {
			s.Count(&Record{Outcome: OK, Total: time.Duration(d)})
		}
		slices.Sort(all)
		rank := rapid.IntRange(1, len(all)).Draw(t, "rank")
		exact := time.Duration(all[rank-1])
		// A hair below the rank's share, for what floats are.
		if got := s.Quantile((float64(rank) - 0.5) / float64(len(all))); got != LatencyTop(LatencyBucket(exact)) {
			t.Fatalf("number %d of %v is %v, want the class of %v", rank, all, got, exact)
		}
	})
	if got := (&Sums{}).Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestFamilies(t *testing.T) {
	r := Record{Gateway: "gw", Client: "cl", Key: "ke", Provider: "pr", Token: "to", Country: "PT", Model: "m", Status: 429, Code: "cost_limit"}
	want := map[Family]Dim{
		ByTotal: {}, ByGateway: {"gw"}, ByClient: {"cl"}, ByKey: {"ke"}, ByModel: {"m"}, ByProvider: {"pr"}, ByToken: {"to"},
		ByClientModel: {"cl", "m"}, ByClientStatus: {"cl", "429"}, ByClientCode: {"cl", "cost_limit"}, ByGatewayCode: {"gw", "cost_limit"},
		ByGatewayCountry: {"gw", "PT"}, ByTokenCode: {"to", "cost_limit"}, ByTokenCountry: {"to", "PT"},
	}
	if len(want) != len(Families) {
		t.Errorf("%d families, want %d", len(Families), len(want))
	}
	for _, f := range Families {
		if got, ok := f.Dim(&r); !ok || got != want[f] {
			t.Errorf("%s: %q, %v; want %q", f, got, ok, want[f])
		}
		if _, ok := f.Dim(&Record{}); ok != (f == ByTotal) {
			t.Errorf("%s of an empty record: %v", f, ok)
		}
	}
	if _, ok := Family("planet").Dim(&r); ok {
		t.Error("an unknown family has a value")
	}
	for code := -1; code < 1100; code++ {
		want := strconv.Itoa(code)
		if code < 100 || code > 999 {
			want = ""
		}
		if got := statusText(code); got != want {
			t.Errorf("status %d is written %q", code, got)
		}
	}
}

func TestSubjects(t *testing.T) {
	r := Record{Gateway: "gw", Client: "cl", Key: "ke", Token: "to"}
	if got, want := r.Subjects(), []Subject{"gateway/gw", "client/cl", "key/ke", "token/to"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&Record{Gateway: "gw", Model: "m"}).Subjects(); !slices.Equal(got, []Subject{"gateway/gw"}) {
		t.Errorf("%q", got)
	}
}
