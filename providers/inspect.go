package providers

// facts are what a JSON answer, or an event of a stream, says that concerns
// the gateway.
type facts struct {
	// usage is where the usage objects are: beside the choices, in the last choice
	// that has one (Moonshot), in x_groq (Groq). Absent if null.
	usage       [3]span
	tells       bool // there is something beside the choices that is called usage, of whatever type
	model, tier span // strings
	choices     span // of any type
	err         bool // a top-level error that says something
	hint        bool // something else that tells of a failure
	detail      bool // a detail, which tells of one where there are no choices
	data        bool // there is output beside the choices: embeddings
	finish      Finish
	endings     *endings // of the choices; nil counts none
	content     int      // bytes of content in the choices
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
	return f.usage[besideChoices].present() || f.usage[inChoice].present() || f.usage[inGroq].present()
}

// delivered estimates the tokens of the content.
func (f *facts) delivered() int64 { return delivered(int64(min(f.content, 1)), int64(f.content)) }

// hints is whether something tells of a failure that is no error object.
func (f *facts) hints() bool { return f.hint || f.detail && !f.choices.present() }

// inspect walks over an answer's object at i; a negative result is a fault.
func inspect(b []byte, i int, f *facts) int {
	if kindAt(b, i) != '{' {
		return ^i
	}
	return eachMember(b, i, 1, func(key []byte, i int) int {
		if string(key) == "choices" {
			end := f.texts(b, i, 1, itsOther)
			f.choices = span{From: i, To: end}
			return end
		}
		end := skipValue(b, i, 1)
		if end < 0 {
			return end
		}
		switch string(key) {
		case "model":
			f.model = stringSpan(b, i, end)
		case "usage":
			f.usage[besideChoices], f.tells = objectSpan(b, i, end), says(b, i)
		case "service_tier":
			f.tier = stringSpan(b, i, end)
		case "error":
			f.err = says(b, i)
		case "detail": // FastAPI
			f.detail = says(b, i)
		case "base_resp": // MiniMax
			if b[i] == '{' {
				code := member(b, i, "status_code")
				f.hint = code.present() && says(b, code.From)
			}
		case "data":
			f.data = b[i] == '[' && says(b, i)
		case "x_groq":
			if b[i] == '{' {
				s := member(b, i, "usage")
				f.usage[inGroq] = objectSpan(b, s.From, s.To)
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

// hollow reports whether a well-formed value of the choices at i holds nothing
// but its order and empty values; role is whether that is something, too.
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

// texts walks over a value of the choices, which is what the key says it stands
// under. Strings count if that is one that holds output; of pictures and sound all
// strings do, also below it.
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
		is := itsMedia
		if as != itsMedia {
			is = meaningOf(key)
		}
		before := f.content
		end := f.texts(b, i, depth+1, is)
		if end < 0 {
			return end
		}
		switch {
		case is == itsThought: // what is told under two names is the same
			n := f.content - before
			f.content -= min(n, thought)
			thought = max(thought, n)
		case is == itsFinish && b[i] == '"' && end-i > 2: // some upstreams write "" for not yet
			finish = finishOf(b[i+1 : end-1])
			f.finish = max(f.finish, finish)
		case is == itsIndex && depth == 2 && b[i] != 'n':
			if n, whole, ok := ParseDecimal(b[i:end], 0); ok && whole {
				index = n
			} else {
				index = -1
			}
		case is == itsUsage && depth == 2 && b[i] == '{':
			f.usage[inChoice] = span{From: i, To: end}
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
	itsOther   inChoices = iota
	itsOutput            // text that the model wrote
	itsThought           // its reasoning, for which there are several names
	itsMedia             // pictures and sound that the model made, and their addresses
	itsFinish
	itsUsage
	itsIndex
)

// output reports whether the model made it.
func (is inChoices) output() bool { return is == itsOutput || is == itsThought || is == itsMedia }

func meaningOf(key []byte) inChoices {
	switch string(key) {
	case "content", "text", "arguments", "name", "refusal":
		return itsOutput
	case "images", "image", "image_url", "b64_json", "inline_data", "audio", "video", "video_url":
		return itsMedia
	case "reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text", "thinking_blocks":
		return itsThought
	case "finish_reason":
		return itsFinish
	case "usage":
		return itsUsage
	case "index":
		return itsIndex
	}
	return itsOther
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
