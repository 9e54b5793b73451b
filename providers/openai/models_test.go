package openai

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
)

func usd(n int64) *tally.NanoUSD { return (*tally.NanoUSD)(&n) }

// Lists of models, as upstreams give them.
func TestParseModels(t *testing.T) {
	for name, x := range map[string]struct {
		in   string
		want []providers.ModelInfo
	}{
		"OpenAI": {`{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1,"owned_by":"openai"},{"id":"o3","object":"model"}]}`,
			[]providers.ModelInfo{{Name: "gpt-4o"}, {Name: "o3"}}},
		"OpenRouter": {`{"data":[{"id":"a/b","name":"A: B","context_length":200000,"top_provider":{"context_length":128000,"max_completion_tokens":16384,"is_moderated":true},
			"pricing":{"prompt":"0.00000015","completion":"0.0000006","request":"0.005","image":"0.000217","web_search":"0","internal_reasoning":"0","input_cache_read":"0.000000075","input_cache_write":"0"}}]}`,
			[]providers.ModelInfo{{Name: "a/b", ContextTokens: 128000, MaxOutputTokens: 16384, Prices: []tally.Price{{Input: usd(150_000_000), Output: usd(600_000_000), CachedInput: usd(75_000_000), Request: 5_000_000}}}}},
		"OpenRouter, for nothing": {`{"data":[{"id":"a/b:free","context_length":32768,"top_provider":{"context_length":null,"max_completion_tokens":null},"pricing":{"prompt":"0","completion":"0"}}]}`,
			[]providers.ModelInfo{{Name: "a/b:free", ContextTokens: 32768, Prices: []tally.Price{{Input: usd(0), Output: usd(0)}}}}},
		"OpenRouter, a price that is not fixed": {`{"data":[{"id":"openrouter/auto","context_length":2000000,"pricing":{"prompt":"-1","completion":"-1"}}]}`,
			[]providers.ModelInfo{{Name: "openrouter/auto", ContextTokens: 2000000, PriceProblem: "the provider's list has a price of prompt that is negative"}}},
		"OpenRouter, with searches": {`{"data":[{"id":"a/b","pricing":{"prompt":"0.000001","completion":"0","web_search":"0.01","input_cache_read":null}}]}`,
			[]providers.ModelInfo{{Name: "a/b", Prices: []tally.Price{{Input: usd(1_000_000_000), Output: usd(0), Pieces: map[tally.Piece]tally.NanoUSD{tally.Search: 10_000_000}}}}}},
		"Together": {`[{"id":"x/y","object":"model","type":"chat","context_length":131072,"pricing":{"hourly":0,"input":0.88,"output":0.9,"base":0,"finetune":0}}]`,
			[]providers.ModelInfo{{Name: "x/y", ContextTokens: 131072, Prices: []tally.Price{{Input: usd(880_000_000), Output: usd(900_000_000)}}}}},
		"Groq": {`{"data":[{"id":"llama","active":true,"context_window":131072,"max_completion_tokens":32768}]}`,
			[]providers.ModelInfo{{Name: "llama", ContextTokens: 131072, MaxOutputTokens: 32768}}},
		"Mistral": {`{"data":[{"id":"mistral-large","max_context_length":131072,"capabilities":{"completion_chat":true},"aliases":["a"]}]}`,
			[]providers.ModelInfo{{Name: "mistral-large", ContextTokens: 131072}}},
		"vLLM":     {`{"object":"list","data":[{"id":"local","root":"local","max_model_len":8192,"permission":[{}]}]}`, []providers.ModelInfo{{Name: "local", ContextTokens: 8192}}},
		"Gemini":   {`{"object":"list","data":[{"id":"models/gemini-2.5-pro","object":"model","owned_by":"google"}]}`, []providers.ModelInfo{{Name: "models/gemini-2.5-pro"}}},
		"Ollama's": {`{"models":[{"name":"llama3:latest","size":1,"details":{}}]}`, []providers.ModelInfo{{Name: "llama3:latest"}}},

		"Ollama without any":      {`{"object":"list","data":null}`, []providers.ModelInfo{}},
		"both, and one is null":   {`{"data":null,"models":[{"name":"a"}]}`, []providers.ModelInfo{{Name: "a"}}},
		"empty":                   {`{"object":"list","data":[]}`, []providers.ModelInfo{}},
		"twice, and without":      {`{"data":[{"id":"a"},{"id":"a","context_length":5},{"id":""},{},7,null,{"id":8},{"id":"b","pricing":7,"context_length":{"x":1}}]}`, []providers.ModelInfo{{Name: "a"}, {Name: "b"}}},
		"figures in quotes":       {`{"data":[{"id":"a","context_length":"4096"}]}`, []providers.ModelInfo{{Name: "a", ContextTokens: 4096}}},
		"figures that are none":   {`{"data":[{"id":"a","context_length":-5,"max_output_tokens":1e30}]}`, []providers.ModelInfo{{Name: "a"}}},
		"half a price":            {`{"data":[{"id":"a","pricing":{"prompt":"0.1"}}]}`, []providers.ModelInfo{{Name: "a", PriceProblem: "the provider's list names no price of completion"}}},
		"not a number":            {`{"data":[{"id":"a","pricing":{"prompt":"0.1","completion":"0.1","input_cache_read":"NaN"}}]}`, []providers.ModelInfo{{Name: "a", PriceProblem: "the provider's list has a price of input_cache_read that is not a number"}}},
		"a price of another kind": {`{"data":[{"id":"a","pricing":{"input":{"x":1},"output":-0.5}}]}`, []providers.ModelInfo{{Name: "a", PriceProblem: "the provider's list has a price of input that is not a number"}}},
		"no price":                {`{"data":[{"id":"a","pricing":{"hourly":1,"prompt":null}}]}`, []providers.ModelInfo{{Name: "a"}}},
		"a price beyond bounds":   {`{"data":[{"id":"a","pricing":{"prompt":"1e9","completion":"0.1"}}]}`, []providers.ModelInfo{{Name: "a", PriceProblem: "the provider's list has a price of prompt that is too large"}}},
	} {
		got, err := parseModels([]byte(x.in))
		if err != nil || !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, x.want)
		}
	}
	for _, in := range []string{``, `{`, `7`, `{}`, `{"data":7}`, `{"models":{}}`, `{"error":{"message":"x"}}`, `<html>`, `[` + strings.Repeat(`{},`, maxModels) + `{}]`} {
		if got, err := parseModels([]byte(in)); err == nil {
			t.Errorf("%.40s: %+v", in, got)
		}
	}
}

func FuzzModels(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"a","context_length":5,"pricing":{"prompt":"0.1","completion":"1e-7"}}]}`))
	f.Add([]byte(`[{"name":"a","pricing":{"input":0.88,"output":1}}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		models, err := parseModels(in)
		if err != nil {
			return
		}
		for _, m := range models {
			if m.Name == "" || m.ContextTokens < 0 || m.ContextTokens > tally.MaxTokens || m.MaxOutputTokens < 0 || m.MaxOutputTokens > tally.MaxTokens {
				t.Errorf("%q: %+v", in, m)
			}
			for _, p := range m.Prices {
				for _, rate := range []*tally.NanoUSD{p.Input, p.Output, p.CachedInput, p.CacheWrite, p.Reasoning, &p.Request} {
					if rate != nil && (*rate < 0 || *rate > tally.MaxMoney) {
						t.Errorf("%q: %+v", in, p)
					}
				}
			}
		}
	})
}

func TestModels(t *testing.T) {
	list := `{"data":[{"id":"a"}]}`
	status := 200
	u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/v1/models" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Location", "/v1/other")
		w.WriteHeader(status)
		io.WriteString(w, list)
	})
	p := u.provider(t, "openai", "k")
	if models, err := p.Models(t.Context()); err != nil || len(models) != 1 || models[0].Name != "a" {
		t.Errorf("%+v, %v", models, err)
	}
	for s, want := range map[int]providers.Fault{401: providers.BadKey, 302: providers.BadAnswer, 500: providers.ServerError, 404: providers.BadAnswer} {
		status = s
		if _, err := p.Models(t.Context()); faultIn(err) != want {
			t.Errorf("status %d: %v, want %s", s, err, want)
		}
	}
	status = 200
	for _, in := range []string{`{"data":`, `{"a":"` + strings.Repeat("x", maxList) + `"}`} {
		list = in
		if _, err := p.Models(t.Context()); faultIn(err) != providers.BadAnswer {
			t.Errorf("%.20q: %v", in, err)
		}
	}
}

func faultIn(err error) providers.Fault {
	if up, ok := err.(*providers.UpstreamError); ok {
		return up.Fault
	}
	return ""
}
