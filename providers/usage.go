package providers

import "tallygate/engine/tally"

// figure is something that a usage object counts.
type figure uint8

const (
	figNone figure = iota
	figPrompt
	figCompletion
	figTotal
	figCached          // read from a cache
	figWritten         // written to a cache, for however long
	figWrittenByPrefix // what figWritten is, as OpenAI spells it
	figWrittenShort    // for five minutes
	figWrittenLong     // for an hour
	figAudioIn         // of the prompt, read from a cache or not
	figImageIn
	figCachedAudio // of what was read from a cache
	figCachedImage
	figReasoning // of the completion, or on top of it
	figAudioOut
	figImageOut
	figSeconds      // of sound that was written down
	figSearches     // the last of the counts
	figCost         // in US dollars; the first of the amounts
	figUpstreamCost // in US dollars: what the owner's own key is charged elsewhere
	figTicks        // in 1e-10 US dollars; the last of the amounts
	figOwnKey       // 1: the owner's own key was used, and the cost is only a fee
	numFigures
)

// place is an object of a usage report in which figures stand.
type place uint8

const (
	inUsage place = iota
	inPrompt
	inCached
	inWritten
	inCompletion
	inTools
	inCost
	inCostDetails
	inAnswer // beside the usage: amounts alone
	numPlaces
)

// spellings says under which names the figures are told, and where. Several
// spellings of a figure in one report are the same figure, never a sum.
var spellings = [...]struct {
	figure figure
	in     []place
	names  []string
}{
	{figPrompt, []place{inUsage}, []string{"prompt_tokens", "input_tokens"}},
	{figCompletion, []place{inUsage}, []string{"completion_tokens", "output_tokens"}},
	{figTotal, []place{inUsage}, []string{"total_tokens"}},
	{figCached, []place{inUsage, inPrompt}, []string{
		"cached_tokens", "cache_read_input_tokens", "cache_read_tokens",
		"prompt_cache_hit_tokens", // DeepSeek
	}},
	{figWrittenByPrefix, []place{inUsage, inPrompt}, []string{"cache_write_tokens"}}, // OpenAI, OpenRouter
	{figWritten, []place{inUsage, inPrompt}, []string{
		"cache_creation_input_tokens", // Anthropic, Qwen
		"cache_creation_tokens",       // LiteLLM
		"cached_creation_tokens",      // New API
	}},
	{figWrittenShort, []place{inUsage, inPrompt, inWritten}, []string{"ephemeral_5m_input_tokens", "claude_cache_creation_5_m_tokens"}},
	{figWrittenLong, []place{inUsage, inPrompt, inWritten}, []string{"ephemeral_1h_input_tokens", "claude_cache_creation_1_h_tokens"}},
	{figAudioIn, []place{inPrompt}, []string{"audio_tokens"}},
	{figImageIn, []place{inPrompt}, []string{"image_tokens"}},
	{figCachedAudio, []place{inCached}, []string{"audio_tokens"}},
	{figCachedImage, []place{inCached}, []string{"image_tokens"}},
	{figReasoning, []place{inCompletion}, []string{"reasoning_tokens", "thinking_tokens"}},
	{figAudioOut, []place{inCompletion}, []string{"audio_tokens"}},
	{figImageOut, []place{inCompletion}, []string{"image_tokens"}},
	{figSeconds, []place{inUsage}, []string{
		"seconds",              // OpenAI
		"prompt_audio_seconds", // Mistral
	}},
	{figSearches, []place{inUsage}, []string{
		"num_search_queries", // Perplexity
		"num_sources_used",   // xAI
	}},
	{figSearches, []place{inTools}, []string{"web_search_requests"}}, // Anthropic, OpenRouter
	{figCost, []place{inUsage, inAnswer}, []string{"cost"}},          // OpenRouter
	{figCost, []place{inCost}, []string{"total_cost"}},               // Perplexity
	{figUpstreamCost, []place{inCostDetails}, []string{"upstream_inference_cost"}},
	{figTicks, []place{inUsage, inAnswer}, []string{"cost_in_usd_ticks"}}, // xAI
	{figOwnKey, []place{inUsage, inAnswer}, []string{"is_byok"}},
}

// parts says which objects of a report hold figures, and where they stand.
var parts = [...]struct {
	is    place
	in    []place
	names []string
}{
	{inPrompt, []place{inUsage}, []string{"prompt_tokens_details", "input_tokens_details", "input_token_details"}},
	{inCompletion, []place{inUsage},
		[]string{"completion_tokens_details", "output_tokens_details", "output_token_details"}},
	{inCached, []place{inPrompt}, []string{"cached_tokens_details"}},
	{inWritten, []place{inUsage, inPrompt}, []string{"cache_creation", "cache_creation_token_details"}},
	{inTools, []place{inUsage}, []string{"server_tool_use"}},
	{inCost, []place{inUsage, inAnswer}, []string{"cost"}},
	{inCostDetails, []place{inUsage, inAnswer}, []string{"cost_details"}},
}

// meaning is what a name stands for in each place.
type meaning struct {
	figure [numPlaces]figure
	part   [numPlaces]place // inUsage, which is no part, for none
	rounds bool             // a list of the usage of each time that the model was asked
}

// meanings is the two tables by name.
var meanings = func() map[string]*meaning {
	all := map[string]*meaning{}
	of := func(name string) *meaning {
		if all[name] == nil {
			all[name] = new(meaning)
		}
		return all[name]
	}
	for _, s := range spellings {
		for _, name := range s.names {
			for _, p := range s.in {
				of(name).figure[p] = s.figure
			}
		}
	}
	for _, s := range parts {
		for _, name := range s.names {
			for _, p := range s.in {
				of(name).part[p] = s.is
			}
		}
	}
	of("iterations").rounds = true // Anthropic, which leaves those that shorten the prompt out of the sums
	return all
}()

// figures are what the reports of one call have said.
type figures struct {
	n     [numFigures]int64
	told  uint32 // which of them were told
	apart bool   // the caches stand beside the prompt, as in messages
}

func (f *figures) has(x figure) bool { return f.told&(1<<x) != 0 }

func (f *figures) set(x figure, n int64) {
	f.n[x] = max(f.n[x], n)
	f.told |= 1 << x
}

// fold takes over what another report says. Reports of a stream grow, or leave
// out what an earlier one has told, so the larger figure counts.
func (f *figures) fold(o *figures) {
	f.told |= o.told
	for i, n := range o.n {
		f.n[i] = max(f.n[i], n)
	}
}

// anything reports whether a token was used, or money.
func (f *figures) anything() bool {
	for _, n := range f.n[figPrompt:figOwnKey] {
		if n > 0 {
			return true
		}
	}
	return false
}

// zero reports whether there is a report. It is asked only if nothing was used.
func (f *figures) zero() bool {
	return f.has(figPrompt) || f.has(figCompletion) || f.has(figTotal)
}

const (
	maxSearches = 10_000                // in one call; more is a broken report
	maxSeconds  = 1_000_000             // of sound, in one call
	maxBilled   = 10_000 * tally.Dollar // for one call
)

// read reads a well-formed usage object. If a count of tokens in it is not one, ok is false
// and nothing of the object counts. An amount or a number of searches or seconds that cannot be true
// is left out.
func (f *figures) read(b []byte, at span) (ok bool) {
	var report figures
	if !report.walk(b, at.From, inUsage) {
		return false
	}
	f.fold(&report)
	return true
}

func (f *figures) walk(b []byte, i int, in place) (ok bool) {
	ok = true
	members(b, i, func(key []byte, s span) bool {
		m := meanings[string(key)]
		switch {
		case m == nil:
		case b[s.From] == '{' && m.part[in] != inUsage:
			ok = f.walk(b, s.From, m.part[in])
		case b[s.From] == '[' && m.rounds && in == inUsage:
			ok = f.sum(b, s.From)
		case m.figure[in] != figNone:
			ok = f.take(m.figure[in], s.of(b))
		}
		return ok
	})
	return ok
}

// sum reads a list of usage objects that together are what was used. What stands beside the
// list may leave some of them out.
func (f *figures) sum(b []byte, i int) (ok bool) {
	var sum figures
	ok = true
	elementsOf(b, i, func(s span) bool {
		var one figures
		if ok = b[s.From] != '{' || one.walk(b, s.From, inUsage); ok {
			sum.told |= one.told
			for x, n := range one.n {
				sum.n[x] = tally.AddSat(sum.n[x], n)
			}
		}
		return ok
	})
	f.fold(&sum)
	return ok
}

// take reads a figure; null counts as absent.
func (f *figures) take(x figure, v []byte) (ok bool) {
	switch {
	case v[0] == 'n':
		return true
	case x == figOwnKey:
		if v[0] == 't' {
			f.set(x, 1)
		}
		return true
	case x >= figCost:
		if v[0] == '"' { // Some write amounts as strings, since no number is exact enough.
			v = v[1 : len(v)-1]
		}
		places := 9
		if x == figTicks {
			places = -1
		}
		if n, _, ok := ParseDecimal(v, places); ok && tally.NanoUSD(n) <= maxBilled {
			f.set(x, n)
		}
		return true
	}
	n, whole, ok := ParseDecimal(v, 0)
	switch ok = ok && (whole || x == figSeconds); {
	case x == figSearches && (!ok || n > maxSearches):
		return true
	case x == figSeconds:
		if ok && n <= maxSeconds { // some tell parts of a second, which is rounded up
			f.set(x, n)
		}
		return true
	case !ok || n > tally.MaxTokens:
		return false
	}
	f.set(x, n)
	return true
}
