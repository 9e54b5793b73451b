package providers

import "bytes"

// facts are what a JSON answer, or an event of a stream, says that concerns
// the gateway.
type facts struct {
	// usage is where the usage objects are: beside the choices, in the last choice that has
	// one (Moonshot), in x_groq (Groq). A usage object that is null counts as absent.
	usage       [3]span
	believed    [3]bool // whether what each of them says can be
	figures     figures // what all of them say, also two in one place
	bill        bool    // a cost is told beside the usage
	tells       bool    // something beside the choices is called usage, of whatever type
	model, tier span    // strings
	choices     span    // of any type
	err         bool    // something tells of a failure, whatever stands beside it
	words       bool    // something tells of a failure where there is no answer
	fine        bool    // beside these words there is a code of success
	answers     bool    // there are choices
	data        bool    // there is output beside the choices: embeddings
	finish      Finish
	endings     *endings // of the choices; nil counts none
	content     int      // bytes of content
	again       int      // bytes of content that events before have told, if there were any
	ends        bool     // the event is the last one of its stream
	beside      bool     // something came that is no content but stands beside content
}

// The places of usage objects.
const (
	besideChoices = iota
	inChoice
	inGroq
)

// shown is the usage object that a client reads.
func (f *facts) shown() span {
	if f.usage[besideChoices].present() {
		return f.usage[besideChoices]
	}
	return f.usage[inChoice]
}

// reports is whether there is any usage object.
func (f *facts) reports() bool {
	return f.bill || f.usage[besideChoices].present() || f.usage[inChoice].present() || f.usage[inGroq].present()
}

// delivered estimates the tokens of the content.
func (f *facts) delivered() int64 { return delivered(int64(min(f.content, 1)), int64(f.content)) }

// fails is whether something tells of a failure. A detail or a message tells of a failure
// only where there is no answer.
func (f *facts) fails() bool { return f.err || f.words && !f.fine && !f.answers && !f.data }

// inspect walks over an answer's object at i; a negative result is a fault.
func inspect(b []byte, i int, f *facts) int {
	if kindAt(b, i) != '{' {
		return ^i
	}
	return eachMember(b, i, 1, func(key []byte, i int) int {
		if bytes.IndexByte(key, '\\') >= 0 { // a key with escapes may spell anything
			name, _ := unquote(append(append([]byte{'"'}, key...), '"'))
			key = []byte(name)
		}
		if string(key) == "choices" {
			end := f.texts(b, i, 1, itsOutput)
			f.choices = span{From: i, To: end}
			f.answers = f.answers || end > 0 && says(b, i)
			return end
		}
		switch string(key) {
		case "output", "outputs", "content", "text", "delta", "candidates", "response", "result", "completion", "generated_text": // of other dialects than OpenAI's
			return f.texts(b, i, deep, itsOutput)
		}
		end := skipValue(b, i, 1)
		if end < 0 {
			return end
		}
		switch string(key) {
		case "model":
			f.model = stringSpan(b, i, end)
		case "usage":
			f.tells = f.tells || says(b, i)
			f.report(b, besideChoices, objectSpan(b, i, end))
		case "cost", "cost_in_usd_ticks", "cost_details":
			f.bill = true
		case "service_tier":
			f.tier = stringSpan(b, i, end)
		case "error", "errors":
			f.err = f.err || !hollow(b, i, true)
		case "object", "type":
			f.err = f.err || string(b[i:end]) == `"error"`
		case "detail": // FastAPI
			f.words = f.words || says(b, i)
		case "message":
			f.words = f.words || b[i] == '"' && says(b, i)
		case "code":
			f.fine = isFine(b[i:end])
		case "base_resp": // MiniMax
			if b[i] == '{' {
				code := member(b, i, "status_code")
				f.err = f.err || code.present() && says(b, code.From)
			}
		case "data":
			f.data = f.data || says(b, i)
		case "x_groq":
			if b[i] == '{' {
				s := member(b, i, "usage")
				if s.present() {
					f.report(b, inGroq, objectSpan(b, s.From, s.To))
				}
			}
		}
		return end
	})
}

// objectSpan is a value's span, absent if it is no object.
func objectSpan(b []byte, from, to int) span {
	if b[from] != '{' {
		return span{}
	}
	return span{From: from, To: to}
}

// stringSpan is a value's span, absent if it is no string.
func stringSpan(b []byte, from, to int) span {
	if b[from] != '"' {
		return span{}
	}
	return span{From: from, To: to}
}

// isFine reports whether the code beside a message is that of a success.
func isFine(code []byte) bool {
	switch string(code) {
	case "0", "200", `"0"`, `"200"`, `"ok"`, `"OK"`, `"success"`:
		return true
	}
	return false
}

// says reports whether a well-formed value at i is anything but null, false, 0,
// or empty.
func says(b []byte, i int) bool {
	switch b[i] {
	case 'n', 'f':
		return false
	case '"':
		return b[i+1] != '"'
	case '{':
		return b[space(b, i+1)] != '}'
	case '[':
		return b[space(b, i+1)] != ']'
	}
	return string(b[i:skipValue(b, i, 1)]) != "0"
}

// hollow reports whether a well-formed value at i, of the choices or of an error, holds
// nothing but its order and empty values. role is whether a role counts as something, too.
func hollow(b []byte, i int, role bool) bool {
	empty := true
	switch b[i] {
	case '[':
		elementsOf(b, i, func(s span) bool {
			empty = hollow(b, s.From, role)
			return empty
		})
	case '{':
		members(b, i, func(key []byte, s span) bool {
			empty = string(key) == "index" || string(key) == "usage" || string(key) == "role" && !role || hollow(b, s.From, role)
			return empty
		})
	default:
		return !says(b, i)
	}
	return empty
}

// deep is a depth at which no object is a choice.
const deep = 3

// texts walks over a value of the choices; as is what the key above the value stands for.
// Strings count unless that key is known to hold no output. Below pictures, sound and data
// all strings count.
func (f *facts) texts(b []byte, i, depth int, as inChoices) int {
	switch kindAt(b, i) {
	case '"':
		end := skipString(b, i+1)
		if as.output() && end > 0 {
			f.content += end - i - 2
		}
		return end
	case '[':
		return eachElement(b, i, depth+1, func(i int) int { return f.texts(b, i, depth+1, as) })
	case '{':
		return f.textsIn(b, i, depth, as)
	}
	return skipValue(b, i, depth)
}

func (f *facts) textsIn(b []byte, i, depth int, as inChoices) int {
	thought := 0 // bytes of reasoning under one name
	index, finish := int64(0), Unfinished
	end := eachMember(b, i, depth+1, func(key []byte, i int) int {
		is := as
		if as != itsMedia && as != itsData {
			is = meaningOf(key)
		}
		before := f.content
		end := 0
		if is.output() {
			end = f.texts(b, i, depth+1, is)
		} else {
			end = skipValue(b, i, depth+1)
		}
		if end < 0 {
			return end
		}
		switch {
		case is == itsBeside || is == itsTokens:
			f.beside = f.beside || !hollow(b, i, true)
		case is == itsThought: // reasoning that is told under two names is the same
			n := f.content - before
			f.content -= min(n, thought)
			thought = max(thought, n)
		case is == itsFinish && b[i] == '"' && end-i > 2: // some upstreams write "" for "not yet"
			finish = finishOf(b[i+1 : end-1])
			f.err = f.err || string(b[i:end]) == `"error"` // OpenRouter
			f.finish = max(f.finish, finish)
		case depth == 2 && string(key) == "error":
			f.err = f.err || !hollow(b, i, true)
		case is == itsIndex && depth == 2 && b[i] != 'n':
			if n, whole, ok := ParseDecimal(b[i:end], 0); ok && whole {
				index = n
			} else {
				index = -1
			}
		case is == itsUsage && depth == 2 && b[i] == '{':
			f.report(b, inChoice, span{From: i, To: end})
		}
		return end
	})
	if end > 0 && depth == 2 {
		f.endings.note(index, finish)
	}
	return end
}

// inChoices is what a key of a choice stands for.
type inChoices uint8

const (
	itsOutput  inChoices = iota // text that the model wrote, as under every key that is not known
	itsData                     // an object that the model wrote, with its keys
	itsThought                  // reasoning, for which there are several names
	itsMedia                    // pictures and sound that the model made, and their addresses
	itsBeside                   // what comes with output and is counted there, or is not the model's
	itsTokens                   // what itsBeside is, with the model's tokens as keys
	itsNothing                  // what can stand in a choice though the model has written nothing
	itsFinish
	itsUsage
	itsIndex
)

// output reports whether the model made what the key stands for.
func (is inChoices) output() bool { return is <= itsMedia }

// meaningOf is the one list of the keys of choices. A key that is not on the list stands
// for output, since a stream is silent only if nothing came that could be output.
func meaningOf(key []byte) inChoices {
	switch string(key) {
	case "arguments", "input", "parsed":
		return itsData
	case "images", "image", "image_url", "b64_json", "inline_data", "audio", "video", "video_url":
		return itsMedia
	case "reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text", "thinking_blocks":
		return itsThought
	case "logprobs", "signature", "encrypted_content", "annotations", "citations", "citation":
		return itsBeside
	case "top_logprobs":
		return itsTokens
	case "role", "id", "type", "object", "status", "format", "created", "model", "provider", "tool_call_id", "call_id", "service_tier",
		"system_fingerprint", "native_finish_reason", "stop_reason", "stop_sequence", "matched_stop", "finish_details", "error",
		"content_filter_results", "content_filter_result", "content_filter_offsets":
		return itsNothing
	case "finish_reason":
		return itsFinish
	case "usage":
		return itsUsage
	case "index":
		return itsIndex
	}
	return itsOutput
}

// finishOf sorts a finish_reason: Gemini's and Anthropic's words for the bound of
// the output come through some translations as they are.
func finishOf(reason []byte) Finish {
	switch string(reason) {
	case "length", "max_tokens", "MAX_TOKENS":
		return FinishedLength
	}
	return Finished
}
