package providers

import (
	"encoding/json"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestUsage(t *testing.T) {
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
		`{"prompt_tokens":100000000}`:                                                             {Input: 100_000_000},
		`{"prompt_tokens":20.0,"completion_tokens":7e0}`:                                          {Input: 20, Output: 7},
		`{"prompt_tokens":2e1,"completion_tokens":0.7e+1}`:                                        {Input: 20, Output: 7},
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":21}}`: {Input: 20, CachedInput: 21, Output: 7}, // beside it

		// What cannot be is not believed.
		`{}`: none, `null`: none, `[20,7]`: none, `"20"`: none,
		`{"prompt_tokens":0,"completion_tokens":0}`:                                      none,
		`{"prompt_tokens":-20,"completion_tokens":7}`:                                    none,
		`{"prompt_tokens":20,"completion_tokens":-7}`:                                    none,
		`{"prompt_tokens":"20","completion_tokens":7}`:                                   none,
		`{"prompt_tokens":20.5}`:                                                         none,
		`{"prompt_tokens":2e-1}`:                                                         none,
		`{"prompt_tokens":1e9}`:                                                          none,
		`{"prompt_tokens":{"n":1}}`:                                                      none,
		`{"prompt_tokens":100000001}`:                                                    none,
		`{"prompt_tokens":20,"completion_tokens":9223372036854775808}`:                   none,
		`{"prompt_tokens":20,"completion_tokens":7,"total_tokens":99999999999999999999}`: none,
		`{"prompt_tokens":20,"completion_tokens":7,"prompt_cache_hit_tokens":-1}`:        none,
	} {
		for _, body := range []string{`{"id":"x","usage":` + usage + `}`, `{"usage" :` + " \n" + usage + ` , "choices":[{"message":{"content":"\"usage\":{}"}}]}`} {
			got := reportOf(body)
			if got.Tokens != want || (got.Known > KnownZero) != (want != none) {
				t.Errorf("%s: %+v; want %+v", body, got, want)
			}
		}
	}
	for _, body := range []string{``, `{`, `[]`, `{"usage":{"prompt_tokens":5}`, `{"choices":[{"message":{"usage":{"prompt_tokens":5}}}]}`} {
		if got := reportOf(body); got != (Report{}) {
			t.Errorf("%s: %+v", body, got)
		}
	}
	for _, body := range []string{
		`{"x_groq":{"id":"r","usage":{"prompt_tokens":5,"completion_tokens":2}}}`, `{"choices":[{"usage":{"prompt_tokens":5,"completion_tokens":2}}]}`,
		`{"usage":null,"choices":[{},{"usage":null},{"usage":{"prompt_tokens":5,"completion_tokens":2},"index":1},{}]}`,
	} {
		if got := reportOf(body); got.Known != KnownWhole || got.Tokens != (tally.Tokens{Input: 5, Output: 2}) {
			t.Errorf("%s: %+v", body, got)
		}
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
		said := reportOf(string(body))
		got, ok := said.Tokens, said.Known > KnownZero
		if !got.Sane() || ok != (got.Total() > 0) || said.Billed < 0 || said.Billed > 2*maxBilled || !said.IsBilled && said.Billed != 0 || said.Pieces < 0 {
			t.Fatalf("%q: %+v", body, said)
		}
		all, err := pairs(body)
		if err != nil || !json.Valid(body) || strings.Contains(string(body), `\`) {
			return
		}
		var raw json.RawMessage
		reports := 0
		for _, p := range all {
			if p.key == "usage" {
				raw = p.raw
				reports++
			}
		}
		if reports != 1 || raw[0] != '{' || strings.Contains(string(body), "_groq") || strings.Contains(string(body), "choices") {
			return // there may be more than this one, of which the larger figures count
		}
		counts, _ := pairs(raw) // valid, as the body is
		prompt, completion := get(counts, "prompt_tokens"), get(counts, "completion_tokens")
		p, errP := json.Number(prompt).Int64()
		c, errC := json.Number(completion).Int64()
		if errP != nil && errC != nil {
			if ok && len(counts) == 0 {
				t.Fatalf("%q: %+v of nothing", body, got)
			}
			return
		}
		if len(counts) == 2 && errP == nil && errC == nil && counts[0].key != counts[1].key {
			believable := p >= 0 && c >= 0 && p <= tally.MaxTokens && c <= tally.MaxTokens && p+c > 0
			if said.Known == KnownTotal {
				return // it reports more than this
			}
			if ok != believable || ok && (got.Input != p || got.Output != c) {
				t.Fatalf("%q: %+v, %v; want %d, %d", body, got, ok, p, c)
			}
		}
	})
}
