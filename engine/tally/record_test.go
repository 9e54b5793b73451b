package tally

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawRecord makes a record as a store keeps it.
func drawRecord(t *rapid.T) Record {
	n := func(label string) int64 { return rapid.Int64Range(0, 1000).Draw(t, label) }
	var tokens [NumClasses]int64
	for _, c := range AllClasses {
		tokens[c] = n(c.String())
	}
	var billed *NanoUSD
	if rapid.Bool().Draw(t, "billed") {
		billed = rate(NanoUSD(n("billed")))
	}
	return Record{
		Outcome:    rapid.SampledFrom([]Outcome{OK, OutcomeDenied, OutcomeLimited, OutcomeFailed, Canceled, Lost}).Draw(t, "outcome"),
		Tokens:     TokensOf(tokens),
		Billed:     billed,
		Listed:     NanoUSD(n("listed")),
		Uncounted:  rapid.Bool().Draw(t, "uncounted"),
		Cut:        rapid.Bool().Draw(t, "cut"),
		Waited:     time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "waited")),
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
		_, top := LatencyBounds(i)
		if want := time.Duration(math.Round(1000*math.Pow(math.Sqrt2, float64(i)))) * time.Microsecond; top != want {
			t.Errorf("class %d ends at %v, want %v", i, top, want)
		}
		if next, _ := LatencyBounds(i + 1); next != top {
			t.Errorf("class %d begins at %v, and the one before ends at %v", i+1, next, top)
		}
		if LatencyBucket(top) != i || LatencyBucket(top+1) != i+1 {
			t.Errorf("%v is in class %d, and a nanosecond more in %d", top, LatencyBucket(top), LatencyBucket(top+1))
		}
	}
	if LatencyBucket(0) != 0 || LatencyBucket(-1) != 0 || LatencyBucket(math.MaxInt64) != LatencyBuckets-1 {
		t.Error("a latency is in no class")
	}
	if got := (&Sums{}).Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

// A quantile lies in the class of the latency that it stands for, grows with the share,
// and is the end of a class where all up to its end are meant.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Sums
		const n = 64 // shares of it are exact in floating point
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(50*time.Second)), n, n).Draw(t, "latencies")
		for _, d := range all {
			s.Count(&Record{Outcome: OK, Total: time.Duration(d)})
		}
		slices.Sort(all)
		class := func(rank int) int { return LatencyBucket(time.Duration(all[rank-1])) }
		last := time.Duration(0)
		for rank := 1; rank <= n; rank++ {
			bottom, top := LatencyBounds(class(rank))
			for _, q := range []float64{float64(rank) - rapid.Float64Range(0.01, 0.99).Draw(t, "part"), float64(rank)} {
				got := s.Quantile(q / n)
				if got < bottom || got > top || got < last {
					t.Fatalf("quantile %v/%d of %v is %v: not from %v to %v, or below %v", q, n, all, got, bottom, top, last)
				}
				last = got
			}
			if rank == n || class(rank) != class(rank+1) {
				if last != top {
					t.Fatalf("quantile %d/%d of %v is %v, want the end of its class, %v", rank, n, all, last, top)
				}
			}
		}
	})
	s := Sums{Latency: [LatencyBuckets]int64{17: 4}} // from 256 ms to 362.039 ms
	if got := s.Quantile(0.5); got != 309_019_500*time.Nanosecond {
		t.Errorf("the median of one class is %v, want its middle", got)
	}
	if got := (&Sums{Latency: [LatencyBuckets]int64{LatencyBuckets - 1: 4}}).Quantile(0.5); got != 32768*time.Millisecond {
		t.Errorf("the median of what took very long is %v", got)
	}
}

// Every figure of a row is in the list by which rows are added up and stored.
func TestFigures(t *testing.T) {
	var s Sums
	seen := map[*int64]bool{}
	for _, figure := range s.Figures() {
		seen[figure] = true
	}
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), v.Type().Field(i).Name)
			}
		case reflect.Int64:
			if figure := (*int64)(v.Addr().UnsafePointer()); !seen[figure] {
				t.Errorf("%s is not among the figures", name)
			} else {
				delete(seen, figure)
			}
		default:
			if name != "Latency" {
				t.Errorf("%s is no figure", name)
			}
		}
	}
	walk(reflect.ValueOf(&s).Elem(), "")
	if len(seen) > 0 {
		t.Errorf("%d figures are none of a row's", len(seen))
	}
}

func TestFamilies(t *testing.T) {
	r := Record{Gateway: "gw", Client: "cl", Key: "ke", Provider: "pr", Token: "to", Country: "PT", Model: "m", Upstream: "up", Status: 429, Code: "cost_limit",
		Session: "se", Tags: "run=1",
		Tries:   []Attempt{{Provider: "p1", Cause: "timeout"}, {Provider: "p1", Cause: "timeout"}, {Provider: "pr"}},
		Reached: &Reached{Subject: "client/cl", Metric: Cost, Window: "m2026-11-01", Used: 29, Need: 2, Max: 30}}
	want := map[Family]Dim{ByFailure: {"p1", "timeout"},
		ByTotal: {}, ByGateway: {"gw"}, ByClient: {"cl"}, ByKey: {"ke"}, ByModel: {"m"}, ByProvider: {"pr"}, ByToken: {"to"},
		ByClientModel: {"cl", "m"}, ByClientStatus: {"cl", "429"}, ByClientCode: {"cl", "cost_limit"}, ByGatewayCode: {"gw", "cost_limit"},
		ByGatewayCountry: {"gw", "PT"}, ByTokenCode: {"to", "cost_limit"}, ByTokenCountry: {"to", "PT"}, ByUpstream: {"up"},
		ByLimit: {"client/cl", "cost m2026-11-01"}, ByProviderModel: {"pr", "m"},
		ByClientTag: {"cl", "run=1"}, ByKeyModel: {"ke", "m"}, ByClientSession: {"cl", "se"},
	}
	if len(want) != len(Families) {
		t.Errorf("%d families, want %d", len(Families), len(want))
	}
	for _, f := range Families {
		times := 1
		if f == ByFailure {
			times = 2
		}
		if got := dims(f, &r); !slices.Equal(got, slices.Repeat([]Dim{want[f]}, times)) {
			t.Errorf("%s: %q; want %q", f, got, want[f])
		}
		if got := dims(f, &Record{}); (len(got) > 0) != (f == ByTotal) {
			t.Errorf("%s of an empty record: %v", f, got)
		}
	}
	if got := dims("planet", &r); len(got) > 0 {
		t.Error("an unknown family has a value")
	}
	for code := -1; code < 1100; code++ {
		want := strconv.Itoa(code)
		if code < 100 || code > 999 {
			want = ""
		}
		if got := StatusText(code); got != want {
			t.Errorf("status %d is written %q", code, got)
		}
	}
}

func dims(f Family, r *Record) (out []Dim) {
	f.Dims(r, func(d Dim) { out = append(out, d) })
	return out
}

func TestSubjects(t *testing.T) {
	r := Record{Gateway: "gw", Client: "cl", Key: "ke", Token: "to"}
	if got, want := r.Subjects(), []Subject{"gateway/gw", "client/cl", "key/ke", "token/to"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&Record{Gateway: "gw", Model: "m"}).Subjects(); !slices.Equal(got, []Subject{"gateway/gw"}) {
		t.Errorf("%q", got)
	}
	for _, r := range []Record{r, {Gateway: "gw"}} {
		for _, s := range []Subject{"gateway/gw", "client/cl", "key/ke", "token/to", "token/", "client/gw", "visitor/gw"} {
			if got, want := r.Names(s), slices.Contains(r.Subjects(), s); got != want {
				t.Errorf("Names(%s) is %v, want %v", s, got, want)
			}
		}
	}
}

// TestPositionsOnDisk: keys and values of a store name families, metrics, classes
// and figures by their position. What stands here may be added to at the end, and
// never changed.
func TestPositionsOnDisk(t *testing.T) {
	families := []Family{"total", "gateway", "client", "key", "model", "provider", "token", "client_model", "client_status", "client_code",
		"gateway_code", "gateway_country", "token_code", "token_country", "upstream", "failure", "limit", "provider_model",
		"client_tag", "key_model", "client_session"}
	if !slices.Equal(Families, families) {
		t.Errorf("families are %v", Families)
	}
	if Metrics != [...]Metric{"requests", "tokens", "cost", "credits", "sessions", "balance"} {
		t.Errorf("metrics are %v", Metrics)
	}
	for i, m := range Metrics {
		if m.Index() != i {
			t.Errorf("%s is at %d, not at %d", m, m.Index(), i)
		}
	}
	var s Sums
	for i, at := range s.Figures() {
		*at = int64(i + 1)
	}
	if want := (Sums{Requests: 1, Refused: 2, Errors: 3, Sessions: 4, Cost: 10, Credits: 11, FirstByte: 12, Total: 13,
		Tokens:    Tokens{Input: 5, CachedInput: 6, CacheWrite: 7, Output: 8, Reasoning: 9, CacheWriteLong: 14, AudioInput: 15, ImageInput: 16, AudioOutput: 17, ImageOutput: 18},
		Uncounted: 19, Cut: 20, Waited: 21, Waiting: 22, Billed: 23, Listed: 24, Saved: 25, Funds: 26}); s != want {
		t.Errorf("figures are %+v", s)
	}
	if k := TokensOf([...]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}); k != (Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) || ClassImageOutput != 9 {
		t.Errorf("classes are %+v", k)
	}
}

// Only what is spent counts as used up: not what requests in flight hold, a request too
// large for any period, a visitor's own quota or a minute.
func TestUsedUp(t *testing.T) {
	for _, tc := range []struct {
		code             string
		used, need, most int64
		want             bool
	}{
		{"cost_limit", 30, 1, 30, true}, {"cost_limit", 29, 2, 30, true}, {"cost_limit", 30, 31, 30, true}, {"requests_limit", 0, 1, 0, true},
		{"cost_limit", 28, 2, 30, false}, {"cost_limit", 29, 31, 30, false}, {CodeRate, 30, 1, 30, false}, {CodeVisitorQuota, 30, 1, 30, false},
	} {
		r := Record{Code: tc.code, Reached: &Reached{Subject: "client/cl", Metric: Cost, Window: "total", Used: tc.used, Need: tc.need, Max: tc.most}}
		if _, got := r.UsedUp(); got != tc.want {
			t.Errorf("%s: %d used and %d needed of %d: used up %v", tc.code, tc.used, tc.need, tc.most, got)
		}
	}
	if _, got := (&Record{Code: CodeConcurrency, Reached: &Reached{Subject: "client/cl", Held: 3, Need: 1, Max: 3}}).UsedUp(); got {
		t.Error("places in flight are used up")
	}
}
