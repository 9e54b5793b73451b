package messages

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Reader implements dialect.Upstream.
func (Dialect) Reader() dialect.Reader {
	r := new(reader)
	r.On = r.event
	return r
}

type reader struct {
	dialect.Streamed
	input  wire.Value // of the tool call that has begun, if it came at once
	pieces bool       // of its input came
	skip   bool       // the block that has begun is none of ours
	counts counts
}

// Whole implements dialect.Reader.
func (r *reader) Whole(body []byte, emit func(*dialect.Event)) error {
	r.To = emit
	v, err := dialect.Data(body)
	if err != nil {
		return err
	}
	if e := v.Get("error"); e.Said() {
		return dialect.Told(e)
	}
	content := v.Get("content")
	if content.Kind() != '[' {
		return dialect.BadAnswer("the upstream's answer holds no content")
	}
	r.start(v)
	for b := range content.Elements() {
		r.begin(b)
		r.end()
	}
	if err := r.Check(); err != nil {
		return err
	}
	r.Stop(reason(v.Get("stop_reason").Text()), v.Get("stop_sequence").Text())
	return nil
}

func (r *reader) event(_, data []byte) error {
	v, err := dialect.Data(data)
	if err != nil {
		return err
	}
	var kind []byte
	var body, usage wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Bytes()
		case "message", "content_block", "delta":
			body = m
		case "usage":
			usage = m
		case "error":
			if m.Said() {
				return dialect.Told(m)
			}
		}
	}
	switch string(kind) {
	case "message_start":
		r.start(body)
	case "content_block_start":
		r.begin(body)
	case "content_block_delta":
		r.delta(body)
	case "content_block_stop":
		r.end()
	case "message_delta":
		if usage.Kind() == '{' {
			r.use(usage)
		}
		if s := body.Get("stop_reason").Text(); s != "" {
			r.Stop(reason(s), body.Get("stop_sequence").Text())
		}
	case "error":
		return dialect.Told(nil)
	}
	return r.Check()
}

func (r *reader) start(v wire.Value) {
	r.Begin(v.Get("id").Text(), v.Get("model").Text())
	if u := v.Get("usage"); u.Kind() == '{' {
		r.use(u)
	}
}

// begin reads the begin of a block, which may hold all of it.
func (r *reader) begin(v wire.Value) {
	var kind, text, id, name, signature, data string
	var citations wire.Value
	r.EndPart()
	r.input, r.pieces, r.skip = nil, false, false
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Text()
		case "text", "thinking":
			text = m.Text()
		case "id":
			id = m.Text()
		case "name":
			name = m.Text()
		case "input":
			r.input = m
		case "signature":
			signature = m.Text()
		case "data":
			data = m.Text()
		case "citations":
			citations = m
		}
	}
	switch kind {
	case "text":
		r.Piece(dialect.Text, text)
		for c := range citations.Elements() {
			r.cite(c)
		}
	case "thinking":
		r.Piece(dialect.Reason, text)
		r.sign(signature)
	case "redacted_thinking":
		r.Seal(dialect.Reasoning{Opaque: data, Origin: dialect.Messages, Hidden: true})
	case "tool_use":
		r.input = append(wire.Value(nil), r.input...) // it outlives the event
		r.Tool(id, name, false)
	default:
		r.skip = true
	}
}

// sign proves the thought that was read.
func (r *reader) sign(signature string) {
	if signature != "" {
		r.Seal(dialect.Reasoning{Opaque: signature, Origin: dialect.Messages})
	}
}

func (r *reader) delta(v wire.Value) {
	if r.skip {
		return
	}
	for key, m := range v.Members() {
		switch string(key) {
		case "text":
			r.Piece(dialect.Text, m.Text())
		case "thinking":
			r.Piece(dialect.Reason, m.Text())
		case "signature":
			r.sign(m.Text())
		case "partial_json":
			if s := m.Text(); s != "" {
				r.pieces = true
				r.Input(s)
			}
		case "citation":
			r.cite(m)
		}
	}
}

// end ends a block. A tool call whose input did not come in pieces has it from its begin.
func (r *reader) end() {
	if r.Open() == dialect.ToolBegin && !r.pieces {
		if r.input == nil {
			r.input = wire.Value("{}")
		}
		r.Input(string(r.input))
	}
	r.EndPart()
}

func (r *reader) cite(v wire.Value) {
	r.Cite(dialect.Citation{URL: v.Get("url").Text(), Title: v.Get("title").Text(), Quote: v.Get("cited_text").Text()})
}

func reason(word string) dialect.StopReason {
	switch word {
	case "stop_sequence":
		return dialect.StopSequence
	case "max_tokens":
		return dialect.StopLength
	case "tool_use":
		return dialect.StopTools
	case "refusal":
		return dialect.StopFiltered
	case "model_context_window_exceeded":
		return dialect.StopContext
	case "pause_turn":
		return dialect.StopPaused
	}
	return dialect.StopEnd
}

// counts are the counts of usage as the dialect has them: what was read from a cache or
// written to one stands beside the input. A later report may leave out what an earlier one
// has told.
type counts struct{ plain, cached, written, short, long, output, thought, searches int64 }

// use takes over a report, and tells of the usage by then.
func (r *reader) use(v wire.Value) {
	c := &r.counts
	for key, m := range v.Members() {
		switch string(key) {
		case "input_tokens":
			later(&c.plain, m)
		case "cache_read_input_tokens":
			later(&c.cached, m)
		case "cache_creation_input_tokens":
			later(&c.written, m)
		case "cache_creation":
			later(&c.short, m.Get("ephemeral_5m_input_tokens"))
			later(&c.long, m.Get("ephemeral_1h_input_tokens"))
		case "output_tokens":
			later(&c.output, m)
		case "output_tokens_details":
			later(&c.thought, m.Get("thinking_tokens"))
		case "server_tool_use":
			later(&c.searches, m.Get("web_search_requests"))
		}
	}
	short := max(c.short, c.written-c.long)
	r.Use(dialect.Usage{Known: true, Input: c.plain + c.cached + short + c.long, CachedInput: c.cached, CacheWrite: short, CacheWriteLong: c.long,
		Output: c.output, Reasoning: c.thought, Searches: c.searches})
}

// later takes over a count, unless it is absent or null.
func later(n *int64, v wire.Value) {
	if v.Said() {
		*n = dialect.Tokens(v)
	}
}
