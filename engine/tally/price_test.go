package tally

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rate(n NanoUSD) *NanoUSD { return &n }

// group is a price with its bands, as they are added together.
type group struct {
	base  Price
	bands []Price
}

// drawGroups makes prices with gaps, bands, dates, ends, hours and tiers.
func drawGroups(t *rapid.T) []group {
	row := func(above int64) Price {
		p := Price{AboveTokens: above, Request: NanoUSD(rapid.Int64Range(0, 5).Draw(t, "request"))}
		for _, c := range AllClasses {
			if rapid.Bool().Draw(t, "has "+c.String()) {
				*p.Rate(c) = rate(NanoUSD(rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, int64(MaxMoney))).Draw(t, c.String())))
			}
		}
		return p
	}
	return rapid.SliceOfN(rapid.Custom(func(*rapid.T) group {
		g := group{base: row(0)}
		g.base.From = time.Unix(rapid.Int64Range(0, 3).Draw(t, "from"), 0)
		if rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
			g.base.Until = g.base.From.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "for")) * time.Second)
		}
		g.base.Tier = rapid.SampledFrom([]Tier{"", "", TierPriority, TierFlex}).Draw(t, "tier")
		for _, above := range rapid.SliceOfNDistinct(rapid.SampledFrom([]int64{10, 20, 30}), 0, 3, rapid.ID[int64]).Draw(t, "bands") {
			band := row(above)
			band.From, band.Until, band.Tier = g.base.From, g.base.Until, g.base.Tier
			g.bands = append(g.bands, band)
		}
		return g
	}), 0, 6).Draw(t, "prices")
}

func flat(groups []group) (out []Price) {
	for _, g := range groups {
		out = append(append(out, g.base), g.bands...)
	}
	return out
}

// naivePrice says what QuoteAt must, rate by rate, without the rule of tiers.
func naivePrice(groups []group, at time.Time, tier Tier, prompt int64) (r Rates, ok bool) {
	var in *group
	for i := range groups {
		p := &groups[i].base
		if p.Tier == tier && (p.Input != nil || p.Output != nil) && !p.From.After(at) && (p.Until.IsZero() || p.Until.After(at)) &&
			(in == nil || !p.From.Before(in.base.From)) {
			in = &groups[i]
		}
	}
	if in == nil {
		return r, false
	}
	// The bands that apply, the highest first, and then the price itself.
	var rows []*Price
	for above := prompt - 1; above > 0; above-- {
		for i := range in.bands {
			if in.bands[i].AboveTokens == above {
				rows = append(rows, &in.bands[i])
			}
		}
	}
	rows = append(rows, &in.base)
	for _, c := range AllClasses {
		found := false
		for _, p := range rows {
			if own := *p.Rate(c); own != nil {
				r.Of[c], found = *own, true
				break
			}
		}
		// The parents of the base price apply below all bands.
		for of := c; !found; of = of.Parent() {
			if own := *in.base.Rate(of); own != nil {
				r.Of[c], found = *own, true
			} else if of == ClassInput {
				break
			}
		}
	}
	for _, p := range rows {
		if p.Request != 0 || p == &in.base {
			r.Request = p.Request
			break
		}
	}
	return r, true
}

func TestPriceAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		prices := flat(groups)
		at, prompt := time.Unix(rapid.Int64Range(0, 4).Draw(t, "at"), 0), rapid.Int64Range(0, 40).Draw(t, "prompt")
		got, ok := PriceAt(prices, at, prompt)
		want, wantOK := naivePrice(groups, at, "", prompt)
		if got != want || ok != wantOK {
			t.Fatalf("got %+v %v, want %+v %v", got, ok, want, wantOK)
		}
		// A tier counts where it is dearer in something, and never without a plain price.
		q := QuoteAt(prices, at, TierPriority, prompt)
		tier, has := naivePrice(groups, at, TierPriority, prompt)
		dearer := false
		for c := range tier.Of {
			dearer = dearer || tier.Of[c] > want.Of[c]
		}
		if has && wantOK && dearer {
			want = tier
		}
		if q.Rates != want || (q.Row != nil) != wantOK {
			t.Fatalf("with priority %+v %v, want %+v %v", q.Rates, q.Row, want, wantOK)
		}
		dearest := DearestAt(prices, at, "", prompt)
		if (dearest.Row != nil) != ok {
			t.Fatalf("priced %v, at the dearest %v", ok, dearest.Row)
		}
		var most Rates
		for p := int64(0); ok && p <= prompt; p++ {
			r, _ := naivePrice(groups, at, "", p)
			most = most.Max(r)
		}
		if dearest.Rates != most {
			t.Fatalf("the dearest is %+v, want %+v", dearest.Rates, most)
		}
	})
}

// TestPricesOfBefore: lists that were written before rows had names are read as
// they were meant: bands belong to the price of their date, wherever they stand.
func TestPricesOfBefore(t *testing.T) {
	text := `{"prices": [
		{"from":"2026-11-10T00:00:00Z","above_tokens":1000,"input_nano_usd":600},
		{"from":"2026-11-10T00:00:00Z","input_nano_usd":300,"output_nano_usd":900},
		{"input_nano_usd":200,"output_nano_usd":800},
		{"above_tokens":1000,"input_nano_usd":400},
		{"from":"2026-11-10T00:00:00Z","input_nano_usd":7,"output_nano_usd":7}]}`
	var m Model
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		day  int
		size int64
		want NanoUSD
	}{{9, 10, 200}, {9, 1001, 400}, {10, 10, 300}, {10, 1001, 600}} {
		if r, _ := PriceAt(m.Prices, time.Date(2026, 11, tc.day, 0, 0, 0, 0, time.UTC), tc.size); r.Of[ClassInput] != tc.want {
			t.Errorf("on the %dth, %d tokens: %d, want %d", tc.day, tc.size, r.Of[ClassInput], tc.want)
		}
	}
	// A row keeps its name for good, and no two have the same.
	NewCatalog(1, []Entity{&m})
	first := m.Prices[0].ID
	again, _ := json.Marshal(&m)
	var back Model
	if err := json.Unmarshal(again, &back); err != nil || back.Prices[0].ID != first || first == "" || back.Prices[1].ID == first {
		t.Errorf("rows are called %v, then %v (%v)", m.Prices, back.Prices, err)
	}
}

func TestHours(t *testing.T) {
	h, err := ParseHours("Mon-Fri 01:00-04:00, Sat 22:00-02:00,06:30-07:00")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"2026-11-23T01:00:00Z": true, "2026-11-23T00:59:59Z": false, "2026-11-23T04:00:00Z": false, "2026-11-27T03:59:00Z": true,
		"2026-11-28T02:00:00Z": false, "2026-11-28T22:00:00Z": true, "2026-11-29T01:59:00Z": true, "2026-11-29T02:00:00Z": false,
		"2026-11-29T06:30:00Z": true, "2026-11-23T02:00:00+01:00": true, "2026-11-30T01:59:00Z": true,
	} {
		at, _ := time.Parse(time.RFC3339, text)
		if h.Contain(at) != want {
			t.Errorf("%s (%s): %v", text, at.UTC().Weekday(), !want)
		}
	}
	again, err := ParseHours(h.String())
	if err != nil || !reflect.DeepEqual(again, h) {
		t.Errorf("%q is read as %q, %v", h, again, err)
	}
	for _, bad := range []string{"", "Mon", "Mon-Fri", "01:00-01:00", "1:00-2:00", "24:00-25:00", "Mon-Xyz 01:00-02:00", "01:60-02:00", "Mon Tue 01:00-02:00"} {
		if _, err := ParseHours(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestPriceList(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	prices := []Price{
		{From: day(10), Input: rate(300), Output: rate(900), CachedInput: rate(30)},
		{From: day(10), AboveTokens: 1000, Input: rate(600)},
		{From: day(10), AboveTokens: 5000, Output: rate(1800), CachedInput: rate(0)},
		{Input: rate(200), Output: rate(800), Request: 7},
		{From: day(20), CachedInput: rate(1)}, // no price without input or output
	}
	for _, tc := range []struct {
		day    int
		prompt int64
		want   Rates
	}{
		{9, 9000, Rates{[...]NanoUSD{200, 200, 200, 200, 200, 200, 800, 800, 800, 800}, 7}},
		{10, 1000, Rates{[...]NanoUSD{300, 30, 300, 300, 300, 300, 900, 900, 900, 900}, 0}},
		{10, 1001, Rates{[...]NanoUSD{600, 30, 300, 300, 300, 300, 900, 900, 900, 900}, 0}},
		{25, 5001, Rates{[...]NanoUSD{600, 0, 300, 300, 300, 300, 1800, 900, 900, 900}, 0}},
	} {
		if got, ok := PriceAt(prices, day(tc.day), tc.prompt); !ok || got != tc.want {
			t.Errorf("on the %dth, %d tokens: %+v, %v; want %+v", tc.day, tc.prompt, got, ok, tc.want)
		}
	}
	for _, none := range [][]Price{nil, {{From: day(2), Input: rate(1)}}, {{AboveTokens: 5, Input: rate(1)}}, {{CachedInput: rate(1)}}} {
		if got, ok := PriceAt(none, day(1), 10); ok {
			t.Errorf("%+v is priced: %+v", none, got)
		}
		if got := DearestAt(none, day(1), "", 10); got.Row != nil {
			t.Errorf("%+v is priced at the dearest: %+v", none, got)
		}
	}
}

// What is in force is found at any hour: the row for all hours, then what it has
// beside it.
func TestInForce(t *testing.T) {
	hours, err := ParseHours("00:00-06:00")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	prices := []Price{
		{Input: rate(1)}, {Tier: TierFlex, Input: rate(2)},
		{From: from, Input: rate(3)}, {From: from, AboveTokens: 9, Input: rate(4)},
		{From: from, Hours: hours, Input: rate(5)}, {From: from, Tier: TierFast, Input: rate(6)}, {From: from, Tier: TierFast, AboveTokens: 9, Input: rate(7)},
		{From: from.AddDate(1, 0, 0), Input: rate(8)},
	}
	for _, at := range []time.Duration{3 * time.Hour, 12 * time.Hour} {
		var got []NanoUSD
		for _, p := range InForce(prices, from.Add(at)) {
			got = append(got, *p.Input)
		}
		if !reflect.DeepEqual(got, []NanoUSD{3, 4, 5, 6, 7}) {
			t.Errorf("after %v: %v", at, got)
		}
	}
	if got := InForce(prices[3:], from); got != nil {
		t.Errorf("without a row for all hours: %+v", got)
	}
}

func TestCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(label string) int64 {
			return rapid.OneOf(rapid.Int64Range(0, MaxTokens), rapid.Just[int64](math.MaxInt64)).Draw(t, label)
		}
		r := Rates{Request: NanoUSD(n("request"))}
		var counts [NumClasses]int64
		sum := new(big.Int)
		for _, c := range AllClasses {
			r.Of[c], counts[c] = NanoUSD(n("rate of "+c.String())), n(c.String())
			sum.Add(sum, product(counts[c], int64(r.Of[c])))
		}
		k := TokensOf(counts)
		want := clamp(new(big.Int).Add(quotient(sum, 1_000_000, true), big.NewInt(int64(r.Request))))
		if got := r.Cost(k); int64(got) != want {
			t.Fatalf("%+v of %+v cost %d, want %d", k, r, got, want)
		}
	})
	// A part of a nano-dollar is a whole one, once for the request.
	if got := one(1, 0).Cost(Tokens{Input: 1, Output: 1}); got != 1 {
		t.Errorf("2 millionths of a nano-dollar cost %d", got)
	}
	if got := one(5, 3).Cost(Tokens{Input: -1e6, Output: 1e6}); got != 8 {
		t.Errorf("negative tokens were paid out: %d", got)
	}
}

// one is a price that is the same for all classes.
func one(rate, request NanoUSD) (r Rates) {
	for c := range r.Of {
		r.Of[c] = rate
	}
	r.Request = request
	return r
}

func TestTokens(t *testing.T) {
	k := Tokens{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
	if TokensOf(k.ByClass()) != k || k.Prompt() != 63 || k.Completion() != 960 || k.Total() != 1023 || k.Add(k).Sub(k) != k || k.Add(k).Total() != 2046 {
		t.Errorf("%+v: %d in, %d out, %d in all, twice %+v", k, k.Prompt(), k.Completion(), k.Total(), k.Add(k))
	}
	for _, bad := range []Tokens{{Input: -1}, {CachedInput: MaxTokens + 1}, {CacheWrite: -1}, {Output: math.MaxInt64}, {Reasoning: math.MinInt64}} {
		if bad.Sane() {
			t.Errorf("%+v is believed", bad)
		}
	}
	if !(Tokens{Input: MaxTokens, ImageOutput: MaxTokens}).Sane() {
		t.Error("the largest are not believed")
	}
	// What a request could not cause is counted as plain.
	if got := k.Within(PromptClasses | AnswerClasses); got != (Tokens{Input: 57, CachedInput: 2, CacheWrite: 4, Output: 832, Reasoning: 128}) {
		t.Errorf("%+v is taken for %+v", k, got)
	}
}

// What a record keeps of a row and its pieces finds the same price again.
func TestPricesAreFoundAgain(t *testing.T) {
	usd := func(n int64) *NanoUSD { return new(NanoUSD(n) * Dollar) }
	prices := Prices{{ID: "pr_1", Input: usd(1), Output: usd(2)}, {ID: "pr_2", Input: usd(3), Output: usd(4)}, {AboveTokens: 10, Input: usd(5)}}
	for _, tc := range []struct {
		id     ID
		tokens int64
		want   NanoUSD
	}{{"pr_1", 11, 1}, {"pr_2", 10, 3}, {"pr_2", 11, 5}} {
		if q := QuoteOf(prices, tc.id, tc.tokens); q.ID() != tc.id || q.Of[ClassInput] != tc.want*Dollar {
			t.Errorf("%s with %d tokens: %s at %s", tc.id, tc.tokens, q.ID(), q.Of[ClassInput])
		}
	}
	if q := QuoteOf(prices, "pr_3", 1); q.Row != nil {
		t.Errorf("a row that is not there: %+v", q)
	}
	q := Quote{Row: &Price{Pieces: map[Piece]NanoUSD{"image": 1, "image_high": 4, "image_high_2k": 8, "search": 2}}}
	for name, want := range map[Piece]NanoUSD{"image_high": 8, "image_high_2k": 8, "image_low": 1, "search": 2} { // the dearest size, if it is open
		u := UnitsOf(name, 1)
		if got, _ := q.CostOf(&u); got != want {
			t.Errorf("%s as %+v costs %d, want %d", name, u, got, want)
		}
	}
	if n := NanoUSD(100).Share(3, 2); n != 150 || NanoUSD(7).Share(1, 2) != 4 || NanoUSD(7).Share(1, 0) != 7 {
		t.Errorf("shares are wrong: %d", n)
	}
	night, _ := ParseHours("Fri 22:00-06:00")
	for text, want := range map[string]bool{"Sat 05:59-07:00": true, "Sat 06:00-07:00": false, "Sun 22:00-23:00": false} {
		other, err := ParseHours(text)
		if err != nil || night.Meet(other) != want || other.Meet(night) != want {
			t.Errorf("%s and %s: %v, %v", night, text, night.Meet(other), err)
		}
	}
}
