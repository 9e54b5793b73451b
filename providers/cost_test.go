package providers

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestAppendCost(t *testing.T) {
	for _, x := range []struct {
		usage string
		cost  tally.NanoUSD
		want  string
	}{
		{`{"prompt_tokens":5}`, 1_500_000, `{"prompt_tokens":5,"cost":0.0015}`},
		{`{"prompt_tokens": 5 }`, 1, `{"prompt_tokens": 5 ,"cost":0.000000001}`},
		{`{}`, 0, `{"cost":0}`},
		{"{ \n}", 3_000_000_000, "{ \n\"cost\":3}"},
		{`{"cost":0.1}`, 12_000_000_010, `{"cost":12.00000001}`},
		{`{"a":1,"cost" : null , "b":{"cost":7}}`, 500_000_000, `{"a":1,"cost" : 0.5 , "b":{"cost":7}}`},
		{`{"b":{"cost":7}}`, 1_000_000_000, `{"b":{"cost":7},"cost":1}`},
		{`{}`, math.MaxInt64, `{"cost":9223372036.854775807}`},
	} {
		if got := string(AppendCost([]byte("x"), []byte(x.usage), x.cost)); got != "x"+x.want {
			t.Errorf("%d into %s: got %s, want x%s", x.cost, x.usage, got, x.want)
		}
	}
}

// FuzzAppendCost: whatever the usage, it stays valid and says exactly the cost.
func FuzzAppendCost(f *testing.F) {
	f.Add([]byte(`{"prompt_tokens":5,"cost":null}`), int64(1_500_000))
	f.Add([]byte(`{ "a":{"cost":1} }`), int64(1))
	f.Fuzz(func(t *testing.T, usage []byte, cost int64) {
		if len(usage) == 0 || usage[0] != '{' || usage[len(usage)-1] != '}' || !json.Valid(usage) || cost == math.MinInt64 {
			return
		}
		out := AppendCost(nil, usage, tally.NanoUSD(cost))
		before, err := pairs(usage)
		after, err2 := pairs(out)
		if err != nil || err2 != nil || !json.Valid(out) {
			t.Fatalf("%s became %s", usage, out)
		}
		got, ok := new(big.Rat).SetString(get(after, "cost"))
		if !ok || got.Cmp(big.NewRat(cost, 1_000_000_000)) != 0 {
			t.Fatalf("%s: the cost of %d is %s", out, cost, get(after, "cost"))
		}
		for i, p := range before {
			if p.key != "cost" && (after[i].key != p.key || string(after[i].raw) != string(p.raw)) {
				t.Fatalf("%s became %s", usage, out)
			}
		}
	})
}

func TestRewriteCost(t *testing.T) {
	const ours = 1_500_000
	for _, x := range []struct{ usage, theirs, our, none string }{
		{`{"prompt_tokens":5}`, `{"prompt_tokens":5,"cost":0.0015}`, `{"prompt_tokens":5,"cost":0.0015}`, `{"prompt_tokens":5}`},
		{`{}`, `{"cost":0.0015}`, `{"cost":0.0015}`, `{}`},
		{`{"cost":7,"a": 1}`, `{"cost":7,"a": 1}`, `{"cost":0.0015,"a": 1}`, `{"a": 1}`},
		{`{"a": 1 ,"cost":1e-05 }`, `{"a": 1 ,"cost":1e-05 }`, `{"a": 1,"cost":0.0015}`, `{"a": 1}`},
		{`{"cost":{"input_tokens_cost":1,"total_cost":2},"a":1}`, `{"cost":{"input_tokens_cost":1,"total_cost":2},"a":1}`, `{"cost":{"total_cost":0.0015},"a":1}`, `{"a":1}`},
		{`{"a":1,"cost":1,"is_byok":true,"cost_details":{"upstream_inference_cost":3},"b":2}`, `{"a":1,"cost":1,"is_byok":true,"cost_details":{"upstream_inference_cost":3},"b":2}`,
			`{"a":1,"cost":0.0015,"is_byok":true,"b":2}`, `{"a":1,"is_byok":true,"b":2}`},
		{`{"cost_in_usd_ticks":37756000,"a":1}`, `{"cost_in_usd_ticks":37756000,"a":1}`, `{"a":1,"cost":0.0015}`, `{"a":1}`},
		{`{"cost":null,"a":1}`, `{"cost":0.0015,"a":1}`, `{"cost":0.0015,"a":1}`, `{"a":1}`},
		{`{"cost":-7,"a":1}`, `{"cost":0.0015,"a":1}`, `{"cost":0.0015,"a":1}`, `{"a":1}`},
		{`{"prompt_tokens":-5,"cost":7}`, `{"prompt_tokens":-5,"cost":7}`, `{"prompt_tokens":-5,"cost":0.0015}`, `{"prompt_tokens":-5}`},
		{`{"cost":7,"cost":8}`, `{"cost":7,"cost":8}`, `{"cost":0.0015}`, `{}`},
		{`{"b":{"cost":7}}`, `{"b":{"cost":7},"cost":0.0015}`, `{"b":{"cost":7},"cost":0.0015}`, `{"b":{"cost":7}}`},
	} {
		for mode, want := range []string{CostTheirs: x.theirs, CostOurs: x.our, CostNone: x.none} {
			if got := string(RewriteCost([]byte("x"), []byte(x.usage), ours, CostMode(mode))); got != "x"+want {
				t.Errorf("mode %d of %s: %s, want x%s", mode, x.usage, got, want)
			}
		}
	}
}

// FuzzRewriteCost: what tells no cost is left byte for byte and in its order, and
// what tells one is treated as the mode says.
func FuzzRewriteCost(f *testing.F) {
	f.Add([]byte(`{"prompt_tokens":5,"cost":null}`), int64(1_500_000), byte(0))
	f.Add([]byte(`{ "a":{"cost":1} , "cost":{"total_cost":2},"cost_details":{}, "cost_in_usd_ticks":5}`), int64(1), byte(1))
	f.Add([]byte(`{"cost_in_usd_ticks":5,"a":1}`), int64(1), byte(2))
	f.Fuzz(func(t *testing.T, usage []byte, cost int64, mode byte) {
		if len(usage) == 0 || usage[0] != '{' || usage[len(usage)-1] != '}' || !json.Valid(usage) || strings.Contains(string(usage), `\\`) || cost < 0 {
			return
		}
		out := RewriteCost(nil, usage, tally.NanoUSD(cost), CostMode(mode%3))
		before, err := pairs(usage)
		after, err2 := pairs(out)
		if err != nil || err2 != nil || !json.Valid(out) {
			t.Fatalf("%s became %s", usage, out)
		}
		money := func(p pair) bool { return isCost([]byte(p.key)) }
		others := func(all []pair) []pair { return slices.DeleteFunc(slices.Clone(all), money) }
		if !slices.EqualFunc(others(before), others(after), func(a, b pair) bool { return a.key == b.key && string(a.raw) == string(b.raw) }) {
			t.Fatalf("%s became %s", usage, out)
		}
		told := slices.DeleteFunc(slices.Clone(after), func(p pair) bool { return !money(p) })
		switch CostMode(mode % 3) {
		case CostTheirs:
			if tellsCost(usage) && string(out) != string(usage) || !tellsCost(out) && cost <= int64(maxBilled) && len(told) < 2 {
				t.Fatalf("%s became %s", usage, out)
			}
		case CostNone:
			if len(told) > 0 {
				t.Fatalf("%s became %s", usage, out)
			}
		case CostOurs:
			if len(told) != 1 || told[0].key != "cost" {
				t.Fatalf("%s became %s", usage, out)
			}
			raw := string(told[0].raw)
			if raw[0] == '{' {
				inner, _ := pairs(told[0].raw) // valid, as all of it is
				if len(inner) != 1 {
					t.Fatalf("%s became %s", usage, out)
				}
				raw = get(inner, "total_cost")
			}
			got, ok := new(big.Rat).SetString(raw)
			if !ok || got.Cmp(big.NewRat(cost, 1_000_000_000)) != 0 {
				t.Fatalf("%s became %s", usage, out)
			}
		}
	})
}
