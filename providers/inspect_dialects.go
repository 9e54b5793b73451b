package providers

import "tallygate/providers/dialect"

// nameOf is the name of a dialect, of which nil is chat completions.
func nameOf(d dialect.Upstream) dialect.Name {
	if d == nil {
		return dialect.Chat
	}
	return d.Name()
}

// inspectAs walks over an answer, or over the data of an event, of a dialect, as inspect
// does.
func inspectAs(in dialect.Name, b []byte, i int, f *facts) int {
	switch in {
	case dialect.Messages:
		return f.inMessages(b, i)
	case dialect.Responses:
		return f.inResponses(b, i)
	}
	return inspect(b, i, f)
}

// inMessages walks over a message, whole or as the event that begins a stream has it, or
// over any other event of messages.
func (f *facts) inMessages(b []byte, i int) int {
	if kindAt(b, i) != '{' {
		return ^i
	}
	return eachMember(b, i, 1, func(key []byte, i int) int {
		kind := kindAt(b, i)
		switch string(key) {
		case "content", "content_block":
			f.answers = f.answers || kind == '['
			return f.texts(b, i, deep, itsOutput)
		case "message", "delta":
			if kind == '{' {
				return f.partOfMessage(b, i)
			}
		}
		end := skipValue(b, i, 1)
		if end < 0 {
			return end
		}
		switch string(key) {
		case "type":
			f.ends = f.ends || string(b[i:end]) == `"message_stop"`
			f.err = f.err || string(b[i:end]) == `"error"`
		case "error":
			f.err = f.err || !hollow(b, i, true)
		default:
			f.ofMessage(key, b, i, end, besideChoices)
		}
		return end
	})
}

// partOfMessage walks over the message that a stream begins with, or over what an event
// adds to it.
func (f *facts) partOfMessage(b []byte, i int) int {
	return eachMember(b, i, 2, func(key []byte, i int) int {
		if is := meaningOf(key); is.output() {
			return f.texts(b, i, deep, is)
		}
		end := skipValue(b, i, 2)
		if end > 0 {
			f.beside = f.beside || meaningOf(key) == itsBeside && !hollow(b, i, true)
			f.ofMessage(key, b, i, end, inGroq)
		}
		return end
	})
}

// ofMessage takes notice of what a message says beside its content. The usage that a
// stream begins with is not the one that clients read.
func (f *facts) ofMessage(key, b []byte, i, end, place int) {
	switch string(key) {
	case "model":
		f.model = stringSpan(b, i, end)
	case "stop_reason":
		if b[i] == '"' && end-i > 2 {
			f.finish = max(f.finish, finishOf(b[i+1:end-1]))
		}
	case "usage":
		f.report(b, place, objectSpan(b, i, end))
		if b[i] == '{' {
			if tier := member(b, i, "service_tier"); tier.present() {
				f.tier = stringSpan(b, tier.From, tier.To)
			}
			if speed := member(b, i, "speed"); speed.present() && string(speed.of(b)) == `"fast"` {
				f.tier = speed
			}
		}
	}
}

// inResponses walks over a response, or over an event of one.
func (f *facts) inResponses(b []byte, i int) int {
	if kindAt(b, i) != '{' {
		return ^i
	}
	var kind, response, output, item, said, status span
	end := eachMember(b, i, 1, func(key []byte, i int) int {
		end := skipValue(b, i, 1)
		if end < 0 {
			return end
		}
		at := span{From: i, To: end}
		switch string(key) {
		case "type":
			kind = at
		case "response":
			response = objectSpan(b, i, end)
		case "output":
			output = at
		case "item":
			item = objectSpan(b, i, end)
		case "delta":
			said = stringSpan(b, i, end)
		default:
			f.ofResponse(key, b, i, end, &status)
		}
		return end
	})
	if end < 0 {
		return end
	}
	if response.present() {
		members(b, response.From, func(key []byte, s span) bool {
			if string(key) == "output" {
				output = s
			} else {
				f.ofResponse(key, b, s.From, s.To, &status)
			}
			return true
		})
	}
	before := f.content
	f.answers = output.present() && b[output.From] == '['
	for _, s := range [...]span{output, item} {
		if s.present() {
			f.texts(b, s.From, deep, itsOutput)
		}
	}
	if kind.present() { // of a stream, whose events tell the content piece by piece
		f.again, f.content = f.content-before, before
	}
	if said.present() {
		f.content += said.To - said.From - 2
	}
	switch string(kind.of(b)) {
	case `"response.completed"`:
		f.ends, f.finish = true, max(f.finish, Finished)
		f.searched(b, output)
	case `"response.incomplete"`:
		f.ends = true
		f.searched(b, output)
	case `"response.failed"`, `"response.cancelled"`, `"error"`:
		f.err = true
	case ``:
		if status.present() && string(status.of(b)) == `"completed"` {
			f.finish = max(f.finish, Finished)
		}
		f.searched(b, output)
	}
	return end
}

// searched counts the searches of a response, each of which is an item of its output. An
// output without items tells nothing: some upstreams leave it empty at the end of a stream.
func (f *facts) searched(b []byte, output span) {
	if !f.answers {
		return
	}
	items, searches := 0, int64(0)
	eachElement(b, output.From, 2, func(i int) int {
		items++
		if kindAt(b, i) == '{' {
			if kind := member(b, i, "type"); kind.present() && string(kind.of(b)) == `"web_search_call"` {
				searches++
			}
		}
		return skipValue(b, i, 2)
	})
	if items > 0 && searches <= maxSearches {
		f.figures.set(figSearches, searches)
	}
}

// ofResponse takes notice of what a response says beside its output, and of an error that
// an event tells.
func (f *facts) ofResponse(key, b []byte, i, end int, status *span) {
	switch string(key) {
	case "model":
		f.model = stringSpan(b, i, end)
	case "service_tier":
		f.tier = stringSpan(b, i, end)
	case "usage":
		f.report(b, besideChoices, objectSpan(b, i, end))
	case "status":
		*status = stringSpan(b, i, end)
		f.err = f.err || string(b[i:end]) == `"failed"`
	case "error":
		f.err = f.err || !hollow(b, i, true)
	case "incomplete_details":
		if b[i] != '{' {
			return
		}
		f.finish = max(f.finish, Finished)
		if why := member(b, i, "reason"); why.present() && string(why.of(b)) == `"max_output_tokens"` {
			f.finish = FinishedLength
		}
	}
}
