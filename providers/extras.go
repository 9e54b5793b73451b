package providers

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// Extra is a part of a request that the upstream bills beside the tokens of its
// text, or at other rates: a search, a place to be served from, an hour in a cache.
type Extra struct {
	Field string // for people: "web_search_options", "tools of type web_search"
	// Piece is what is billed by the piece; "" if the extra is billed otherwise. Count is
	// the largest number of pieces there can be, -1 if there is no bound. Settable is
	// whether we have to send that bound; otherwise the upstream keeps the bound by itself.
	Piece    tally.Piece
	Count    int64
	Settable bool
	// Class is the class of tokens that the extra makes dearer. Fetches is whether the
	// extra brings into the prompt what the body does not hold.
	Class   tally.Class
	Classed bool
	Fetches bool
	// Rounds is how often the upstream may have the model read the prompt again, with what
	// has been found; -1 if nothing bounds that.
	Rounds int64

	at     span   // of the count, or where it is to be put
	key    string // of the count, with quotes and colon
	insert bool   // whether the count is to be inserted at that place
	empty  bool   // whether that place is in an object without members
}

// unsaidCount is how many searches a request may make if it does not say how many.
const unsaidCount = 5

// mostExtras is how many extras a request may have. More of them are taken for one extra
// without a bound.
const mostExtras = 8

// role is what a top-level field means for the gateway.
type role uint8

const (
	unknownField role = iota
	plainField        // it changes no price and brings nothing into the prompt
	textField         // its strings are part of the prompt
	referField        // it stands for content that the body does not hold
	billedField       // the upstream bills it, and nothing bounds it
	searchField       // the upstream searches, once a call
	editField         // the upstream shortens the prompt: it leaves parts out, or has them summed up
	maximumField      // another name for the maximum of an answer, or for how many there are
)

// roles are the fields that mean something to the gateway, by name. Fields that Envelope
// reads are not among them.
var roles = map[string]role{
	"temperature": plainField, "top_p": plainField, "top_k": plainField, "min_p": plainField, "top_a": plainField, "typical_p": plainField,
	"frequency_penalty": plainField, "presence_penalty": plainField, "repetition_penalty": plainField, "repeat_penalty": plainField,
	"stop": plainField, "seed": plainField, "random_seed": plainField, "logprobs": plainField, "top_logprobs": plainField, "logit_bias": plainField,
	"response_format": plainField, "tool_choice": plainField, "parallel_tool_calls": plainField, "functions": plainField, "function_call": plainField,
	"reasoning_effort": plainField, "include_reasoning": plainField, "verbosity": plainField, "store": plainField, "suffix": plainField, "echo": plainField,
	"dimensions": plainField, "input_type": plainField, "truncate": plainField, "truncation": plainField, "transforms": plainField, "prompt_cache_key": plainField,
	"prompt_cache_retention": plainField, "enable_thinking": plainField, "chat_template_kwargs": plainField, "safe_prompt": plainField, "prompt_mode": plainField,
	"guided_json": plainField, "guided_regex": plainField, "guided_choice": plainField, "keep_alive": plainField, "options": plainField, "format": plainField,
	"audio": plainField, "stream_usage": plainField, "ignore_eos": plainField, "min_tokens": plainField, "language_preference": plainField,
	"search_domain_filter": plainField, "search_recency_filter": plainField, "search_after_date_filter": plainField, "search_before_date_filter": plainField,
	"return_images": plainField, "return_related_questions": plainField, "client_metadata": plainField, "cache_prompt": plainField,

	"stop_sequences": plainField, "output_config": plainField, "output_format": plainField,
	"context_management": editField,
	"text":               plainField, "include": plainField,

	"system": textField, "instructions": textField, "documents": textField,

	"conversation_id": referField, "previous_response_id": referField, "thread": referField, "thread_id": referField, "assistant_id": referField,
	"container": referField, "cached_content": referField, "cachedContent": referField, "file": referField, "files": referField, "attachments": referField,
	"image": referField, "images": referField, "video": referField, "videos": referField, "prompt_id": referField,

	"n_predict": maximumField, "num_predict": maximumField, "max_new_tokens": maximumField, "max_output_tokens": maximumField,
	FieldMaxTokens: maximumField, FieldMaxCompletion: maximumField, // where the dialect has another name
	"max_tokens_to_sample": maximumField, "max_length": maximumField, "maxOutputTokens": maximumField, "maxTokens": maximumField,
	"num_return_sequences": maximumField, "candidate_count": maximumField, "candidateCount": maximumField, "num_completions": maximumField,
	"num_generations": maximumField,

	"web_search_options": searchField,
	"provider":           billedField, "route": billedField, "preset": billedField, "region": billedField, "inference_geo": billedField,
	"data_residency": billedField, "enable_search": billedField, "web_search": billedField, "extra_body": billedField, "mcp_servers": billedField,
	"code_interpreter": billedField, "deep_research": billedField, "search_mode": billedField,
}

// roleOf tells what a field means by its name. A name that is not on the list is unknown,
// unless it has the form of a name that elsewhere stands for content or for a search.
func roleOf(key []byte) role {
	if r, ok := roles[string(key)]; ok {
		return r
	}
	for _, end := range [...]string{"_id", "_ids", "_url", "_urls", "_uri", "_file", "_files"} {
		if bytes.HasSuffix(key, []byte(end)) {
			switch string(key) {
			case "user_id", "end_user_id", "session_id", "request_id", "trace_id", "client_request_id":
				return unknownField
			}
			return referField
		}
	}
	if bytes.Contains(key, []byte("search")) || bytes.Contains(key, []byte("browse")) {
		return billedField
	}
	return unknownField
}

// meant is the name that a key spells. Escapes are decoded, since any name can be written
// with them. Letters of both cases are taken for the same, since some decoders do so. A
// name that has a role as it is written keeps that role.
func meant(key []byte) []byte {
	if plain(key) {
		return key
	}
	name, ok := unquote(append(append([]byte{'"'}, key...), '"'))
	if !ok {
		return key
	}
	if _, ok := roles[name]; ok {
		return []byte(name)
	}
	return []byte(strings.ToLower(name))
}

// other walks over the value of a field that Envelope does not read.
func (e *Envelope) other(key []byte, b []byte, i int) int {
	kind := kindAt(b, i)
	off := kind == 'n' || kind == 'f' // null and false ask for nothing
	key = meant(key)
	r := roleOf(key)
	if string(key) == "functions" || string(key) == "response_format" {
		e.Preamble = e.Preamble || !off
	}
	if r == textField && kind == '[' { // parts, as a message has them
		return e.Content.parts(b, i, 2, "the request")
	}
	media := false
	end := findMedia(b, i, 1, &media)
	if end < 0 {
		return end
	}
	switch r {
	case unknownField:
		if e.Unknown == "" {
			e.Unknown = strings.ToValidUTF8(string(key[:min(len(key), 60)]), "?")
		}
		if media || addresses(b[i:end]) {
			e.Content.refers(key, "the request")
		}
	case maximumField:
		if !off {
			e.OtherMaximum = string(key)
		}
	case textField:
		if media || kind == '{' {
			e.Content.refers(key, "the request")
		}
	case referField:
		if !off {
			e.Content.refers(key, "the request")
		}
	case billedField:
		if !off {
			e.extra(Extra{Field: string(key), Count: -1, Fetches: true, Rounds: roundsOf(key)})
		}
	case editField:
		if !off && !leavesOut(b, i) {
			e.extra(Extra{Field: string(key), Count: -1, Rounds: -1})
		}
	case searchField:
		if !off {
			e.extra(Extra{Field: string(key), Piece: tally.Search, Count: 1, Fetches: true})
		}
	}
	return end
}

// roundsOf is how often the prompt may be read again for a field that is billed.
func roundsOf(key []byte) int64 {
	switch string(key) {
	case "mcp_servers", "code_interpreter", "deep_research", "extra_body":
		return -1
	}
	return 0
}

// leavesOut reports whether the edits of a prompt do no more than leave parts of it out.
// Any other has the model read the prompt once more, and write, beside what is asked.
func leavesOut(b []byte, i int) bool {
	if b[i] != '{' {
		return false
	}
	ok := true
	members(b, i, func(key []byte, s span) bool {
		if ok = string(key) == "edits" && b[s.From] == '['; ok {
			elementsOf(b, s.From, func(s span) bool {
				types := 0
				if ok = b[s.From] == '{'; ok {
					members(b, s.From, func(key []byte, s span) bool {
						ok = ok && plain(key)
						if string(key) == "type" {
							types++
							ok = ok && bytes.HasPrefix(s.of(b), []byte(`"clear_`))
						}
						return ok
					})
				}
				ok = ok && types == 1
				return ok
			})
		}
		return ok
	})
	return ok
}

// findMedia walks over a value, and reports whether a key in it introduces something whose
// tokens the bytes of the body do not bound. A key with escapes counts as such a key, since
// it can spell any name.
func findMedia(b []byte, i, depth int, found *bool) int {
	switch kindAt(b, i) {
	case '{':
		return eachMember(b, i, depth+1, func(key []byte, i int) int {
			switch string(key) {
			case "image_url", "video_url", "audio_url", "file_id", "file_url", "file_data":
				*found = true
			default:
				*found = *found || bytes.IndexByte(key, '\\') >= 0
			}
			return findMedia(b, i, depth+1, found)
		})
	case '[':
		return eachElement(b, i, depth+1, func(i int) int { return findMedia(b, i, depth+1, found) })
	}
	return skipValue(b, i, depth)
}

// addresses reports whether a value may hold an address that the upstream fetches.
func addresses(v []byte) bool {
	for _, mark := range [...]string{"://", `:\/\/`, `\u003a`, `\u003A`, `\u002f`, `\u002F`} {
		if bytes.Contains(v, []byte(mark)) {
			return true
		}
	}
	return false
}

// extra notes an extra of the request.
func (e *Envelope) extra(x Extra) {
	if len(e.Extras) == mostExtras {
		x = Extra{Field: x.Field, Count: -1, Fetches: true, Rounds: -1}
		e.Extras = e.Extras[:mostExtras-1]
	}
	e.Extras = append(e.Extras, x)
}

// readExtras looks at the fields whose insides decide what they cost.
func (e *Envelope) readExtras(b []byte) {
	e.readTools(b)
	if s := e.plugins; s.present() && b[s.From] == '[' {
		elementsOf(b, s.From, func(s span) bool {
			e.plugin(b, s)
			return true
		})
	} else if s.present() && !s.null(b) {
		e.extra(Extra{Field: "plugins", Count: -1, Fetches: true})
	}
	if s := e.searchParameters; s.present() && !s.null(b) {
		x := Extra{Field: "search_parameters", Piece: tally.Search, Fetches: true}
		x.counted(b, s, "max_search_results")
		if !searchOff(b, s) {
			e.extra(x)
		}
	}
	if s := e.modalities; s.present() && b[s.From] == '[' {
		elementsOf(b, s.From, func(s span) bool {
			switch string(s.of(b)) {
			case `"text"`:
			case `"audio"`:
				e.extra(Extra{Field: "modalities with audio", Class: tally.ClassAudioOutput, Classed: true})
			case `"image"`:
				e.extra(Extra{Field: "modalities with image", Class: tally.ClassImageOutput, Classed: true})
			default:
				e.extra(Extra{Field: "modalities", Count: -1})
			}
			return true
		})
	} else if s.present() && !s.null(b) {
		e.extra(Extra{Field: "modalities", Count: -1})
	}
	if s := e.cacheControl; s.present() && b[s.From] == '{' {
		e.Content.cacheControl(b, s.From, 2)
	}
	if e.Content.LongCache {
		e.extra(Extra{Field: "cache_control with a ttl", Class: tally.ClassCacheWriteLong, Classed: true})
	}
	if s := e.speed; s.present() && !s.null(b) {
		switch v := string(s.of(b)); v {
		case `"standard"`, `"normal"`, `"default"`:
		case `"fast"`:
			if e.Tier != "" {
				e.extra(Extra{Field: "speed beside service_tier", Count: -1})
			}
			e.Tier = tally.TierFast
		default:
			e.extra(Extra{Field: "speed", Count: -1})
		}
	}
}

// searchOff reports whether search_parameters say beyond doubt that nothing is searched.
// They must say so once, and no key may be one that could be read as another.
func searchOff(b []byte, s span) bool {
	off, modes := false, 0
	if b[s.From] != '{' {
		return false
	}
	members(b, s.From, func(key []byte, s span) bool {
		switch {
		case string(key) == "mode":
			off = string(s.of(b)) == `"off"`
			modes++
		case !plain(key):
			modes = 2
		}
		return modes < 2
	})
	return off && modes == 1
}

// plugin looks at one of OpenRouter's plugins.
func (e *Envelope) plugin(b []byte, s span) {
	x := Extra{Field: "plugins", Count: -1, Fetches: true}
	if b[s.From] == '{' {
		ids := 0
		members(b, s.From, func(key []byte, v span) bool {
			if string(key) == "id" {
				ids++
				if string(v.of(b)) == `"web"` {
					x.Field, x.Piece = "plugins with web", tally.Search
				}
			}
			if !plain(key) {
				ids = 2
			}
			return true
		})
		if x.Piece != "" && ids == 1 {
			x.counted(b, s, "max_results")
		} else {
			x.Piece = ""
		}
	}
	e.extra(x)
}

// counted takes the bound that stands under a key of an object. If there is none, it notes
// where the bound is to be put.
func (x *Extra) counted(b []byte, object span, key string) {
	var at span
	n := 0
	if b[object.From] != '{' {
		x.Count, x.Piece = -1, ""
		return
	}
	empty := b[space(b, object.From+1)] == '}'
	members(b, object.From, func(k []byte, v span) bool {
		if string(k) == key {
			at = v
			n++
		}
		if !plain(k) {
			n = 2
		}
		return true
	})
	if n > 1 {
		x.Count, x.Piece = -1, ""
		return
	}
	x.countedBy(b, at, span{From: object.From + 1, To: object.From + 1}, key, empty)
}

func (x *Extra) countedBy(b []byte, at, insert span, key string, empty bool) {
	x.key, x.Settable, x.Count, x.at = strconv.Quote(key)+":", true, unsaidCount, at
	switch {
	case !at.present():
		x.at, x.insert, x.empty = insert, true, empty
		return
	case at.null(b):
		return
	}
	n, err := integer(b, at, key, 1_000)
	if err != nil {
		x.Count, x.Settable, x.Piece = -1, false, ""
		return
	}
	x.Count = n
}

// Searches is the most searches that the extras may cost, and whether there is a
// bound at all.
func (e *Envelope) Searches() (n int64, bounded bool) {
	for i := range e.Extras {
		x := &e.Extras[i]
		if x.Piece == "" || e.again(i) {
			continue
		}
		if x.Count < 0 {
			return 0, false
		}
		n += x.Count
	}
	return n, true
}

// Rounds is how often the extras may have the model read the prompt again, and whether
// there is a bound at all.
func (e *Envelope) Rounds() (n int64, bounded bool) {
	for i := range e.Extras {
		switch x := &e.Extras[i]; {
		case x.Rounds < 0:
			return 0, false
		case !e.again(i):
			n += x.Rounds
		}
	}
	return n, true
}

// again reports whether an extra before this one has the same bound, which counts for both.
func (e *Envelope) again(i int) bool {
	x := &e.Extras[i]
	return x.Settable && slices.ContainsFunc(e.Extras[:i],
		func(y Extra) bool { return y.Settable && y.at == x.at && y.key == x.key })
}
