package providertest

import (
	"tallygate/engine/tally"
	"tallygate/providers"
)

// spelling is a way to say what a call has used.
type spelling struct {
	name, usage string
	want        providers.Report // but for the names and the finish
}

// spellings are usage objects as upstreams write them.
func spellings() []spelling {
	whole := func(name, usage string, t tally.Tokens) spelling {
		return spelling{name, usage, providers.Report{Tokens: t, Known: providers.KnownWhole}}
	}
	bill := func(name, members string, billed tally.NanoUSD) spelling {
		return spelling{name, `{"prompt_tokens":20,"completion_tokens":7,` + members + `}`,
			providers.Report{Tokens: tally.Tokens{Input: 20, Output: 7}, Known: providers.KnownWhole, Billed: billed, IsBilled: true}}
	}
	const both = `"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,`
	reads := tally.Tokens{Input: 15, CachedInput: 5, Output: 7}
	writes := tally.Tokens{Input: 15, CacheWrite: 5, Output: 7}
	return []spelling{
		whole("cached-beside", `{`+both+`"cached_tokens":5}`, reads),
		whole("cached-hits", `{`+both+`"prompt_cache_hit_tokens":5,"prompt_cache_miss_tokens":15}`, reads),
		whole("cached-twice", `{`+both+`"cache_read_input_tokens":5,"prompt_tokens_details":{"cached_tokens":5}}`, reads),
		whole("cached-input", `{"input_tokens":20,"output_tokens":7,"input_tokens_details":{"cached_tokens":5},"output_tokens_details":{"reasoning_tokens":0}}`, reads),
		whole("written", `{`+both+`"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":5}}`, writes),
		whole("written-creation", `{`+both+`"prompt_tokens_details":{"cache_creation_tokens":5}}`, writes),
		whole("written-cached", `{`+both+`"prompt_tokens_details":{"cached_creation_tokens":5}}`, writes),
		whole("written-beside", `{`+both+`"cache_creation_input_tokens":5,"cache_read_input_tokens":0}`, writes),
		whole("written-twice", `{`+both+`"prompt_tokens_details":{"cache_creation_input_tokens":5,"cache_write_tokens":5},"cache_creation_input_tokens":5}`, writes),
		whole("written-long", `{`+both+`"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":4}}`,
			tally.Tokens{Input: 11, CacheWrite: 5, CacheWriteLong: 4, Output: 7}),
		whole("outside", `{"prompt_tokens":3,"completion_tokens":7,"cache_read_input_tokens":5,"cache_creation_input_tokens":6}`,
			tally.Tokens{Input: 3, CachedInput: 5, CacheWrite: 6, Output: 7}),
		whole("floats", `{"prompt_tokens":20.0,"completion_tokens":0.7e1,"total_tokens":2.7e+1}`, tally.Tokens{Input: 20, Output: 7}),
		whole("sound", `{`+both+`"prompt_tokens_details":{"audio_tokens":6,"image_tokens":4},"completion_tokens_details":{"audio_tokens":3,"image_tokens":2}}`,
			tally.Tokens{Input: 10, AudioInput: 6, ImageInput: 4, Output: 2, AudioOutput: 3, ImageOutput: 2}),
		{"total", `{"total_tokens":27}`, providers.Report{Tokens: tally.Tokens{Input: 25, Output: 2}, Known: providers.KnownTotal}},
		{"no-output", `{"prompt_tokens":20,"completion_tokens":0,"total_tokens":20}`, providers.Report{Tokens: tally.Tokens{Input: 20}, Known: providers.KnownInput}},
		{"no-prompt", `{"prompt_tokens":0,"completion_tokens":7,"total_tokens":7}`, providers.Report{Tokens: tally.Tokens{Output: 7}, Known: providers.KnownOutput}},
		{"zeros", `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, providers.Report{}},
		bill("bill", `"cost":0.0221`, 22_100_000),
		bill("bill-small", `"cost":1e-05`, 10_000),
		bill("bill-object", `"cost":{"input_tokens_cost":0.01,"total_cost":0.0221}`, 22_100_000),
		bill("bill-own-key", `"cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.02}`, 21_000_000),
		bill("bill-ticks", `"cost_in_usd_ticks":37756000`, 3_775_600),
		{"searches", `{` + both + `"num_search_queries":3}`,
			providers.Report{Tokens: tally.Tokens{Input: 20, Output: 7}, Known: providers.KnownWhole, Pieces: 3, Counted: true}},
	}
}

// usages tell every spelling in one piece, in a stream that arrives byte by byte, and
// inside the last choice of a stream.
func usages() []Scenario {
	var all []Scenario
	add := func(s spelling, name string, stream bool, finish providers.Finish, play func(*exchange)) {
		want := s.want
		want.Model, want.Finish = "up", finish
		all = append(all, Scenario{Name: name, Stream: stream, Text: "all well", Tokens: want.Tokens, Report: &want, play: func(x *exchange) {
			x.kept = true
			play(x)
		}})
	}
	for _, s := range spellings() {
		add(s, "usage-"+s.name, false, providers.Finished, func(x *exchange) { x.json(x.message("all well", s.usage)) })
		add(s, "usage-"+s.name+"-stream", true, providers.Finished, func(x *exchange) {
			x.stream()
			x.trickle(saying("all well") + finishing + reporting(s.usage))
			x.finish()
		})
		add(s, "usage-"+s.name+"-inside", true, providers.FinishedLength, func(x *exchange) {
			x.stream(saying("all well"),
				`data: {"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"length","usage":`+s.usage+"}]}\n\n")
			x.finish()
		})
	}
	return all
}

// trickle writes a piece of a stream byte by byte.
func (x *exchange) trickle(text string) {
	text = x.speak(text)
	for i := range len(text) {
		x.event(text[i : i+1])
	}
}
