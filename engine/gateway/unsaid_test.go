package gateway

import (
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// TestClassesThatAreNotTold: what the request makes dearer is booked at that rate
// where the upstream does not tell it apart, and as the upstream says where it
// does, also if it says none.
func TestClassesThatAreNotTold(t *testing.T) {
	sound := `,"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"//uQ` + strings.Repeat("A", 24) + `"}}]}]`
	picture := `,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("A", 40) + `"}}]}]`
	for _, tc := range []struct {
		name, ask, usage string
		want             tally.Tokens
		basis            tally.Basis
	}{
		{"an hour's writes", `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, `{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cache_write_tokens":60}}`,
			tally.Tokens{Input: 40, CacheWriteLong: 60, Output: 5}, tally.Estimated},
		{"an hour's writes, told", `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, `{"prompt_tokens":100,"completion_tokens":5,"cache_creation_input_tokens":60,"cache_creation":{"ephemeral_1h_input_tokens":20,"ephemeral_5m_input_tokens":40}}`,
			tally.Tokens{Input: 40, CacheWrite: 40, CacheWriteLong: 20, Output: 5}, tally.Exact},
		{"an hour's writes, all short", `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, `{"prompt_tokens":100,"completion_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":60}}`,
			tally.Tokens{Input: 40, CacheWrite: 60, Output: 5}, tally.Exact},
		{"an hour's writes, no word", `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, `{"prompt_tokens":100,"completion_tokens":5}`,
			tally.Tokens{CacheWriteLong: 100, Output: 5}, tally.Estimated},
		{"five minutes' writes", `,"cache_control":{"type":"ephemeral"}`, `{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cache_write_tokens":60}}`,
			tally.Tokens{Input: 40, CacheWrite: 60, Output: 5}, tally.Exact},
		{"sound", sound, `{"prompt_tokens":100,"completion_tokens":5}`, tally.Tokens{Input: 70, AudioInput: 30, Output: 5}, tally.Estimated},
		{"sound, told", sound, `{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"audio_tokens":0}}`, tally.Tokens{Input: 100, Output: 5}, tally.Exact},
		{"a picture", picture, `{"prompt_tokens":100,"completion_tokens":5}`, tally.Tokens{Input: 20, ImageInput: 80, Output: 5}, tally.Estimated},
		{"a spoken answer", `,"modalities":["text","audio"]`, `{"prompt_tokens":10,"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":5}}`,
			tally.Tokens{Input: 10, Reasoning: 5, AudioOutput: 15}, tally.Estimated},
		{"a spoken answer, told", `,"modalities":["text","audio"]`, `{"prompt_tokens":10,"completion_tokens":20,"completion_tokens_details":{"audio_tokens":7}}`,
			tally.Tokens{Input: 10, Output: 13, AudioOutput: 7}, tally.Exact},
		{"a painted answer", `,"modalities":["text","image"]`, `{"prompt_tokens":10,"completion_tokens":20}`, tally.Tokens{Input: 10, ImageOutput: 20}, tally.Estimated},
		{"text", ``, `{"prompt_tokens":10,"completion_tokens":20}`, tally.Tokens{Input: 10, Output: 20}, tally.Exact},
	} {
		for _, stream := range []string{"", `,"stream":true`} {
			w := newWorld(t)
			m := w.mirror()
			m.usage = tc.usage
			p := &w.models[0].Prices[0]
			p.CacheWriteLong, p.AudioInput, p.ImageInput, p.AudioOutput, p.ImageOutput = price(3), price(10), price(5), price(20), price(30)
			w.models[0].ImageTokens, w.models[0].ContextTokens = 80, 10_000
			w.client.Limits = limit(tally.Cost, int64(tally.Dollar))
			w.open()
			ask := tc.ask
			if !strings.Contains(ask, "messages") {
				ask += `,"messages":[{"role":"user","content":"hi"}]`
			}
			a := w.send("POST", "/v1/chat/completions", `{"model":"sim-small","max_tokens":50`+ask+stream+`}`)
			rates, _ := tally.PriceAt(w.models[0].Prices, w.clock(), 100)
			if r := w.one(); a.status != 200 || r.Tokens != tc.want || r.Basis != tc.basis || r.Cost != rates.Cost(tc.want) {
				t.Errorf("%s%s: %d, booked as %s %+v, %s; want %+v", tc.name, stream, a.status, r.Basis, r.Tokens, r.Cost, tc.want)
			}
		}
	}
}
