package providers

import (
	"math/rand/v2"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// What upstreams say in a usage object, by who spells it so.
func TestReport(t *testing.T) {
	const dollars = tally.Dollar
	type tokens = tally.Tokens
	whole := func(t tokens) Report { return Report{Tokens: t, Known: KnownWhole} }
	billed := func(n tally.NanoUSD) Report { return Report{Billed: n, IsBilled: true} }
	for usage, want := range map[string]Report{
		// Reads from a cache.
		`{"prompt_tokens":2000,"completion_tokens":10,"total_tokens":2010,"cached_tokens":1800}`:                                                           whole(tokens{Input: 200, CachedInput: 1800, Output: 10}),
		`{"prompt_tokens":2000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":1800},"cache_read_input_tokens":1800,"cached_tokens":1800}`: whole(tokens{Input: 200, CachedInput: 1800, Output: 10}),
		`{"input_tokens":2000,"output_tokens":10,"input_tokens_details":{"cached_tokens":1800},"output_tokens_details":{"reasoning_tokens":4}}`:            whole(tokens{Input: 200, CachedInput: 1800, Output: 6, Reasoning: 4}),
		`{"prompt_tokens":2000,"input_tokens":2000,"completion_tokens":10,"output_tokens":10}`:                                                             whole(tokens{Input: 2000, Output: 10}),

		// Writes to one.
		`{"prompt_tokens":2000,"completion_tokens":10,"prompt_tokens_details":{"cache_creation_tokens":1800}}`:                                                                 whole(tokens{Input: 200, CacheWrite: 1800, Output: 10}),
		`{"prompt_tokens":2000,"completion_tokens":10,"prompt_tokens_details":{"cached_creation_tokens":1800,"cache_write_tokens":1800}}`:                                      whole(tokens{Input: 200, CacheWrite: 1800, Output: 10}),
		`{"prompt_tokens":2000,"completion_tokens":10,"cache_creation_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":800,"ephemeral_1h_input_tokens":1000}}`: whole(tokens{Input: 200, CacheWrite: 800, CacheWriteLong: 1000, Output: 10}),
		`{"prompt_tokens":2000,"completion_tokens":10,"prompt_tokens_details":{"cache_creation_token_details":{"ephemeral_1h_input_tokens":1000}}}`:                            whole(tokens{Input: 1000, CacheWriteLong: 1000, Output: 10}),
		`{"prompt_tokens":2000,"completion_tokens":10,"claude_cache_creation_5_m_tokens":300,"claude_cache_creation_1_h_tokens":700,"ephemeral_1h_input_tokens":700}`:          whole(tokens{Input: 1000, CacheWrite: 300, CacheWriteLong: 700, Output: 10}),

		// Beside the prompt, as Anthropic counts.
		`{"input_tokens":2,"cache_creation_input_tokens":10408,"cache_read_input_tokens":14265,"cache_creation":{"ephemeral_1h_input_tokens":10408},"output_tokens":1}`: whole(tokens{Input: 2, CachedInput: 14265, CacheWriteLong: 10408, Output: 1}),
		`{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"cached_tokens":10,"cache_creation_input_tokens":3}`:                                               whole(tokens{Input: 12, CachedInput: 10, CacheWrite: 3, Output: 7}),
		`{"prompt_tokens":0,"completion_tokens":7,"total_tokens":7,"cached_tokens":10}`:                                                                                 whole(tokens{CachedInput: 10, Output: 7}),
		`{"prompt_tokens":0,"completion_tokens":7,"total_tokens":17,"cached_tokens":10}`:                                                                                whole(tokens{CachedInput: 10, Output: 7}),
		`{"prompt_tokens":3000,"completion_tokens":7,"total_tokens":5007,"cached_tokens":2000}`:                                                                         whole(tokens{Input: 3000, CachedInput: 2000, Output: 7}), // Bedrock's total
		`{"prompt_tokens":3000,"completion_tokens":7,"total_tokens":5007,"cached_tokens":2000,"completion_tokens_details":{"reasoning_tokens":2000}}`:                   whole(tokens{Input: 1000, CachedInput: 2000, Output: 7, Reasoning: 2000}),
		// OpenAI, whose writes may cover what was read.
		`{"prompt_tokens":3619,"completion_tokens":36,"total_tokens":3655,"prompt_tokens_details":{"cached_tokens":2921,"cache_write_tokens":3616}}`: whole(tokens{Input: 3, CachedInput: 2921, CacheWrite: 695, Output: 36}),
		`{"prompt_tokens":2600,"completion_tokens":36,"total_tokens":2636,"prompt_tokens_details":{"cached_tokens":2000,"cache_write_tokens":400}}`:  whole(tokens{Input: 200, CachedInput: 2000, CacheWrite: 400, Output: 36}),
		`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_tokens_details":{"cached_tokens":80,"cache_write_tokens":60}}`:        whole(tokens{Input: 100, CachedInput: 80, CacheWrite: 60, Output: 5}),

		// Anthropic, which tells each time that the model was asked, and leaves out of the sums
		// those that shortened the prompt.
		`{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}`:                              whole(tokens{Input: 203000, Output: 4500}),
		`{"input_tokens":50,"cache_read_input_tokens":10,"output_tokens":5,"iterations":[{"input_tokens":20,"cache_read_input_tokens":4,"output_tokens":2},{"input_tokens":30,"cache_read_input_tokens":6,"output_tokens":3}]}`: whole(tokens{Input: 40, CachedInput: 10, Output: 5}),
		`{"input_tokens":50,"output_tokens":5,"iterations":[]}`:                    whole(tokens{Input: 50, Output: 5}),
		`{"input_tokens":50,"output_tokens":5,"iterations":[{"input_tokens":-1}]}`: {},

		// Sound and pictures.
		`{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":30,"image_tokens":20,"text_tokens":50},"completion_tokens_details":{"audio_tokens":25,"image_tokens":5,"reasoning_tokens":10}}`: whole(
			tokens{Input: 50, AudioInput: 30, ImageInput: 20, Output: 10, Reasoning: 10, AudioOutput: 25, ImageOutput: 5}),
		`{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":80,"audio_tokens":50}}`:                                                  whole(tokens{CachedInput: 80, AudioInput: 20, Output: 5}),
		`{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":50,"cached_tokens_details":{"audio_tokens":40}}}`:      whole(tokens{Input: 50, CachedInput: 40, AudioInput: 10, Output: 5}),
		`{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"audio_tokens":101},"completion_tokens_details":{"audio_tokens":6}}`:                     whole(tokens{Input: 100, Output: 5}),
		`{"prompt_tokens":10,"completion_tokens":9,"completion_tokens_details":{"accepted_prediction_tokens":2,"rejected_prediction_tokens":3,"reasoning_tokens":0}}`: whole(tokens{Input: 10, Output: 9}),

		// One side, or none.
		`{"prompt_tokens":20,"total_tokens":27}`:                     whole(tokens{Input: 20, Reasoning: 7}), // nothing of it was delivered
		`{"completion_tokens":7,"total_tokens":27}`:                  whole(tokens{Input: 20, Output: 7}),
		`{"total_tokens":27}`:                                        whole(tokens{Input: 27}),
		`{"completion_tokens":7}`:                                    {Tokens: tokens{Output: 7}, Known: KnownOutput},
		`{"prompt_tokens":0,"completion_tokens":7,"total_tokens":7}`: {Tokens: tokens{Output: 7}, Known: KnownOutput},
		`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`: {Known: KnownZero},
		`{"total_tokens":0,"total_characters":0}`:                    {Known: KnownZero},
		`{"prompt_tokens":null}`:                                     {},
		`{"prompt_tokens_details":{"cached_tokens":0}}`:              {},

		// Bills.
		`{"cost":0.0221}`:        billed(22_100_000),
		`{"cost":"0.0221"}`:      billed(22_100_000),
		`{"cost":1e-05}`:         billed(10_000),
		`{"cost":0}`:             billed(0),
		`{"cost":0.00000000001}`: billed(1),
		`{"cost":10000}`:         billed(10_000 * dollars),
		`{"cost":{"input_tokens_cost":0.1,"request_cost":0.2,"total_cost":0.3}}`:      billed(300_000_000),
		`{"cost_in_usd_ticks":37756000}`:                                              billed(3_775_600),
		`{"cost_in_usd_ticks":37756001}`:                                              billed(3_775_601),
		`{"cost":0.5,"cost_details":{"upstream_inference_cost":0.5},"is_byok":false}`: billed(500_000_000),
		`{"cost":0.5,"cost_details":{"upstream_inference_cost":19},"is_byok":true}`:   billed(19_500_000_000),
		`{"cost":0.5,"cost_details":{"upstream_inference_cost":null},"is_byok":true}`: {},
		`{"cost":0.5,"is_byok":true}`:                                                 {},
		`{"cost":-0.5}`:                                                               {}, `{"cost":"-0.5"}`: {}, `{"cost":""}`: {}, `{"cost":"a lot"}`: {}, `{"cost":10000.01}`: {}, `{"cost":1e400}`: {}, `{"cost":null}`: {}, `{"cost":true}`: {}, `{"cost":[1]}`: {}, `{"cost":{"total":1}}`: {}, `{"cost":{"total_cost":-1}}`: {},

		// Searches.
		`{"num_search_queries":3}`: {Pieces: 3, Counted: true},
		`{"num_sources_used":4,"server_tool_use":{"web_search_requests":4}}`: {Pieces: 4, Counted: true},
		`{"num_search_queries":-3}`: {}, `{"num_search_queries":2.5}`: {}, `{"num_search_queries":10001}`: {},
	} {
		got := reportOf(`{"usage":` + usage + `}`)
		if got.Split = 0; got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", usage, got, want)
		}
	}
}

// A cost beside the usage counts like a cost in the usage. Of a figure that is told twice,
// the larger counts.
func TestReportOfAll(t *testing.T) {
	for answer, want := range map[string]Report{
		`{"cost":0.5,"usage":{"prompt_tokens":20,"completion_tokens":7}}`:                                                        {Tokens: counted, Known: KnownWhole, Billed: tally.Dollar / 2, IsBilled: true},
		`{"usage":{"prompt_tokens":20,"completion_tokens":7,"cost":0.1},"cost":{"total_cost":"0.5"}}`:                            {Tokens: counted, Known: KnownWhole, Billed: tally.Dollar / 2, IsBilled: true},
		`{"cost":-1,"prompt_tokens":9,"usage":{"prompt_tokens":20,"completion_tokens":7}}`:                                       {Tokens: counted, Known: KnownWhole},
		`{"usage":{"prompt_tokens":20,"completion_tokens":7},"usage":{"prompt_tokens":1,"completion_tokens":1}}`:                 {Tokens: counted, Known: KnownWhole},
		`{"usage":{"prompt_tokens":1,"completion_tokens":1},"usage":{"prompt_tokens":20,"completion_tokens":7}}`:                 {Tokens: counted, Known: KnownWhole},
		`{"usage":{"prompt_tokens":20,"completion_tokens":7},"usage":null}`:                                                      {Tokens: counted, Known: KnownWhole},
		`{"choices":[{"usage":{"prompt_tokens":20,"completion_tokens":7}},{"usage":{"prompt_tokens":1,"completion_tokens":1}}]}`: {Tokens: counted, Known: KnownWhole},
	} {
		got := reportOf(answer)
		if got.Split = 0; got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", answer, got, want)
		}
	}
}

// A refusal says that something was used, or nothing at all.
func TestReportOfRefusal(t *testing.T) {
	for body, want := range map[string]Report{
		`{"error":{"message":"x"},"usage":{"prompt_tokens":20,"completion_tokens":7}}`: {Tokens: counted, Known: KnownWhole},
		`{"error":{"message":"x"},"usage":{"prompt_tokens":20,"completion_tokens":0}}`: {Tokens: tally.Tokens{Input: 20}, Known: KnownWhole},
		`{"choices":[{"message":{"content":"half"}}],"usage":{"cost":0.5}}`:            {Known: KnownZero, Billed: tally.Dollar / 2, IsBilled: true},
		`{"error":"x","cost":"0.5"}`: {Known: KnownZero, Billed: tally.Dollar / 2, IsBilled: true},
	} {
		got := ReportOf([]byte(body))
		if got == nil {
			got = new(Report)
		}
		if got.Split = 0; *got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
	for _, body := range []string{"", "<html>", `{"error":{"message":"x","usage":{"prompt_tokens":1}}}`, `{"usage":{"prompt_tokens":0,"completion_tokens":0,"cost":0}}`,
		`{"usage":{"prompt_tokens":-1}}`, `{"choices":[{"message":{"content":"half"}}]}`, `{"usage":{"prompt_tokens":20}`, `{"usage":{"prompt_tokens":20}} {}`} {
		if got := ReportOf([]byte(body)); got != nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

// Which classes are told apart, so that none of another is among the plain ones.
func TestReportSplit(t *testing.T) {
	const both = `"prompt_tokens":20,"completion_tokens":7`
	for usage, want := range map[string]tally.Classes{
		`{` + both + `}`: 0,
		`{` + both + `,"prompt_tokens_details":{"audio_tokens":0,"image_tokens":3}}`:                      tally.SetOf(tally.ClassAudioInput, tally.ClassImageInput),
		`{` + both + `,"prompt_tokens_details":{"audio_tokens":50}}`:                                      0,
		`{` + both + `,"completion_tokens_details":{"audio_tokens":0,"reasoning_tokens":3}}`:              tally.SetOf(tally.ClassAudioOutput),
		`{` + both + `,"completion_tokens_details":{"image_tokens":8}}`:                                   0,
		`{` + both + `,"cache_creation_input_tokens":5}`:                                                  tally.SetOf(tally.ClassCacheWrite),
		`{` + both + `,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":0}}`: tally.SetOf(tally.ClassCacheWrite, tally.ClassCacheWriteLong),
		`{` + both + `,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":5}}`: tally.SetOf(tally.ClassCacheWrite, tally.ClassCacheWriteLong),
		`{` + both + `,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":4}}`: tally.SetOf(tally.ClassCacheWrite),
		`{"prompt_tokens":-1,"completion_tokens":7,"prompt_tokens_details":{"audio_tokens":0}}`:           0,
	} {
		if got := reportOf(`{"usage":` + usage + `}`).Split; got != want {
			t.Errorf("%s: %b, want %b", usage, got, want)
		}
	}
}

// What was delivered decides what a report that leaves out a side is worth.
func TestReportBesideOutput(t *testing.T) {
	for usage, want := range map[string]Report{
		`{"prompt_tokens":20,"completion_tokens":0,"total_tokens":20}`: {Tokens: tally.Tokens{Input: 20}, Known: KnownInput},
		`{"prompt_tokens":20}`:                      {Tokens: tally.Tokens{Input: 20}, Known: KnownInput},
		`{"prompt_tokens":20,"total_tokens":27}`:    {Tokens: tally.Tokens{Input: 20, Output: 7}, Known: KnownWhole},
		`{"prompt_tokens":0,"completion_tokens":7}`: {Tokens: tally.Tokens{Output: 7}, Known: KnownOutput},
		`{"prompt_tokens":0,"completion_tokens":0}`: {},
		`{"total_tokens":27}`:                       {Tokens: tally.Tokens{Input: 24, Output: 3}, Known: KnownTotal},
		`{"total_tokens":2}`:                        {Tokens: tally.Tokens{Output: 2}, Known: KnownOutput},
		`{"prompt_tokens":10,"completion_tokens":0,"total_tokens":2010,"cached_tokens":2000}`: {Tokens: tally.Tokens{Input: 10, CachedInput: 2000}, Known: KnownInput},
	} {
		if got := reportOf(`{"choices":[{"message":{"content":"twelve bytes"}}],"usage":` + usage + `}`); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", usage, got, want)
		}
	}
	if got := reportOf(`{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":0,"total_tokens":0}}`); got.Known != KnownNothing {
		t.Errorf("embeddings of nothing: %+v", got)
	}
	for known, want := range map[Known][3]bool{ // exact, no input, no output
		KnownNothing: {false, true, true}, KnownZero: {true, false, false}, KnownInput: {false, false, true}, KnownOutput: {false, true, false}, KnownTotal: {}, KnownWhole: {true, false, false},
	} {
		r := Report{Known: known}
		in, out := r.Missing()
		if got := [3]bool{r.Exact(), in, out}; got != want {
			t.Errorf("known %d: %v, want %v", known, got, want)
		}
	}
}

// Who has answered, how it was served, and how it ended.
func TestReportNames(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	for body, want := range map[string]Report{
		`{"model":"up-2026","service_tier":"priority","choices":[{"finish_reason":"stop"}]}`: {Model: "up-2026", Tier: "priority", Finish: Finished},
		`{"model":"a\/b","service_tier":null}`:                                               {Model: "a/b"},
		`{"model":"","service_tier":7}`:                                                      {},
		`{"model":"` + long + `"}`:                                                           {},
		`{"choices":[{"finish_reason":"length"},{"finish_reason":"stop"}]}`:                  {Finish: FinishedLength},
		`{"choices":[{"finish_reason":"MAX_TOKENS"}]}`:                                       {Finish: FinishedLength},
		`{"choices":[{"finish_reason":"max_tokens"}]}`:                                       {Finish: FinishedLength},
		`{"choices":[{"finish_reason":null},{"finish_reason":""}]}`:                          {},
	} {
		if got := reportOf(body); got != want {
			t.Errorf("%.60s: %+v, want %+v", body, got, want)
		}
	}
}

// In whatever order the reports of a stream come, and with whatever of them left
// out or repeated, the largest of each figure counts.
func TestFold(t *testing.T) {
	at := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var all []figures
		want := figures{}
		for range 1 + at.IntN(5) {
			var f figures
			for x := figPrompt; x < numFigures; x++ {
				if at.IntN(3) == 0 {
					f.set(x, at.Int64N(100))
				}
			}
			all = append(all, f)
			for x := range want.n {
				want.n[x] = max(want.n[x], f.n[x])
			}
			want.told |= f.told
		}
		var got figures
		for _, i := range at.Perm(len(all)) {
			got.fold(&all[i])
			got.fold(&all[0])
		}
		if got != want {
			t.Fatalf("%+v folded to %+v", all, got)
		}
	}
}

// Pictures and sound are output too: a usage of nothing beside them proves nothing,
// in one piece and in a stream.
func TestUsageOfNothingBesidePictures(t *testing.T) {
	const zero = `,"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`
	for said, want := range map[string]Known{
		`{"content":""}`:             KnownZero,
		`{"content":"","images":[]}`: KnownZero,
		`{"content":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}`: KnownNothing,
		`{"audio":{"data":"AAAA"}}`: KnownNothing,
		`{"content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}`:                     KnownNothing,
		`{"content":[{"type":"text","text":""}],"annotations":[{"url_citation":{"url":"https://x"}}]}`: KnownZero,
	} {
		if got := reportOf(`{"choices":[{"message":` + said + `}]` + zero).Known; got != want {
			t.Errorf("%s: known %d, want %d", said, got, want)
		}
		s := NewStream(&pieces{text: `data: {"choices":[{"delta":` + said + `}]}` + "\n\n" + `data: {"choices":[]` + zero + "\n\n" + evDone}, StreamOptions{})
		for err := error(nil); err == nil; {
			_, err = s.Next()
		}
		if got := s.Report().Known; got != want {
			t.Errorf("a stream of %s: known %d, want %d", said, got, want)
		}
		s.Close()
	}
}

// Whatever is told, the classes are disjoint and come to what was told of their
// side.
func TestTokensAddUp(t *testing.T) {
	at := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		var f figures
		for x := figPrompt; x < numFigures; x++ {
			if at.IntN(2) == 0 {
				f.set(x, at.Int64N(20))
			}
		}
		delivered := at.Int64N(3)
		used, known := f.tokens(delivered)
		p, c, sum := f.n[figPrompt], f.n[figCompletion], f.n[figTotal]
		most := max(p+c, sum) + f.n[figCached] + f.n[figWritten] + f.n[figWrittenByPrefix] + f.n[figWrittenShort] + f.n[figWrittenLong]
		switch {
		case !used.Sane():
			t.Fatalf("%+v: %+v", f, used)
		case known <= KnownZero != (used.Total() == 0):
			t.Fatalf("%+v: %+v, known %d", f, used, known)
		case used.Prompt() < p || used.Completion() < c || used.Total() > most:
			t.Fatalf("%+v: %+v", f, used)
		case known == KnownWhole && (used.Prompt() == 0 || used.Completion() == 0 && delivered > 0):
			t.Fatalf("%+v is not whole: %+v", f, used)
		}
	}
}
