package providers

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestParseUsage(t *testing.T) {
	none := tally.Tokens{}
	for usage, want := range map[string]tally.Tokens{
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}`: {Input: 20, Output: 7},
		`{"completion_tokens":7,"prompt_tokens":20}`:                   {Input: 20, Output: 7},
		`{"prompt_tokens":20,"total_tokens":20}`:                       {Input: 20}, // embeddings
		`{"prompt_tokens":20,"completion_tokens":null}`:                {Input: 20},
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}`: {Input: 15, CachedInput: 5, Output: 4, Reasoning: 3},
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":null,"completion_tokens_details":null}`:                                  {Input: 20, Output: 7},
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":12}`:                                      {Input: 12, CachedInput: 8, Output: 7}, // DeepSeek
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_cache_hit_tokens":8,"prompt_tokens_details":{"cached_tokens":8}}`:                        {Input: 12, CachedInput: 8, Output: 7},
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":6},"cost":0.1}`:                  {Input: 9, CachedInput: 5, CacheWrite: 6, Output: 7}, // OpenRouter
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":37,"completion_tokens_details":{"reasoning_tokens":10}}`:                          {Input: 20, Output: 7, Reasoning: 10},                // xAI: on top
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":37}`:                                                                              {Input: 20, Output: 7, Reasoning: 10},                // Gemini: not itemised
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"completion_tokens_details":{"reasoning_tokens":70}}`:                          {Input: 20, Reasoning: 7},
		`{"prompt_tokens":100000000}`: {Input: 100_000_000},

		// What cannot be is not believed.
		`{}`: none, `null`: none, `[20,7]`: none, `"20"`: none,
		`{"prompt_tokens":0,"completion_tokens":0}`:                                               none,
		`{"total_tokens":27}`:                                                                     none,
		`{"prompt_tokens":-20,"completion_tokens":7}`:                                             none,
		`{"prompt_tokens":20,"completion_tokens":-7}`:                                             none,
		`{"prompt_tokens":"20","completion_tokens":7}`:                                            none,
		`{"prompt_tokens":20.5}`:                                                                  none,
		`{"prompt_tokens":2e1}`:                                                                   none,
		`{"prompt_tokens":{"n":1}}`:                                                               none,
		`{"prompt_tokens":100000001}`:                                                             none,
		`{"prompt_tokens":20,"completion_tokens":9223372036854775808}`:                            none,
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":99999999999999999999}`:          none,
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":21}}`: none,
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_cache_hit_tokens":-1}`:                 none,
	} {
		for _, body := range []string{`{"id":"x","usage":` + usage + `}`, `{"usage" :` + " \n" + usage + ` , "choices":[{"message":{"content":"\"usage\":{}"}}]}`} {
			got, ok := ParseUsage([]byte(body))
			if got != want || ok != (want != none) {
				t.Errorf("%s: %+v, %v; want %+v", body, got, ok, want)
			}
		}
	}
	for _, body := range []string{``, `{`, `[]`, `{"usage":{"prompt_tokens":5}`, `{"choices":[{"usage":{"prompt_tokens":5}}]}`} {
		if got, ok := ParseUsage([]byte(body)); ok {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if got, ok := ParseUsage([]byte(`{"x_groq":{"id":"r","usage":{"prompt_tokens":5,"completion_tokens":2}}}`)); !ok || got != (tally.Tokens{Input: 5, Output: 2}) {
		t.Errorf("within x_groq: %+v, %v", got, ok)
	}
}

// FuzzUsage: of any answer that encoding/json can read, the same counts are
// read as it reads, and they are ones that can be charged.
func FuzzUsage(f *testing.F) {
	for _, s := range []string{
		`{"usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":5}}}`,
		`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":null}`, `{"usage":{"prompt_tokens":1e9}}`, `{"error":{}}`,
		`{"x_groq":{"usage":{"prompt_tokens":5}}}`, `{"usage":{"prompt_tokens":5},"usage":{"prompt_tokens":6}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := ParseUsage(body)
		if !got.Sane() || !ok && got != (tally.Tokens{}) {
			t.Fatalf("%q: %+v, %v", body, got, ok)
		}
		all, err := pairs(body)
		if err != nil || !json.Valid(body) || strings.Contains(string(body), `\`) {
			return
		}
		var raw json.RawMessage
		for _, p := range all {
			if p.key == "usage" {
				raw = p.raw
			}
		}
		if raw == nil || raw[0] != '{' {
			return
		}
		counts, _ := pairs(raw) // valid, as the body is
		prompt, completion := get(counts, "prompt_tokens"), get(counts, "completion_tokens")
		p, errP := json.Number(prompt).Int64()
		c, errC := json.Number(completion).Int64()
		if errP != nil && errC != nil {
			if ok && prompt == "null" && completion == "null" && len(counts) < 2 {
				t.Fatalf("%q: %+v of nothing", body, got)
			}
			return
		}
		if len(counts) == 2 && errP == nil && errC == nil && counts[0].key != counts[1].key {
			believable := p >= 0 && c >= 0 && p <= tally.MaxTokens && c <= tally.MaxTokens && p+c > 0
			if ok != believable || ok && (got.Input != p || got.Output != c) {
				t.Fatalf("%q: %+v, %v; want %d, %d", body, got, ok, p, c)
			}
		}
	})
}

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
