package chat

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Reader implements dialect.Upstream.
func (Dialect) Reader() dialect.Reader {
	r := &reader{call: -1}
	r.On, r.Last = r.event, r.last
	return r
}

type reader struct {
	dialect.Streamed
	call   int64  // index of the tool call that has begun, -1 for none
	callID string // its id
	called bool
	// details are reasoning_details that have come, as the elements of a list: what
	// OpenRouter wants back of the reasoning.
	details []byte
	listed  wire.List
	done    bool // the end marker has come
}

// last ends an answer whose end marker has come without a reason to stop.
func (r *reader) last() {
	if r.done && r.Begun() {
		r.seal()
		r.Stop(dialect.StopEnd, "")
	}
}

// Whole implements dialect.Reader.
func (r *reader) Whole(body []byte, emit func(*dialect.Event)) error {
	r.To = emit
	if err := r.event(nil, body); err != nil {
		return err
	}
	if !r.Begun() {
		return dialect.BadAnswer("the upstream's answer holds no choices")
	}
	r.seal()
	r.Stop(r.stop(""), "")
	return nil
}

func (r *reader) event(_, data []byte) error {
	if string(data) == "[DONE]" {
		r.done = true
		return nil
	}
	v, err := dialect.Data(data)
	if err != nil {
		return err
	}
	var id, model string
	var choices, usage wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "id":
			if !r.Begun() {
				id = m.Text()
			}
		case "model":
			if !r.Begun() {
				model = m.Text()
			}
		case "choices":
			choices = m
		case "usage":
			usage = m
		case "error":
			if m.Said() {
				return dialect.Told(m)
			}
		}
	}
	for c := range choices.Elements() {
		r.Begin(id, model)
		if err := r.choice(c); err != nil {
			return err
		}
	}
	if usage.Kind() == '{' {
		r.Use(usageOf(usage))
	}
	return r.Check()
}

// choice reads the first choice; there are no others, since no client of another dialect
// can ask for them.
func (r *reader) choice(v wire.Value) error {
	var delta, finish wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "index":
			if n, _ := m.Int(); n != 0 {
				return nil
			}
		case "delta", "message":
			if m.Kind() == '{' {
				delta = m
			}
		case "finish_reason":
			finish = m
		case "error":
			if m.Said() {
				return dialect.Told(m)
			}
		}
	}
	if err := r.delta(delta); err != nil {
		return err
	}
	if s := finish.Text(); s != "" {
		if s == "error" {
			return dialect.Told(nil)
		}
		r.seal()
		r.Stop(r.stop(s), "")
	}
	return nil
}

func (r *reader) delta(v wire.Value) error {
	var content, refusal, calls, notes, details wire.Value
	thought := ""
	for key, m := range v.Members() {
		switch string(key) {
		case "content":
			content = m
		case "refusal":
			refusal = m
		case "tool_calls":
			calls = m
		case "annotations":
			notes = m
		case "reasoning_details":
			details = m
		case "reasoning_content", "reasoning": // some say it under both names
			if s := m.Text(); s != "" {
				thought = s
			}
		}
	}
	r.Piece(dialect.Reason, thought)
	for d := range details.Elements() {
		r.details = append(r.listed.Next(r.details), d...)
	}
	if !content.Empty() || refusal.Said() || !calls.Empty() {
		r.seal()
	}
	if content.Kind() == '[' { // Mistral's
		for part := range content.Elements() {
			for t := range part.Get("thinking").Elements() {
				r.Piece(dialect.Reason, t.Get("text").Text())
			}
			r.Piece(dialect.Text, part.Get("text").Text())
		}
	} else {
		r.Piece(dialect.Text, content.Text())
	}
	r.Piece(dialect.Refusal, refusal.Text())
	for n := range notes.Elements() {
		if c := n.Get("url_citation"); c.Said() {
			from, _ := c.Get("start_index").Int()
			to, _ := c.Get("end_index").Int()
			r.Cite(dialect.Citation{
				URL: c.Get("url").Text(), Title: c.Get("title").Text(), Quote: c.Get("content").Text(), From: from, To: to,
			})
		}
	}
	for c := range calls.Elements() {
		if err := r.toolCall(c); err != nil {
			return err
		}
	}
	return nil
}

// seal gives what the upstream wants back of its reasoning, once there is no more of that.
func (r *reader) seal() {
	if r.details != nil {
		r.Seal(dialect.Reasoning{Opaque: string(r.listed.End(r.details)), Origin: dialect.Chat})
		r.details, r.listed = nil, wire.List{}
	}
}

// toolCall reads a tool call or a piece of one.
func (r *reader) toolCall(v wire.Value) error {
	index := int64(-1)
	var id, name, arguments string
	var extra wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "index":
			if n, ok := m.Int(); ok {
				index = n
			}
		case "id":
			id = m.Text()
		case "extra_content":
			extra = m
		case "function":
			for key, m := range m.Members() {
				switch string(key) {
				case "name":
					name = m.Text()
				case "arguments":
					if arguments = m.Text(); m.Kind() == '{' {
						arguments = string(m)
					}
				}
			}
		}
	}
	goesOn := r.Open() == dialect.ToolBegin && (index == r.call || index < 0) && (id == "" || id == r.callID || name == "")
	switch {
	case goesOn:
	case name == "" && arguments == "":
		return nil
	case name == "":
		return dialect.BadAnswer("the upstream mixes the pieces of its tool calls")
	default:
		if extra.Kind() == '{' && id != "" {
			r.Seal(dialect.Reasoning{ID: id, Opaque: string(extra), Origin: dialect.Chat})
		}
		r.Tool(id, name, false)
		r.call, r.callID, r.called = index, id, true
	}
	r.Input(arguments)
	return nil
}

// stop is why the answer ends. Some upstreams say stop where tools are called.
func (r *reader) stop(finish string) dialect.StopReason {
	switch finish {
	case "length", "max_tokens":
		return dialect.StopLength
	case "content_filter":
		return dialect.StopFiltered
	}
	if r.called {
		return dialect.StopTools
	}
	return dialect.StopEnd
}

func usageOf(v wire.Value) dialect.Usage {
	u := dialect.Usage{}
	for key, m := range v.Members() {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			u.Input = dialect.Tokens(m)
			u.Known = true
		case "completion_tokens", "output_tokens":
			u.Output = dialect.Tokens(m)
			u.Known = true
		case "prompt_cache_hit_tokens": // DeepSeek's
			u.CachedInput = max(u.CachedInput, dialect.Tokens(m))
		case "prompt_tokens_details", "input_tokens_details":
			u.CachedInput = max(u.CachedInput, dialect.Tokens(m.Get("cached_tokens")))
			written := dialect.Tokens(m.Get("cache_write_tokens"))
			u.CacheWriteLong = min(dialect.Tokens(m.Get("ephemeral_1h_input_tokens")), written)
			u.CacheWrite = written - u.CacheWriteLong
			u.AudioInput = dialect.Tokens(m.Get("audio_tokens"))
		case "completion_tokens_details", "output_tokens_details":
			u.Reasoning = dialect.Tokens(m.Get("reasoning_tokens"))
			u.AudioOutput = dialect.Tokens(m.Get("audio_tokens"))
		}
	}
	return u
}
