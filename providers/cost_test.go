package providers

import (
	"encoding/json"
	"math"
	"math/big"
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

func TestTellCost(t *testing.T) {
	for usage, want := range map[string]string{
		`{"prompt_tokens":5}`:     `{"prompt_tokens":5,"cost":0.0015}`,
		`{}`:                      `{"cost":0.0015}`,
		`{"cost":7,"a": 1}`:       `{"cost":7,"a": 1}`,
		`{"a": 1 ,"cost":1e-05 }`: `{"a": 1 ,"cost":1e-05 }`,
		`{"cost":{"input_tokens_cost":1,"total_cost":2},"a":1}`: `{"cost":{"input_tokens_cost":1,"total_cost":2},"a":1}`,
		`{"cost_in_usd_ticks":37756000,"a":1}`:                  `{"cost_in_usd_ticks":37756000,"a":1}`,
		`{"cost":null,"a":1}`:                                   `{"cost":0.0015,"a":1}`,
		`{"cost":-7,"a":1}`:                                     `{"cost":0.0015,"a":1}`,
		`{"b":{"cost":7}}`:                                      `{"b":{"cost":7},"cost":0.0015}`,
	} {
		if got := string(TellCost([]byte("x"), []byte(usage), 1_500_000)); got != "x"+want {
			t.Errorf("%s: %s, want x%s", usage, got, want)
		}
	}
}
