package providers

// facts are what a JSON answer, or an event of a stream, says that concerns
// the gateway.
type facts struct {
	usage    span // the usage object; absent if null
	nested   span // the one within x_groq
	failed   bool // a top-level error that is not null
	empty    bool // choices is an empty list
	finished bool // a choice has a finish_reason
	content  int  // bytes of content in the choices
}

// inspect walks over an answer's object at i; a negative result is a fault.
func inspect(b []byte, i int, f *facts) int {
	if i >= len(b) || b[i] != '{' {
		return ^i
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return ^i
		}
		from := i
		if i = skipString(b, i+1); i < 0 {
			return i
		}
		key := b[from+1 : i-1]
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return ^i
		}
		start := space(b, i+1)
		if string(key) == "choices" {
			i = f.choices(b, start)
		} else {
			i = skipValue(b, start, 1, nil)
		}
		if i < 0 {
			return i
		}
		switch string(key) {
		case "usage":
			f.usage = objectSpan(b, start, i)
		case "error":
			f.failed = b[start] != 'n'
		case "x_groq":
			if b[start] == '{' {
				members(b, start, func(key []byte, s span) bool {
					if string(key) == "usage" {
						f.nested = objectSpan(b, s.From, s.To)
					}
					return true
				})
			}
		}
		if i = space(b, i); i >= len(b) {
			return ^i
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case '}':
			return i + 1
		default:
			return ^i
		}
	}
}

func objectSpan(b []byte, from, to int) span {
	if b[from] != '{' {
		return span{}
	}
	return span{From: from, To: to}
}

// choices walks over the list of choices and measures what they contain.
func (f *facts) choices(b []byte, i int) int {
	if i < len(b) && b[i] == '[' {
		if j := space(b, i+1); j < len(b) && b[j] == ']' {
			f.empty = true
			return j + 1
		}
	}
	return f.texts(b, i, 1, false)
}

// texts walks over a value of the choices. Strings count if the key they
// stand under is one that holds output.
func (f *facts) texts(b []byte, i, depth int, counts bool) int {
	if i >= len(b) || depth > maxDepth {
		return ^i
	}
	switch b[i] {
	case '"':
		j := skipString(b, i+1)
		if counts && j > 0 {
			f.content += j - i - 2
		}
		return j
	case '[':
		if i = space(b, i+1); i < len(b) && b[i] == ']' {
			return i + 1
		}
		for {
			if i = f.texts(b, i, depth+1, counts); i < 0 {
				return i
			}
			if i = space(b, i); i >= len(b) || b[i] != ',' && b[i] != ']' {
				return ^i
			}
			if b[i] == ']' {
				return i + 1
			}
			i = space(b, i+1)
		}
	case '{':
		if i = space(b, i+1); i < len(b) && b[i] == '}' {
			return i + 1
		}
		for {
			if i >= len(b) || b[i] != '"' {
				return ^i
			}
			from := i
			if i = skipString(b, i+1); i < 0 {
				return i
			}
			key := b[from+1 : i-1]
			if i = space(b, i); i >= len(b) || b[i] != ':' {
				return ^i
			}
			i = space(b, i+1)
			from = i
			if i = f.texts(b, i, depth+1, holdsOutput(key)); i < 0 {
				return i
			}
			if string(key) == "finish_reason" && b[from] == '"' && i-from > 2 {
				f.finished = true // some upstreams write "" for not yet
			}
			if i = space(b, i); i >= len(b) || b[i] != ',' && b[i] != '}' {
				return ^i
			}
			if b[i] == '}' {
				return i + 1
			}
			i = space(b, i+1)
		}
	}
	return skipValue(b, i, depth, nil)
}

// holdsOutput reports whether a key of a choice holds text that the model
// wrote.
func holdsOutput(key []byte) bool {
	switch string(key) {
	case "content", "text", "arguments", "name", "refusal", "reasoning_content", "reasoning", "thinking":
		return true
	}
	return false
}
